# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_registry and endpoint_registry_info, as tasks call them."""

from __future__ import annotations

import hashlib
import json
import pathlib
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import isoformat_utc
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointSelection
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.seen import seen_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import Sighting
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.sql_registry import SqlRegistry
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.databases import PASSWORD, mariadb_server, postgresql_server
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from cryptography.hazmat.primitives.serialization import Encoding

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
MAIL = {"name": "mail", "host": "mail.example.com", "port": 25, "starttls": "smtp", "tags": {"team": "post"}}


class Watched:
    """A registry of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *, check: bool = False, fails: bool = False, **options: t.Any) -> dict[str, t.Any]:
        return self._run("endpoint_registry", options, check, fails)

    def info(self, *, check: bool = False, fails: bool = False, **options: t.Any) -> dict[str, t.Any]:
        return self._run("endpoint_registry_info", options, check, fails)

    def _run(self, module: str, options: dict[str, t.Any], check: bool, fails: bool) -> dict[str, t.Any]:
        run: ModuleRun = run_module(module, {"database_url": self.url, **options}, check=check)
        assert run.failed == fails, run.result
        assert PASSWORD not in run.output
        return run.result

    def check_run_check_run(self, **options: t.Any) -> dict[str, t.Any]:
        """The result of the first run, which the check before it has predicted, and after which nothing changes."""
        predicted, done = self.run(check=True, **options), self.run(**options)
        assert predicted == done
        assert done["changed"]
        for check in (True, False):
            again = self.run(check=check, **options)
            assert not again["changed"], again
            assert again["endpoints"] == []
        return done

    @property
    def names(self) -> list[str]:
        return [f"{each}" for each in SqlRegistry(self.url).endpoints(EndpointSelection())]

    def scan(self, day: float, host: str, *leaves: pki.IssuedCertificate, **fields: t.Any) -> list[str]:
        """day: from now on."""
        chain = tuple(seen_certificate(leaf.certificate.public_bytes(Encoding.DER)) for leaf in leaves)
        at = NOW + day * DAY
        fields = {"trusted": True, "needed_until": NOW + 60 * DAY, "protocol": "TLSv1.3", **fields} if chain else fields
        sighting = Sighting((host, 443), "192.0.2.1", at, chain, **fields)
        return [event.kind for event in SqlRegistry(self.url).record([sighting], WatchPolicy(), at)]


@pytest.fixture
def watched(tmp_path: pathlib.Path) -> Watched:
    return Watched(f"sqlite:///{tmp_path}/monitor/endpoints.db")


@pytest.fixture(scope="module")
def authority() -> pki.CertificateAuthority:
    return pki.CertificateAuthority()


# endpoint_registry


def test_endpoints_are_added_and_changed(watched: Watched, tmp_path: pathlib.Path) -> None:
    done = watched.check_run_check_run(endpoints=["WWW.Example.com.", MAIL, "[2001:DB8::1]:8443", "müller.example:444"])
    assert (done["added"], done["changed_endpoints"], done["removed"], done["registered"]) == (4, 0, 0, 4)
    assert done["endpoints"][0] == {
        "action": "added",
        "name": "www.example.com",
        "host": "www.example.com",
        "port": 443,
        "server_name": None,
        "starttls": None,
        "address": None,
        "proxy_protocol": False,
        "enabled": True,
        "tags": {},
    }
    assert [(each["host"], each["port"]) for each in done["endpoints"][1:]] == [
        ("mail.example.com", 25),
        ("2001:db8::1", 8443),
        ("xn--mller-kva.example", 444),
    ]
    assert "mail.example.com:25 name=mail starttls=smtp tags={'team': 'post'}\n" in done["diff"]["after"]
    assert done["diff"]["before"] == ""
    changed = watched.check_run_check_run(endpoints=[{**MAIL, "name": "post", "enabled": "no", "port": "25"}])
    assert (changed["added"], changed["changed_endpoints"], changed["registered"]) == (0, 1, 4)
    assert [(each["action"], each["name"], each["enabled"]) for each in changed["endpoints"]] == [
        ("changed", "post", False)
    ]
    assert changed["diff"]["before"] == "mail.example.com:25 name=mail starttls=smtp tags={'team': 'post'}\n"
    assert (tmp_path / "monitor").stat().st_mode & 0o777 == 0o700


def test_check_mode_makes_no_file(watched: Watched, tmp_path: pathlib.Path) -> None:
    assert watched.run(check=True, endpoints=["www.example.com"], retention="1d")["changed"]
    assert list(tmp_path.iterdir()) == []


def test_one_bad_entry_stops_no_other(watched: Watched, tmp_path: pathlib.Path) -> None:
    """Wrong ones in every way; each is named, with what is wrong."""
    bad: list[t.Any] = [
        {"name": "n" * 65, "host": "a.example.com"},
        "a" * 257,
        "a.example.com:0",
        "*.example.com",
        {"name": "nowhere"},
        {"host": "b.example.com", "colour": "red"},
        {"host": "b.example.com", "starttls": "gopher"},
        7,
    ]
    for check in (True, False, True, False):
        result = watched.run(
            check=check, fails=True, endpoints=["www.example.com", *bad], import_files=[str(tmp_path / "missing")]
        )
        for number in range(len(bad)):
            assert f"endpoints[{number + 1}]" in " ".join(result["refused"])
        assert "more than 64 characters" in result["refused"][0]
        assert "missing cannot be imported: No such file" in result["refused"][-1]
        assert result["msg"].startswith("Not registered, while all others are: endpoints[1]")
    assert watched.names == ["www.example.com:443"]


def test_two_of_the_same_host_and_port(watched: Watched) -> None:
    """Which of them counts nobody can tell; the same twice is no error, nor is one that is registered already."""
    watched.run(endpoints=["other.example.com"])
    endpoints = [{"host": "a.example.com", "name": "one"}, "b.example.com", {"host": "A.example.com.", "name": "two"}]
    result = watched.run(fails=True, endpoints=[*endpoints, "b.example.com:443", "other.example.com"])
    assert "endpoints[0]: a.example.com:443 is also in endpoints[2], which says something else" in result["msg"]
    assert watched.names == ["b.example.com:443", "other.example.com:443"]


def test_absent(watched: Watched) -> None:
    watched.run(endpoints=["www.example.com", MAIL])
    done = watched.check_run_check_run(endpoints=["MAIL.example.com:25", "never.example.com"], state="absent")
    assert (done["removed"], done["registered"]) == (1, 1)
    assert [(each["action"], each["name"]) for each in done["endpoints"]] == [("removed", "mail")]
    assert watched.names == ["www.example.com:443"]
    assert "contradicts" in watched.run(fails=True, state="absent", prune=True)["msg"]


def test_prune(watched: Watched, tmp_path: pathlib.Path) -> None:
    watched.run(endpoints=["www.example.com", MAIL, "old.example.com"])
    file = tmp_path / "list.csv"
    file.write_text("host,port\nwww.example.com,443\nnew.example.com,443\n,443\n")
    options: dict[str, t.Any] = {"endpoints": [MAIL], "import_files": [str(file)], "prune": True}
    unsure = watched.run(**options)
    assert (unsure["added"], unsure["removed"]) == (1, 0), "what cannot be read may be one that is to stay"
    assert "prune has removed nothing" in " ".join(map(str, unsure["warnings"]))
    refused = watched.run(fails=True, endpoints=[MAIL, "*.example.com"], prune=True)
    assert refused["removed"] == 0
    file.write_text("host,port\nwww.example.com,443\nnew.example.com,443\n")
    done = watched.check_run_check_run(**options)
    assert [(each["action"], each["host"]) for each in done["endpoints"]] == [("removed", "old.example.com")]
    assert "prune would remove all 3 endpoints" in watched.run(fails=True, endpoints=[], prune=True)["msg"]
    assert len(watched.names) == 3


def test_imports(watched: Watched, tmp_path: pathlib.Path) -> None:
    """What is given comes before what is imported."""
    crtsh = tmp_path / "crtsh.json"
    crtsh.write_text(json.dumps([{"name_value": "www.example.com\n*.example.com", "not_after": "2999-01-01T00:00:00"}]))
    table = tmp_path / "table.csv"
    table.write_text("name,host,port\nmail2,mail.example.com,25\nshop,shop.example.com,\n")
    files = [{"path": str(crtsh), "format": "crtsh", "tags": {"found": "ct"}}, str(table)]
    done = watched.check_run_check_run(endpoints=[MAIL], import_files=files)
    found = {each["host"]: (each["name"], each["tags"]) for each in done["endpoints"]}
    assert found == {
        "mail.example.com": ("mail", {"team": "post"}),
        "shop.example.com": ("shop", {}),
        "www.example.com": ("www.example.com", {"found": "ct"}),
    }
    assert "format is one of" in watched.run(fails=True, import_files=[{"path": "x", "format": "xml"}])["msg"]


def test_ten_thousand_endpoints(watched: Watched, tmp_path: pathlib.Path) -> None:
    """They do not pass through Ansible's output."""
    file = tmp_path / "many.csv"
    file.write_text("host\n" + "".join(f"{number}.example.com\n" for number in range(10_000)))
    done = watched.run(import_files=[str(file)])
    assert (done["added"], done["registered"], len(done["endpoints"])) == (10_000, 10_000, 100)
    assert done["diff"]["after"].endswith("and 9900 more\n")
    assert len(json.dumps(done)) < 100_000
    told = watched.info()
    assert (told["total"], len(told["endpoints"])) == (10_000, 100)


