# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion import (
    LabelReading,
    base_label,
    candidate_of,
    check_label,
    check_labels,
    readings_of,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

ON_V1, ON_V2, ON_V9 = (base_label("CANDIDATE", version) for version in ("v1", "v2", "v9"))
CURRENT = {"v1": ["AWSCURRENT"]}


@pytest.mark.parametrize(
    ("versions", "state", "version", "base", "current"),
    [
        ({}, "none", None, None, None),
        (CURRENT, "none", None, None, "v1"),
        ({**CURRENT, "v2": ["CANDIDATE", ON_V1]}, "staged", "v2", "v1", "v1"),
        ({**CURRENT, "v2": ["CANDIDATE"]}, "staged", "v2", None, "v1"),
        ({"v2": ["CANDIDATE"]}, "staged", "v2", None, None),
        ({"v2": ["CANDIDATE", ON_V1]}, "superseded", "v2", "v1", None),
        # Somebody has stored another certificate as current.
        (
            {"v1": ["AWSPREVIOUS"], "v2": ["CANDIDATE", ON_V1], "v3": ["AWSCURRENT"]},
            "superseded",
            "v2",
            "v1",
            "v3",
        ),
        # Promoted by somebody who did not come to the labels; and then rolled back, or another one stored.
        ({"v1": ["AWSPREVIOUS"], "v2": ["AWSCURRENT", "CANDIDATE", ON_V1]}, "promoted", "v2", "v1", "v2"),
        ({"v1": ["AWSCURRENT"], "v2": ["AWSPREVIOUS", "CANDIDATE", ON_V1]}, "superseded", "v2", "v1", "v1"),
        ({"v2": ["AWSPREVIOUS", "CANDIDATE"], "v3": ["AWSCURRENT"]}, "superseded", "v2", None, "v3"),
        # One that was staged twice, and one whose base never was.
        ({**CURRENT, "v2": ["CANDIDATE", ON_V9, ON_V1]}, "staged", "v2", "v1", "v1"),
        ({**CURRENT, "v2": ["CANDIDATE", ON_V9]}, "superseded", "v2", "v9", "v1"),
        # A base of a candidate before it is another version's matter.
        ({**CURRENT, "v2": [ON_V1], "v3": ["CANDIDATE"]}, "staged", "v3", None, "v1"),
        ({**CURRENT, "v2": [ON_V1]}, "none", None, None, "v1"),
        # A label that another one begins with.
        ({**CURRENT, "v2": ["CANDIDATE-2", base_label("CANDIDATE-2", "v9")]}, "none", None, None, "v1"),
        # A reply in the middle of a move.
        ({**CURRENT, "v2": ["CANDIDATE", ON_V9], "v3": ["CANDIDATE", ON_V1]}, "staged", "v3", "v1", "v1"),
        ({**CURRENT, "v3": ["CANDIDATE", ON_V1], "v2": ["CANDIDATE", ON_V9]}, "staged", "v3", "v1", "v1"),
    ],
)
def test_when_a_candidate_counts(
    versions: dict[str, list[str]], state: str, version: str | None, base: str | None, current: str | None
) -> None:
    candidate = candidate_of(versions, "CANDIDATE")
    assert candidate == (state, version, base, current)
    assert candidate.counts == (state == "staged")


def test_what_a_host_reads() -> None:
    versions = {**CURRENT, "v2": ["CANDIDATE", ON_V1], "v3": ["AWSPENDING"]}
    current = LabelReading("AWSCURRENT", "v1")
    assert readings_of(versions, ["AWSCURRENT"]) == [current]
    assert readings_of(versions, ["CANDIDATE", "AWSCURRENT"]) == [LabelReading("CANDIDATE", "v2"), current]
    assert readings_of(versions, ["AWSPENDING", "CANDIDATE", "AWSCURRENT"]) == [
        LabelReading("AWSPENDING", "v3", based=False),
        LabelReading("CANDIDATE", "v2"),
        current,
    ]
    superseded = {"v1": ["AWSPREVIOUS"], "v2": ["CANDIDATE", ON_V1], "v4": ["AWSCURRENT"]}
    assert readings_of(superseded, ["CANDIDATE", "AWSCURRENT"]) == [LabelReading("AWSCURRENT", "v4")]
    assert readings_of({}, ["CANDIDATE", "AWSCURRENT"]) == []


@pytest.mark.parametrize("label", ["", "  ", "AWSCURRENT", "AWSPREVIOUS", "awspending", "AWSx", ON_V1, "x" * 189])
def test_labels_that_no_candidate_has(label: str) -> None:
    with pytest.raises(InvalidOption, match="stage: "):
        check_label(label, "stage")


def test_labels_of_a_host() -> None:
    assert check_labels(["AWSCURRENT"]) == ("AWSCURRENT",)
    assert check_labels(["B", " A ", "B", "AWSPENDING", "AWSCURRENT"]) == ("B", "A", "AWSPENDING", "AWSCURRENT")
    assert len(base_label(check_label("x" * 188, "label"), "v" * 64)) == 256
    for labels in ([], ["CANDIDATE"], ["AWSCURRENT", "CANDIDATE"], ["CANDIDATE", "awscurrent"]):
        with pytest.raises(InvalidOption, match="does not end with AWSCURRENT"):
            check_labels(labels)
    with pytest.raises(InvalidOption, match="labels: AWSPREVIOUS is no label for a candidate"):
        check_labels(["AWSPREVIOUS", "AWSCURRENT"])
    with pytest.raises(InvalidOption, match="a label is empty"):
        check_labels(["", "AWSCURRENT"])
