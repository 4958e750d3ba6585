# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions of a secret that are not current yet: which one a label stands for, and whether it counts. Pure.

A candidate is put under its label and, in the same request, under a second one that names the version which was current
at that moment: its base. Whoever reads the labels sees so by himself whether somebody has stored another certificate
meanwhile. AWS takes 20 labels of 256 characters for a secret, and gives a label to one version alone; version ids have
32 to 64 characters (API reference of AWS Secrets Manager).
"""

from __future__ import annotations

import typing as t

from .._errors import InvalidOption
from .x509.problems import Problem, warning

CURRENT: t.Final = "AWSCURRENT"
PREVIOUS: t.Final = "AWSPREVIOUS"
#: Of AWS's own rotation by a Lambda function.
PENDING: t.Final = "AWSPENDING"
#: The label of candidates, unless told otherwise.
CANDIDATE: t.Final = "CANDIDATE"

_ON: t.Final = "-ON-"
_MAX_LABEL: t.Final = 256 - len(_ON) - 64
#: Version id -> its labels.
Versions = t.Mapping[str, t.Sequence[str]]
CandidateState = t.Literal["none", "staged", "superseded", "promoted"]


class SecretCandidate(t.NamedTuple):
    """What a label stands for.

    state: "none" where no version has the label; "staged" where it counts; "superseded" where another version became
    current after it was put there, or it has been current before; "promoted" where it is current.
    base_version_id: the version that was current when it was staged, None where that is not told.
    """

    state: CandidateState
    version_id: str | None
    base_version_id: str | None
    current_version_id: str | None

    @property
    def counts(self) -> bool:
        return self.state == "staged"


class LabelReading(t.NamedTuple):
    """A version that a host may read, and by which label. based: whether its base is known, and is what is current."""

    label: str
    version_id: str
    based: bool = True


def base_label(label: str, version_id: str) -> str:
    """Says that the candidate was staged while that version was current."""
    return f"{label}{_ON}{version_id}"


def base_labels(labels: t.Iterable[str], label: str) -> list[str]:
    """Of these those that name a base, of a candidate with that label."""
    return [each for each in labels if each.startswith(label + _ON)]


def check_label(label: str, option: str) -> str:
    """Raises InvalidOption for what cannot be the label of a candidate."""
    text = label.strip()
    if not text:
        raise InvalidOption(f"{option}: a label is empty. Name one, such as {CANDIDATE}.")
    if text.upper().startswith("AWS") and text != PENDING:
        raise InvalidOption(
            f"{option}: {text} is no label for a candidate. Labels that begin with AWS are those of AWS itself, and of"
            f" these {PENDING} alone stands for a version that is not current yet."
        )
    if _ON in text or len(text) > _MAX_LABEL:
        raise InvalidOption(
            f"{option}: {text[:80]} is no label for a candidate: it must not hold {_ON}, which joins a label and the"
            f" version that was current, and must not have more than {_MAX_LABEL} characters."
        )
    return text


def check_labels(labels: t.Sequence[str], option: str = "labels") -> tuple[str, ...]:
    """Each once, the current one last. Raises InvalidOption."""
    given = list(dict.fromkeys(label.strip() for label in labels))
    if given[-1:] != [CURRENT]:
        raise InvalidOption(
            f"{option}: {', '.join(given) or 'an empty list'} does not end with {CURRENT}. It comes last: a label after"
            " it would never be read, and without it nothing is left to be served when a candidate is withdrawn."
        )
    return (*(check_label(label, option) for label in given[:-1]), CURRENT)


def version_of(versions: Versions, label: str) -> str | None:
    """Id of the version that has the label."""
    return next((version for version, labels in versions.items() if label in labels), None)


def candidate_of(versions: Versions, label: str) -> SecretCandidate:
    """What the label stands for. versions: all that have a label."""
    current = version_of(versions, CURRENT)
    found = [_candidate(versions, label, version, current) for version in versions if label in versions[version]]
    # AWS gives a label to one version. Where a reply is inconsistent, the one that counts does.
    found.sort(key=lambda each: each.counts)
    return found[-1] if found else SecretCandidate("none", None, None, current)


def readings_of(versions: Versions, labels: t.Iterable[str]) -> list[LabelReading]:
    """What a host with these labels reads: the first one, and where that cannot be had the next ones."""
    found: list[LabelReading] = []
    for label in labels:
        if label == CURRENT:
            current = version_of(versions, CURRENT)
            found += [LabelReading(CURRENT, current)] if current else []
            continue
        candidate = candidate_of(versions, label)
        if candidate.counts and candidate.version_id:
            found.append(LabelReading(label, candidate.version_id, candidate.base_version_id is not None))
    return found


def counts_still(labels: t.Collection[str], label: str, current: str | None) -> bool:
    """Whether a version that has these labels now is the candidate. current: the version that is current, None where
    that is not known."""
    bases = base_labels(labels, label)
    return label in labels and (not bases or current is None or base_label(label, current) in bases)


def _candidate(versions: Versions, label: str, version: str, current: str | None) -> SecretCandidate:
    labels = versions[version]
    bases = [each[len(label + _ON) :] for each in base_labels(labels, label)]
    base = current if current in bases else next(iter(bases), None)
    state: CandidateState
    if version == current:
        state = "promoted"
    elif PREVIOUS in labels or (bases and base != current):
        state = "superseded"
    else:
        state = "staged"
    return SecretCandidate(state, version, base, current)


def empty_candidate(name: str, label: str, version: str) -> Problem:
    """Of a rotation that ended before it stored anything, for instance."""
    return warning(
        "candidate_empty",
        f"Secret {name}: version {version} has the label {label} and holds no value, so that it is passed over. Finish"
        " the rotation that has made it, or remove the label (certificate_candidate with state: withdrawn).",
    )


def outdated_candidate(name: str, label: str, version: str) -> Problem:
    """Of a rotation that was finished by other means."""
    return warning(
        "candidate_outdated",
        f"Secret {name}: version {version} has the label {label} and is older than the current one, so that it is"
        " passed over: a rotation has left the label behind. Remove it (certificate_candidate with state: withdrawn).",
    )
