# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One file with several names in a real HAProxy, one certificate in several lists, and whose line is whose."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import actions, deploy, info, memory, served
from ansible_collections.certops.rotation.tests.support.lying_socket import LyingSocket

pytestmark = pytest.mark.usefixtures("haproxy_version")


@pytest.fixture
def linked(intermediate: pki.CertificateAuthority) -> t.Iterator[HaproxyInstance]:
    """One directory by two paths, a link in it, and both in a crt-list by relative paths below a crt-base.

    The ports: the directory, the directory by a link, the crt-list.
    """
    instance = HaproxyInstance(
        {"b.pem": intermediate.issue("b.example.com").combined_pem},
        tls=["crt {certs}/", "crt {dir}/linked", "crt-list {crt_list}"],
        crt_list=["_default.pem", "b.pem [alpn h2] b.example.com"],
        extra_global=["crt-base {certs}"],
    )
    (instance.certs_dir / "_default.pem").symlink_to("web_www.pem")
    (instance.directory / "linked").symlink_to("certs")
    instance.write_certificate("web_www.pem", intermediate.issue("www.example.com").combined_pem)
    with instance:
        yield instance


def held(instance: HaproxyInstance) -> list[str]:
    """HAProxy 3.2 forgets from which file a certificate came when it is used in a crt-list again."""
    return [line for line in memory(instance).splitlines() if " filename: " not in line]


def configured(instance: HaproxyInstance) -> dict[str, t.Any]:
    return {"config": [str(instance.config_path)]}


def test_all_names_are_updated_and_removed_together(
    linked: HaproxyInstance, intermediate: pki.CertificateAuthority
) -> None:
    names = {
        f"{linked.directory}/{name}"
        for name in ("certs/_default.pem", "certs/web_www.pem", "linked/_default.pem", "linked/web_www.pem")
    }
    renewed = intermediate.issue("www.example.com")
    src = linked.write_certificate("web_www.pem", renewed.combined_pem)
    for item in ({"src": src}, {"name": f"{linked.directory}/linked/_default.pem", "content": renewed.combined_pem}):
        check = deploy(linked, item, check=True)
        assert actions(check) == (["updated"] if "src" in item else ["unchanged"]), check.output
        run = deploy(linked, item)
        assert actions(run) == actions(check)
        assert set(run.result["certificates"][0]["names"]) == names
        for port in linked.ports:
            assert served(linked, None, port) == served(linked, "www.example.com", port) == renewed.fingerprint_sha256
    described = info(linked, names=[src])["certificates"]
    assert {item["name"] for item in described} == set(described[0]["names"]) == names

    # The default certificate of a listener cannot go: then none of its names does.
    before = held(linked), linked.execute(f"show ssl crt-list {linked.certs_dir}"), linked.crt_list_path.read_text()
    run = deploy(linked, {"src": src}, state="absent", **configured(linked))
    assert run.result["certificates"][0]["error_code"] == "in_use", run.output
    assert held(linked) == before[0]
    assert sorted(linked.execute(f"show ssl crt-list {linked.certs_dir}").split()) == sorted(before[1].split())
    assert linked.crt_list_path.read_text() == before[2]

    # b.pem is none of them.
    item = {"src": linked.certificate_name("b.pem")}
    assert actions(deploy(linked, item, state="absent", check=True, **configured(linked))) == ["removed"]
    run = deploy(linked, item, state="absent", **configured(linked))
    assert actions(run) == ["removed"], run.output
    assert run.result["certificates"][0]["names"] == [item["src"], f"{linked.directory}/linked/b.pem"]
    assert "/b.pem" not in linked.execute("show ssl cert")
    assert linked.crt_list_path.read_text() == "_default.pem\n"
    (linked.certs_dir / "b.pem").unlink()
    assert actions(deploy(linked, item, state="absent", **configured(linked))) == ["unchanged"]
    # A link that is left behind would keep HAProxy from starting.
    link = linked.certs_dir / "c.pem"
    link.symlink_to("b.pem")
    linked.write_certificate("b.pem", renewed.combined_pem)
    assert linked.reload()
    (linked.certs_dir / "b.pem").unlink()
    run = deploy(linked, item, state="absent", **configured(linked))
    assert actions(run) == ["removed"], run.output
    assert f"{link}, {linked.directory}/linked/c.pem leads to nothing now" in run.output
    link.unlink()
    assert linked.reload()


