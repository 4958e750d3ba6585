# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The staging directory as a source of certificates: what was uploaded, by whomever, and may change at any moment.

All is done by descriptor. No link is followed, nothing but a regular file of its own is read, and no more of it than a
lineage has. What is removed is first moved out of the uploader's way, and looked at again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import secrets
import stat
import typing as t

from ..._core.pipeline.source import Discovery, SecretFailure, SecretValue, SecretVersion, Selection
from ..._core.push.lineage import LINEAGE_FILES
from ..._core.push.staging import UPLOAD_PREFIX, StagedName, parse_staged_name
from ..._core.x509.problems import error
from ..._errors import InvalidOption, StoreError
from ..store.atomic import read_regular_file, store_errors
from ..store.places import Place, open_place
from .removal import remove_tree

#: Bytes of one file. A chain of RSA certificates that openssl has written with -text has some 40,000.
LARGEST_PART: t.Final = 1 << 18
#: How many uploads one run looks at; the rest is for the next one.
_MOST_UPLOADS: t.Final = 2_000
#: How many uploads of one lineage are read, and so held in memory together. Who pushes has one or two there.
_MOST_OF_A_LINEAGE: t.Final = 8
_SHOWN: t.Final = 3
_TAKEN_PREFIX: t.Final = ".taken-"
_REMOVED_PREFIX: t.Final = ".removed-"
#: A file's or directory's identity and age: by these it is seen whether it is still what was read.
_Snapshot = tuple[tuple[t.Any, ...], ...]


class Upload(t.NamedTuple):
    """One directory in staging. name: there; changed_at: Unix time of its last change; snapshot: what it was."""

    name: str
    changed_at: float
    snapshot: _Snapshot


