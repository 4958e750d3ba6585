# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation tells of where it stands: to people, to the metrics and to the record. Pure."""

from __future__ import annotations

import collections
import typing as t

from ..text import lines_of
from .causes import CAUSES, is_own_failure
from .standing import Standing

_SHOWN = 20  # lines of one kind: a message should fit a screen
# What certificate_rollback has done with what HAProxy refused.
_BECAME = {
    "restored": " The previous file is back.",
    "removed": " The new file is removed again, as there was none before it.",
    "kept": " Its file stays, for there is no earlier version to go back to.",
}
_Result = t.Mapping[str, t.Any]


class Progress(Standing):
    """Where it stands, in words and numbers."""

    # For the metrics

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """For rotation_metrics: changes on disk by action; hot updates and reloads by status; problems by cause."""
        actions = collections.Counter(item["action"] for item in self.sync["certificates"])
        updates = collections.Counter(item["action"] for item in self.update.get("certificates", ()))
        reloads = collections.Counter(bool(attempt.get("reloaded")) for attempt in self._attempts)
        failed, unchanged = updates["failed"], updates["unchanged"]
        causes = self.sync.get("failures_by_cause", {})
        problems: dict[str, int] = {cause: len(causes.get(cause, ())) for cause in CAUSES}
        problems["host"] += bool(self.error)
        return {
            "changes": {action: actions[action] for action in ("created", "updated", "removed")},
            "hot_updates": {"success": sum(updates.values()) - failed - unchanged, "error": failed},
            "reloads": {"success": reloads[True], "error": reloads[False]},
            "problems": problems,
        }

    @property
    def layers(self) -> list[dict[str, t.Any]]:
        """For rotation_metrics: what this run has learned of the layers. Of what was rolled back only its source."""
        back = {item["name"] for item in self.rollback.get("certificates", ())} | set(self.refused)
        items = []
        for certificate in self.sync["certificates"]:
            name = certificate["name"]
            behind = certificate["action"] in ("refused", "failed") or name in back
            layers = {"source": "differs" if behind else "ok"}
            if name not in back and name in self.pending:
                failed = "differs" if name in self._not_updated else "unknown"
                layers["memory"] = "ok" if name in self.activated else failed
            if name not in back and name in self._proofs:
                layers["wire"] = _on_the_wire(self._proofs[name])
            if certificate["action"] != "removed":
                items.append({"name": name, "layers": layers})
        return items

    # For people

    @property
    def outcome(self) -> str:
        """For rotation_record."""
        if self.refused or self.unproven:
            stayed = {*self.refused, *self.unproven} <= set(self._kept)
            return "failed" if self.rollback_error or stayed else "rolled_back"
        if not self.error:
            return "proven"
        return "unproven" if self.error == self._proof_line else "failed"

    @property
    def error(self) -> str:
        """All that went wrong after the files were written; "" when nothing did."""
        lines = [*self._update_lines(), *self._reload_lines()]
        if self._proof_line:
            lines.append(self._proof_line)
        if self.unproven:
            lines.append(self._rollback_line())
        waiting = len(self.pending) - len(self.activated) - len(self.refused)
        if waiting and self.update and not self._reload_refused:
            lines.append(f"HAProxy does not serve {_files(waiting)} yet. The next run tries again.")
        lines += self.more_errors
        return "\n".join(lines)

    @property
    def _proof_line(self) -> str:
        """What the proof says, when it fails the run."""
        if self._broken_proof:
            said = next(iter(self.not_proven.values()), "")
            return f"Not proven, {said}" if said else ""
        wrong = self._wrong & set(self.activated)
        if not wrong and not self._fails_unproven:
            return ""
        lines = [str(self.proof["msg"])]
        if self.goes_back and wrong - set(self.unproven):
            lines.append("What an earlier run has loaded stays; the next run loads it again.")
        if self.not_proven:
            lines.append("What is not proven stays in place, and the next run asks again.")
        return "\n".join(lines)

    @property
    def failures(self) -> list[str]:
        """For rotation_record."""
        return [*self.sync["failures"], *([self.error] if self.error else [])]

    @property
    def own_failure(self) -> bool:
        """Whether something is wrong with this host and not only with the content of certificates."""
        return bool(self.error) or is_own_failure(self.sync)

    @property
    def message(self) -> str:
        """Why the play fails on this host; "" when it does not."""
        failures = self.sync["failures"]
        lines = [self.error] if self.error else []
        if failures:
            count = "1 problem" if len(failures) == 1 else f"{len(failures)} problems"
            lines.append(f"{count} with certificates that were not taken over or found, or should be renewed:")
        return "\n".join([*lines, *_shortened(failures)])

    @property
    def _kept(self) -> list[str]:
        """They should have gone back, and there was nothing to go back to."""
        items = [*self.rollback.get("certificates", ()), *self.taken_back.get("certificates", ())]
        return [item["name"] for item in items if item["action"] == "kept"]

    def _update_lines(self) -> list[str]:
        if self._reloaded:
            answers = {name: self._not_updated[name] for name in self.refused}
        elif "certificates" in self.update:
            answers = self._not_updated
        else:
            return [self.update["msg"]] if self.update.get("msg") and self.update_items else []
        became = {item["name"]: _BECAME[item["action"]] for item in self.taken_back.get("certificates", ())}
        lines = []
        for name, answer in answers.items():
            after = " Its file is gone, but HAProxy still holds it." if name in self.removed else became.get(name, "")
            lines.append(f"{name}: {answer['message']}{after}")
        return _shortened(lines)

    def _reload_lines(self) -> list[str]:
        if self._reloaded:
            return []
        lines = []
        for attempt in self._attempts:
            lines.append(f"Reload by {attempt.get('item')}: {attempt.get('msg', 'failed')}")
            lines += lines_of(attempt.get("log") or "")[-_SHOWN:]
        return lines

    def _rollback_line(self) -> str:
        if self.rollback_error:
            what = _files(len(self.unproven))
            return f"Going back to the previous versions of {what} failed as well: {self.rollback_error}"
        kept = [name for name in self.unproven if name in self._kept]
        back = len(self.unproven) - len(kept)
        sentences = [f"Rolled back {_files(back)} on disk and in HAProxy."] if back else []
        if kept:
            more = f" and {len(kept) - _SHOWN} more" if len(kept) > _SHOWN else ""
            names = ", ".join(kept[:_SHOWN])
            sentences.append(f"Not rolled back: {names}{more} had no earlier version to go back to.")
        if self.rollback_proof.get("certificates", ()) and not self.rollback_proof["proven"]:
            sentences.append(f"That the previous ones are served is not proven: {self.rollback_proof['msg']}")
        return " ".join(sentences)


def _on_the_wire(proof: _Result) -> str:
    """Verdict of _status."""
    if proof["unreferenced"]:
        return "absent"
    if proof["outcome"] == "unasked":
        return "unanswered" if proof["unanswered"] else "unasked"
    return "ok" if proof["proven"] else "differs"  # wrong, or shadowed


def _files(count: int) -> str:
    return "1 certificate" if count == 1 else f"{count} certificates"


def _shortened(lines: t.Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more} more, see haproxy_certificates_result"] if more > 0 else [])]
