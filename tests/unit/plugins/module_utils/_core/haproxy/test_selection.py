# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rule by rule what tests/integration/test_haproxy_selection.py compares with each version of HAProxy."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.listeners import CertificateReference
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.selection import (
    ClientKeys,
    LoadedFile,
    Selector,
    Version,
)

FILES = {
    path: LoadedFile(path, f"fp-{path}", tuple(names.split()), key_type)
    for path, names, key_type in [
        ("a", "a.x.test", "ecdsa"),
        ("a2", "a.x.test c.x.test", "ecdsa"),
        ("b", "b.x.test", "ecdsa"),
        ("ed", "a.x.test", "other"),
        ("every", "*", "ecdsa"),
        ("odd", "*x.test *. !b.x.test", "ecdsa"),
        ("ra", "a.x.test", "rsa"),
        ("rw", "*.x.test", "rsa"),
        ("w", "*.X.test", "ecdsa"),
    ]
}


def entry(text: str) -> CertificateReference:
    """ "+" before a path for what the configuration makes a default one; then filters, as in a crt-list."""
    path, *filters = text.split()
    return CertificateReference(path.lstrip("+"), tuple(filters), bool(filters), fallback=path.startswith("+"))


def answering(
    loaded: str, name: str | None, client: ClientKeys = "any", version: Version | None = (3, 2), **options: t.Any
) -> str:
    """loaded: entries with commas between them, in their order."""
    selector = Selector([entry(text) for text in loaded.split(",")], FILES, version=version, **options)
    return " ".join(file.path for file in selector.answering(name, client))


@pytest.mark.parametrize(
    ("loaded", "name", "any_client", "rsa_client"),
    [
        ("b,a", "A.x.test", "a", "a"),
        ("b,a,a2", "a.x.test", "a a2", "a a2"),  # the first of them after a start, perhaps another one after an update
        ("b,ra,w", "a.x.test", "w", "ra"),
        ("b,ra,w", "z.x.test", "w", "w"),
        ("b,w,a", "a.x.test", "a w", "a w"),
        ("b,rw,a", "a.x.test", "a", "rw"),
        ("b,ed,rw", "a.x.test", "rw", "rw"),
        ("b,ed", "a.x.test", "ed", "ed"),
        ("b,w", "deep.a.x.test", "b", "b"),
        ("b,w", "x.test", "b", "b"),
        ("b,w", "test", "b", "b"),
        ("b,odd", "zx.test", "b", "b"),
        ("a,b !b.x.test", "b.x.test", "a", "a"),
        ("a,b !*", "b.x.test", "a", "a"),
        ("a,b c.x.test !c.x.test", "c.x.test", "b", "b"),
        ("a,w *.x.test !b.x.test,rw", "b.x.test", "rw", "rw"),
        ("a,w *.x.test !b.x.test,b", "b.x.test", "b", "b"),
        ("a,w *.x.test,w !b.x.test", "b.x.test", "w", "w"),
    ],
)
def test_by_name(loaded: str, name: str, any_client: str, rsa_client: str) -> None:
    for version in (None, (2, 6), (3, 2)):
        assert answering(loaded, name, "any", version) == any_client
        assert answering(loaded, name, "ecdsa", version) == any_client
        assert answering(loaded, name, "rsa", version) == rsa_client


@pytest.mark.parametrize(
    ("loaded", "before", "since", "since_by_rsa"),
    [
        ("a,b", "a", "a", "a"),
        ("ra,+b", "ra", "b", "ra"),
        ("+ra,+a", "ra", "a", "ra"),  # a bundle
        ("a,+b", "a", "a b", "a b"),
        ("a,ra *,b !*", "a", "a", "ra"),
        ("a !*,b", "a", "a", "a"),
        ("a,odd", "a", "a", "a"),
        ("ra,every", "ra", "every", "ra"),  # by its own name
        ("ra,every b.x.test", "ra", "ra", "ra"),
    ],
)
def test_without_a_name_that_anybody_has(loaded: str, before: str, since: str, since_by_rsa: str) -> None:
    for name in (None, "", "nobody.test"):
        assert answering(loaded, name, version=(2, 8)) == answering(loaded, name, "rsa", (2, 8)) == before
        assert answering(loaded, name, version=(3, 0)) == since
        assert answering(loaded, name, "rsa", (3, 0)) == since_by_rsa
        assert set(answering(loaded, name, version=None).split()) == {*before.split(), *since.split()}
        assert answering(loaded, name, strict_sni=True) == ""


def test_which_is_a_default_one_in_every_version_that_may_be_the_one() -> None:
    references = [entry("ra"), entry("+a")]

    def defaults(version: Version | None, *, strict_sni: bool = False) -> list[str]:
        selector = Selector(references, FILES, version=version, strict_sni=strict_sni)
        return [path for path in ("ra", "a", "b") if selector.is_default(path)]

    assert defaults((2, 9)) == ["ra"]
    assert defaults((3, 0)) == ["ra", "a"]
    assert defaults(None) == ["ra"]
    assert defaults((3, 0), strict_sni=True) == []


def test_what_is_in_a_file_may_be_unknown() -> None:
    selector = Selector([entry("gone"), entry("a"), entry("gone")], FILES, version=(2, 8))
    assert selector.unknown == ("gone",)
    assert selector.answering(None) == ()
    assert [file.path for file in selector.answering("a.x.test")] == ["a"]
    assert Selector([], FILES).answering(None) == ()
