# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All stores beside the truth at once: which of them has what, and each certificate into those that lack it."""

from __future__ import annotations

import collections
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..._core.acme.acm_rules import pointer_tag
from ..._core.acme.stores import StoreStanding, StoreStandingKind
from ..._core.unexpected import only_rotation_errors
from ..._errors import RotationError

if t.TYPE_CHECKING:
    from ..._core.acme.stores import CertificateStore
    from ..._core.acme.wanted import WantedCertificate
    from ..._core.x509.bundle import CertificateBundle
    from .truth import SecretsTruth

#: Of one certificate: name of the store -> what it says.
Standings = t.Mapping[str, StoreStanding]
_LACKING: t.Final = ("absent", "other")


class StoreOutcome(t.NamedTuple):
    """state: as results have it, of a store that was written, or as it was found; address: ARN or s3:// address;
    why: for people, of what failed, is not known, or is another one."""

    state: t.Literal["stored", "failed"] | StoreStandingKind
    address: str | None = None
    why: str | None = None


class CertificateStores:
    """stores: each with a name of its own."""

    def __init__(self, stores: t.Sequence[CertificateStore]) -> None:
        self._stores = {store.name: store for store in stores}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._stores)

    @property
    def api_calls(self) -> collections.Counter[str]:
        """Requests sent so far, by operation."""
        total: collections.Counter[str] = collections.Counter()
        for store in self._stores.values():
            total.update(getattr(store, "api_calls", {}))
        return total

    def look(
        self, wanted: t.Iterable[WantedCertificate], held: t.Mapping[str, CertificateBundle | None]
    ) -> dict[str, dict[str, StoreStanding]]:
        """By name of the certificate and of each store that is to have it. held: what the truth has, by name.

        Raises nothing: a store that does not answer is unknown.
        """
        wanted = list(wanted)
        standings: dict[str, dict[str, StoreStanding]] = {each.name: {} for each in wanted}
        if not self._stores or not wanted:
            return standings

        def look(store: CertificateStore) -> t.Mapping[str, StoreStanding]:
            asked = {each.name: (each, held.get(each.name)) for each in wanted if self._is_for(store.name, each)}
            try:
                with only_rotation_errors():
                    return store.look(asked)
            except RotationError as error:
                return dict.fromkeys(asked, StoreStanding("unknown", why=error.message))

        with ThreadPoolExecutor(len(self._stores)) as pool:
            for store, found in zip(self._stores, pool.map(look, self._stores.values())):
                for name, standing in found.items():
                    standings[name][store] = standing
        return standings

    def why_not(self, wanted: WantedCertificate, standings: Standings, profile: str | None) -> str | None:
        """Why one of its stores could not take it, before anything is ordered. profile: that it will be issued for."""
        reasons = (self._stores[store].why_not(wanted, standing, profile) for store, standing in standings.items())
        return next(filter(None, reasons), None)

    def lacking(self, standings: Standings) -> list[str]:
        """Names of the stores that lack what the truth has."""
        return [store for store, standing in standings.items() if standing.kind in _LACKING]

    def put(
        self, wanted: WantedCertificate, bundle: CertificateBundle, standings: Standings, *, is_new: bool
    ) -> dict[str, StoreOutcome]:
        """By store: into those that lack it, or into all when it is newer than what they were asked about (is_new).

        May be called from many threads at once. Raises nothing: each failure is the store's own.
        """
        lacking = standings if is_new else self.lacking(standings)
        return {
            store: self._put(store, wanted, bundle, standing) if store in lacking else as_found(standing)
            for store, standing in standings.items()
        }

    def _put(
        self, store: str, wanted: WantedCertificate, bundle: CertificateBundle, standing: StoreStanding
    ) -> StoreOutcome:
        try:
            with only_rotation_errors():
                return StoreOutcome("stored", self._stores[store].put(wanted, bundle, standing))
        except RotationError as error:
            return StoreOutcome("failed", standing.arn, error.message)

    @staticmethod
    def _is_for(store: str, wanted: WantedCertificate) -> bool:
        return wanted.stores is None or store in wanted.stores


def as_found(standing: StoreStanding) -> StoreOutcome:
    """Of a store that is not written."""
    return StoreOutcome(standing.kind, standing.arn, standing.why)


class SecretPointers:
    """The Pointers of a store in ACM: tags of the certificates' secrets."""

    def __init__(self, truth: SecretsTruth, region: str) -> None:
        self._truth = truth
        self._tag = pointer_tag(region)

    def secret(self, name: str) -> str:
        return self._truth.prefix + name

    def get(self, name: str) -> str | None:
        return self._truth.tags(name).get(self._tag) or None

    def set(self, name: str, arn: str) -> None:
        self._truth.tag(name, self._tag, arn)
