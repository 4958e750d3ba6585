# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member_info: what the files on this host hold of a shared authority."""

from __future__ import annotations

import contextlib
import datetime
import os
import typing as t

from .._errors import RotationError
from .._ports.host.libraries import require_library
from .._ports.store.atomic import read_regular_file
from .boundary import module_boundary

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {"path": {"type": "path", "required": True}}


def run(module: t.Any) -> None:
    with module_boundary(module):
        require_library("cryptography")
        from .._core.shared_ca.held import held
        from .._ports.openssl.peers import why_not_believed

        found, now = held(_files(module.params["path"])), datetime.datetime.now(datetime.timezone.utc)
        module.exit_json(
            changed=False,
            trusted_fingerprints=[authority.fingerprint_sha256 for authority in found.trusted],
            server=found.facts(found.server, "server", now, why_not_believed) if found.server else None,
            clients={name: found.facts(leaf, "client", now, why_not_believed) for name, leaf in found.clients.items()},
            problems=list(found.problems),
        )


def _files(path: str) -> dict[str, bytes]:
    """Raises RotationError, but for private keys that cannot be read."""
    from .._core.shared_ca.file_names import CA, CLIENT_CERT, CRL, SERVER_CERT, SERVER_KEY, client_key

    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RotationError(f"Cannot list {path}: {error.strerror or error}.") from None
    clients = [match["name"] for match in map(CLIENT_CERT.fullmatch, names) if match]
    found = {}
    for name in names:
        if name in (CA, CRL, SERVER_CERT) or CLIENT_CERT.fullmatch(name):
            try:
                found[name] = read_regular_file(os.path.join(path, name))
            except OSError as error:
                raise RotationError(f"Cannot read {os.path.join(path, name)}: {error.strerror or error}.") from None
    for name in {SERVER_KEY, *map(client_key, clients)}.intersection(names):
        with contextlib.suppress(OSError):  # whether peers believe its certificate is not asked then
            found[name] = read_regular_file(os.path.join(path, name))
    return found