def test_retention(watched: Watched, authority: pki.CertificateAuthority) -> None:
    watched.run(endpoints=["www.example.com"])
    first, second = (authority.issue("www.example.com") for _number in range(2))
    watched.scan(-400, "www.example.com", first)
    watched.scan(-300, "www.example.com", second)
    assert watched.run(retention="500d")["forgotten"] == 0
    done = watched.check_run_check_run(retention="350d")
    assert done["forgotten"] == 3, "an interval, its event and its certificate"
    (endpoint,) = watched.info(history=True)["endpoints"]
    assert [each["fingerprint_sha256"] for each in endpoint["history"]] == [second.fingerprint_sha256]
    for wrong in ("0", "-1d", "5"):
        assert "retention" in watched.run(fails=True, retention=wrong)["msg"]


def test_deployments(watched: Watched) -> None:
    """When they were read is kept, and is no change."""
    of_web1 = {
        "host": "web1",
        "certificate": "a.pem",
        "layers": {"file": "aa" * 32},
        "endpoints": ["a.example.com:443"],
    }
    of_web2 = {**of_web1, "host": "web2", "layers": {"file": None, "wire": "bb" * 32}, "endpoints": []}
    done = watched.check_run_check_run(deployments=[of_web1, of_web2])
    assert done["deployments_changed"] == ["web1", "web2"]
    watched.run(deployments=[{**of_web1, "at": "2026-01-01T00:00:00Z"}])
    found = {each.host: each for each in SqlRegistry(watched.url).deployments()}
    assert (isoformat_utc(found["web1"].at), found["web1"].endpoints) == (
        "2026-01-01T00:00:00Z",
        (("a.example.com", 443),),
    )
    assert watched.check_run_check_run(deployments=[{**of_web1, "certificate": "b.pem"}])["deployments_changed"] == [
        "web1"
    ]
    assert watched.check_run_check_run(deployments=[{"host": "web1"}])["deployments_changed"] == ["web1"]
    assert [each.host for each in SqlRegistry(watched.url).deployments()] == ["web2"]
    for wrong in (
        {**of_web1, "host": ""},
        {"host": ""},
        {"certificate": "a.pem"},
        {**of_web1, "layers": {"file": "AA" * 32}},
        {**of_web1, "layers": {"cloud": None}},
        {**of_web1, "at": "yesterday"},
        {**of_web1, "colour": "red"},
        {**of_web1, "endpoints": ["a.example.com:0"]},
    ):
        assert "deployments[0]" in watched.run(fails=True, deployments=[wrong])["msg"]


