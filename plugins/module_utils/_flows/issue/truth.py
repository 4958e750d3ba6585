# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets Manager as the store of record: what it holds of many certificates, and one more version of each issued."""

from __future__ import annotations

import dataclasses
import functools
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from ..._core.acme.document import document_fields, issued_by, issued_documents, why_not_replaced
from ..._core.acme.staged import StagedSecret
from ..._core.acme.wanted import HeldCertificate, WantedCertificate
from ..._core.pipeline.source import SecretFailure, SecretValue, SecretVersion
from ..._core.promotion import candidate_of
from ..._core.secrets.arn import why_replica_stays
from ..._core.secrets.candidates import (
    CandidateMove,
    fresh_version,
    is_unlabelling,
    plan_candidate,
    plan_promotion,
)
from ..._core.secrets.plan import CURRENT, WantedSecret, plan_present, require_other_regions, version_with
from ..._core.x509.leaf import find_leaf
from ..._core.x509.problems import MaterialError, Problem
from ..._core.x509.verify import build_bundle
from ..._errors import RotationError, SecretsManagerError

if t.TYPE_CHECKING:
    from ..._core.pipeline.verify import SecretVerifier
    from ..._core.x509.bundle import CertificateBundle
    from ..._core.x509.document import CertificateMaterial
    from ..._ports.aws.certificate_secrets import CertificateSecrets
    from ..._ports.aws.shared_secrets import Properties


class TruthVersion(t.NamedTuple):
    """arn, version_id: of the secret; written: whether it was this call that gave the version its label; label: that it
    has now."""

    arn: str
    version_id: str
    written: bool
    label: str = CURRENT


class _LookedAt(t.NamedTuple):
    """A version of a secret, "" for none that could be read, with its value: never shown.

    refusal: why it must not be replaced; is_served: whether it can be read as a certificate that has not ended, so that
    hosts may serve it.
    """

    version_id: str
    value: str | bytes
    refusal: str | None = None
    is_served: bool = False


