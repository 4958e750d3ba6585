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
#: Bytes of a page or JSON file among which it says what it was made of.
LONGEST_HEAD: t.Final = 1024


def assembled(page: str, style: str, script: str) -> str:
    """A page without data, of its parts. page has the places of the others, as comments."""
    for place, part in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        page = page.replace(f"<!--{place}-hash-->", f"'sha256-{digest}'", 1).replace(f"<!--{place}-->", part, 1)
    return page


def filled(page: str, document: t.Mapping[str, t.Any], digest: str) -> bytes:
    """The page with its data. document: JSON values; digest: of made_of."""
    data = json.dumps(document, separators=(",", ":"))
    # Nothing in it may end the element, or begin a comment in it (HTML 4.12.1.3).
    for character in "<>&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    page = page.replace(_DIGEST, f'<meta name="made-of" content="{digest}">', 1)
    before, _place, after = page.partition(_DATA)
    return (before + data + after).encode()


def as_json(document: t.Mapping[str, t.Any], digest: str) -> bytes:
    """The same as a file for programs."""
    return (json.dumps({"made_of": digest, **document}, separators=(",", ":")) + "\n").encode()


def made_of(page: str, document: t.Mapping[str, t.Any], moment: t.Collection[str] = ()) -> str:
    """A digest of what is told. moment: keys of the document that say only when it was made."""
    lasting = {key: value for key, value in document.items() if key not in moment}
    return hashlib.sha256(json.dumps([page, lasting], sort_keys=True).encode()).hexdigest()


def tells_the_same(head: bytes, digest: str) -> bool:
    """head: the first LONGEST_HEAD bytes of a file."""
    return digest.encode() in head[:LONGEST_HEAD]
