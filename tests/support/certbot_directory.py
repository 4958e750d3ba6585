# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory as certbot keeps it: archives, and links of which all four are moved one after the other at a renewal."""

from __future__ import annotations

import pathlib
import typing as t

from . import pki


class CertbotDirectory:
    """live: of the lineages; authority: whose certificates they are."""

    def __init__(self, directory: pathlib.Path, authority: pki.CertificateAuthority | None = None) -> None:
        self.directory = directory
        self.live, self.archive = directory / "live", directory / "archive"
        self.authority = authority or pki.CertificateAuthority(parent=pki.CertificateAuthority())
        self._domains: dict[str, list[str]] = {}
        for path in (self.live, self.archive):
            path.mkdir(parents=True, mode=0o700, exist_ok=True)

    def renew(self, name: str, domains: t.Sequence[str] = ()) -> pki.IssuedCertificate:
        """Also for the first time. domains: those of before, or at first its name."""
        self._domains[name] = list(domains) or self._domains.get(name, [name])
        issued = self.authority.issue(self._domains[name])
        self.put(name, issued)
        return issued

    def put(self, name: str, issued: pki.IssuedCertificate) -> None:
        """As the next archive number; the files first, then the links."""
        number = self.number(name) + 1
        parts = {
            "cert": issued.certificate_pem,
            "chain": issued.chain_pem,
            "fullchain": issued.certificate_pem + issued.chain_pem,
            "privkey": issued.private_key_pem,
        }
        for directory in (self.archive / name, self.live / name):
            directory.mkdir(exist_ok=True)
        for part, text in parts.items():
            file = self.archive / name / f"{part}{number}.pem"
            file.touch(mode=0o600)
            file.write_text(text)
        for part in parts:
            link = self.live / name / f"{part}.pem"
            new = link.with_suffix(".new")
            new.symlink_to(f"../../archive/{name}/{part}{number}.pem")
            new.replace(link)

    def number(self, name: str) -> int:
        """Of its newest archive; 0 when there is none."""
        numbers = [int(file.stem.removeprefix("cert")) for file in (self.archive / name).glob("cert*.pem")]
        return max(numbers, default=0)