# endpoint_registry_info


def test_all_that_is_known(watched: Watched, authority: pki.CertificateAuthority) -> None:
    """The current certificate is the newest one, whatever there was; each has its dates, fingerprints and PEM."""
    watched.run(endpoints=[{"host": "www.example.com", "name": "shop"}, MAIL])
    first, second = (authority.issue("www.example.com") for _number in range(2))
    assert watched.scan(-2, "www.example.com", first) == ["new"]
    assert "replaced_early" in watched.scan(-1, "www.example.com", second)
    assert watched.scan(0, "www.example.com", second) == []
    told = watched.info(names=["shop"], history=True)
    (endpoint,) = told["endpoints"]
    der = second.certificate.public_bytes(Encoding.DER)
    assert (endpoint["name"], endpoint["condition"], endpoint["error"]) == ("shop", "good", None)
    assert endpoint["last_seen"] == isoformat_utc(NOW)
    (address,) = endpoint["addresses"]
    expected = {
        "address": "192.0.2.1",
        "condition": "good",
        "served": True,
        "since": isoformat_utc(NOW - DAY),
        "last_seen": isoformat_utc(NOW),
        "failures": 0,
        "fingerprint_sha256": hashlib.sha256(der).hexdigest(),
        "fingerprint_sha1": hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        "fingerprint_md5": hashlib.md5(der, usedforsecurity=False).hexdigest(),
        "not_before": isoformat_utc(second.certificate.not_valid_before_utc),
        "not_after": isoformat_utc(second.certificate.not_valid_after_utc),
        "subject_alternative_names": ["www.example.com"],
        "trusted": True,
        "error": None,
        "protocol": "TLSv1.3",
        "needed_until": isoformat_utc(NOW + 60 * DAY),
        "pem": pki.certificate_pem(second.certificate),
    }
    assert {name: address[name] for name in expected} == expected
    assert [each["fingerprint_sha256"] for each in address["chain"]] == [second.fingerprint_sha256]
    assert [
        (each["since"], each["until"], each["open"], each["fingerprint_sha256"]) for each in endpoint["history"]
    ] == [
        (isoformat_utc(NOW - DAY), isoformat_utc(NOW), True, second.fingerprint_sha256),
        (isoformat_utc(NOW - 2 * DAY), isoformat_utc(NOW - 2 * DAY), False, first.fingerprint_sha256),
    ]
    assert {"new", "replaced_early"} <= {event["kind"] for event in told["events"]}
    assert {(event["host"], event["port"]) for event in told["events"]} == {("www.example.com", 443)}
    assert watched.info(names=["shop"], history=True, check=True) == told
    (unseen,) = watched.info(names=["mail"])["endpoints"]
    assert (unseen["condition"], unseen["addresses"], unseen["last_seen"]) == ("unseen", [], None)
    assert "history" not in unseen


