# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS Certificate Manager as a store: each certificate has one entry, whose ARN stays the same for ever.

Which entry that is, a tag of its secret tells (acm_rules.pointer_tag). Without that, it is the imported one for exactly
its names, unless that says (acm_rules.OWNER_TAG) that it is another secret's. Nothing else is ever overwritten.
"""

from __future__ import annotations

import collections
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone

from ..._core.acme import acm_rules
from ..._core.acme.acm_rules import NEW_ENTRY, OWNER_TAG, AcmEntry
from ..._core.acme.stores import StoreStanding
from ..._errors import AwsError, RotationError
from .calls import AwsCalls

if t.TYPE_CHECKING:
    from ..._core.acme.wanted import WantedCertificate
    from ..._core.x509.bundle import CertificateBundle
    from .secrets_manager import Retry

_PAGE_SIZE = 1000
_CONCURRENT_CALLS = 4
_CONCURRENT_IMPORTS = 2  # of which ACM takes one or so a second: more at once would only wait for each other
_GONE = "ResourceNotFoundException"
_ADVICE = {
    "LimitExceededException": "Delete certificates that nobody needs, or ask AWS for a higher quota.",
    "TooManyTagsException": "An entry has 50 tags at most: remove some.",
}


class Pointers(t.Protocol):
    """Where it is noted which entry is a certificate's, by the certificate's name. Raises RotationError."""

    def secret(self, name: str) -> str:
        """Name of its secret."""

    def get(self, name: str) -> str | None: ...

    def set(self, name: str, arn: str) -> None: ...


class AcmStore:
    """One region of ACM, as CertificateStore. client: of boto3, for ``acm``; tags: of all entries, besides OWNER_TAG;
    others that they have stay."""

    def __init__(
        self,
        client: t.Any,
        retry: Retry,
        pointers: Pointers,
        *,
        name: str = "acm",
        tags: t.Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._calls = AwsCalls(client, retry, "acm")
        self._pointers = pointers
        self._tags = dict(tags or {})
        self._importing = threading.BoundedSemaphore(_CONCURRENT_IMPORTS)
        self._entries: dict[str, AcmEntry] = {}
        self._held: dict[str, CertificateBundle] = {}
        self._problems: dict[str, str] = {}

    @property
    def api_calls(self) -> collections.Counter[str]:
        return self._calls.api_calls

    def look(
        self, wanted: t.Mapping[str, tuple[WantedCertificate, CertificateBundle | None]]
    ) -> dict[str, StoreStanding]:
        self._entries, self._held, self._problems = {}, {}, {}
        if not wanted:
            return {}
        pointers: dict[str, str | None] = {}
        unread: dict[str, str] = {}  # without it, another entry might be taken for the one
        for name in wanted:
            try:
                pointers[name] = self._pointers.get(name)
            except RotationError as error:
                unread[name] = error.message
        listed = {entry.arn: entry for entry in self._list()}
        taken = collections.Counter(pointer for pointer in pointers.values() if pointer)

        def standing(name: str) -> StoreStanding:
            certificate, bundle = wanted[name]
            if name in unread:
                return StoreStanding("unknown", why=unread[name])
            pointer = pointers[name]
            try:
                if pointer and pointer != NEW_ENTRY and taken[pointer] > 1:
                    found: AcmEntry | str | None = self._shared(pointer)
                elif pointer:
                    found = self._pointed(name, pointer, listed)
                else:
                    found = self._by_names(certificate, listed.values(), taken)
                return self._standing(name, found, bundle, is_noted=bool(pointer))
            except RotationError as error:  # of this one: throttled, or denied
                return StoreStanding("unknown", why=error.message)

        with ThreadPoolExecutor(_CONCURRENT_CALLS) as pool:
            found = dict(zip(wanted, pool.map(standing, wanted)))
        # Two that are wanted for the same names cannot both have the one entry that is there.
        claimed: set[str] = set()
        for name in sorted(wanted, key=lambda name: name not in self._held):
            arn = found[name].arn
            if arn in claimed:
                del self._entries[name]
                found[name] = StoreStanding("absent")
            elif arn:
                claimed.add(arn)
        return found

    def why_not(self, wanted: WantedCertificate, standing: StoreStanding, profile: str | None) -> str | None:
        entry = self._entries.get(wanted.name)
        if wanted.name in self._problems:
            return self._problems[wanted.name]
        if entry is None or standing.arn is None:
            return None
        return acm_rules.why_not_renewed(entry, wanted, profile, self._held.get(wanted.name))

    def put(self, wanted: WantedCertificate, bundle: CertificateBundle, standing: StoreStanding) -> str:
        problem = self._problems.get(wanted.name)
        if problem is None and standing.kind == "unknown":
            problem = standing.why or "it is not known whether ACM holds it. Run again."
        entry = None
        if problem is None and standing.arn is not None:
            entry = self._entries.get(wanted.name) or self._describe(standing.arn)
        problem = problem or acm_rules.why_not_imported(bundle, entry, datetime.now(timezone.utc))
        if problem:
            raise RotationError(f"{wanted.name}: {problem}")
        arn = self._renew(wanted, bundle, entry) if entry else None
        if arn is None:
            arn = self._import(wanted, bundle, None)
        if self._pointers.get(wanted.name) != arn:
            self._pointers.set(wanted.name, arn)
        return arn

    # -- finding ------------------------------------------------------------------------------------------------

    def _list(self) -> t.Iterator[AcmEntry]:
        pages = self._calls.pages(
            "list_certificates",
            token=("NextToken", "NextToken"),
            MaxItems=_PAGE_SIZE,
            Includes={"keyTypes": list(acm_rules.KEY_ALGORITHMS)},
        )
        for page in pages:
            yield from map(acm_rules.entry_of, page["CertificateSummaryList"])

    def _shared(self, pointer: str) -> str:
        """A secret that was copied with its tags points to the entry of the one that it is a copy of."""
        tag = acm_rules.pointer_tag(self._calls.region)
        return f"the tags {tag} of several secrets lead to {pointer}. Remove the tag of all but one."

    def _pointed(self, name: str, pointer: str, listed: t.Mapping[str, AcmEntry]) -> AcmEntry | str | None:
        if pointer == NEW_ENTRY:
            return None
        tag = acm_rules.pointer_tag(self._calls.region)
        if acm_rules.region_of(pointer) != self._calls.region:
            return (
                f"the tag {tag} of secret {self._pointers.secret(name)} is {pointer!r}, which is no ARN of ACM in this"
                f" region. Correct it, or remove it."
            )
        entry = listed.get(pointer) or self._describe(pointer)
        if entry is not None and not entry.imported:
            return (
                f"the tag {tag} of secret {self._pointers.secret(name)} leads to {pointer}, which was not imported, and"
                " cannot be replaced. Correct the tag, or remove it."
            )
        return entry

    def _by_names(
        self, wanted: WantedCertificate, entries: t.Iterable[AcmEntry], taken: t.Container[str]
    ) -> AcmEntry | str | None:
        possible = [self._whole(entry) for entry in acm_rules.candidates(wanted, entries, taken)]
        found = [
            (entry, self._tags_of(entry.arn).get(OWNER_TAG)) for entry in acm_rules.candidates(wanted, possible, taken)
        ]
        return acm_rules.choose(wanted, found, self._pointers.secret(wanted.name), self._calls.region)

    def _standing(
        self, name: str, found: AcmEntry | str | None, bundle: CertificateBundle | None, *, is_noted: bool
    ) -> StoreStanding:
        if isinstance(found, str):
            self._problems[name] = found
            return StoreStanding("unknown", why=found)
        if found is None:
            return StoreStanding("absent")
        if bundle is not None and (found.not_before is None or found.not_after is None):
            found = replace(found, is_whole=False)
        found = self._whole(found)
        self._entries[name] = found
        if bundle is None or not acm_rules.holds(found, bundle):
            return StoreStanding("other", found.arn, "it is another certificate")
        self._held[name] = bundle
        if not is_noted:
            return StoreStanding("other", found.arn, "it is not noted as this certificate's entry yet")
        return StoreStanding("current", found.arn)

    def _describe(self, arn: str) -> AcmEntry | None:
        try:
            reply = self._calls.call("describe_certificate", about=arn, CertificateArn=arn)
        except AwsError as error:
            if error.code == _GONE:
                return None
            raise
        return acm_rules.entry_of(reply["Certificate"])

    def _whole(self, entry: AcmEntry) -> AcmEntry:
        return entry if entry.is_whole else replace(self._describe(entry.arn) or entry, is_whole=True)

    def _tags_of(self, arn: str) -> dict[str, str]:
        reply = self._calls.call("list_tags_for_certificate", about=arn, CertificateArn=arn)
        return {tag["Key"]: tag.get("Value", "") for tag in reply["Tags"]}

    # -- storing ------------------------------------------------------------------------------------------------

    def _renew(self, wanted: WantedCertificate, bundle: CertificateBundle, entry: AcmEntry) -> str | None:
        """None when it is gone. Raises RotationError when it is another secret's."""
        secret = self._pointers.secret(wanted.name)
        try:
            present = self._tags_of(entry.arn)
            owner = present.get(OWNER_TAG, acm_rules.owner_of(secret))
            if owner != acm_rules.owner_of(secret):
                tag = acm_rules.pointer_tag(self._calls.region)
                raise RotationError(
                    f"{wanted.name}: {entry.arn} is the entry of secret {owner}, as its tag {OWNER_TAG} says. Correct"
                    f" or remove the tag {tag} of secret {secret}; or, when it is that no more, the tag of the entry."
                )
            if not acm_rules.holds(entry, bundle):
                self._import(wanted, bundle, entry.arn)
            missing = {key: value for key, value in self._wanted_tags(secret).items() if present.get(key) != value}
            if missing:
                tags = acm_rules.tag_list(missing)
                self._calls.call("add_tags_to_certificate", about=entry.arn, CertificateArn=entry.arn, Tags=tags)
        except AwsError as error:
            if error.code == _GONE:
                return None
            raise
        return entry.arn

    def _import(self, wanted: WantedCertificate, bundle: CertificateBundle, arn: str | None) -> str:
        request = acm_rules.import_request(bundle, arn, self._wanted_tags(self._pointers.secret(wanted.name)))
        try:
            with self._importing:
                reply = self._calls.call("import_certificate", about=wanted.name, **request)
        except AwsError as error:
            if error.code in _ADVICE:
                raise AwsError(f"{error.message} {_ADVICE[error.code]}", error.code) from None
            raise
        return str(reply["CertificateArn"])

    def _wanted_tags(self, secret: str) -> dict[str, str]:
        return {**self._tags, OWNER_TAG: acm_rules.owner_of(secret)}
