# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of the collection, without data, made of the files in the folder dashboard.

On the controller only, for Ansible packs nothing but Python for hosts.
"""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.record.page import assembled

_PARTS = pathlib.Path(__file__).with_name("dashboard")

PageKind = t.Literal["watch", "rotation"]
#: The last one starts the page.
_SCRIPTS: t.Final[dict[PageKind, tuple[str, ...]]] = {
    "watch": ("common.js", "list.js", "watch_endpoint.js", "watch.js"),
    "rotation": ("common.js", "list.js", "rotation.js"),
}


def page_without_data(kind: PageKind) -> str:
    """One HTML file with its style and script, of which filled() makes a page that can be shown."""
    return assembled(_part("page.html"), _part("style.css"), "".join(map(_part, _SCRIPTS[kind])))


def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")
