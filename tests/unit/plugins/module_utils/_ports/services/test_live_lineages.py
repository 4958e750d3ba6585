# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live lineages as a source of certificates."""

from __future__ import annotations

import os
import pathlib

from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    SecretFailure,
    SecretValue,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import LiveLineage
from ansible_collections.certops.rotation.plugins.module_utils._ports.services.live_lineages import LiveLineageSource


def lineage(root: pathlib.Path, name: str, *, key: bytes | None = b"KEY\n") -> LiveLineage:
    version = root / ".versions" / name
    version.mkdir(parents=True)
    (version / "fullchain.pem").write_bytes(b"CHAIN\n")
    if key is not None:
        (version / "privkey.pem").write_bytes(key)
    (root / name).symlink_to(version)
    return LiveLineage(name, f"fingerprint of {name}", (name,), str(root / name))


def test_it_has_what_is_named_and_live(tmp_path: pathlib.Path) -> None:
    source = LiveLineageSource([lineage(tmp_path, "b.example.com"), lineage(tmp_path, "a.example.com")])
    found = source.discover(Selection(names=("b.example.com", "a.example.com", "gone.example.com")))
    assert [(secret.name, secret.version_id) for secret in found.secrets] == [
        ("a.example.com", "fingerprint of a.example.com"),
        ("b.example.com", "fingerprint of b.example.com"),
    ]
    assert [(failure.name, failure.problem.code) for failure in found.failures] == [
        ("gone.example.com", "secret_missing")
    ]
    values = list(source.read(found.secrets))
    assert [value.value for value in values if isinstance(value, SecretValue)] == [b"CHAIN\n\nKEY\n"] * 2
    assert "KEY" not in repr(values)


def test_one_that_cannot_be_read_does_not_stop_the_others(tmp_path: pathlib.Path) -> None:
    source = LiveLineageSource([lineage(tmp_path, "a", key=None), lineage(tmp_path, "b")])
    broken, good = source.read(source.discover(Selection(names=("a", "b"))).secrets)
    assert isinstance(good, SecretValue)
    assert isinstance(broken, SecretFailure)
    assert broken.problem.code == "secret_unreadable"
    assert "No such file or directory" in broken.problem.message


def test_a_fifo_does_not_hang(tmp_path: pathlib.Path) -> None:
    live = lineage(tmp_path, "a", key=None)
    os.mkfifo(tmp_path / "a" / "privkey.pem")
    source = LiveLineageSource([live])
    (failure,) = source.read(source.discover(Selection(names=("a",))).secrets)
    assert isinstance(failure, SecretFailure)
