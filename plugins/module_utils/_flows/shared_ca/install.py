# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host takes, into its files: those of the authority, and configurations with certificates in them."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..._core.ca.keys import spec_of
from ..._core.ca.request import request_pem
from ..._core.pipeline.source import partial_arn
from ..._core.shared_ca.configuration import fill_in
from ..._core.shared_ca.material import Material
from ..._core.shared_ca.origin import Leftovers, Origin, leftovers, origin_of
from ..._errors import InvalidOption, RotationError
from ..._ports.store.atomic import FileAttributes, store_errors
from ..._ports.store.foreseen import require_makeable, require_writable
from ..._ports.store.places import make_place, open_place
from ..._ports.store.shared_ca import Installed, MemberDirectory, is_stale, member_place
from .member import Taken
from .signing import SignatureNeeded
from .supply import Supplier, Supply


class Configuration(t.NamedTuple):
    """A file that is made of a text in which certificates and keys are filled in."""

    content: str
    dest: str
    attributes: FileAttributes


class MemberFiles(t.NamedTuple):
    """before, material: what the host had and has (in check mode: would have); reason: why its server certificate is
    a new one; stale, configurations: names and paths of the files that are written or removed; warnings: for the user;
    request: for the signer, who has to be asked before anything is written, as PEM."""

    supply: Supply
    before: Material
    material: Material
    reason: str | None
    stale: t.Sequence[str]
    configurations: t.Sequence[str]
    warnings: t.Sequence[str]
    request: str | None = None


def install(
    directory: MemberDirectory,
    supplier: Supplier,
    attributes: FileAttributes,
    configurations: t.Iterable[Configuration],
) -> MemberFiles:
    """attributes: of the files in the directory. Raises InvalidOption and RotationError; then nothing is written."""
    installed = directory.read(supplier.wish.clients)
    request = None
    try:
        supply = supplier.supply(installed.material, installed.waiting)
    except SignatureNeeded as needed:
        request = _request(directory, supplier, installed.waiting)
        supply = Supply("secrets_manager", needed.taken)
        if not supplier.check_mode:
            reason = _reason(needed.taken, installed)
            return MemberFiles(supply, installed.material, installed.material, reason, (), (), (), request)
    taken = supply.taken
    material = taken.material if taken else installed.material
    reason = _reason(taken, installed)
    configurations = list(configurations)
    rest = _rest_of(directory, supplier, taken, installed.material, [each.dest for each in configurations])
    stale = [*(directory.changes(material, attributes) if taken else ()), *rest.left.gone]
    filled = list(_stale_configurations(configurations, material))
    if supplier.check_mode:
        for configuration in filled:
            _foresee(configuration)
    else:
        if taken:
            directory.remember(rest.origin.while_written(material))
        directory.write(stale, material, attributes)
        supplier.embedded.forget(rest.alone)
        for configuration in filled:
            _write(configuration)
        if taken:
            directory.forget_waiting()
            directory.remember(origin_of(partial_arn(taken.state.arn), material))
    clients = {**installed.material.clients, **rest.left.clients}
    return MemberFiles(
        supply=supply,
        before=dataclasses.replace(installed.material, clients=clients),
        material=material,
        reason=reason,
        stale=[*stale, *rest.alone],
        configurations=[configuration.dest for configuration in filled],
        warnings=[
            *filter(None, [supply.warning, taken.warning if taken else ""]),
            *(_stays(directory.file(name)) for name in rest.left.foreign),
        ],
        request=request,
    )


def _reason(taken: Taken | None, installed: Installed) -> str | None:
    reason = taken.reason if taken else None
    return "key_broken" if reason == "missing" and installed.broken else reason


def _request(directory: MemberDirectory, supplier: Supplier, waiting: t.Any) -> str | None:
    """With a key that waits in a file, where a run that was killed may have left it."""
    wish = supplier.wish.server
    if wish is None:
        return None
    is_fit = waiting and spec_of(waiting.public_key()) == wish.profile.key  # else another kind has been asked for since
    key = waiting if is_fit else supplier.make_key(wish.profile.key)
    if not is_fit and not supplier.check_mode:
        directory.write_waiting(key)
    return request_pem(key, wish.names)


class _Rest(t.NamedTuple):
    """What a host has from before. left: in the directory; alone: of its own authority, paths of files to remove."""

    origin: Origin = Origin()
    left: Leftovers = Leftovers((), (), {})
    alone: t.Sequence[str] = ()


def _rest_of(
    directory: MemberDirectory,
    supplier: Supplier,
    taken: Taken | None,
    installed: Material,
    configurations: t.Collection[str],
) -> _Rest:
    """Nothing while nothing is taken. configurations: paths that are written besides.

    Raises RotationError for a directory that belongs to another authority: each run of the one would take away what the
    other has brought.
    """
    if taken is None:
        return _Rest()
    remembered, authority, trusted = directory.origin(), partial_arn(taken.state.arn), taken.material.authorities
    origin = remembered or Origin()
    if authority and not origin.may_become(authority, installed.authorities, trusted):
        raise RotationError(
            f"{directory.path} holds what this host has of the authority {origin.authority}, and {authority} is another"
            " one. Give each a path of its own. If this host is to leave the one before for good, delete"
            f" {directory.origin_file} and run again."
        )
    clients = supplier.wish.clients
    others = directory.others(clients, configurations)
    left = leftovers(others, remembered, {*installed.authorities, *trusted})
    # With what is to be removed: a run that is killed before it came to that leaves it to the next one.
    remembering = origin.while_written(Material(clients=left.clients))
    return _Rest(remembering, left, supplier.embedded.others(clients))


def _stays(path: str) -> str:
    return (
        f"{path} has the name of a file of a client that is not listed any more, but holds something else, so it stays."
        " Move it away, or remove it."
    )


def _stale_configurations(configurations: t.Iterable[Configuration], material: Material) -> t.Iterator[Configuration]:
    """Those that differ from what is there, filled in."""
    for configuration in configurations:
        try:
            text = fill_in(configuration.content, material)
        except InvalidOption as error:
            raise InvalidOption(f"configurations: {configuration.dest}: {error.message}") from None
        directory, name = os.path.split(configuration.dest)
        with member_place(directory) as place:
            if is_stale(place, name, text, configuration.attributes):
                if place:
                    place.require_replaceable(name)
                yield configuration._replace(content=text)


def _write(configuration: Configuration) -> None:
    with store_errors(f"write {configuration.dest}"):
        directory, name = os.path.split(configuration.dest)
        with make_place(directory) as place:
            place.write(name, configuration.content.encode(), configuration.attributes)


def _foresee(configuration: Configuration) -> None:
    """Raises what _write would."""
    with store_errors(f"write {configuration.dest}"):
        directory, name = os.path.split(configuration.dest)
        try:
            with open_place(directory, private=True) as place:
                require_writable(place, name)
        except FileNotFoundError:
            require_makeable(directory)
