# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wanted of a running HAProxy's memory, and what became of it, certificate by certificate."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field, replace

from ..._core.haproxy.content import CertificateContent, parse_content
from ..._core.haproxy.crt_list_line import CrtListLine
from ..._core.haproxy.parsing import StoredCertificate
from ..._core.haproxy.stapling import issuer_pem
from ..._core.x509.problems import MaterialError
from ..._errors import InvalidOption, RotationError
from ..._ports.haproxy.crt_list_file import CrtListFile
from ..._ports.haproxy.ocsp_file import ISSUER_SUFFIX
from ..._ports.store.atomic import read_regular_file
from ..haproxy_failures import RELOAD_HELPS, error_code, failure_message

# Of an outcome.
_INTERNAL = ("loaded_ocsp_since", "entered", "entered_in", "needs_reload", "before", "removed", "lines", "warning")


class WantedLine(t.NamedTuple):
    """One item of a certificate's entries. crt_list: as HAProxy or this host names it; line: None for any that has this
    number in HAProxy; number: None for any.
    """

    state: str
    crt_list: str
    line: CrtListLine | None
    number: int | None = None


class GivenText(t.NamedTuple):
    """What goes with a certificate: as text, or in a file."""

    source: str | None = None
    content: str | None = None

    def __bool__(self) -> bool:
        return self.source is not None or self.content is not None

    def read(self) -> bytes:
        """Raises InvalidOption."""
        if self.content is not None:
            return self.content.encode("utf-8", "surrogateescape")
        try:
            return read_regular_file(self.source or "")
        except OSError as error:
            raise InvalidOption(f"Cannot read {self.source}: {error.strerror or error}.") from None


NOT_GIVEN = GivenText()


@dataclass(frozen=True, repr=False)
class MemoryItem:
    """One item of the module's certificates.

    content: PEM, None when it is read from source; neither: what HAProxy holds stays. entries: lines of crt-lists, None
    when they are not told; purge_entries: whether it has no others there. ocsp: its response; issuer: of the
    certificate, for the response; key_source: file of the private key, where the content has none.
    refusal: why it means nothing, which is not the others' matter.
    """

    name: str
    state: str
    source: str | None
    content: str | None
    crt_list: str | None
    force: bool
    entries: t.Sequence[WantedLine] | None = None
    purge_entries: bool = False
    ocsp: GivenText = NOT_GIVEN
    issuer: GivenText = NOT_GIVEN
    key_source: str | None = None
    refusal: InvalidOption | None = None

    @property
    def has_content(self) -> bool:
        return self.source is not None or self.content is not None

    def read(self) -> CertificateContent:
        """With key and issuer from files of their own where the certificate's has none. Raises MaterialError,
        InvalidOption."""
        pem = GivenText(self.source, self.content).read()
        content = parse_content(pem)
        key = None if content.has_key else self._key_file()
        content = content if key is None else parse_content(b"\n".join((pem, GivenText(key).read())))
        return content if content.issuer is not None else self._with_issuer(content)

    def beside(self, suffix: str) -> GivenText:
        """HAProxy's own file of this kind, perhaps without the certificate's .crt (ssl-load-extra-del-ext)."""
        names = dict.fromkeys((self.source, self.source.removesuffix(".crt"))) if self.source else ()
        return GivenText(next(filter(os.path.isfile, (f"{name}{suffix}" for name in names)), None))

    def _with_issuer(self, content: CertificateContent) -> CertificateContent:
        issuer = self.issuer or self.beside(ISSUER_SUFFIX)
        try:
            return replace(content, issuer_beside=issuer_pem(content.leaf, issuer.read())) if issuer else content
        except (InvalidOption, MaterialError):
            if self.issuer:
                raise
            return content

    def _key_file(self) -> str | None:
        """The one that was given, else that beside the certificate, as HAProxy finds it (ssl-load-extra-del-ext)."""
        beside = [f"{self.source}.key", f"{os.path.splitext(self.source)[0]}.key"] if self.source else []
        return self.key_source or next(filter(os.path.isfile, beside), None)


