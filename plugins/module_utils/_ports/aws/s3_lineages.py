# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""S3 as a store: ``<prefix><first domain>/{cert,chain,fullchain,privkey}.pem``.

What is there is told by one listing where ETags tell it, else by one HeadObject a certificate. Every request names the
account that the bucket has to belong to, so that no key goes to somebody who has got hold of the bucket's name.
"""

from __future__ import annotations

import collections
import typing as t
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from ..._core.acme import lineages
from ..._core.acme.lineages import FINGERPRINT, PARTS, ListedObject
from ..._core.acme.stores import StoreStanding
from ..._errors import AwsError, RotationError
from .calls import AwsCalls, is_denied

if t.TYPE_CHECKING:
    from ..._core.acme.wanted import WantedCertificate
    from ..._core.x509.bundle import CertificateBundle
    from .secrets_manager import Retry

_CONCURRENT_CALLS = 8
_FEW = 3
_TYPE = "application/x-pem-file"
_UNUSABLE = frozenset({"NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "IllegalLocationConstraintException"})


class S3Settings(t.NamedTuple):
    """prefix: of all keys; kms_key_id: for encryption (SSE-KMS), None for the bucket's own way; owner: returns the id
    of the account that the bucket has to belong to, and may raise RotationError; tags: of all objects."""

    bucket: str
    owner: t.Callable[[], str]
    prefix: str = "certs/"
    kms_key_id: str | None = None
    tags: t.Mapping[str, str] = {}


class S3Lineages:
    """One bucket, as CertificateStore. client: of boto3, for ``s3``."""

    def __init__(self, client: t.Any, retry: Retry, settings: S3Settings, *, name: str = "s3") -> None:
        self.name = name
        self._calls = AwsCalls(client, retry, "s3")
        self._settings = settings
        self._problems: dict[str, str] = {}
        self._unusable: str | None = None

    @property
    def api_calls(self) -> collections.Counter[str]:
        return self._calls.api_calls

    def look(
        self, wanted: t.Mapping[str, tuple[WantedCertificate, CertificateBundle | None]]
    ) -> dict[str, StoreStanding]:
        self._problems = lineages.collisions(certificate for certificate, _bundle in wanted.values())
        self._unusable = None
        if not wanted:
            return {}
        try:
            found = self._folders({lineages.folder_of(certificate) for certificate, _bundle in wanted.values()})
        except AwsError as error:
            if error.code in _UNUSABLE or is_denied(error):
                self._unusable = self._why_unusable(error)
                return dict.fromkeys(wanted, StoreStanding("unknown", why=self._unusable))
            raise

        def standing(name: str) -> StoreStanding:
            if name in self._problems:
                return StoreStanding("unknown", why=self._problems[name])
            certificate, bundle = wanted[name]
            try:
                return self._standing(certificate, bundle, found.get(lineages.folder_of(certificate), {}))
            except RotationError as error:
                return StoreStanding("unknown", why=error.message)

        with ThreadPoolExecutor(_CONCURRENT_CALLS) as pool:
            return dict(zip(wanted, pool.map(standing, wanted)))

    def why_not(self, wanted: WantedCertificate, standing: StoreStanding, profile: str | None) -> str | None:  # noqa: ARG002
        return self._problems.get(wanted.name) or self._unusable

    def put(self, wanted: WantedCertificate, bundle: CertificateBundle, standing: StoreStanding) -> str:  # noqa: ARG002
        problem = self._problems.get(wanted.name)
        if problem:
            raise RotationError(f"{wanted.name}: {problem}")
        contents = lineages.contents_of(bundle)
        keys = lineages.keys_of(lineages.folder_of(wanted), self._settings.prefix)
        settings = self._settings
        for part in PARTS:
            request: dict[str, t.Any] = {
                "Body": contents[part],
                "ContentType": _TYPE,
                "Metadata": {FINGERPRINT: bundle.fingerprint_sha256},
            }
            if settings.kms_key_id:
                request.update(ServerSideEncryption="aws:kms", SSEKMSKeyId=settings.kms_key_id)
            if settings.tags:
                request["Tagging"] = urllib.parse.urlencode(settings.tags)
            self._call("put_object", about=self._address(keys[part]), Key=keys[part], **request)
        return self._address(f"{settings.prefix}{lineages.folder_of(wanted)}/")

    # -- looking ------------------------------------------------------------------------------------------------

    def _standing(
        self, wanted: WantedCertificate, bundle: CertificateBundle | None, found: lineages.Folder
    ) -> StoreStanding:
        if not found:
            return StoreStanding("absent")
        folder = lineages.folder_of(wanted)
        address = self._address(f"{self._settings.prefix}{folder}/")
        if bundle is None:
            return StoreStanding("other", address, "it is another certificate")
        contents = lineages.contents_of(bundle)
        if not lineages.is_whole(found, contents):
            return StoreStanding("other", address, "it is another certificate, or not all of it is there")
        if not self._settings.kms_key_id and lineages.is_same(found, contents):
            return StoreStanding("current", address)
        key = lineages.keys_of(folder, self._settings.prefix)[PARTS[-1]]
        told = self._call("head_object", about=self._address(key), Key=key)
        by_kms = str(told.get("ServerSideEncryption", "")).startswith("aws:kms")
        is_marked = told.get("Metadata", {}).get(FINGERPRINT) == bundle.fingerprint_sha256
        # What no KMS key encrypts has told by its ETags that it is not the same.
        if not is_marked or not (by_kms or lineages.is_same(found, contents)):
            return StoreStanding("other", address, "it is another certificate")
        if self._settings.kms_key_id and not (by_kms and self._is_encrypted(told)):
            return StoreStanding("other", address, f"it is not encrypted with {self._settings.kms_key_id}")
        return StoreStanding("current", address)

    def _is_encrypted(self, told: t.Mapping[str, t.Any]) -> bool:
        """An alias is not resolved: any KMS key counts as the one that it stands for."""
        wanted, key = str(self._settings.kms_key_id), str(told.get("SSEKMSKeyId", ""))
        return wanted.startswith("alias/") or ":alias/" in wanted or key == wanted or key.endswith(f"/{wanted}")

    def _folders(self, folders: t.Collection[str]) -> dict[str, dict[str, ListedObject]]:
        """The objects of these folders. By a listing of all when that is not more than one for each of them."""
        found: dict[str, dict[str, ListedObject]] = {}
        rest = sorted(folders)
        if len(rest) > _FEW:
            # Not one that is sorted before the first of them, and not one after the last: others may keep more there.
            last = rest[-1]
            for number, page in enumerate(self._list(self._settings.prefix), start=1):
                self._sort(page, folders, found)
                reached = str(page["Contents"][-1]["Key"])[len(self._settings.prefix) :] if page.get("Contents") else ""
                if not page.get("IsTruncated") or reached > f"{last}0":  # "0" follows "/"
                    return found
                if number >= len(rest):
                    break
        for folder in rest:
            for page in self._list(f"{self._settings.prefix}{folder}/"):
                self._sort(page, folders, found)
        return found

    def _list(self, prefix: str) -> t.Iterator[dict[str, t.Any]]:
        about = self._address(prefix)
        request = {"Bucket": self._settings.bucket, "ExpectedBucketOwner": self._settings.owner(), "Prefix": prefix}
        token = ("NextContinuationToken", "ContinuationToken")
        return self._calls.pages("list_objects_v2", token=token, about=about, **request)

    def _sort(
        self, page: t.Mapping[str, t.Any], folders: t.Container[str], found: dict[str, dict[str, ListedObject]]
    ) -> None:
        for each in page.get("Contents") or []:
            folder, _slash, file = str(each["Key"])[len(self._settings.prefix) :].rpartition("/")
            part = file[: -len(".pem")]
            if folder in folders and file.endswith(".pem") and part in PARTS:
                listed = ListedObject(each["ETag"].strip('"'), each["Size"], each["LastModified"])
                found.setdefault(folder, {})[part] = listed

    def _why_unusable(self, error: AwsError) -> str:
        bucket = self._settings.bucket
        if error.code == "NoSuchBucket":
            return f"store {self.name}: there is no bucket {bucket}. Create it, or correct the name ({error.code})."
        return (
            f"store {self.name}: {error.message} The bucket has to belong to account {self._settings.owner()}, unless"
            " bucket_owner says otherwise."
        )

    def _call(self, operation: str, *, about: str, **request: t.Any) -> dict[str, t.Any]:
        settings = self._settings
        return self._calls.call(
            operation, about=about, Bucket=settings.bucket, ExpectedBucketOwner=settings.owner(), **request
        )

    def _address(self, key: str) -> str:
        return f"s3://{self._settings.bucket}/{key}"