class SecretsTruth:
    """Certificates are called by their names, which the prefix makes names of secrets. What writes may be called from
    many threads at once.

    verifier: what is held has to keep its rules; on_deleted: whether a deletion is taken back before values are read.
    With predict it is not, and what a run does then is told. label: that new versions get. With another one than
    AWSCURRENT they are candidates, unless there is no certificate that could be served instead: none yet, or one that
    has ended. Raises InvalidOption for a replica in the own region.
    """

    #: Whether it is the label of what is issued, whatever is current.
    _has_always_label = False

    def __init__(
        self,
        secrets: CertificateSecrets,
        verifier: SecretVerifier,
        properties: Properties,
        *,
        prefix: str = "",
        on_deleted: t.Literal["fail", "restore", "predict"] = "fail",
        label: str = CURRENT,
    ) -> None:
        require_other_regions(secrets.place.region, properties.replica_regions)
        self.secrets = secrets
        self.prefix = prefix
        self.label = label
        self._verifier = verifier
        self._properties = properties
        self._on_deleted = on_deleted
        self._lock = threading.Lock()
        self._seen: dict[str, _LookedAt] = {}
        self._now = datetime.now(timezone.utc)
        self._tags: dict[str, dict[str, str] | str] | None = None  # text: why they cannot be told

    def look(self, names: t.Iterable[str], *, now: datetime) -> dict[str, HeldCertificate]:
        """By name; what has no secret yet is left out. Raises nothing: see HeldCertificate's refusal."""
        secrets = {self.prefix + name: name for name in names}
        found = self.secrets.values(secrets)
        if self._on_deleted == "restore":
            self._restore_deleted(found)
        there = {secrets[secret]: each for secret, each in found.items() if _code(each) != "secret_missing"}
        held, seen = {}, {}
        for name, each in there.items():
            material = None if isinstance(each, SecretFailure) else self._material(each.value)
            held[name] = self._held(each, material, now)
            seen[name] = _looked_at(each, material, held[name].refusal, now)
        with self._lock:
            self._tags, self._seen, self._now = None, seen, now
        return held

    def makes_candidate(self, name: str) -> bool:
        """Whether put would make a candidate, by what was looked at."""
        return self._label(self._seen.get(name)) != CURRENT

    def staged(self, names: t.Iterable[str], *, now: datetime) -> dict[str, StagedSecret]:
        """What of these waits for its promotion, by name; nothing where no candidates are made. Raises nothing."""
        names = list(names) if self.label != CURRENT else []
        if not names:
            return {}
        with ThreadPoolExecutor(min(_THREADS, len(names))) as pool:
            return dict(zip(names, pool.map(functools.partial(self._staged, now=now), names)))

    def put(
        self, wanted: WantedCertificate, bundle: CertificateBundle, directory: str | None, profile: str | None
    ) -> TruthVersion:
        """The certificate as the current version of its secret, or as its candidate: one version, however often this is
        called.

        directory, profile: by which and for which it was issued. Raises RotationError, also when the secret has come
        to hold what is no certificate.
        """
        name = self.prefix + wanted.name

        def secret(before: str | bytes) -> WantedSecret:
            told = (wanted.first_domain, directory, profile, self._verifier.fields)
            documents = list(issued_documents(before, bundle, *told))
            # What is issued has to be stored, and to be found there by hosts.
            return self._secret(name, next(filter(functools.partial(self._reads, bundle), documents), documents[-1]))

        described = self.secrets.describe(name) if wanted.name in self._seen else None
        if described is None:
            stored = self._create(wanted.name, secret(""))
            if stored is not None:
                return stored
            described = self.secrets.describe(name)  # somebody was quicker
        if described is None:
            raise RotationError(f"Secret {name}: somebody creates and deletes it meanwhile. Run again.")
        if described.get("DeletedDate"):
            raise RotationError(f"Secret {name} is marked for deletion. Restore it (RestoreSecret), and run again.")
        seen = self._current(wanted.name, described)
        label = self._label(seen)
        if label == CURRENT:
            return self._replace(wanted.name, described, secret(seen.value))
        return self._put_candidate(
            described, dataclasses.replace(secret(seen.value), label=label, base=seen.version_id)
        )

    def promote(self, name: str, version_id: str) -> TruthVersion:
        """Make the candidate current. Raises RotationError, also when it is no candidate any more."""
        secret = self.prefix + name
        described = self.secrets.describe(secret)
        plan = plan_promotion(CandidateMove(secret, version_id), described, self.label)
        self.secrets.apply(plan.requests, secret)
        return TruthVersion((described or {})["ARN"], version_id, plan.guarded)

    def why_not(self, name: str) -> str | None:
        """Why a secret that is there would not take another certificate, before anything is ordered."""
        secret = self.prefix + name
        try:
            described = self.secrets.describe(secret) if name in self._seen else None
        except SecretsManagerError:
            return None  # who stores it says so
        return why_replica_stays(secret, described) if described else None

    def tags(self, name: str) -> t.Mapping[str, str]:
        """Of the secret, if it was there when it was looked at. All are listed when the first one is asked for.

        Raises RotationError.
        """
        with self._lock:
            if self._tags is None:
                self._tags = self._list_tags()
            tags = self._tags.get(name, {})
        if isinstance(tags, str):
            raise RotationError(tags)
        return tags

    def tag(self, name: str, key: str, value: str) -> None:
        """Raises SecretsManagerError."""
        self.secrets.tag(self.prefix + name, {key: value})
        with self._lock:
            tags = self._tags.setdefault(name, {}) if self._tags is not None else ""
            if not isinstance(tags, str):
                tags[key] = value

    def _list_tags(self) -> dict[str, dict[str, str] | str]:
        secrets = {self.prefix + name: name for name in self._seen}
        try:
            found = self.secrets.tags(secrets)
        except SecretsManagerError as error:
            return dict.fromkeys(self._seen, error.message)
        return {
            secrets[secret]: tags.problem.message if isinstance(tags, SecretFailure) else dict(tags)
            for secret, tags in found.items()
        }

    # -- reading ------------------------------------------------------------------------------------------------

    def _restore_deleted(self, found: dict[str, SecretValue | SecretFailure]) -> None:
        restored = []
        for name in [name for name, each in found.items() if _code(each) == "secret_deleted"]:
            try:
                self.secrets.restore(name)
                restored.append(name)
            except SecretsManagerError as error:
                found[name] = SecretFailure(name, Problem("secret_deleted", "error", error.message))
        found.update(self.secrets.values(restored))

    def _staged(self, name: str, *, now: datetime) -> StagedSecret:
        secret = self.prefix + name
        try:
            described = self.secrets.describe(secret) or {}
            versions = described.get("VersionIdsToStages") or {}
            found = candidate_of(versions, self.label)
            if not found.counts or found.version_id is None or described.get("DeletedDate"):
                return StagedSecret(self.label, versions)
            value = self.secrets.value_of(described, found.version_id)
        except SecretsManagerError as error:
            if error.code == "ResourceNotFoundException":  # a version without a value: nobody waits for that
                return StagedSecret(self.label, versions)
            return StagedSecret(
                self.label, why=f"Whether the next one is staged already cannot be told: {error.message}"
            )
        read = SecretValue(SecretVersion(described["Name"], described["ARN"], found.version_id), value)
        return StagedSecret(self.label, versions, self._held(read, self._material(value), now))

    def _held(
        self, found: SecretValue | SecretFailure, material: CertificateMaterial | MaterialError | None, now: datetime
    ) -> HeldCertificate:
        if isinstance(found, SecretFailure):
            why = found.problem.message
            if _code(found) == "secret_deleted" and self._on_deleted == "predict":
                why = f"Secret {found.name} is marked for deletion. A run restores it, and knows then what it holds."
            return HeldCertificate(None, why=why, refusal=None if _code(found) == "secret_no_current_version" else why)
        secret = found.secret
        material = self._material(found.value) if material is None else material
        directory, profile = issued_by(document_fields(found.value))
        refusal = _refusal(secret.name, found.value, material)
        bundle, problems = None, []
        if isinstance(material, MaterialError):
            problems = [material.problem]
        else:
            policy, why_not_loaded = self._verifier.policy, self._verifier.why_not_loaded
            bundle, problems = build_bundle(material, policy, at=now, why_not_loaded=why_not_loaded)
        why = "\n".join(f"{problem.message} [{problem.code}]" for problem in problems if problem.severity == "error")
        return HeldCertificate(
            None if refusal else bundle,
            directory,
            profile,
            secret.version_id,
            secret.arn,
            why=refusal or why or None,
            refusal=refusal,
            has_ended=_has_ended(material, now),
        )

    def _material(self, value: str | bytes) -> CertificateMaterial | MaterialError:
        try:
            return self._verifier.parse(value)
        except MaterialError as error:
            return error

    # -- writing ------------------------------------------------------------------------------------------------

    def _secret(self, name: str, document: str | bytes) -> WantedSecret:
        properties = self._properties
        regions = properties.replica_regions
        return WantedSecret(
            name=name,
            document=document,
            tags=properties.tags,
            purge_tags=False,
            kms_key_id=properties.kms_key_id,
            replicas=None if regions is None else dict.fromkeys(regions),
        )

    def _create(self, name: str, secret: WantedSecret) -> TruthVersion | None:
        """None when there is a secret of this name already."""
        (request,) = plan_present(None, secret, same_content=False)
        created = self.secrets.create(request, secret.name)
        if created is None:
            return None
        self._remember(name, secret)
        return TruthVersion(*created, True)

    def _label(self, seen: _LookedAt | None) -> str:
        """Of what takes its place."""
        is_served = seen is not None and seen.is_served
        return self.label if is_served or self._has_always_label else CURRENT

    def _current(self, name: str, described: t.Mapping[str, t.Any]) -> _LookedAt:
        """What is to be replaced, which is read again when it is another one than was looked at."""
        holder = version_with(described, CURRENT)
        seen = self._seen.get(name)
        if holder is None:
            return _LookedAt("", "")
        if seen is None or seen.version_id != holder:
            value = self.secrets.value_of(described, holder)
            material = self._material(value)
            refusal = _refusal(described["Name"], value, material)
            seen = _LookedAt(holder, value, refusal, _is_served(material, self._now))
        if seen.refusal:
            raise RotationError(seen.refusal)
        return seen

    def _reads(self, bundle: CertificateBundle, document: str | bytes) -> bool:
        """Whether the document is read as this bundle."""
        material = self._material(document)
        if isinstance(material, MaterialError):
            return False
        return find_leaf(material) == bundle.leaf and {*bundle.intermediates} <= {*material.certificates}

    def _put_candidate(self, described: t.Mapping[str, t.Any], secret: WantedSecret) -> TruthVersion:
        """secret: with the version that is current as its base."""
        secret = fresh_version(described, secret)
        version, written = secret.token, False
        for request in plan_candidate(described, secret, same_content=False):
            if request.operation == "put_secret_value":
                version, written = self.secrets.put(request, secret), True
            elif is_unlabelling(request):
                self.secrets.tidy(request, secret.name)
            else:
                self.secrets.apply([request], secret.name)
        return TruthVersion(described["ARN"], version, written, secret.label)

    def _replace(self, name: str, described: t.Mapping[str, t.Any], secret: WantedSecret) -> TruthVersion:
        requests = plan_present(described, secret, same_content=False)
        for request in requests:
            if request.operation == "put_secret_value":
                self.secrets.put(request, secret)
            else:
                self.secrets.apply([request], secret.name)
        self._remember(name, secret)
        return TruthVersion(described["ARN"], secret.token, any(each.operation in _MAKE_CURRENT for each in requests))

    def _remember(self, name: str, secret: WantedSecret) -> None:
        with self._lock:
            self._seen[name] = _LookedAt(secret.token, secret.document, is_served=True)


