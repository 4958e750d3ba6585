# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring the certificates in a running HAProxy to the wanted state, each on its own, and tell what was done."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field, replace

from .._errors import InvalidOption, RotationError
from .._haproxy.certificates import CertificateMemory
from .._haproxy.content import CertificateContent, check_key, parse_content
from .._haproxy.crt_list_file import CrtListFile
from .._haproxy.errors import CrtListRequired, PayloadTooLarge
from .._haproxy.ocsp_file import find_stale_response
from .._haproxy.parsing import StoredCertificate
from .._haproxy.runtime import RuntimeApi
from .._haproxy.turn import take_turn
from .._unexpected import only_rotation_errors
from .boundary import module_boundary
from .haproxy_failures import HOPELESS, RELOAD_HELPS, error_code, failure_message, process_facts


@dataclass(frozen=True, repr=False)
class WantedCertificate:
    """One item of the module's certificates. content: PEM, None when it is read from source."""

    name: str
    state: str
    source: str | None
    content: str | None
    crt_list: str | None
    force: bool

    def read(self) -> CertificateContent:
        """Raises MaterialError, InvalidOption."""
        if self.content is not None:
            return parse_content(self.content)
        try:
            with open(self.source or "", "rb") as file:
                return parse_content(file.read())
        except OSError as error:
            raise InvalidOption(f"Cannot read {self.source}: {error.strerror or error}.") from None


@dataclass
class Outcome:
    """What happened to one certificate; as_result is what the module returns."""

    name: str
    action: str = "unchanged"
    fingerprint_sha1: str | None = None
    fingerprint_sha256: str | None = None
    serial_number: str | None = None
    not_after: str | None = None
    previous_fingerprint_sha1: str | None = None
    error_code: str | None = None
    message: str | None = None
    removed_ocsp: str | None = None
    entered: bool = field(default=False, repr=False)
    needs_reload: bool = field(default=False, repr=False)
    before: dict[str, t.Any] = field(default_factory=dict, repr=False)
    removed: dict[str, t.Any] = field(default_factory=dict, repr=False)
    warning: str | None = field(default=None, repr=False)

    def as_result(self) -> dict[str, t.Any]:
        internal = ("entered", "needs_reload", "before", "removed", "warning")
        return {name: value for name, value in vars(self).items() if name not in internal}

    @property
    def changed(self) -> bool:
        return self.action in ("added", "updated", "removed") or self.removed_ocsp is not None or self.entered

    def failed(self, error: RotationError) -> Outcome:
        return replace(
            self,
            action="failed",
            error_code=error_code(error),
            message=error.message,
            needs_reload=isinstance(error, RELOAD_HELPS),
        )

    def holds(self, stored: StoredCertificate) -> None:
        """Take over what HAProxy holds."""
        self.name = stored.name
        self.fingerprint_sha1 = stored.fingerprint_sha1
        self.serial_number = stored.serial_number
        self.not_after = stored.not_after
        self.previous_fingerprint_sha1 = stored.fingerprint_sha1
        self.before = _summary(self)

    def wants(self, content: CertificateContent) -> None:
        """Take over what the content says."""
        self.fingerprint_sha1 = content.fingerprint_sha1
        self.fingerprint_sha256 = content.leaf.fingerprint_sha256
        self.serial_number = content.leaf.serial_number
        self.not_after = content.not_after


