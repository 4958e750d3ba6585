# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders of certificates in S3: their names, and when the objects in one are the certificate."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.acme import lineages
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.lineages import PARTS, ListedObject
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import WantedCertificate

CONTENTS = {"privkey": b"key", "chain": b"", "fullchain": b"certificate and chain", "cert": b"certificate"}
INSTANT = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.timezone.utc)


def listed(contents: t.Mapping[str, bytes] | None = None) -> dict[str, ListedObject]:
    return {
        part: ListedObject(hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content), INSTANT)
        for part, content in (contents or CONTENTS).items()
    }


def test_a_folder_is_named_after_the_first_domain_as_certbot_does() -> None:
    for domains, folder in (
        (("www.example.com", "example.com"), "www.example.com"),
        (("*.example.com", "example.com"), "example.com"),
        (("192.0.2.1",), "192.0.2.1"),
    ):
        assert lineages.folder_of(WantedCertificate("web", domains)) == folder
    assert lineages.keys_of("example.com", "certs/") == {part: f"certs/example.com/{part}.pem" for part in PARTS}
    assert set(PARTS) == {"cert", "chain", "fullchain", "privkey"}


def test_two_with_one_folder_are_told() -> None:
    wanted = [
        WantedCertificate("star", ("*.example.com",)),
        WantedCertificate("apex", ("example.com", "www.example.com")),
        WantedCertificate("other", ("www.example.com",)),
    ]
    found = lineages.collisions(wanted)
    assert set(found) == {"star", "apex"}
    assert "certificates apex, star would have one folder, example.com" in found["star"]
    assert lineages.collisions(wanted[1:]) == {}


def test_the_same_objects() -> None:
    assert lineages.is_whole(listed(), CONTENTS)
    assert lineages.is_same(listed(), CONTENTS)
    assert not lineages.is_same(listed({**CONTENTS, "privkey": b"xxx"}), CONTENTS)


def test_a_set_that_a_killed_run_has_left_is_not_whole() -> None:
    found = listed()
    later = INSTANT + datetime.timedelta(seconds=1)
    for part in PARTS:
        assert not lineages.is_whole({name: each for name, each in found.items() if name != part}, CONTENTS)
        assert not lineages.is_whole({**found, part: dataclasses.replace(found[part], size=99)}, CONTENTS)
        newer = {**found, part: dataclasses.replace(found[part], modified=later)}
        assert lineages.is_whole(newer, CONTENTS) == (part == PARTS[-1]), "the mark is written last"
    assert not lineages.is_whole({}, CONTENTS)
    assert not lineages.is_same({}, CONTENTS)
