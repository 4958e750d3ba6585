# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy makes of the files that it loads."""

from __future__ import annotations

import os
import pathlib

from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.loaded_files import (
    read_loaded_files,
)
from ansible_collections.certops.rotation.tests.support import odd, pki


def test_names_of_the_san_and_of_the_subject(tmp_path: pathlib.Path) -> None:
    names = ["B.example.com", "192.0.2.1", "b.example.com"]
    issued = pki.self_signed(names)
    other = pki.CertificateAuthority().issue("a.example.com", key=pki.shared_key("rsa2048"), common_name="*.CN.example")
    paths = {name: str(tmp_path / name) for name in ("b", "a", "odd", "gone", "fifo")}
    pathlib.Path(paths["b"]).write_text(issued.private_key_pem + issued.certificate_pem)
    pathlib.Path(paths["a"]).write_text(other.combined_pem)
    pathlib.Path(paths["odd"]).write_text("no certificate")
    os.mkfifo(paths["fifo"])

    found = read_loaded_files(paths.values())

    assert sorted(found) == [paths["a"], paths["b"]]
    assert (found[paths["b"]].names, found[paths["b"]].key_type) == (("b.example.com",), "ecdsa")
    assert found[paths["b"]].fingerprint_sha256 == issued.fingerprint_sha256
    assert (found[paths["a"]].names, found[paths["a"]].key_type) == (("a.example.com", "*.cn.example"), "rsa")
    assert found[paths["a"]].not_after.endswith("Z")


def test_what_haproxy_has_read_before_it_changed_is_not_known(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.pem"
    path.write_text(pki.self_signed("a.example.com").combined_pem)
    os.utime(path, (1000, 1000))
    assert list(read_loaded_files([str(path)], 1000)) == [str(path)]
    assert read_loaded_files([str(path)], 999) == {}


def test_of_what_is_malformed_nobody_knows_what_haproxy_makes(tmp_path: pathlib.Path) -> None:
    """A name that is no text hides all others of its certificate from us, and none from HAProxy."""
    oddities = ("name of Latin-1", "extension twice", "T61String", "NUL in a name", "explicit curve")
    for what in (*oddities, "NUL in the subject"):
        (tmp_path / what).write_text(odd.ODD[what]())
    found = read_loaded_files(map(str, tmp_path.iterdir()))
    assert {path: file.names for path, file in found.items()} == {
        str(tmp_path / "NUL in the subject"): (odd.NAME, "odd")
    }
