# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_proof_info against a real HAProxy."""

from __future__ import annotations

import pathlib
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import module, pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.ports import free_port

ROOT = pki.CertificateAuthority("Test Root")
Files = dict[str, pki.IssuedCertificate]


def serve(files: Files, **options: t.Any) -> HaproxyInstance:
    return HaproxyInstance({name: issued.combined_pem for name, issued in files.items()}, **options)


def deployed(haproxy: HaproxyInstance, files: Files) -> list[dict[str, t.Any]]:
    """As certificate_sync returns them."""
    return [
        {
            "name": name.removesuffix(".pem"),
            "path": haproxy.certificate_name(name),
            "action": "updated",
            "fingerprint_sha256": issued.fingerprint_sha256,
            "subject_alternative_names": list(issued.names),
        }
        for name, issued in files.items()
    ]


def prove(haproxy: HaproxyInstance, files: Files, **options: t.Any) -> dict[str, t.Any]:
    args = {
        "certificates": deployed(haproxy, files),
        "config": [str(haproxy.config_path)],
        "delay": 0.05,
        "on_failure": "report",
        **options,
    }
    check, run = (module.run_module("certificate_proof_info", args, check=check) for check in (True, False))
    assert run.result.get("proven") == check.result.get("proven")
    assert not run.result.get("changed")
    return run.result


def only_mismatch(result: dict[str, t.Any]) -> dict[str, t.Any]:
    (mismatch,) = [item for certificate in result["certificates"] for item in certificate["mismatches"]]
    return t.cast("dict[str, t.Any]", mismatch)