_THREADS: t.Final = 8
_MAKE_CURRENT: t.Final = ("put_secret_value", "update_secret_version_stage")


def _code(found: SecretValue | SecretFailure) -> str:
    return found.problem.code if isinstance(found, SecretFailure) else ""


def _looked_at(
    found: SecretValue | SecretFailure,
    material: CertificateMaterial | MaterialError | None,
    refusal: str | None,
    now: datetime,
) -> _LookedAt:
    if isinstance(found, SecretFailure):
        return _LookedAt("", "")
    return _LookedAt(found.secret.version_id, found.value, refusal, _is_served(material, now))


def _is_served(material: CertificateMaterial | MaterialError | None, now: datetime) -> bool:
    """Whether hosts may serve it. What is wrong with it otherwise does not count: they keep what they had before."""
    return not isinstance(material, MaterialError) and not _has_ended(material, now)


def _has_ended(material: CertificateMaterial | MaterialError | None, now: datetime) -> bool:
    if material is None or isinstance(material, MaterialError):
        return False
    leaf = find_leaf(material)
    return not isinstance(leaf, Problem) and leaf.not_after <= now


def _refusal(secret: str, value: str | bytes, material: CertificateMaterial | MaterialError) -> str | None:
    why = why_not_replaced(value, material)
    if why is None:
        return None
    return f"Secret {secret} is not one for a certificate, and stays as it is: {why}. Use another name for one of them."
