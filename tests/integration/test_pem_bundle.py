# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pem_bundle: one given certificate, on the backend of certificate_sync."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate

NOBODY = 65534


@pytest.fixture
def certificate(intermediate: CertificateAuthority) -> IssuedCertificate:
    return intermediate.issue(["www.example.com", "192.0.2.1"])


def given(certificate: IssuedCertificate) -> dict[str, t.Any]:
    return {
        "certificate": certificate.certificate_pem,
        "certificate_chain": certificate.chain_pem,
        "private_key": certificate.private_key_pem,
    }


def four_times(modules: ModuleServer, args: dict[str, t.Any], action: str) -> ModuleRun:
    """Check, run, check, run. Returns the first run."""
    directory = pathlib.Path(args["path"]) if "name" in args else pathlib.Path(args["path"]).parent
    before = listing(directory)
    check = modules.run("pem_bundle", args, check=True)
    assert listing(directory) == before, "check mode has changed something"
    run = modules.run("pem_bundle", args)
    after = listing(directory)
    rest = [modules.run("pem_bundle", args, check=True), modules.run("pem_bundle", args)]
    assert listing(directory) == after
    runs = [check, run, *rest]
    assert [each.failed for each in runs] == [False] * 4, [each.result.get("msg") for each in runs]
    assert [each.result["action"] for each in runs] == [action, action, "unchanged", "unchanged"]
    assert [each.result["changed"] for each in runs] == [action != "unchanged"] * 2 + [False] * 2
    assert check.result["diff"] == run.result["diff"]
    return run


def listing(directory: pathlib.Path) -> dict[str, tuple[t.Any, ...]]:
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mode, path.stat().st_gid, path.read_bytes()) for path in paths}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "0640", "group": str(NOBODY), "directory_mode": "0750"},
        {"owner": str(NOBODY), "keep_previous": 0},
        {"min_remaining": "30d", "clock_skew": "1m", "min_rsa_bits": 4096, "lock_timeout": "5s"},
        {"passphrase": "not needed"},
    ],
    ids="-".join,
)
def test_every_option_is_applied_once(
    modules: ModuleServer, certificate: IssuedCertificate, tmp_path: pathlib.Path, options: dict[str, t.Any]
) -> None:
    path = tmp_path / "certs" / "www.example.com.pem"
    run = four_times(modules, {**given(certificate), "path": str(path), **options}, "created")
    assert path.read_text() == certificate.combined_pem
    assert stat.S_IMODE(path.stat().st_mode) == int(options.get("mode", "0600"), 8)
    assert path.stat().st_gid == int(options.get("group", os.getgid()))
    assert run.result["path"] == str(path)
    assert run.result["fingerprint_sha256"] == certificate.fingerprint_sha256
    assert run.result["subject_alternative_names"] == ["www.example.com", "192.0.2.1"]
    assert run.result["diff"]["after"]["fingerprint_sha256"] == certificate.fingerprint_sha256


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("haproxy", {"pem": "www.pem"}),
        ("split", {"pem": "www.pem", "key": "www.key"}),
        (
            "lineage",
            {
                "cert": "www/cert.pem",
                "chain": "www/chain.pem",
                "fullchain": "www/fullchain.pem",
                "privkey": "www/privkey.pem",
            },
        ),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_layouts(
    modules: ModuleServer,
    certificate: IssuedCertificate,
    tmp_path: pathlib.Path,
    layout: str,
    files: dict[str, str],
    by_name: bool,
) -> None:
    place = {"path": str(tmp_path), "name": "www"}
    if not by_name:
        place = {"path": str(tmp_path / ("www" if layout == "lineage" else "www.pem"))}
    run = four_times(modules, {**given(certificate), **place, "layout": layout}, "created")
    assert run.result["files"] == {part: str(tmp_path / file) for part, file in files.items()}
    content = {part: pathlib.Path(path).read_text() for part, path in run.result["files"].items()}
    assert content[{"haproxy": "pem", "split": "key", "lineage": "privkey"}[layout]].endswith(
        certificate.private_key_pem
    )


def test_names_are_made_safe_as_those_of_secrets(
    modules: ModuleServer, certificate: IssuedCertificate, tmp_path: pathlib.Path
) -> None:
    args = {**given(certificate), "path": str(tmp_path / "certs"), "name": "web/*.example.com"}
    run = modules.run("pem_bundle", args)
    assert run.result["path"] == str(tmp_path / "certs" / "web_wildcard.example.com.pem")
    for path in (tmp_path / "-rf.pem", tmp_path / ".hidden.pem", tmp_path / "a b.pem"):
        refused = modules.run("pem_bundle", {**given(certificate), "path": str(path)})
        assert refused.failed
        assert "no safe name" in refused.result["msg"]
    assert "does not end in .pem" in modules.run("pem_bundle", {**args, "name": ""}).result["msg"]


