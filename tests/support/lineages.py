# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lineages step by step: what a reader finds while certbot renews one, or after it was broken off."""

from __future__ import annotations

import pathlib
import typing as t

from .certbot_directory import CertbotDirectory
from .pki import IssuedCertificate

PARTS = ("cert", "privkey", "chain", "fullchain")  # in the order in which certbot changes its links


class CertbotSteps(CertbotDirectory):
    """directory: in the place of /etc/letsencrypt."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        (self.live / "README").write_text("This directory contains your keys and certificates.\n")

    def issue(self, name: str, issued: IssuedCertificate) -> int:
        """The next issue of a lineage, as a renewal that is over leaves it. Returns its number."""
        number = self.write(name, issued)
        for part in PARTS:
            self.link(name, part, number)
        return number

    def write(self, name: str, issued: IssuedCertificate, *, reuse_key: bool = False) -> int:
        """The first half of a renewal: its files are in the archive. reuse_key: by a link to the key before."""
        archive, number = self.archive / name, self.number(name) + 1
        archive.mkdir(mode=0o700, exist_ok=True)
        for part, content in contents(issued).items():
            path = archive / f"{part}{number}.pem"
            if part == "privkey" and reuse_key:
                path.symlink_to(f"privkey{number - 1}.pem")
            else:
                path.touch(mode=0o600)
                path.write_bytes(content)
        return number

    def link(self, name: str, part: str, number: int) -> None:
        """One step of the second half, as certbot does it: for a moment there is no link."""
        link = self.live / name / f"{part}.pem"
        link.parent.mkdir(mode=0o700, exist_ok=True)
        if link.is_symlink():
            link.unlink()
        link.symlink_to(f"../../archive/{name}/{part}{number}.pem")


def plain_lineage(directory: pathlib.Path, issued: IssuedCertificate) -> None:
    """Four files without an archive."""
    directory.mkdir(parents=True, exist_ok=True)
    for part, content in contents(issued).items():
        (directory / f"{part}.pem").write_bytes(content)


def contents(issued: IssuedCertificate) -> dict[str, bytes]:
    """By part."""
    texts: t.Mapping[str, str] = {
        "cert": issued.certificate_pem,
        "chain": issued.chain_pem,
        "fullchain": issued.certificate_pem + issued.chain_pem,
        "privkey": issued.private_key_pem,
    }
    return {part: text.encode() for part, text in texts.items()}
