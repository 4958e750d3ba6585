# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest reads what it wrote and nothing else."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.manifest import (
    Entry,
    Manifest,
    StoredVersion,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.layouts import live_paths, main_path
from hypothesis import given
from hypothesis import strategies as st

VERSION = StoredVersion("d1", "v1", {"pem": "0" * 64}, {"not_after": "2027-01-01T00:00:00Z"})


def entry(**fields: t.Any) -> Entry:
    return Entry(
        **{"name": "a", "arn": "arn", "stem": "a", "layout": "haproxy", "rules": "r", "current": VERSION, **fields}
    )


def test_reads_what_it_wrote() -> None:
    written = Manifest(
        {
            "a": entry(),
            "b": entry(
                name="b",
                stem="b",
                previous=[VERSION],
                proven="d1",
                replaced=True,
                problems=[{"code": "self_signed", "severity": "warning", "message": "m"}],
            ),
        }
    )
    assert Manifest.from_json(written.to_json()) == written
    assert Manifest.from_json(Manifest().to_json()) == Manifest()


@pytest.mark.parametrize(
    ("most", "served", "kept"),
    [
        (0, {"proven": "v1"}, []),
        (1, {}, ["v4"]),
        (1, {"proven": "live"}, ["v4"]),
        (1, {"proven": "v4"}, ["v4"]),
        (1, {"proven": "v1"}, ["v1"]),
        (1, {"loaded": "v2"}, ["v2"]),
        (1, {"proven": "v1", "loaded": "v3"}, ["v3", "v1"]),
        (2, {"proven": "v1"}, ["v4", "v1"]),
        (3, {"proven": "v1", "loaded": "v2"}, ["v4", "v2", "v1"]),
        (9, {"proven": "v1"}, ["v4", "v3", "v2", "v1"]),
    ],
)
def test_what_was_served_last_is_kept(most: int, served: dict[str, str], kept: list[str]) -> None:
    previous = [VERSION._replace(digest=digest) for digest in ("v4", "v3", "v2", "v1")]
    one = entry(current=VERSION._replace(digest="live"), previous=previous, **served)
    assert [version.digest for version in one.kept_versions(most)] == kept


def test_same_content_gives_the_same_bytes() -> None:
    one = Manifest({"a": entry(), "b": entry(name="b")})
    two = Manifest({"b": entry(name="b"), "a": entry()})
    assert one.to_json() == two.to_json()


def _document(**fields: t.Any) -> bytes:
    document = json.loads(Manifest({"a": entry()}).to_json())
    document["certificates"][0].update(fields)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"{}", b"\xff", b'{"format": 2, "certificates": []}', b'{"format": 1}',
        b'{"format": 1, "certificates": [1]}', _document(unknown=1), _document(layout="other"), _document(stem="../x"),
        _document(stem=".x"), _document(stem=""), _document(current=None), _document(previous=[{}]),
    ],
)  # fmt: skip
def test_refuses_anything_else(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Manifest.from_json(data)


@given(st.binary(max_size=200))
def test_garbage_is_a_value_error_or_a_manifest(data: bytes) -> None:
    try:
        Manifest.from_json(data)
    except ValueError:
        pass


def test_paths() -> None:
    assert live_paths("haproxy", "a") == {"pem": "a.pem"}
    assert list(live_paths("split", "a").values()) == ["a.key", "a.pem"]
    assert main_path("lineage", "a") == "a"
    assert main_path("split", "a") == "a.pem"