def only_unanswered(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """The one question without an answer, and nothing wrong."""
    assert [item for certificate in result["certificates"] for item in certificate["mismatches"]] == []
    (question,) = [item for certificate in result["certificates"] for item in certificate["unanswered"]]
    return t.cast("dict[str, t.Any]", question)


def test_every_name_on_every_listener() -> None:
    files = {
        "a.pem": ROOT.issue(["a.example.com", "www.example.com", "192.0.2.1"]),
        "b.pem": ROOT.issue(["*.b.example.com", "b.example.com"]),
        "i.pem": ROOT.issue("xn--bcher-kva.example"),
    }
    binds = ["crt {certs}", "crt {certs}/b.pem strict-sni", "crt {certs}/a.pem accept-proxy", "crt-list {crt_list}"]
    crt_list = ["{certs}/a.pem !*", "{certs}/b.pem [alpn h2] *.in.example.com !x.in.example.com internal"]
    with serve(files, tls=binds, crt_list=crt_list) as haproxy:
        result = prove(haproxy, files)
        assert (result["proven"], result["not_probed"]) == (True, []), result["msg"]
        assert result["binds"] == [f"127.0.0.1:{port}" for port in haproxy.ports]
        # directory: 2 + 2 + 1 names and the default; b alone: 2; a with a PROXY header: 2 and the default;
        # crt-list: the default, and b by its two filters.
        assert result["probes"] == 6 + 2 + 3 + 3
        assert result["msg"] == "3 of 3 certificates proven on 4 binds."
        assert prove(haproxy, files, max_names=1)["probes"] == (3 + 1) + 1 + 2 + 2


@pytest.mark.parametrize("tls", ["crt {certs}", "crt {certs} strict-sni", "crt-list {crt_list}"])
def test_an_old_certificate_in_memory_is_found_with_both_fingerprints(tls: str) -> None:
    files = {"0.pem": ROOT.issue("first.example.com"), "a.pem": ROOT.issue("a.example.com")}
    with serve(files, tls=[tls], crt_list=["{certs}/0.pem", "{certs}/a.pem"]) as haproxy:
        old = files["a.pem"]
        files["a.pem"] = ROOT.issue("a.example.com")
        haproxy.write_certificate("a.pem", files["a.pem"].combined_pem)
        result = prove(haproxy, files, retries=2)
        assert not result["proven"]
        assert [item["proven"] for item in result["certificates"]] == [True, False]
        assert only_mismatch(result) == {
            "bind": f"127.0.0.1:{haproxy.port}",
            "server_name": "a.example.com",
            "expected_fingerprint_sha256": files["a.pem"].fingerprint_sha256,
            "served_fingerprint_sha256": old.fingerprint_sha256,
            "error": "a certificate that is not deployed now",
        }
        assert old.fingerprint_sha256 in result["msg"]
        assert files["a.pem"].fingerprint_sha256 in result["msg"]
        first_round = 2 + (tls != "crt {certs} strict-sni")
        assert result["probes"] == first_round + 2  # only the unproven one again

        run = module.run_module(
            "certificate_proof_info",
            {"certificates": deployed(haproxy, files), "config": [str(haproxy.config_path)], "retries": 0},
        )
        assert run.failed
        assert run.result["msg"] == result["msg"]
        assert run.result["certificates"] == result["certificates"]

        assert haproxy.reload()
        assert prove(haproxy, files)["proven"]


def test_another_deployed_certificate_in_its_place_is_named() -> None:
    files = {"0.pem": ROOT.issue("first.example.com"), "a.pem": ROOT.issue("a.example.com")}
    with serve(files, tls=["crt-list {crt_list}"], crt_list=["{certs}/0.pem", "{certs}/a.pem"]) as haproxy:
        result = prove(haproxy, files, binds=[f"127.0.0.1:{haproxy.port}"])
        assert result["proven"]
        haproxy.crt_list_path.write_text(f"{haproxy.certs_dir}/0.pem\n")
        assert haproxy.reload()
        result = prove(haproxy, files, binds=[f"127.0.0.1:{haproxy.port}"], retries=0)
        assert only_mismatch(result)["error"] == "another deployed certificate, 0"


def test_a_reload_that_takes_a_moment_is_waited_for() -> None:
    files = {"a.pem": ROOT.issue("a.example.com")}
    with serve(files) as haproxy:
        files["a.pem"] = ROOT.issue("a.example.com")
        haproxy.write_certificate("a.pem", files["a.pem"].combined_pem)

        def reload_later() -> None:
            time.sleep(1)
            haproxy.reload()

        thread = threading.Thread(target=reload_later)
        thread.start()
        args = {"certificates": deployed(haproxy, files), "config": [str(haproxy.config_path)]}
        run = module.run_module("certificate_proof_info", {**args, "retries": 100, "delay": 0.2})
        thread.join()
    assert run.result["proven"]
    assert run.result["probes"] > 2


def test_an_rsa_and_ecdsa_pair_is_proven_one_by_one() -> None:
    files = {
        "ec.pem": ROOT.issue("a.example.com"),
        "rsa.pem": ROOT.issue("a.example.com", key_type="rsa2048"),
        "z.pem": ROOT.issue("z.example.com", key_type="rsa2048"),
    }
    with serve(files, tls=["crt {certs}", "crt {certs} ssl-min-ver TLSv1.3"]) as haproxy:
        assert prove(haproxy, files)["proven"]
        old = files["rsa.pem"]
        files["rsa.pem"] = ROOT.issue("a.example.com", key_type="rsa2048")
        haproxy.write_certificate("rsa.pem", files["rsa.pem"].combined_pem)
        result = prove(haproxy, files, retries=0)
        mismatch = only_mismatch(result)
        assert mismatch["bind"] == f"127.0.0.1:{haproxy.port}"
        assert mismatch["served_fingerprint_sha256"] == old.fingerprint_sha256
        assert mismatch["expected_fingerprint_sha256"] == files["rsa.pem"].fingerprint_sha256


def test_a_shadowed_certificate_is_found() -> None:
    files = {"0.pem": ROOT.issue("shared.example.com"), "1.pem": ROOT.issue("shared.example.com")}
    with serve(files) as haproxy:
        result = prove(haproxy, files, retries=0)
        assert not result["proven"]
        assert result["outcome"] == "shadowed"
        (found,) = [item for certificate in result["certificates"] for item in certificate["shadowed"]]
        assert found["error"].startswith("shadowed")
        shadow = {found["expected_fingerprint_sha256"], found["served_fingerprint_sha256"]}
        assert shadow == {issued.fingerprint_sha256 for issued in files.values()}
        files["1.pem"] = ROOT.issue(["shared.example.com", "own.example.com"])
        haproxy.write_certificate("1.pem", files["1.pem"].combined_pem)
        assert haproxy.reload()
        assert prove(haproxy, files)["proven"]


def test_only_some_are_probed_and_the_others_are_known() -> None:
    files = {"a.pem": ROOT.issue(["a.example.com", "both.example.com"]), "b.pem": ROOT.issue(["b.example.com"])}
    files["c.pem"] = ROOT.issue(["c.example.com", "both.example.com"])
    with serve(files, tls=["crt {certs} strict-sni"]) as haproxy:
        result = prove(haproxy, files, only=["c"])
        assert (result["proven"], result["probes"]) == (True, 2), result["msg"]
        assert [item["name"] for item in result["certificates"]] == ["c"]
        alone = prove(haproxy, {"c.pem": files["c.pem"]}, only=["c"])
        (found,) = alone["certificates"][0]["shadowed"]
        assert found["served_fingerprint_sha256"] == files["a.pem"].fingerprint_sha256
        assert found["path"] == haproxy.certificate_name("a.pem")
        assert prove(haproxy, files, only=[])["probes"] == 0
        wrong = module.run_module("certificate_proof_info", {"certificates": deployed(haproxy, files), "only": ["d"]})
        assert wrong.failed
        assert "d is not among the certificates" in wrong.result["msg"]


def test_a_certificate_that_no_listener_loads() -> None:
    files = {"a.pem": ROOT.issue("a.example.com"), "b.pem": ROOT.issue("b.example.com")}
    with serve(files, tls=["crt {certs}/a.pem"]) as haproxy:
        result = prove(haproxy, files)
        assert not result["proven"]
        assert [item["unreferenced"] for item in result["certificates"]] == [False, True]
        assert result["msg"].endswith("b: no TLS bind of HAProxy loads this file")
        assert prove(haproxy, files, allow_unreferenced=True)["proven"]


def test_a_listener_that_demands_client_certificates() -> None:
    files = {"a.pem": ROOT.issue("a.example.com")}
    client_ca = "ca-file {dir}/ca.pem verify required"
    haproxy = serve(files, tls=[f"crt {{certs}} {client_ca}", f"crt {{certs}} {client_ca} ssl-max-ver TLSv1.2"])
    (haproxy.directory / "ca.pem").write_text(ROOT.certificate_pem)
    with haproxy:
        assert prove(haproxy, files)["proven"]


def test_expired_certificates_are_proven_to_be_served_all_the_same() -> None:
    long_ago = pki.now().replace(year=2020, day=1)
    files = {"a.pem": ROOT.issue("a.example.com", not_before=long_ago, not_after=long_ago.replace(year=2021))}
    with serve(files) as haproxy:
        assert prove(haproxy, files)["proven"]


def test_many_kinds_of_listeners(tmp_path: pathlib.Path) -> None:
    files = {"a.pem": ROOT.issue("a.example.com")}
    with serve(files, tls=()) as haproxy:
        first, second, third, fourth = sorted(free_port() for dummy in range(4))
        haproxy.write_config(
            "defaults elsewhere\n  mode http\n"
            f'frontend more\n  bind "127.0.0.1:{first}",[::1]:{second} ssl crt {haproxy.certs_dir}\n'
            f"  bind *:{third} name 'a name' ssl crt '{haproxy.certs_dir}/a.pem' # comment\n"
            f"  bind ipv6@:{fourth} ssl crt {haproxy.certs_dir}/a.pem\n"
            "  timeout client 5s\n"
            "backend servers\n"
            f"  server s 127.0.0.1:{first} ssl verify none crt {haproxy.certs_dir}/a.pem\n"
        )
        assert haproxy.reload(), haproxy.log
        result = prove(haproxy, files)
    assert result["proven"], result["msg"]
    assert result["binds"] == [f"127.0.0.1:{first}", f"[::1]:{second}", f"127.0.0.1:{third}", f"[::1]:{fourth}"]
    assert [item["reason"] for item in result["not_probed"]] == [
        "is no listener: HAProxy shows the certificate to a server"
    ]


def test_a_named_listener_serves_what_its_configuration_wants() -> None:
    """Another file of the name is no fault of ours, where it is known, and may be none where it is not."""
    files = {"a.pem": ROOT.issue("a.example.com"), "m.pem": ROOT.issue("m.example.com")}
    legacy = ROOT.issue("a.example.com")
    with serve({**files, "0.pem": legacy}, tls=["crt {certs}"]) as haproxy:
        at = [f"127.0.0.1:{haproxy.port}"]

        def outcomes(**options: t.Any) -> list[str]:
            result = prove(haproxy, files, binds=at, retries=0, **options)
            assert not result["proven"]
            return [item["outcome"] for item in result["certificates"]]

        for socket_path in ("", haproxy.socket):
            assert outcomes(socket=socket_path) == ["shadowed", "right"]
        (haproxy.directory / "link").symlink_to(haproxy.directory)
        haproxy.write_config(f"frontend local\n  bind {haproxy.directory}/link/tls.sock ssl crt {haproxy.certs_dir}\n")
        assert haproxy.reload(), haproxy.log
        at[:] = [f"unix@{haproxy.directory}/tls.sock"]
        assert outcomes() == ["shadowed", "right"]
        at[:] = [f"127.0.0.1:{haproxy.port}"]
        assert outcomes(config=[]) == ["unasked", "right"]
        entries = deployed(haproxy, files)
        entries[0]["previous_fingerprint_sha256"] = legacy.fingerprint_sha256
        assert outcomes(config=[], certificates=entries) == ["wrong", "right"]
        wrong = {"a.pem": files["a.pem"], "m.pem": ROOT.issue("x.example.com")}  # none has this name
        result = prove(haproxy, wrong, binds=at, retries=0, config=[])
        assert [item["outcome"] for item in result["certificates"]] == ["unasked", "wrong"]


def test_haproxy_that_is_down_or_silent_is_a_failure_in_bounded_time() -> None:
    files = {"a.pem": ROOT.issue("a.example.com")}
    started = time.monotonic()
    with serve(files) as haproxy:
        haproxy.stop()
        assert only_unanswered(prove(haproxy, files, retries=0, max_names=1, binds=[f"127.0.0.1:{haproxy.port}"])) == {
            "bind": f"127.0.0.1:{haproxy.port}",
            "server_name": "a.example.com",
            "error": "connection refused",
        }
        with socket.create_server(("127.0.0.1", 0)) as listener:
            bind = f"127.0.0.1:{listener.getsockname()[1]}"
            result = prove(haproxy, files, retries=1, timeout=0.5, binds=[bind])
        assert only_unanswered(result)["error"] == "timeout after 0.5 s during handshake"
    assert time.monotonic() - started < 30


def test_a_silent_listener_costs_one_timeout_a_round_for_all_its_names() -> None:
    names = [f"a{number}.example.com" for number in range(200)]
    files = {"a.pem": ROOT.issue(names)}
    started = time.monotonic()
    with serve(files) as haproxy, socket.create_server(("127.0.0.1", 0)) as listener:
        binds = [f"127.0.0.1:{listener.getsockname()[1]}", f"127.0.0.1:{haproxy.port}"]
        result = prove(haproxy, files, retries=1, timeout=1, concurrency=1, binds=binds)
    (certificate,) = result["certificates"]
    assert certificate["outcome"] == "unasked"
    assert [item["server_name"] for item in certificate["unanswered"]] == names
    assert {item["bind"] for item in certificate["unanswered"]} == {binds[0]}
    assert result["probes"] == (1 + 200) + 1
    assert time.monotonic() - started < 30


def test_unix_sockets_and_abstract_ones_are_asked() -> None:
    """With a prefix, with and without the PROXY protocol; one that is not there is a question without an answer."""
    files = {"a.pem": ROOT.issue("a.example.com"), "b.pem": ROOT.issue("b.example.com")}
    name = f"rotation{free_port()}"
    with serve(files, tls=(), extra_global=("unix-bind prefix {dir}/sockets mode 600",)) as haproxy:
        (haproxy.directory / "sockets").mkdir()
        certs = haproxy.certs_dir
        text = (
            f"frontend local\n  bind unix@/tls.sock ssl crt {certs}\n  bind abns@{name} ssl crt {certs}/a.pem\n"
            f"  bind abns@{name}p accept-proxy ssl crt {certs}/b.pem\n"
            f"  bind /proxied.sock accept-proxy ssl crt {certs}\n"
        )
        haproxy.write_config(text)
        assert haproxy.reload(), haproxy.log
        result = prove(haproxy, files, socket=haproxy.socket)
        assert (result["proven"], result["not_probed"]) == (True, []), result["msg"]
        assert [label.partition(" ")[0] for label in result["binds"]] == [
            "unix@/tls.sock",
            f"abns@{name}",
            f"abns@{name}p",
            "/proxied.sock",
        ]
        wrong = {"a.pem": ROOT.issue("a.example.com"), "b.pem": files["b.pem"]}
        result = prove(haproxy, wrong, retries=0)
        assert [item["outcome"] for item in result["certificates"]] == ["wrong", "right"]
        given = [f"unix@{haproxy.directory}/sockets/tls.sock", f"abns@{name}"]
        assert prove(haproxy, {"a.pem": files["a.pem"]}, binds=given)["proven"]
        (haproxy.directory / "sockets/tls.sock").unlink()
        result = prove(haproxy, {"a.pem": files["a.pem"]}, retries=0, binds=given)
        assert only_unanswered(result)["error"] == "no such socket"


def test_an_address_that_this_host_does_not_have_is_not_asked() -> None:
    """As keepalived leaves it on the standby host: HAProxy listens there, and another host answers."""
    files = {"a.pem": ROOT.issue("a.example.com"), "b.pem": ROOT.issue("b.example.com")}
    with serve(files, tls=["crt {certs}/a.pem"]) as haproxy:
        haproxy.write_config(f"frontend vip\n  bind 198.51.100.7:443 transparent ssl crt {haproxy.certs_dir}\n")
        started = time.monotonic()
        result = prove(haproxy, files)
        assert time.monotonic() - started < 30
        assert [item["reason"] for item in result["not_probed"]] == ["is no address of this host now"]
        assert [item["outcome"] for item in result["certificates"]] == ["right", "unasked"]
        assert (result["proven"], result["outcome"]) == (False, "unasked")
        (reason,) = result["certificates"][1]["not_proven_because"]
        assert reason.startswith("198.51.100.7:443")
        assert reason.endswith("is no address of this host now")
        run = module.run_module(
            "certificate_proof_info",
            {"certificates": deployed(haproxy, files), "config": [str(haproxy.config_path)]},
        )
        assert not run.failed
        assert "1 of 2 certificates are not proven, because" in str(run.result["warnings"])


def test_a_question_without_an_answer_fails_unless_it_is_to_be_a_warning() -> None:
    files = {"a.pem": ROOT.issue("a.example.com")}
    with serve(files, tls=["crt {certs}", "crt {certs}"]) as haproxy:
        haproxy.write_config()
        text = haproxy.config_path.read_text().replace(f":{haproxy.ports[1]} ssl", f":{free_port()} ssl")
        haproxy.config_path.write_text(text)
        args = {"certificates": deployed(haproxy, files), "config": [str(haproxy.config_path)], "delay": 0.05}
        failed = module.run_module("certificate_proof_info", args)
        assert failed.failed
        assert "1 of 1 certificates are not proven, because" in failed.result["msg"]
        assert "connection refused" in failed.result["msg"]
        lax = module.run_module("certificate_proof_info", {**args, "on_unproven": "warn"})
        assert not lax.failed
        assert "connection refused" in str(lax.result["warnings"])
        assert (lax.result["proven"], lax.result["outcome"]) == (False, "unasked")


def test_expect_proxy_from_some_clients() -> None:
    files = {"a.pem": ROOT.issue("a.example.com")}
    with serve(files) as haproxy:
        for condition in ("", " if { src 127.0.0.1 }", " if { src 192.0.2.1 }"):
            haproxy.write_config()
            config = haproxy.config_path.read_text()
            rule = f"frontend tls\n    tcp-request connection expect-proxy layer4{condition}\n"
            haproxy.config_path.write_text(config.replace("frontend tls\n", rule))
            assert haproxy.reload()
            assert prove(haproxy, files)["proven"], condition


@pytest.mark.usefixtures("haproxy_version")
def test_a_certificate_added_at_run_time_is_not_the_default_one() -> None:
    """It sorts first in its directory, and the process still answers without SNI as it did from its start."""
    files = {"m.pem": ROOT.issue("m.example.com"), "n.pem": ROOT.issue("n.example.com")}
    with serve(
        files, tls=["crt {certs}", "crt-list {crt_list}"], crt_list=["{certs}/m.pem", "{certs}/n.pem"]
    ) as haproxy:
        issued = ROOT.issue("a.example.com")
        name = haproxy.write_certificate("a.pem", issued.combined_pem)
        args = {
            "socket": haproxy.socket,
            "certificates": [{"src": name, "state": "present"}],
            "crt_list": str(haproxy.certs_dir),
        }
        added = module.run_module("haproxy_certificate", args)
        assert added.result["certificates"][0]["action"] == "added"
        haproxy.write_certificate("0-foreign.pem", ROOT.issue("m.example.com").combined_pem)
        files["a.pem"] = issued
        result = prove(haproxy, files, socket=haproxy.socket)
        assert (result["proven"], result["outcome"]) == (True, "right"), result["msg"]
        # Directory: three names and the default; crt-list: two names and the default.
        assert result["probes"] == 4 + 3

        # Without the socket nobody knows the default one, and nothing is made wrong by a guess.
        blind = prove(haproxy, files, retries=0)
        assert (blind["proven"], blind["outcome"]) == (True, "right"), blind["msg"]

        # The default one is found to be wrong all the same.
        result = prove(haproxy, {**files, "m.pem": ROOT.issue("m.example.com")}, socket=haproxy.socket, retries=0)
        (certificate,) = [item for item in result["certificates"] if item["outcome"] == "wrong"]
        assert {item["server_name"] for item in certificate["mismatches"]} == {"m.example.com", ""}

        # A file that is gone is still loaded, and one that is only on disk is not.
        (haproxy.certs_dir / "n.pem").unlink()
        foreign = ROOT.issue("x.example.com")
        haproxy.write_certificate("x.pem", foreign.combined_pem)
        both = deployed(haproxy, {"n.pem": files["n.pem"], "x.pem": foreign})
        known = [{**item, "key_type": "ecdsa"} for item in both]
        result = prove(haproxy, {}, certificates=known, socket=haproxy.socket)
        assert [item["outcome"] for item in result["certificates"]] == ["right", "unasked"]
        assert result["certificates"][1]["unreferenced"]

        # After a reload the disk counts.
        haproxy.crt_list_path.write_text(f"{haproxy.certs_dir}/m.pem\n")
        (haproxy.certs_dir / "0-foreign.pem").unlink()
        assert haproxy.reload()
        now = {"a.pem": issued, "m.pem": files["m.pem"], "x.pem": foreign}
        for how in ({"socket": haproxy.socket}, {"reloaded": True}):
            result = prove(haproxy, now, **how)
            assert (result["proven"], result["probes"]) == (True, 4 + 2), result["msg"]
        result = prove(haproxy, {**now, "a.pem": ROOT.issue("other.example.com")}, reloaded=True, retries=0)
        assert "" in {item["server_name"] for item in result["certificates"][0]["mismatches"]}


@pytest.mark.usefixtures("haproxy_version")
def test_odd_names_do_not_end_the_proof() -> None:
    long = f"*.{'.'.join(['a' * 59] * 4)}"
    odd = [
        "w*.odd.example.com",
        "*.*.odd.example.com",
        "dot.example.com.",
        "em..example.com",
        f"{'b' * 64}.example.com",
    ]
    files = {
        "0.pem": ROOT.issue("default.example.com"),
        "a.pem": ROOT.issue([*odd, "A_b.example.com", long, "xn--bcher-kva.example"]),
        "b.pem": ROOT.issue("b.example.com"),
        "o.pem": ROOT.issue(odd),
    }
    crt_list = ["{certs}/0.pem", "{certs}/a.pem", "{certs}/b.pem *.other.* b.example.com *", "{certs}/o.pem"]
    assert len(long) == 241
    with serve(files, tls=["crt {certs}", "crt-list {crt_list}"], crt_list=crt_list) as haproxy:
        result = prove(haproxy, files, socket=haproxy.socket)
        assert [item["outcome"] for item in result["certificates"]] == ["right", "right", "right", "unasked"], result[
            "msg"
        ]
        by_name = {item["name"]: item for item in result["certificates"]}
        assert {item["server_name"] for item in by_name["a"]["unasked"]} == set(odd)
        assert [item["server_name"] for item in by_name["b"]["unasked"]] == ["*.other.*"]
        run = module.run_module(
            "certificate_proof_info", {"certificates": deployed(haproxy, files), "config": [str(haproxy.config_path)]}
        )
        assert not run.failed, run.result["msg"]


def test_what_a_user_gets_wrong() -> None:
    files = {"a.pem": ROOT.issue("a.example.com")}
    with serve(files) as haproxy:
        (item,) = deployed(haproxy, files)
        for args, complaint in (
            ({"config": ["/absent/haproxy.cfg"]}, "Cannot read /absent/haproxy.cfg"),
            ({"binds": ["127.0.0.1"]}, "give address:port"),
            ({"binds": ["fd@3"]}, "is an inherited file descriptor"),
            ({"retries": -1}, "must not be negative"),
            ({"certificates": [{"name": "a", "path": "/x"}]}, "needs path and fingerprint_sha256"),
            ({"certificates": [{**item, "path": "/absent/a.pem"}]}, "Cannot read /absent/a.pem"),
            ({"certificates": [{**item, "path": str(haproxy.config_path)}]}, "haproxy.cfg: The file holds no cert"),
        ):
            assert complaint in prove(haproxy, files, **args)["msg"]
        unreadable = {**item, "name": "u", "path": "/absent/a.pem"}
        del unreadable["subject_alternative_names"]
        result = prove(haproxy, files, certificates=[unreadable, {**item, "name": "a"}])
        assert {one["name"]: one["outcome"] for one in result["certificates"]} == {"a": "right", "u": "unasked"}
        assert not result["proven"]
        nothing = [{**item, "action": "removed"}, {"name": "b", "action": "refused", "fingerprint_sha256": None}]
        result = prove(haproxy, files, certificates=nothing)
        assert (result["proven"], result["probes"], result["certificates"]) == (True, 0, [])


def test_facts_that_are_missing_come_from_the_file() -> None:
    files = {"a.pem": ROOT.issue(["a.example.com", "b.example.com"])}
    with serve(files) as haproxy:
        fields = ("path", "fingerprint_sha256")
        bare = [{name: item[name] for name in fields} for item in deployed(haproxy, files)]
        result = prove(haproxy, files, certificates=bare)
    assert (result["proven"], result["probes"]) == (True, 3)


def test_a_thousand_certificates() -> None:
    key = pki.shared_key()
    files = {f"{number:04}.pem": ROOT.issue(f"c{number}.example.com", key=key) for number in range(1000)}
    with serve(files) as haproxy:
        args = {"certificates": deployed(haproxy, files), "config": [str(haproxy.config_path)]}
        result = module.run_module("certificate_proof_info", args).result
    assert (result["proven"], result["probes"]) == (True, 1001)
