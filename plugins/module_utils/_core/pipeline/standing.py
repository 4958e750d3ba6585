# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a rotation stands, judged by the results of the modules that have run so far. Pure.

A certificate goes: pending (on disk, not seen served) -> activated (in HAProxy) -> proven. It leaves that way when
HAProxy refuses it or a handshake gets another one, and is then rolled back; or when HAProxy cannot be reached, and then
stays pending for the next run. Where no handshake can be had it stays activated, and the next run asks again.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, field

# Actions of certificate_sync after which the file is not what the item tells of.
_NOT_IN_PLACE = ("refused", "failed", "removed")
_FINDINGS = 3  # reasons for one certificate
_Result = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Standing:
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
        back = [] if self.rollback_error else [str(item["path"]) for item in self._items_back("removed")]
        if self._reloaded:
            return self.removed + back
        if "certificates" not in self.update:
            return []
        return [path for path in self.removed if path not in self._not_updated] + back

    def _items_back(self, action: str) -> list[_Result]:
        """Of the rollback that follows the proof, those that it did this with."""
        return [item for item in self.rollback.get("certificates", ()) if item["action"] == action]

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
        """Activated certificates that nobody has seen served, and why. They stay, and the next run asks again."""
        if self._broken_proof:
            why = f"the proof ended early: {self.proof.get('msg') or 'its output tells why'}"
            return dict.fromkeys(self.activated, why)
        return {
            name: "; ".join(item["not_proven_because"][:_FINDINGS])
            for name, item in self._proofs.items()
            if item["outcome"] in ("shadowed", "unasked") and not (item["unreferenced"] and self.allow_unreferenced)
        }

    @property
    def reload_helps(self) -> bool:
        """Whether another certificate answers only because HAProxy puts one that is updated behind the others."""
        shadows = (item for proof in self._proofs.values() for item in proof.get("shadowed", ()))
        return self.activation == "hot_update" and any(item["reload_helps"] for item in shadows)

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
            item["unreferenced"]
            or item.get("reason")
            or ((item["unanswered"] or item.get("shadowed")) and self.on_unproven == "fail")
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
            for item in self._items_back("restored")
            if item["fingerprint_sha256"]
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
