# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the doctor says about one thing: all is well, or what is wrong and what to do. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._core.instants import format_duration
from ..._core.text import lines_of

Grade = t.Literal["ok", "warning", "error"]

#: AWS refuses requests whose time is off by more than this (Signature Version 4).
AWS_TOLERANCE = timedelta(minutes=5)
#: HTTP dates have whole seconds, and an answer takes a moment.
CLOCK_TOLERANCE = timedelta(seconds=30)


_NEXT_LINE: t.Final = "\n" + " " * 45


@dataclass(frozen=True)
class Finding:
    """One check and its result. message: for people, what was found or what to do; never key material."""

    check: str
    message: str
    severity: Grade = "ok"

    @property
    def ok(self) -> bool:
        return self.severity == "ok"

    def as_result(self) -> dict[str, t.Any]:
        return {"check": self.check, "ok": self.ok, "severity": self.severity, "message": self.message}


def warning(check: str, message: str) -> Finding:
    return Finding(check, message, "warning")


def error(check: str, message: str) -> Finding:
    return Finding(check, message, "error")


def by_policy(check: str, message: str, policy: str) -> Finding:
    """policy: "fail" where the rotation fails for it, "skip" where it only warns."""
    return Finding(check, message, "error" if policy == "fail" else "warning")


def clock_finding(offset: timedelta | None, newest: tuple[str, datetime] | None, now: datetime) -> Finding:
    """The host's clock against the best witness there is.

    offset: AWS's clock minus this host's; newest: name and start of validity of the selected certificate that was
    issued last; both None where there is none.
    """
    advice = "Keep the clock right by NTP (chrony or systemd-timesyncd)."
    if offset is not None:
        where = "behind" if offset > timedelta(0) else "ahead of"
        text = f"This host's clock is {format_duration(abs(offset))} {where} that of AWS"
        if abs(offset) > AWS_TOLERANCE:
            limit = format_duration(AWS_TOLERANCE)
            return error("clock", f"{text}, which refuses requests that are more than {limit} off. {advice}")
        if abs(offset) > CLOCK_TOLERANCE:
            return warning("clock", f"{text}. {advice}")
    if newest and newest[1] > now + AWS_TOLERANCE:
        name, not_before = newest
        text = f"The certificate {name} becomes valid {format_duration(not_before - now)} after this host's time."
        if offset is None:
            return error("clock", f"{text} {advice}")
        return warning("clock", f"{text} The clock agrees with that of AWS: see the clock of whoever issued it.")
    if offset is None:
        return warning("clock", "AWS has not answered, so there is nothing to compare this host's clock with.")
    return Finding("clock", f"Agrees with that of AWS, {format_duration(abs(offset))} apart.")


def table(findings: t.Iterable[Finding]) -> list[str]:
    """A line for each, and more where a message has several."""
    rows = (f"{item.severity:<7}  {item.check:<34}  " + item.message.replace("\n", _NEXT_LINE) for item in findings)
    return [line for row in rows for line in lines_of(row)]


def to_mend(findings: t.Iterable[Finding], aim: str = "rotated on") -> str:
    """What has to be mended before certificates can be that (``rotated on``, ``pushed from``); "" when nothing has."""
    errors = [f"- {finding.check}: {finding.message}" for finding in findings if finding.severity == "error"]
    begin = [f"Something has to be mended before certificates can be {aim} this host:"] if errors else []
    return "\n".join([*begin, *errors])
