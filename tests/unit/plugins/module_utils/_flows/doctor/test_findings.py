# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import types
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.manifest import (
    Entry,
    Manifest,
    StoredVersion,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.doctor import files as doctor_files
from ansible_collections.certops.rotation.plugins.module_utils._flows.doctor.files import directory_findings
from ansible_collections.certops.rotation.plugins.module_utils._flows.doctor.findings import (
    Finding,
    clock_finding,
    error,
    table,
    to_mend,
    warning,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.doctor.haproxy import version_finding

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("offset", "ahead", "severity", "said"),
    [
        (timedelta(0), None, "ok", "Agrees"),
        (timedelta(seconds=-20), timedelta(0), "ok", "Agrees"),
        (MINUTE, None, "warning", "1m behind that of AWS."),
        (-6 * MINUTE, None, "error", "6m ahead of that of AWS, which refuses"),
        (None, None, "warning", "nothing to compare"),
        (None, timedelta(days=-1), "warning", "nothing to compare"),
        (None, timedelta(days=1), "error", "web becomes valid 1d after this host's time. Keep the clock right"),
        (timedelta(0), timedelta(days=1), "warning", "see the clock of whoever issued it"),
    ],
)
def test_clock(offset: timedelta | None, ahead: timedelta | None, severity: str, said: str) -> None:
    finding = clock_finding(offset, None if ahead is None else ("web", NOW + ahead), NOW)
    assert finding.severity == severity
    assert said in finding.message


@pytest.mark.parametrize(
    ("version", "severity", "said"),
    [
        ("2.0.31", "error", "Upgrade"),
        ("2.4.22-f8e3218", "ok", "not through the master"),
        ("2.6.12-1+deb12u2", "ok", "master, without its log"),
        ("3.0.11", "ok", "master, with its log"),
        ("unknown", "warning", "not known here"),
    ],
)
def test_version(version: str, severity: str, said: str) -> None:
    finding = version_finding(version)
    assert finding.severity == severity
    assert said in finding.message


@pytest.mark.parametrize(
    ("free", "inodes", "severity", "said"),
    [
        (2**30, 5000, "ok", "1024 MiB are free"),
        (2**23, 5000, "warning", "8 MiB are free"),
        (2**10, 5000, "error", "cannot be written"),
        (2**30, 0, "error", "no free inodes"),
        (2**30, 5, "error", "5 free inodes"),
        (2**30, 500, "warning", "only 500 inodes"),
    ],
)
def test_free_space(
    free: int, inodes: int, severity: str, said: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = types.SimpleNamespace(f_bavail=free, f_frsize=1, f_files=10_000, f_favail=inodes)
    monkeypatch.setattr(os, "statvfs", lambda path: room)
    (finding,) = directory_findings(str(tmp_path / "not-there-yet"), NOW)
    assert finding.severity == severity
    assert said in finding.message


@pytest.mark.parametrize(
    ("kind", "missing", "fixed", "expected"),
    [
        ("ext4", "", False, {}),
        ("vfat", "", False, {"hard links": ("error", "is on vfat, which has no hard links")}),
        ("fuse.sshfs", "", False, {"hard links": ("warning", "may have no hard links")}),
        ("ext4", "/srv", False, {"mount": ("warning", "'mount /srv'")}),
        ("ext4", "", True, {"attributes": ("error", "'chattr -i -a ")}),
    ],
)
def test_what_keeps_files_from_being_written_whoever_writes(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    missing: str,
    fixed: bool,
    expected: dict[str, tuple[str, str]],
) -> None:
    monkeypatch.setattr(doctor_files, "file_system_of", lambda place: kind)
    monkeypatch.setattr(doctor_files, "unmounted_above", lambda place: missing)
    monkeypatch.setattr(doctor_files, "is_unchangeable", lambda place: fixed)
    found = {each.check: each for each in directory_findings(str(tmp_path), NOW) if not each.ok}
    assert found.keys() == expected.keys()
    for check, (severity, said) in expected.items():
        assert found[check].severity == severity
        assert said in found[check].message


def test_a_damaged_manifest(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".certops").mkdir()
    (tmp_path / ".certops/manifest.json").write_text("{")
    findings = {finding.check: finding for finding in directory_findings(str(tmp_path), NOW)}
    assert findings["files"].severity == "warning"
    assert "damaged" in findings["files"].message
    assert findings["path mode"].ok


def test_what_is_deployed_and_has_expired(tmp_path: pathlib.Path) -> None:
    version = StoredVersion("0", "1", {}, {"not_after": "2026-11-22T12:00:00Z"})
    entries = {f"web/{stem}": Entry(f"web/{stem}", "arn", stem, "haproxy", "", version) for stem in "ab"}
    (tmp_path / ".certops").mkdir()
    (tmp_path / ".certops/manifest.json").write_bytes(Manifest(entries).to_json())
    findings = {finding.check: finding for finding in directory_findings(str(tmp_path), NOW)}
    assert findings["expiry"].severity == "error"
    assert "web/a, at 2026-11-22T12:00:00Z; web/b, at" in findings["expiry"].message
    earlier = {finding.check: finding for finding in directory_findings(str(tmp_path), NOW - MINUTE)}
    assert earlier["expiry"].ok


def test_no_place_at_all() -> None:
    assert list(directory_findings("/nonexistent/certs", NOW)) == []


def test_what_people_read() -> None:
    found = [
        Finding("python", "It is 3.11."),
        warning("socket", "Absent."),
        error("path", "Two things:\n- this\n- that"),
    ]
    assert table(found) == [
        "ok       python                              It is 3.11.",
        "warning  socket                              Absent.",
        "error    path                                Two things:",
        " " * 45 + "- this",
        " " * 45 + "- that",
    ]
    assert to_mend(found[:2]) == ""
    assert to_mend(found).splitlines() == [
        "Something has to be mended before certificates can be rotated on this host:",
        "- path: Two things:",
        "- this",
        "- that",
    ]