class CertificateRun:
    """All certificates of one module call against one HAProxy.

    version: of the HAProxy; remove_stale_ocsp: of certificates that are read from files; check_mode: look at all,
    change nothing.
    """

    def __init__(self, memory: CertificateMemory, version: str, *, remove_stale_ocsp: bool, check_mode: bool) -> None:
        self._memory = memory
        self._version = version
        self._remove_stale_ocsp = remove_stale_ocsp
        self._check_mode = check_mode
        self._by_path: dict[str, str] | None = None
        self._pending, names = memory.list_names()
        self._names = set(names)

    def apply(self, wanted: t.Sequence[WantedCertificate]) -> list[Outcome]:
        """Outcomes in the order of wanted. One failure does not stop the others, unless it would be theirs too."""
        outcomes: dict[int, Outcome] = {}
        hopeless: RotationError | None = None
        # A transaction left open by a killed run blocks all others: its certificate goes first.
        for number in sorted(range(len(wanted)), key=lambda index: wanted[index].name != self._pending):
            outcome = Outcome(wanted[number].name)
            try:
                if hopeless is not None:
                    raise hopeless
                with only_rotation_errors():
                    self._apply_one(wanted[number], outcome)
            except RotationError as error:
                outcome = outcome.failed(error)
                hopeless = error if isinstance(error, HOPELESS) else hopeless
            outcomes[number] = outcome
        return [outcomes[number] for number in range(len(wanted))]

    def _apply_one(self, wanted: WantedCertificate, outcome: Outcome) -> None:
        outcome.name = self._known_name(wanted.name)
        stored = self._memory.describe(outcome.name) if outcome.name in self._names else None
        if stored is not None:
            outcome.holds(stored)
        if wanted.state == "absent":
            self._remove(wanted, outcome, stored)
            return
        content = wanted.read()
        if self._remove_stale_ocsp and wanted.source:
            self._remove_ocsp(wanted.source, outcome, content)  # on disk first, whatever becomes of the memory
        if stored is None or stored.status == "Empty":
            self._add(wanted, outcome, content)
            return
        if wanted.force or not content.matches(stored):
            self._update(outcome, content)
        outcome.wants(content)
        self._use(wanted, outcome, stored)

    def _add(self, wanted: WantedCertificate, outcome: Outcome, content: CertificateContent) -> None:
        check_key(content)
        crt_list = self._memory.find_crt_list(outcome.name, wanted.crt_list)
        outcome.name = name = _name_in(crt_list, outcome.name)
        if not self._check_mode:
            try:
                self._memory.add(name, content, crt_list)
            except PayloadTooLarge:
                outcome.entered = self._persist(outcome, crt_list)  # the reload that is needed now reads this
                raise
            self._names.add(name)
            try:
                self._persist(outcome, crt_list)
            except RotationError:
                self._memory.remove(name)
                self._names.discard(name)
                raise
        outcome.wants(content)
        outcome.action = "added"

    def _update(self, outcome: Outcome, content: CertificateContent) -> None:
        check_key(content)
        self._memory.check_effective(self._version)
        if not self._check_mode:
            self._memory.update(outcome.name, content)
        outcome.action = "updated"

    def _use(self, wanted: WantedCertificate, outcome: Outcome, stored: StoredCertificate) -> None:
        """A loaded certificate: see that the crt-list asked for uses it, in memory and on disk."""
        if wanted.crt_list is None and stored.status != "Unused":
            return
        try:
            crt_list = self._memory.find_crt_list(outcome.name, wanted.crt_list)
        except CrtListRequired:
            if wanted.crt_list is not None:
                raise
            return  # unused by the configuration's own will, as in a crt-store
        if not self._memory.is_listed(outcome.name, crt_list):
            if not self._check_mode:
                self._memory.link(outcome.name, crt_list)
            outcome.action = "added" if stored.status == "Unused" else "updated"
        if self._persist(outcome, crt_list) and outcome.action == "unchanged":
            outcome.action = "updated"

    def _remove(self, wanted: WantedCertificate, outcome: Outcome, stored: StoredCertificate | None) -> None:
        crt_lists = self._memory.lists_with(outcome.name) if stored is not None else []
        paths = dict.fromkeys([*crt_lists, *([wanted.crt_list] if wanted.crt_list else [])])
        files = [file for file in map(CrtListFile, paths) if file.exists() and file.contains(outcome.name)]
        if stored is None and not files:
            return
        if not self._check_mode:
            # Disk first: an entry whose file is gone would break the next reload.
            previous = [(file, file.read()) for file in files]
            try:
                for file in files:
                    file.remove(outcome.name)
                if stored is not None:
                    self._memory.remove(outcome.name)
            except RotationError:
                for file, content in previous:
                    file.write_back(content)
                raise
        self._names.discard(outcome.name)
        outcome.fingerprint_sha1 = outcome.serial_number = outcome.not_after = None
        outcome.action = "removed"

    def _remove_ocsp(self, path: str, outcome: Outcome, content: CertificateContent) -> None:
        stale = find_stale_response(path, content)
        if stale is None:
            return
        try:
            if not self._check_mode:
                stale.remove()
        except OSError as error:
            outcome.warning = (
                f"{stale.path} is for another certificate, so HAProxy will not use it, but it could not be removed:"
                f" {error.strerror or error}."
            )
            return
        outcome.removed_ocsp = stale.path
        outcome.removed = {stale.path: {"serial_numbers": list(stale.serial_numbers)}}

    def _persist(self, outcome: Outcome, crt_list: str) -> bool:
        """Write the entry into the crt-list file too, so that it outlives a reload; True when that changes the file."""
        file = CrtListFile(crt_list)
        if os.path.isdir(crt_list) or (file.exists() and file.contains(outcome.name)):
            return False
        if not file.exists() or not os.path.exists(outcome.name):
            missing = outcome.name if file.exists() else crt_list
            outcome.message = f"In memory only: {missing} is no file on this host, so a reload of HAProxy forgets this."
            return False
        return True if self._check_mode else file.add(outcome.name)

    def _known_name(self, name: str) -> str:
        """HAProxy's own spelling of the name: the same path may be written in several ways."""
        if name in self._names or not name.startswith("/"):
            return name
        if self._by_path is None:
            self._by_path = {os.path.realpath(known): known for known in self._names if known.startswith("/")}
        return self._by_path.get(os.path.realpath(name), name)