def test_a_new_certificate_goes_to_every_path_of_its_directory(
    linked: HaproxyInstance, intermediate: pki.CertificateAuthority
) -> None:
    new = intermediate.issue("new.example.com")
    src = linked.write_certificate("new.pem", new.combined_pem)
    item = {"src": src, "crt_list": str(linked.crt_list_path)}
    assert actions(deploy(linked, item, check=True, **configured(linked))) == ["added"]
    run = deploy(linked, item, **configured(linked))
    assert actions(run) == ["added"], run.output
    assert run.result["certificates"][0]["names"] == [src, f"{linked.directory}/linked/new.pem"]
    for port in linked.ports:
        assert served(linked, "new.example.com", port) == new.fingerprint_sha256
    assert linked.crt_list_path.read_text().splitlines()[-1] == src
    for check in (True, False):
        assert actions(deploy(linked, item, check=check, **configured(linked))) == ["unchanged"]
    # A run that was killed in the middle: one of the two paths lacks it.
    linked.execute(f"del ssl crt-list {linked.directory}/linked {linked.directory}/linked/new.pem")
    linked.execute(f"del ssl cert {linked.directory}/linked/new.pem")
    assert actions(deploy(linked, {"src": src}, check=True)) == actions(deploy(linked, {"src": src})) == ["updated"]
    assert served(linked, "new.example.com", linked.ports[1]) == new.fingerprint_sha256
    assert linked.reload()
    assert actions(deploy(linked, item, **configured(linked))) == ["unchanged"]


@pytest.mark.parametrize("with_config", [True, False])
def test_lines_are_matched_by_the_file_that_they_load(
    intermediate: pki.CertificateAuthority, with_config: bool
) -> None:
    """D/tenant/www.pem is not the www.pem of crt-base D, though its path ends like that."""
    instance = HaproxyInstance(
        {"a.pem": intermediate.issue("a.example.com").combined_pem},
        tls=["crt-list {crt_list}"],
        crt_list=["# ours", "a.pem", "www.pem [alpn h2] www.example.com", ""],
        extra_global=["crt-base {certs}"],
    )
    instance.write_certificate("www.pem", intermediate.issue("www.example.com").combined_pem)
    (instance.certs_dir / "tenant").mkdir()
    with instance:
        tenant = intermediate.issue("tenant.example.com")
        item = {"src": instance.write_certificate("tenant/www.pem", tenant.combined_pem)}
        options = {"crt_list": str(instance.crt_list_path), **(configured(instance) if with_config else {})}
        before = instance.crt_list_path.read_text()
        assert actions(deploy(instance, item, **options)) == ["added"]
        assert instance.crt_list_path.read_text() == f"{before}{item['src']}\n"
        assert actions(deploy(instance, item, **options)) == ["unchanged"]
        assert instance.reload()
        assert served(instance, "tenant.example.com") == tenant.fingerprint_sha256
        run = deploy(instance, item, state="absent", **options)
        assert actions(run) == ["removed"], run.output
        assert instance.crt_list_path.read_text() == before
        pathlib.Path(item["src"]).unlink()
        assert instance.reload()
        # And the other one is found by its relative line.
        item = {"src": instance.certificate_name("www.pem")}
        assert actions(deploy(instance, item, state="absent", **options)) == ["removed"]
        assert instance.crt_list_path.read_text() == "# ours\na.pem\n\n"