@dataclass
class MemoryOutcome:
    """What happened to one certificate; as_result is what the module returns.

    entered: whether crt-list files have changed for a reload; entered_in: those that got a plain line, and had none.
    """

    name: str
    names: list[str] = field(default_factory=list)
    action: str = "unchanged"
    fingerprint_sha1: str | None = None
    fingerprint_sha256: str | None = None
    serial_number: str | None = None
    not_after: str | None = None
    previous_fingerprint_sha1: str | None = None
    error_code: str | None = None
    message: str | None = None
    removed_ocsp: str | None = None
    loaded_ocsp: bool = False
    loaded_ocsp_since: str | None = field(default=None, repr=False)
    entries: list[dict[str, t.Any]] = field(default_factory=list)
    entered: bool = field(default=False, repr=False)
    entered_in: list[CrtListFile] = field(default_factory=list, repr=False)
    needs_reload: bool = field(default=False, repr=False)
    before: dict[str, t.Any] = field(default_factory=dict, repr=False)
    removed: dict[str, t.Any] = field(default_factory=dict, repr=False)
    lines: tuple[dict[str, t.Any], dict[str, t.Any]] | None = field(default=None, repr=False)
    warning: str | None = field(default=None, repr=False)

    def as_result(self) -> dict[str, t.Any]:
        return {name: value for name, value in vars(self).items() if name not in _INTERNAL}

    @property
    def changed(self) -> bool:
        return self.action in ("added", "updated", "removed") or self.removed_ocsp is not None or self.entered

    def failed(self, error: RotationError) -> MemoryOutcome:
        return replace(
            self,
            action="failed",
            error_code=error_code(error),
            message=error.message,
            needs_reload=isinstance(error, RELOAD_HELPS),
        )

    def holds(self, stored: StoredCertificate) -> None:
        """Take over what HAProxy holds."""
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


class MemoryReport(t.NamedTuple):
    """outcomes: in the order of what was wanted; process: facts of the HAProxy process that answered."""

    outcomes: list[MemoryOutcome]
    process: dict[str, t.Any]

    @property
    def message(self) -> str:
        """What failed; "" when nothing did."""
        failed = [(outcome.name, outcome.message) for outcome in self.outcomes if outcome.action == "failed"]
        return failure_message(failed, len(self.outcomes), "certificates") if failed else ""

    def as_result(self) -> dict[str, t.Any]:
        """What the module haproxy_certificate returns."""
        return {
            "changed": any(outcome.changed for outcome in self.outcomes),
            "certificates": [outcome.as_result() for outcome in self.outcomes],
            "needs_reload": any(outcome.needs_reload for outcome in self.outcomes),
            "haproxy": self.process,
            "diff": _diff(self.outcomes),
        }


def of_files(items: t.Iterable[t.Mapping[str, str]], crt_list: str | None) -> list[MemoryItem]:
    """For files on disk: items have src, which is the name, too, and state. What HAProxy holds is loaded again."""
    return [MemoryItem(item["src"], item["state"], item["src"], None, crt_list, force=True) for item in items]


def entered_lines(
    items: t.Iterable[t.Mapping[str, str]], outcomes: t.Iterable[MemoryOutcome]
) -> dict[str, list[CrtListFile]]:
    """src of an item -> the crt-list files that got its line for a reload."""
    return {item["src"]: outcome.entered_in for item, outcome in zip(items, outcomes) if outcome.entered_in}


def _summary(outcome: MemoryOutcome) -> dict[str, t.Any]:
    fields = {
        "fingerprint_sha1": outcome.fingerprint_sha1,
        "serial_number": outcome.serial_number,
        "not_after": outcome.not_after,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _diff(outcomes: t.Iterable[MemoryOutcome]) -> dict[str, t.Any]:
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for outcome in outcomes:
        before.update(outcome.removed)
        if outcome.action in ("added", "updated", "removed"):
            before.update({outcome.name: outcome.before} if outcome.before else {})
            after.update({outcome.name: _summary(outcome)} if outcome.action != "removed" else {})
            if outcome.loaded_ocsp_since is not None:
                after[outcome.name]["ocsp_response"] = outcome.loaded_ocsp_since
            for side, lines in zip((before, after), outcome.lines or ()):
                side[outcome.name] = {**side.get(outcome.name, {}), "crt_lists": lines}
    return {"before": before, "after": after}