class StagingDirectory:
    """A CertificateSource: each upload is a version of the secret that has the lineage's name.

    Several of one lineage follow each other. SecretVersion.described["upload"] is the name in staging. Raises
    StoreError for a directory that cannot be used at all, and InvalidOption for one that is no staging directory.

    superseded: those that are not even read, for so many of the same lineage have come later.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.uploads: dict[str, Upload] = {}
        self.superseded: list[SecretVersion] = []

    # -- as a source --------------------------------------------------------------------------------------------

    def discover(self, selection: Selection) -> Discovery:  # noqa: ARG002
        """All that lies there by the name of a lineage."""
        self._refuse_certbots_own()
        names: list[tuple[StagedName, str]] = []
        others: list[str] = []
        left = 0
        with self._opened("look into") as staging, os.scandir(staging.descriptor) as entries:
            for entry in entries:
                name, parsed = entry.name, parse_staged_name(entry.name)
                # What has a pusher's name keeps him from uploading, whatever it is: it is refused, and removed.
                if parsed and not parsed.fingerprint_sha256 and not entry.is_dir(follow_symlinks=False):
                    parsed = None
                if parsed and len(names) < _MOST_UPLOADS:
                    names.append((parsed, name))
                elif parsed:
                    left += 1
                elif len(others) < _SHOWN and not name.startswith((UPLOAD_PREFIX, _TAKEN_PREFIX, _REMOVED_PREFIX)):
                    others.append(name)
            names.sort(key=lambda each: (each[0].lineage, each[1]))
            older = set(_older_ones(staging, names))
        # Nothing that is deployed has such a version: each is read.
        versions = [SecretVersion(parsed.lineage, "", name, described={"upload": name}) for parsed, name in names]
        self.superseded = [each for each in versions if each.described["upload"] in older]
        versions = [each for each in versions if each.described["upload"] not in older]
        return Discovery(tuple(versions), warnings=tuple(self._warnings(others, left)), where=self.path)

    def read(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[SecretValue | SecretFailure]:
        """The parts of each as one PEM text."""
        with self._opened("read") as staging:
            for secret in secrets:
                name = secret.described["upload"]
                try:
                    content = self._read_upload(staging, name)
                except OSError as failure:
                    if failure.errno == errno.ENOENT and staging.look(name) is None:
                        continue  # taken away since
                    yield _failure(secret, failure)
                    continue
                version = hashlib.sha256(content.encode()).hexdigest()[:32]
                yield SecretValue(secret._replace(version_id=version), content)

    # -- as a place ---------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Put back what a killed run had moved aside, and remove what it was about to remove."""
        with self._opened("look into") as staging:
            for name in [name for name in _names(staging) if name.startswith((_TAKEN_PREFIX, _REMOVED_PREFIX))]:
                if name.startswith(_TAKEN_PREFIX):
                    self._put_back(staging, name)
                remove_tree(staging.descriptor, name)

    def remove(self, name: str) -> bool:
        """Whether it was removed: what has been changed since it was read stays, for the next run."""
        upload = self.uploads.get(name)
        with self._opened("empty") as staging:
            aside = f"{_TAKEN_PREFIX}{secrets.token_hex(8)}"
            try:
                place = staging.make_directory(aside)[0]
            except OSError as failure:
                if failure.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                if _changed(staging, upload):
                    return False
                remove_tree(staging.descriptor, name)  # which is how there comes to be room
                return True
            with place:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(name, name, src_dir_fd=staging.descriptor, dst_dir_fd=place.descriptor)
                changed = _changed(place, upload)
            if changed:
                self._put_back(staging, aside)
            remove_tree(staging.descriptor, aside)
        return not changed

    def remove_old_uploads(self, before: float) -> int:
        """Those under way that have not changed since that Unix time. Returns how many."""
        removed = 0
        with self._opened("empty") as staging:
            for name in [name for name in _names(staging) if name.startswith(UPLOAD_PREFIX)]:
                if _is_older(staging, name, before):
                    remove_tree(staging.descriptor, name)
                    removed += 1
        return removed

    # -- inside -------------------------------------------------------------------------------------------------

    def _refuse_certbots_own(self) -> None:
        """What is deployed is removed from where it was staged: that must never be certbot's own directory."""
        above = os.path.dirname(os.path.realpath(self.path))
        if os.path.isdir(os.path.join(above, "archive")) and os.path.isdir(os.path.join(above, "renewal")):
            raise InvalidOption(
                f"source: {self.path} is certbot's own directory, and what is deployed is removed from source. Push"
                " from it with certificate_push, and name the directory that is pushed to."
            )

    @contextlib.contextmanager
    def _opened(self, action: str) -> t.Iterator[Place]:
        with store_errors(f"{action} the staging directory {self.path}"), self._open() as place:
            yield place

    def _open(self) -> Place:
        """Whoever it belongs to. Raises StoreError, and OSError."""
        try:
            return open_place(self.path, private=False)
        except FileNotFoundError:
            raise StoreError(
                f"source: there is no directory {self.path}. The role certificate_receiver makes it."
            ) from None

    def _read_upload(self, staging: Place, name: str) -> str:
        """Raises OSError."""
        # Another user's file may have a second name here, which its owner never meant to upload.
        owners = {0, os.geteuid(), staging.status().st_uid}
        with staging.directory(name) as place:
            self.uploads[name] = Upload(name, _changed_at(place), _snapshot(place))
            texts = [_read_part(place, file, owners) for file in LINEAGE_FILES.values()]
        have = {part for part, text in zip(LINEAGE_FILES, texts) if text}
        for part, instead in (("fullchain", "cert"), ("privkey", "privkey")):
            if not {part, instead} & have:
                raise OSError(errno.ENODATA, f"{LINEAGE_FILES[part]} is missing or empty", name)
        # The first line keeps it from being taken for any other form of a secret than PEM.
        return "\n".join([f"# {name}", *filter(None, texts)])

    def _put_back(self, staging: Place, aside: str) -> None:
        with contextlib.suppress(OSError), staging.directory(aside) as place:
            for name in place.names():
                # A directory takes the place of an empty one, and of nothing else.
                with contextlib.suppress(OSError):
                    os.rename(name, name, src_dir_fd=place.descriptor, dst_dir_fd=staging.descriptor)
                    continue
                with contextlib.suppress(OSError):
                    _merge(place, staging, name)

    def _warnings(self, others: t.Sequence[str], left: int) -> t.Iterator[str]:
        if others:
            names = ", ".join(repr(name) for name in others)
            yield f"{self.path} holds what is no lineage, such as {names}: it is left alone. Remove it."
        if left:
            yield f"{self.path} holds {left} more uploads than one run takes: the next one goes on with them."


