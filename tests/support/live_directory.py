# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory of live lineages, each a link that is switched as one, and services that are told of them."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import (
    LiveLineage,
    ServiceDefinition,
    ServiceOutcome,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.pending import PendingLineage
from ansible_collections.certops.rotation.plugins.module_utils._flows.deploy.services import run_services
from ansible_collections.certops.rotation.plugins.module_utils._module.service_options import (
    SERVICES_OPTION,
    service_definitions,
)

from . import pki
from .secrets_scan import assert_no_private_key


class LiveDirectory:
    """mode: of key files; path/<name> is a link to path/.versions/<name>~<number>."""

    def __init__(self, path: pathlib.Path, *, mode: int = 0o600, group: int = -1) -> None:
        self.path = path
        self._mode = mode
        self._group = group
        self._numbers = itertools.count(1)
        self._served: dict[str, list[pki.IssuedCertificate]] = {}
        self.authority = pki.CertificateAuthority(parent=pki.CertificateAuthority())
        (path / ".versions").mkdir(parents=True)

    def put(self, name: str, issued: pki.IssuedCertificate | None = None, *names: str) -> pki.IssuedCertificate:
        """Make it live, in one step. Without one, a new one for these names, or for its own."""
        issued = issued or self.authority.issue(names or (name,))
        version = self.path / ".versions" / f"{name}~{next(self._numbers)}"
        version.mkdir()
        contents = {"cert": issued.certificate_pem, "chain": issued.chain_pem, "privkey": issued.private_key_pem}
        contents["fullchain"] = issued.certificate_pem + issued.chain_pem
        for part, text in contents.items():
            path = version / f"{part}.pem"
            path.write_text(text)
            path.chmod(self._mode)
            os.chown(path, -1, self._group)
        self._switch(name, version)
        self._served.setdefault(name, []).append(issued)
        return issued

    def take_back(self, name: str) -> pki.IssuedCertificate:
        """The one before is live again."""
        self._served[name].pop()
        issued = self._served[name].pop()
        return self.put(name, issued)

    def _switch(self, name: str, version: pathlib.Path) -> None:
        link = self.path / f".{name}.new"
        link.symlink_to(version)
        link.replace(self.path / name)

    @property
    def live(self) -> list[LiveLineage]:
        return [
            LiveLineage(
                name,
                issued[-1].fingerprint_sha256,
                tuple(issued[-1].names),
                str(self.path / name),
            )
            for name, issued in self._served.items()
        ]

    def pending(self, *names: str) -> list[PendingLineage]:
        """Just pushed. Without names, all that is live."""
        now = datetime.now(timezone.utc)
        return [
            PendingLineage(each.name, each.fingerprint_sha256, now)
            for each in self.live
            if not names or each.name in names
        ]


def definitions(*entries: t.Mapping[str, t.Any]) -> list[ServiceDefinition]:
    """As a module reads the option services."""
    result = ArgumentSpecValidator({"services": SERVICES_OPTION}).validate({"services": list(entries)})
    assert not result.error_messages, result.error_messages
    return service_definitions(result.validated_parameters["services"])


def tell(
    directory: LiveDirectory, entries: t.Sequence[t.Mapping[str, t.Any]], *names: str, **options: t.Any
) -> list[ServiceOutcome]:
    """Tell the services that these lineages, or all, have just become live. Nothing that they say has a key in it."""
    services = definitions(*entries)
    outcomes = run_services(services, directory.pending(*names), directory.live, **options)
    assert [outcome.service for outcome in outcomes] == [service.title for service in services]
    assert_no_private_key(json.dumps([outcome.as_result() for outcome in outcomes]))
    return outcomes
