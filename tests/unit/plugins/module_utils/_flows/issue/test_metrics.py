# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The textfile of issuing on a disk: written in one step, and read again by the next run."""

from __future__ import annotations

import pathlib
from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, StoreError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.metrics import (
    record_issuance,
)
from ansible_collections.certops.rotation.tests.support.prometheus import samples

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
REPORT = {"certificates": [{"name": "a", "action": "unchanged", "not_after": "2027-02-24T07:00:00Z"}]}


@pytest.fixture
def textfile(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "issuance.prom"


def record(textfile: pathlib.Path, **options):
    return record_issuance(REPORT, str(textfile), journal="j", **{"succeeded": True, "now": NOW, **options})


def test_runs_are_counted_in_the_file_itself(textfile: pathlib.Path) -> None:
    assert record(textfile).certificates == 1
    assert record(textfile).changed
    found = samples(textfile.read_text())
    assert found['certops_issuance_runs_total{journal="j",status="success"}'] == 2
    assert textfile.stat().st_mode & 0o777 == 0o644
    assert list(textfile.parent.iterdir()) == [textfile]


def test_check_mode_writes_nothing(textfile: pathlib.Path) -> None:
    assert record(textfile, check_mode=True).text
    assert not textfile.exists()


def test_a_run_that_broke_off_is_counted_and_forgets_no_certificate(textfile: pathlib.Path) -> None:
    record(textfile)
    record_issuance(None, str(textfile), journal="j", succeeded=False, now=NOW)
    found = samples(textfile.read_text())
    assert found['certops_issuance_last_run_success{journal="j"}'] == 0
    assert found['certops_issuance_runs_total{journal="j",status="error"}'] == 1
    assert 'certops_issuance_certificate_not_after_timestamp_seconds{journal="j",secret="a"}' in found


@pytest.mark.parametrize("content", [b"\xff\xfe", b"certops_issuance_runs_total{journal="])
def test_a_damaged_file_begins_anew(textfile: pathlib.Path, content: bytes) -> None:
    textfile.write_bytes(content)
    report = record(textfile)
    assert "start again at zero" in report.warnings[0]
    assert samples(textfile.read_text())['certops_issuance_runs_total{journal="j",status="success"}'] == 1


@pytest.mark.parametrize("path", ["issuance.prom", "/tmp/issuance.txt"])
def test_a_file_that_nobody_would_read(path: str) -> None:
    with pytest.raises(InvalidOption, match=r"\.prom"):
        record_issuance(REPORT, path, journal="j", succeeded=True, now=NOW)


def test_a_directory_that_is_missing(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="no"):
        record_issuance(REPORT, str(tmp_path / "no" / "a.prom"), journal="j", succeeded=True, now=NOW)
