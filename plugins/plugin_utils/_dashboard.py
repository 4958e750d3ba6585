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


def page_without_data(kind: PageKind) -> str:
    """One HTML file with its style and script, of which filled() makes a page that can be shown."""
    page, style, common, own = (
        (_PARTS / name).read_text(encoding="utf-8") for name in ("page.html", "style.css", "common.js", f"{kind}.js")
    )
    return assembled(page, style, common + own)
