# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a rotation stands, judged by the results of the modules that have run so far. Pure.

A certificate goes: pending (on disk, not seen served) -> activated (in HAProxy) -> proven. It leaves that way when
HAProxy refuses it or a handshake gets another one, and is then rolled back; or when HAProxy cannot be reached, and then
stays pending for the next run. Where no handshake can be had it stays activated, and the next run asks again.
"""

from __future__ import annotations

import collections
import functools
import typing as t
from dataclasses import dataclass, field

from .causes import CAUSES, is_own_failure

# Actions of certificate_sync after which the file is not what the item tells of.
_NOT_IN_PLACE = ("refused", "failed", "removed")
_FINDINGS = 3  # reasons for one certificate
_SHOWN = 20  # lines of one kind: a message should fit a screen
# What certificate_rollback has done with what HAProxy refused.
_BECAME = {
    "restored": " The previous file is back.",
    "removed": " The new file is removed again, as there was none before it.",
    "kept": " Its file stays, for there is no earlier version to go back to.",
}
_Result = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Progress:
    """Module results, {} where a module has not run. Names are those of secrets.

    sync: certificate_sync; update: haproxy_certificate with update_items; reload: haproxy_reload in a loop over
    methods; proof: certificate_proof_info; rollback: certificate_rollback with unproven; rollback_proof:
    certificate_proof_info with restored; rollback_error: what failed while going back, "" when nothing did;
    allow_unreferenced, on_unproven: as the proof's options; taken_back: certificate_rollback with refused; more_errors:
    what else went wrong; goes_back: whether what is not served goes back to the version before.
    """

    sync: _Result
    update: _Result = field(default_factory=dict)
    reload: _Result = field(default_factory=dict)
    proof: _Result = field(default_factory=dict)
    rollback: _Result = field(default_factory=dict)
    rollback_proof: _Result = field(default_factory=dict)
    rollback_error: str = ""
    allow_unreferenced: bool = False
    on_unproven: str = "fail"
    taken_back: _Result = field(default_factory=dict)
    more_errors: t.Sequence[str] = ()
    goes_back: bool = True

    # Disk

    @functools.cached_property
    def pending(self) -> dict[str, _Result]:
        """Name -> certificate, in the order of sync."""
        deployed = (item for item in self.sync["certificates"] if item["action"] not in _NOT_IN_PLACE)
        return {item["name"]: item for item in deployed if not item["proven"]}

    @functools.cached_property
    def _to_load(self) -> dict[str, _Result]:
        """Of the pending ones those that no earlier run has loaded; the others are only asked for again."""
        return {name: item for name, item in self.pending.items() if not item.get("loaded")}

    @property
    def has_work(self) -> bool:
        """Whether there is anything to load, to remove or to prove."""
        return bool(self.pending or self.removed)

    @functools.cached_property
    def removed(self) -> list[str]:
        """Paths, of this and of earlier runs that did not come to take them out of HAProxy."""
        taken = {item["path"] for item in self.pending.values()}
        return [path for path in self.sync["retired"] if path not in taken]

    @property
    def update_items(self) -> list[dict[str, str]]:
        """For haproxy_certificate. What is gone comes first, so that it makes room."""
        gone = [{"src": str(path), "state": "absent"} for path in self.removed]
        return gone + [{"src": str(item["path"]), "state": "present"} for item in self._to_load.values()]

    # HAProxy

    @functools.cached_property
    def _not_updated(self) -> dict[str, _Result]:
        """Name, or path of what was removed -> answer. haproxy_certificate answers in the order of its items."""
        answers = zip([*self.removed, *self._to_load], self.update.get("certificates", ()))
        return {name: answer for name, answer in answers if answer["action"] == "failed"}

    @property
    def refused(self) -> list[str]:
        """HAProxy looked at them and does not take them."""
        return [name for name in self.pending if self._not_updated.get(name, {}).get("error_code") == "refused"]

    @property
    def needs_reload(self) -> bool:
        """Not for what is refused: a reload would be, too."""
        answered = "certificates" in self.update
        return bool(self.update_items) and (not answered or len(self._not_updated) > len(self.refused))

    @property
    def _attempts(self) -> list[_Result]:
        """One reload for each method that was tried."""
        return [attempt for attempt in self.reload.get("results", ()) if not attempt.get("skipped")]

    @property
    def _reloaded(self) -> bool:
        return any(attempt.get("reloaded") for attempt in self._attempts)

    @property
    def _reload_refused(self) -> bool:
        """A log says that the configuration or a new worker was looked at; without it HAProxy was not reached."""
        return not self._reloaded and any(attempt.get("log") for attempt in self._attempts)

    @property
    def activation(self) -> str:
        """none, hot_update or reload."""
        if self._reloaded:
            return "reload"
        return "hot_update" if len(self._not_updated) < len(self.update.get("certificates", ())) else "none"

    @property
    def activated(self) -> list[str]:
        if self._reloaded:
            left_out = set(self.refused)
        else:
            left_out = set(self._not_updated if "certificates" in self.update else self._to_load)
        return [name for name in self.pending if name not in left_out]

    @property
    def retired(self) -> list[str]:
        """For rotation_record: what HAProxy has let go of. After a reload it has only what is on disk."""
        if self._reloaded:
            return self.removed
        return [path for path in self.removed if "certificates" in self.update and path not in self._not_updated]

    # Proof and rollback

    @property
    def proof_items(self) -> list[_Result]:
        """For certificate_proof_info: what HAProxy has by now, unchanged ones among it, for they may share names."""
        left_out = set(self.pending) - set(self.activated)
        left_out |= {item["name"] for item in self.rollback.get("certificates", ())}
        return [
            item
            for item in self.sync["certificates"]
            if item["action"] not in _NOT_IN_PLACE and item["name"] not in left_out
        ]

    @functools.cached_property
    def _proofs(self) -> dict[str, _Result]:
        return {item["name"]: item for item in self.proof.get("certificates", ())}

    @functools.cached_property
    def _wrong(self) -> set[str]:
        """A handshake got another certificate: nothing else speaks against one."""
        return {name for name, item in self._proofs.items() if item["outcome"] == "wrong"}

    @property
    def _broken_proof(self) -> bool:
        """It was begun, and ended without an answer about any certificate."""
        return bool(self.proof) and not self.proof.get("skipped") and "certificates" not in self.proof

    @functools.cached_property
    def not_proven(self) -> dict[str, str]:
        """Activated certificates that could not be asked for, and why. They stay, and the next run asks again."""
        if self._broken_proof:
            why = f"the proof ended early: {self.proof.get('msg') or 'its output tells why'}"
            return dict.fromkeys(self.activated, why)
        return {
            name: "; ".join(item["not_proven_because"][:_FINDINGS])
            for name, item in self._proofs.items()
            if item["outcome"] == "unasked" and not (item["unreferenced"] and self.allow_unreferenced)
        }

    @property
    def proven(self) -> list[str]:
        """Activated, and nothing speaks against it."""
        return [name for name in self.activated if name not in self._wrong and name not in self.not_proven]

    @property
    def loaded(self) -> list[str]:
        """For rotation_record: what the next run need not load again, only ask for.

        Not what no listener uses yet: a reload may change that.
        """
        unused = {name for name, item in self._proofs.items() if item["unreferenced"]}
        return [name for name in self.activated if name in self.not_proven and name not in unused]

    @property
    def unproven(self) -> list[str]:
        """To be rolled back: activated by this run and not served, or refused at the reload."""
        if not self.goes_back:
            return []
        suspects = set(self.pending) - set(self.refused) if self._reload_refused else set()
        suspects = (suspects - set(self.activated)) | (set(self.activated) & self._wrong & set(self._to_load))
        return [name for name in self.pending if name in suspects]

    @property
    def _fails_unproven(self) -> bool:
        """Whether what could not be asked for fails the run. What cannot be asked by its nature does not."""
        if self._broken_proof:
            return bool(self.activated)
        return any(
            item["unreferenced"] or item.get("reason") or (item["unanswered"] and self.on_unproven == "fail")
            for name, item in self._proofs.items()
            if name in self.not_proven
        )

    @property
    def restore_items(self) -> list[dict[str, str]]:
        """For haproxy_certificate, as update_items."""
        states = {"restored": "present", "removed": "absent"}
        items = (item for item in self.rollback.get("certificates", ()) if item["action"] in states)
        return [{"src": str(item["path"]), "state": states[item["action"]]} for item in items]

    @property
    def restored(self) -> list[dict[str, str]]:
        """For certificate_proof_info, which reads names from the files. Those that we did not write are not known."""
        return [
            {key: str(item[key]) for key in ("name", "path", "fingerprint_sha256")}
            for item in self.rollback.get("certificates", ())
            if item["action"] == "restored" and item["fingerprint_sha256"]
        ]

    @property
    def rolled_back(self) -> list[str]:
        """Those whose file is the version before again, or gone again."""
        items = [*self.taken_back.get("certificates", ()), *self.rollback.get("certificates", ())]
        return [item["name"] for item in items if item["action"] != "kept"]

    @property
    def restored_and_proven(self) -> list[str]:
        """Those of the previous ones that were seen served again."""
        return [item["name"] for item in self.rollback_proof.get("certificates", ()) if item["proven"]]

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
            lines += (attempt.get("log") or "").splitlines()[-_SHOWN:]
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
    return "ok" if proof["proven"] else "differs"


def _files(count: int) -> str:
    return "1 certificate" if count == 1 else f"{count} certificates"


def _shortened(lines: t.Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more} more, see haproxy_certificates_result"] if more > 0 else [])]