@pytest.mark.parametrize("form", ["files", "one text", "one file", "PKCS#12", "CRLF and shuffled", "UTF-16"])
def test_forms_of_content(
    modules: ModuleServer, certificate: IssuedCertificate, tmp_path: pathlib.Path, form: str
) -> None:
    sources = {}
    for option, text in given(certificate).items():
        (tmp_path / option).write_text(text)
        sources[f"{option}_src"] = str(tmp_path / option)
    (tmp_path / "all").write_text(certificate.combined_pem)
    (tmp_path / "p12").write_bytes(certificate.pkcs12(b"horse battery"))
    (tmp_path / "utf16").write_text(certificate.combined_pem, encoding="utf-16")
    shuffled = certificate.private_key_pem + certificate.chain_pem + certificate.certificate_pem
    options = {
        "files": sources,
        "one text": {"certificate": certificate.combined_pem},
        "one file": {"certificate_src": str(tmp_path / "all")},
        "PKCS#12": {"certificate_src": str(tmp_path / "p12"), "passphrase": "horse battery"},
        "CRLF and shuffled": {"certificate": shuffled.replace("\n", "\r\n")},
        "UTF-16": {"certificate_src": str(tmp_path / "utf16")},
    }[form]
    path = tmp_path / "certs" / "www.pem"
    four_times(modules, {**options, "path": str(path)}, "created")
    assert path.read_text() == certificate.combined_pem
    # The same certificate in another form is no change.
    assert modules.run("pem_bundle", {**given(certificate), "path": str(path)}).result["changed"] is False


def test_renewal_keeps_the_previous_version(
    modules: ModuleServer, intermediate: CertificateAuthority, certificate: IssuedCertificate, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "www.pem"
    modules.run("pem_bundle", {**given(certificate), "path": str(path)})
    renewed = intermediate.issue(["www.example.com", "192.0.2.1"])
    run = four_times(modules, {**given(renewed), "path": str(path)}, "updated")
    assert run.result["previous_fingerprint_sha256"] == certificate.fingerprint_sha256
    assert run.result["diff"]["before"]["fingerprint_sha256"] == certificate.fingerprint_sha256
    back = modules.run("certificate_rollback", {"path": str(tmp_path)})
    assert back.result["changed"]
    assert path.read_text() == certificate.combined_pem


def test_changed_attributes_and_tampered_files(
    modules: ModuleServer, certificate: IssuedCertificate, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "www.pem"
    modules.run("pem_bundle", {**given(certificate), "path": str(path)})
    four_times(modules, {**given(certificate), "path": str(path), "mode": "0640"}, "updated")
    path.write_text("damaged")
    four_times(modules, {**given(certificate), "path": str(path), "mode": "0640"}, "updated")
    assert path.read_text() == certificate.combined_pem


def test_what_verification_refuses_is_not_written(
    modules: ModuleServer, intermediate: CertificateAuthority, certificate: IssuedCertificate, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "www.pem"
    modules.run("pem_bundle", {**given(certificate), "path": str(path)})
    other = intermediate.issue("www.example.com")
    anchors = CertificateAuthority("Elsewhere").certificate_pem
    wrong: dict[str, dict[str, t.Any]] = {
        "private_key_mismatch": {"private_key": other.private_key_pem},
        "private_key_missing": {"private_key": ""},
        "pem_invalid": {"certificate": certificate.certificate_pem[:-30]},
        "untrusted": {"trust_anchors": anchors},
        "expires_too_soon": {"min_remaining": "52w"},
        "private_key_encrypted": {
            "private_key": pki.private_key_pem(certificate.private_key, passphrase=b"horse"),
        },
    }
    for code, options in wrong.items():
        for check in (True, False):
            run = modules.run("pem_bundle", {**given(certificate), "path": str(path), **options}, check=check)
            assert run.failed
            assert f"[{code}]" in run.result["msg"], run.result
            assert run.result["action"] == "refused"
            assert run.result["changed"] is False
            assert run.result["deployed_fingerprint_sha256"] == certificate.fingerprint_sha256
    assert path.read_text() == certificate.combined_pem


def test_options_that_make_no_sense(
    modules: ModuleServer, certificate: IssuedCertificate, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "p12").write_bytes(certificate.pkcs12())
    (tmp_path / "noise").write_bytes(b"\xff\x00\x81\x80")
    path = str(tmp_path / "www.pem")
    for args, text in (
        ({}, "Give the certificate"),
        ({"certificate_src": str(tmp_path / "absent")}, "No such file"),
        ({"certificate_src": str(tmp_path)}, "no file of a certificate"),
        ({"certificate_src": str(tmp_path / "noise")}, "neither PEM, nor DER, nor PKCS#12"),
        ({"certificate_src": str(tmp_path / "p12"), "private_key": certificate.private_key_pem}, "nothing else"),
        ({"certificate": certificate.combined_pem, "certificate_src": str(tmp_path / "p12")}, "mutually exclusive"),
        ({"certificate": certificate.combined_pem, "mode": "0644"}, "every user"),
    ):
        run = modules.run("pem_bundle", {"path": path, **args})
        assert run.failed
        assert text in run.result["msg"], run.result["msg"]
    assert not (tmp_path / "www.pem").exists()


def test_a_renewal_that_takes_something_away_is_refused_until_it_is_allowed(
    modules: ModuleServer, tmp_path: pathlib.Path, intermediate: CertificateAuthority
) -> None:
    path = tmp_path / "www.pem"
    deployed, fewer = intermediate.issue(["www.example.com", "example.com"]), intermediate.issue(["www.example.com"])
    four_times(modules, {"path": str(path), **given(deployed)}, "created")
    before = listing(tmp_path)
    args = {"path": str(path), **given(fewer)}
    for check in (True, False, True, False):
        run = modules.run("pem_bundle", args, check=check)
        assert run.failed
        assert [problem["code"] for problem in run.result["problems"]] == ["san_dropped"]
    assert listing(tmp_path) == before
    four_times(modules, {**args, "allow_changes": ["san_dropped"]}, "updated")
