# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page of one file: its policy allows its own style and script alone, and no text in its data gets out of them."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.record.page import (
    LONGEST_HEAD,
    as_json,
    assembled,
    filled,
    made_of,
    tells_the_same,
)
from ansible_collections.certops.rotation.plugins.plugin_utils._dashboard import page_without_data
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--",
    "-->",
    "<![CDATA[",
    "&lt;",
    "\u2028",
    "\u202e",
    "<!--data-->",
    "]]>",
]


class Parts(html.parser.HTMLParser):
    """What stands in the elements script and style, and the page's policy."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.policy = ""
        self.links: list[str] = []
        self._within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self._within = f"{tag} {facts.get('type', '')}".strip() if tag in ("script", "style") else ""
        if facts.get("http-equiv") == "Content-Security-Policy":
            self.policy = facts["content"] or ""
        self.links += [facts[name] or "" for name in ("src", "href", "action") if name in facts]

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within:
            self.found[self._within] = self.found.get(self._within, "") + data


@pytest.fixture(scope="module", params=["watch", "rotation"])
def page(request: pytest.FixtureRequest) -> str:
    return page_without_data(request.param)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_allows_its_own_style_and_script_and_nothing_else(page: str) -> None:
    parts = Parts(filled(page, {"title": "x"}, "digest").decode())
    policy = dict(part.strip().partition(" ")[::2] for part in parts.policy.split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == _hash(parts.found["script"])
    assert policy["style-src"] == _hash(parts.found["style"])
    assert policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in parts.policy


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    assert Parts(page).links == ["data:,"]
    assert "//" not in re.sub(r"(?m)^\s*//.*| // .*", "", page.partition("<script>")[2])


def test_the_script_makes_no_markup_of_a_text(page: str) -> None:
    script = Parts(page).found["script"]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|DOMParser", script)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_leaves_its_data(page: str, text: str) -> None:
    document = {"title": text, text: [text]}
    parts = Parts(filled(page, document, "digest").decode())
    assert json.loads(parts.found["script application/json"]) == document
    assert parts.found["script"] == Parts(page).found["script"]


@given(st.text())
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    parts = Parts(filled("<script type='application/json'><!--data--></script>after", {"text": text}, "").decode())
    assert json.loads(parts.found["script application/json"]) == {"text": text}


def test_parts_are_put_in_their_places_once() -> None:
    made = assembled("<!--style-hash-->|<!--style-->|<!--script-hash-->|<!--script-->", "<!--script-->", "<!--style-->")
    assert made == f"{_hash('<!--script-->')}|{'<!--style-->'}|{_hash('<!--style-->')}|<!--script-->"


def test_what_a_file_was_made_of_stands_in_its_head(page: str) -> None:
    document = {"generated": "2026-01-01T00:00:00Z", "endpoints": []}
    later = {**document, "generated": "2026-01-02T00:00:00Z"}
    digest = made_of(page, document, ["generated"])
    assert made_of(page, later, ["generated"]) == digest
    for content in (filled(page, document, digest), as_json(document, digest)):
        assert tells_the_same(content[:LONGEST_HEAD], digest)
        assert not tells_the_same(content[:LONGEST_HEAD], made_of(page, later))
    assert len({digest, made_of(page + " ", document), made_of(page, {**document, "endpoints": [1]})}) == 3