def test_an_endpoint_that_is_not_there(watched: Watched) -> None:
    """By an empty list nobody would see that a name is misspelt."""
    watched.run(endpoints=["www.example.com", MAIL])
    for options, missing in (
        ({"names": ["mail", "mial"]}, ["mial"]),
        ({"hosts": ["www.example.com:8443"]}, ["www.example.com:8443"]),
        ({"hosts": ["www.example.com", "ftp.example.com"], "names": ["x"]}, ["x", "ftp.example.com"]),
    ):
        result = watched.info(fails=True, **t.cast("t.Any", options))
        assert result["missing"] == missing
        assert result["msg"].endswith(f": {', '.join(missing)}.")
    assert [each["host"] for each in watched.info(hosts=["WWW.example.com"])["endpoints"]] == ["www.example.com"]
    assert watched.info(tags={"team": "none"})["endpoints"] == []


def test_selection_and_limit(watched: Watched, authority: pki.CertificateAuthority) -> None:
    disabled = {"host": "old.example.com", "enabled": False, "tags": {"team": "post"}}
    watched.run(endpoints=["www.example.com", MAIL, disabled])
    for number in range(4):
        watched.scan(number - 10, "www.example.com", authority.issue(f"{number}.example.com"))
    for options, hosts in (
        ({"tags": {"team": "post"}}, ["mail.example.com", "old.example.com"]),
        ({"tags": {"team": "post"}, "enabled": True}, ["mail.example.com"]),
        ({"enabled": "false"}, ["old.example.com"]),
        ({"names": "mail,www.example.com:443"}, ["mail.example.com", "www.example.com"]),
        ({"limit": 2}, ["mail.example.com", "old.example.com"]),
    ):
        told = watched.info(**t.cast("t.Any", options))
        assert [each["host"] for each in told["endpoints"]] == hosts
    assert (len(told["events"]), told["total"]) == (2, 3)
    assert watched.info(hosts=["old.example.com"])["endpoints"][0]["condition"] is None
    assert "limit is a number" in watched.info(fails=True, limit=0)["msg"]