def test_a_name_that_fails_takes_the_others_back(intermediate: pki.CertificateAuthority, haproxy_version: str) -> None:
    """HAProxy takes the first name, and not the second one: then the first gets what it had, if that is known."""
    first, renewed = intermediate.issue("a.example.com"), intermediate.issue("a.example.com")
    instance = HaproxyInstance({"a.pem": first.combined_pem}, tls=["crt {certs}/a.pem crt {dir}/b.pem"])
    (instance.directory / "b.pem").symlink_to("certs/a.pem")
    versions = instance.certs_dir / ".certops/versions"
    versions.mkdir(parents=True)

    def refuse_the_second(request: str) -> str | None:
        return "No.\n" if request.startswith(f"set ssl cert {instance.directory}/b.pem") else None

    with instance, LyingSocket(instance.directory / "l.sock", refuse_the_second, instance.socket) as proxy:
        src = instance.write_certificate("a.pem", renewed.combined_pem)
        before = memory(instance)
        for kept in (True, False):
            (versions / "a~1.pem").write_text(first.combined_pem if kept else renewed.combined_pem)
            run = deploy(instance, {"src": src}, socket=proxy.address)
            result = run.result["certificates"][0]
            assert (result["action"], result["error_code"]) == ("failed", "refused"), run.output
            assert f"{instance.directory}/b.pem failed, which is the same file as {src}" in result["message"]
            if kept or haproxy_version == "3.2":  # which tells what it holds
                assert "are as they were" in result["message"]
                assert memory(instance) == before
            else:
                assert f"{src} could not be put back" in result["message"]
        assert actions(deploy(instance, {"src": src})) == ["updated"]
        assert served(instance, "a.example.com") == renewed.fingerprint_sha256


class WithStore(HaproxyInstance):
    """Paths relative to the configuration's directory; from 3.0 on also a crt-store."""

    def write_config(self, extra: str = "") -> None:
        super().write_config(extra)
        if any("@web/www" in tls for tls in self._tls):
            text = self.config_path.read_text()
            store = f"crt-store web\n    crt-base {self.certs_dir}\n    load crt a.pem alias www\n"
            self.config_path.write_text(text.replace("defaults\n", f"{store}defaults\n", 1))


def test_names_that_only_the_configuration_tells(intermediate: pki.CertificateAuthority, haproxy_version: str) -> None:
    names = ["certs/a.pem", *(["@web/www"] if haproxy_version >= "3.0" else [])]
    instance = WithStore(
        {"a.pem": intermediate.issue("a.example.com").combined_pem},
        tls=[f"crt {name}" for name in names],
        extra_global=["default-path config"],
    )
    with instance:
        renewed = intermediate.issue("a.example.com")
        item = {"src": instance.write_certificate("a.pem", renewed.combined_pem)}
        assert deploy(instance, item).result["certificates"][0]["error_code"] == "crt_list_required"
        assert actions(deploy(instance, item, check=True, **configured(instance))) == ["updated"]
        run = deploy(instance, item, **configured(instance))
        assert actions(run) == ["updated"], run.output
        assert sorted(run.result["certificates"][0]["names"]) == sorted(names)
        for port in instance.ports:
            assert served(instance, "a.example.com", port) == renewed.fingerprint_sha256
        assert actions(deploy(instance, item, **configured(instance))) == ["unchanged"]
        described = info(instance, names=[item["src"]], **configured(instance))["certificates"]
        assert [one["name"] for one in described] == [one["names"][0] for one in described]
        assert sorted(described[0]["names"]) == sorted(names)


def test_a_name_that_looks_like_the_line_of_another(intermediate: pki.CertificateAuthority) -> None:
    """HAProxy takes what follows a colon for the number of a line: b.pem would go instead."""
    names = ("a.pem", "b.pem", "b.pem:1")
    issued = {name: intermediate.issue(f"{name[0]}{len(name)}.example.com") for name in names}
    with HaproxyInstance({name: one.combined_pem for name, one in issued.items()}) as instance:
        run = deploy(instance, {"name": instance.certificate_name("b.pem:1")}, state="absent")
        assert run.result["certificates"][0]["error_code"] == "reload_required", run.output
        assert run.result["needs_reload"]
        for one in issued.values():
            assert served(instance, one.names[0]) == one.fingerprint_sha256
        assert instance.execute("show ssl cert").count(".pem") == 3