def _names(staging: Place) -> t.Iterator[str]:
    """One after the other: there may be any number."""
    with os.scandir(staging.descriptor) as entries:
        for entry in entries:
            yield entry.name


def _older_ones(staging: Place, names: t.Iterable[tuple[StagedName, str]]) -> t.Iterator[str]:
    """Of each lineage those that are more than are read. The ctime of a directory tells when it got its name, and no
    uploader sets it. One without a fingerprint, of which there is one at most, is never among them: files in it may
    be new. names: those of one lineage follow each other."""
    whole = [(parsed, name) for parsed, name in names if parsed.fingerprint_sha256]
    for _lineage, group in itertools.groupby(whole, key=lambda each: each[0].lineage):
        of_it = [name for _parsed, name in group]
        if len(of_it) > _MOST_OF_A_LINEAGE:
            ages = {name: status.st_ctime_ns for name in of_it if (status := staging.look(name))}
            yield from sorted(ages, key=ages.__getitem__, reverse=True)[_MOST_OF_A_LINEAGE:]


def _read_part(place: Place, name: str, owners: t.Collection[int]) -> str:
    """Empty where there is none. Raises OSError."""
    try:
        data = read_regular_file(name, limit=LARGEST_PART, dir_fd=place.descriptor, follow=False, owners=owners)
    except FileNotFoundError:
        return ""
    except OSError as failure:
        raise OSError(failure.errno, f"{name}: {failure.strerror}", place.path) from None
    is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    # Around PEM there may be text in any encoding, such as a name that openssl has written with -text.
    return data.decode("utf-16" if is_utf16 else "utf-8", "replace").strip()


def _snapshot(place: Place) -> _Snapshot:
    """Of the directory and of the parts in it."""
    whole = place.status()
    # Without its ctime, which changes when it is moved.
    found: list[tuple[t.Any, ...]] = [("", whole.st_ino, whole.st_mtime_ns)]
    for name in LINEAGE_FILES.values():
        status = place.look(name)
        if status:
            found.append((name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)


def _changed_at(place: Place) -> float:
    """Unix time. The ctime: the other times are what an uploader says."""
    parts = [status.st_ctime for name in LINEAGE_FILES.values() if (status := place.look(name))]
    return max([place.status().st_ctime, *parts])


def _changed(place: Place, upload: Upload | None) -> bool:
    if upload is not None:
        with contextlib.suppress(OSError), place.directory(upload.name) as now:
            return _snapshot(now) != upload.snapshot
    return False


def _merge(place: Place, staging: Place, name: str) -> None:
    """The parts that an upload which has begun anew does not have yet."""
    with place.directory(name) as old, staging.directory(name) as new:
        for part in LINEAGE_FILES.values():
            if new.look(part) is None and old.look(part) is not None:
                os.rename(part, part, src_dir_fd=old.descriptor, dst_dir_fd=new.descriptor)


def _is_older(staging: Place, name: str, before: float) -> bool:
    status = staging.look(name)
    if status is None:
        return False
    if stat.S_ISDIR(status.st_mode):
        with contextlib.suppress(OSError), staging.directory(name) as place:
            return _changed_at(place) < before
    return status.st_ctime < before


def _failure(secret: SecretVersion, failure: OSError) -> SecretFailure:
    text = f"The upload cannot be used: {failure.strerror}. Push it again, as regular files with chain and key."
    return SecretFailure(secret.name, error("upload_unusable", text), described=secret.described)
