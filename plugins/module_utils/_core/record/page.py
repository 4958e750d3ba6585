# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page of one file, which needs no network: its parts become one text, and then gets its data. Pure.

The policy in the page (https://www.w3.org/TR/CSP3/) names the hash of its style and of its script, and forbids
everything else. The data are no script: a browser that read markup or code in them would not run it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t

_DATA: t.Final = "<!--data-->"
_DIGEST: t.Final = "<!--digest-->"
#: Of a page that was written: what it was made of follows.
_MARK: t.Final = '<meta name="made-of" content="'
#: The head of a page is not longer, up to and with the mark.
LONGEST_HEAD: t.Final = 4096


def assembled(page: str, style: str, script: str) -> str:
    """A page without data, of its parts. page has the places of the others, as comments."""
    for place, part in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        page = page.replace(f"<!--{place}-hash-->", f"'sha256-{digest}'", 1).replace(f"<!--{place}-->", part, 1)
    return page


def filled(page: str, document: t.Mapping[str, t.Any], *, moment: t.Collection[str] = ()) -> bytes:
    """The page with its data. document: JSON values; moment: its keys that say no more than when it was made."""
    data = json.dumps(document, separators=(",", ":"))
    # Nothing in it may end the element, or begin a comment in it (HTML 4.12.1.3).
    for character in "<>&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    page = page.replace(_DIGEST, f'{_MARK}{_digest(page, document, moment)}">', 1)
    before, _place, after = page.partition(_DATA)
    return (before + data + after).encode()


def tells_the_same(head: bytes, page: str, document: t.Mapping[str, t.Any], moment: t.Collection[str] = ()) -> bool:
    """Whether a page that was written before (its first LONGEST_HEAD bytes) would say nothing else."""
    return f'{_MARK}{_digest(page, document, moment)}">'.encode() in head[:LONGEST_HEAD]


def _digest(page: str, document: t.Mapping[str, t.Any], moment: t.Collection[str]) -> str:
    lasting = {key: value for key, value in document.items() if key not in moment}
    return hashlib.sha256(json.dumps([page, lasting], sort_keys=True).encode()).hexdigest()
