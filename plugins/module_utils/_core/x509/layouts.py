# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layouts: into which files a certificate is written, and where they are below the directory. Pure."""

from __future__ import annotations

import typing as t

Layout = t.Literal["haproxy", "lineage", "split"]

#: Layout -> part of a rendered bundle -> path of the live file below the directory.
LAYOUTS: t.Final[dict[str, dict[str, str]]] = {
    "haproxy": {"pem": "{stem}.pem"},
    "split": {"key": "{stem}.key", "pem": "{stem}.pem"},
    "lineage": {
        "cert": "{stem}/cert.pem",
        "chain": "{stem}/chain.pem",
        "fullchain": "{stem}/fullchain.pem",
        "privkey": "{stem}/privkey.pem",
    },
}


def live_paths(layout: str, stem: str) -> dict[str, str]:
    """Part -> path below the directory, in the order in which they are replaced."""
    return {part: pattern.format(stem=stem) for part, pattern in LAYOUTS[layout].items()}


def main_path(layout: str, stem: str) -> str:
    """The one path that a user names: the PEM file, or the lineage's directory."""
    return stem if layout == "lineage" else f"{stem}.pem"