def test_two_certificates_of_one_address(watched: Watched, authority: pki.CertificateAuthority) -> None:
    """One for each type of key, each with a condition and a history of its own."""
    watched.run(endpoints=["www.example.com"])
    rsa, ecdsa = authority.issue("www.example.com", key_type="rsa2048"), authority.issue("www.example.com")
    watched.scan(-2, "www.example.com", rsa)
    watched.scan(-2, "www.example.com", ecdsa, key_type="ecdsa")
    watched.scan(-1, "www.example.com", ecdsa, key_type="ecdsa", trusted=False, trust_error="it was revoked")
    (endpoint,) = watched.info(history=True)["endpoints"]
    told = {each["asked_key_type"]: (each["key_type"], each["condition"]) for each in endpoint["addresses"]}
    assert told == {"any": ("rsa 2048", "good"), "ecdsa": ("ecdsa P-256", "untrusted")}
    assert endpoint["condition"] == "untrusted"
    assert [(each["asked_key_type"], each["open"]) for each in endpoint["history"]] == [
        ("ecdsa", True),
        ("ecdsa", False),
        ("any", True),
    ]


def test_no_registry_yet(watched: Watched, tmp_path: pathlib.Path) -> None:
    """A path that is misspelt does not look as if all were well."""
    told = watched.info()
    assert (told["endpoints"], told["total"]) == ([], 0)
    assert "There is no registry in" in str(told["warnings"])
    assert "which does not exist yet" in watched.info(fails=True, names=["mail"])["msg"]
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_endpoint_keeps_what_it_served(watched: Watched, authority: pki.CertificateAuthority) -> None:
    watched.run(endpoints=["www.example.com"])
    leaf = authority.issue("www.example.com")
    watched.scan(-3, "www.example.com", leaf)
    watched.scan(-2, "www.example.com", error="connection refused")
    assert watched.scan(-1, "www.example.com", error="connection refused") == ["unreachable"]
    (endpoint,) = watched.info()["endpoints"]
    (address,) = endpoint["addresses"]
    assert (endpoint["condition"], endpoint["error"]) == ("unreachable", "connection refused")
    assert (address["served"], address["failures"]) == (False, 2)
    assert (address["fingerprint_sha256"], address["chain"]) == (leaf.fingerprint_sha256, [])


# Databases


@pytest.mark.parametrize("server", [postgresql_server, mariadb_server])
def test_a_server(server: t.Any) -> None:
    """All that is printed is searched for the password, at the highest verbosity."""
    with server() as started:
        watched = Watched(started.database())
        assert watched.check_run_check_run(endpoints=["www.example.com", MAIL], retention="1d")["added"] == 2
        assert [each["name"] for each in watched.info(names=["mail"])["endpoints"]] == ["mail"]
        wrong = Watched(watched.url.replace("watch:", "nobody:"))
        for run in (wrong.run(fails=True, endpoints=["www.example.com"]), wrong.info(fails=True)):
            assert "Correct user and password in database_url" in run["msg"]


def test_by_a_play_that_prints_all_it_can() -> None:
    """Right and wrong passwords at -vvvv; and values that come as text from a command line."""
    tasks: list[dict[str, t.Any]] = [
        {
            "certops.rotation.endpoint_registry": {
                "database_url": "{{ url }}",
                "endpoints": "{{ endpoints }}",
                "prune": "{{ prune }}",
            }
        },
        {
            "certops.rotation.endpoint_registry_info": {
                "database_url": "{{ url }}",
                "names": "{{ names }}",
                "limit": "5",
            }
        },
    ]
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    with postgresql_server() as started:
        url = started.database()
        given = {
            "url": url,
            "endpoints": "mail.example.com:25,www.example.com",
            "prune": "yes",
            "names": "www.example.com",
        }
        done = run_playbook(given, playbook=plays)
        assert done.returncode == 0, done.output
        assert done.result("endpoint_registry")["added"] == 2
        assert [each["host"] for each in done.result("endpoint_registry_info")["endpoints"]] == ["www.example.com"]
        wrong = run_playbook({**given, "url": url.replace("watch:", "nobody:")}, playbook=plays)
        assert "Correct user and password" in wrong.error
    for run in (done, wrong):
        assert PASSWORD not in run.output
        assert url.partition("@")[0].rpartition(":")[2] not in run.output


def test_a_url_that_is_none() -> None:
    result = Watched("postgresql:/watch:secretmore@nowhere").run(fails=True, endpoints=["www.example.com"])
    assert result["msg"].startswith("database_url")
    assert "secretmore" not in str(result)