def run(module: t.Any) -> None:
    """The module haproxy_certificate."""
    with module_boundary(module):
        wanted = wanted_certificates(module.params)
        api = RuntimeApi(module.params["socket"], module.params["timeout"])
        info = api.info()
        with take_turn(api, module.params["timeout"]):
            certificates = CertificateRun(
                CertificateMemory(api),
                info.get("Version", ""),
                remove_stale_ocsp=module.params["remove_stale_ocsp"],
                check_mode=module.check_mode,
            )
            outcomes = certificates.apply(wanted)
        for outcome in outcomes:
            if outcome.warning:
                module.warn(outcome.warning)
        result: dict[str, t.Any] = {
            "changed": any(outcome.changed for outcome in outcomes),
            "certificates": [outcome.as_result() for outcome in outcomes],
            "needs_reload": any(outcome.needs_reload for outcome in outcomes),
            "haproxy": process_facts(info),
            "diff": _diff(outcomes),
        }
        failed = [(outcome.name, outcome.message) for outcome in outcomes if outcome.action == "failed"]
        if failed:
            module.fail_json(msg=failure_message(failed, len(outcomes), "certificates"), **result)
        module.exit_json(**result)


def wanted_certificates(params: t.Mapping[str, t.Any]) -> list[WantedCertificate]:
    """The module's options as items. Raises InvalidOption."""
    items = []
    for number, item in enumerate(params["certificates"], start=1):
        name = item["name"] or item["src"]
        state = item["state"] or params["state"]
        if not name:
            raise InvalidOption(
                f"Item {number} of certificates has neither name nor src: HAProxy knows certificates by their name."
            )
        if state == "present" and (item["src"] is None) == (item["content"] is None):
            raise InvalidOption(f"{name}: give either src or content.")
        items.append(
            WantedCertificate(
                name=name,
                state=state,
                source=item["src"],
                content=item["content"],
                crt_list=item["crt_list"] or params["crt_list"],
                force=params["force"] if item["force"] is None else item["force"],
            )
        )
    names = [item.name for item in items]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidOption(f"Named more than once in certificates: {', '.join(twice)}.")
    return items


def _name_in(crt_list: str, name: str) -> str:
    """A new certificate of a directory gets the name that a reload would give it."""
    directory, base = os.path.split(name)
    same = directory != crt_list and os.path.realpath(directory) == os.path.realpath(crt_list)
    return os.path.join(crt_list, base) if same else name


def _summary(outcome: Outcome) -> dict[str, t.Any]:
    fields = {
        "fingerprint_sha1": outcome.fingerprint_sha1,
        "serial_number": outcome.serial_number,
        "not_after": outcome.not_after,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _diff(outcomes: t.Iterable[Outcome]) -> dict[str, t.Any]:
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for outcome in outcomes:
        before.update(outcome.removed)
        if outcome.action in ("added", "updated", "removed"):
            before.update({outcome.name: outcome.before} if outcome.before else {})
            after.update({outcome.name: _summary(outcome)} if outcome.action != "removed" else {})
    return {"before": before, "after": after}
