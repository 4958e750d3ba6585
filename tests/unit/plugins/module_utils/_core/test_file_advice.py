# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Advice about files: one error, one piece of advice only where it has one cause."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.file_advice import Circumstances, advice, has_links


@pytest.mark.parametrize(
    ("known", "words", "others"),
    [
        (Circumstances("EPERM", step="owner"), "Run as root to set this owner", "hard links"),
        (Circumstances("EPERM", step="owner", is_root=True), "drop the owner", "Run as root"),
        (Circumstances("EPERM", step="owner", file_system="vfat"), "(vfat) keeps no owners", "Run as root"),
        (Circumstances("EPERM", step="mode", file_system="exfat", is_root=True), "keeps no owners and modes", "root"),
        (Circumstances("EPERM", step="link", file_system="vfat"), "(vfat) has no hard links", "owner"),
        (Circumstances("EPERM", step="link", file_system="ext4"), "fs.protected_hardlinks", "set this owner"),
        (Circumstances("EPERM", step="link", file_system="cifs", is_root=True), "(cifs) may have none", "protected"),
        (Circumstances("EPERM", step="link", unchangeable="/c/a.pem"), "'chattr -i -a /c/a.pem'", "hard links"),
        (Circumstances("EPERM", is_root=True), "forbids it even to root", "owner"),
        (Circumstances("EPERM"), "Another user's file", "owner and group"),
        (Circumstances("EXDEV", step="link"), "on another file system", "owner"),
        (Circumstances("EMLINK", step="link"), "as many names", "local file system"),
        (Circumstances("EOPNOTSUPP", step="link", file_system="fuse.s3fs"), "(fuse.s3fs) may have none", "owner"),
        (Circumstances("EACCES"), "become: true", "SELinux"),
        (Circumstances("EACCES", is_root=True), "SELinux or AppArmor", "become"),
        (Circumstances("ENOSPC", free_bytes=0, free_inodes=9), "Free space", "inodes"),
        (Circumstances("ENOSPC", free_bytes=9, free_inodes=0), "no free inodes", "Free space"),
        (Circumstances("ENOSPC", free_bytes=9, free_inodes=9), "Free space or inodes", "quota"),
        (Circumstances("ENOENT", is_link=True), "leads to nothing", "parent"),
        (Circumstances("ENOENT"), "Create the parent directory, or mount", "link"),
        (Circumstances("EROFS"), "mounted read-only", "become"),
        (Circumstances("ESTALE"), "mount it again", "Create"),
        (Circumstances("ENOTCONN"), "mount it again", "Create"),
        (Circumstances("EBUSY"), "mount its directory", "Free"),
        (Circumstances("EIO"), "kernel's log", "mount it"),
    ],
)
def test_what_is_known_decides(known: Circumstances, words: str, others: str) -> None:
    assert words in advice(known)
    assert others not in advice(known)


def test_where_there_is_nothing_to_say() -> None:
    assert advice(Circumstances("EINVAL")) == advice(Circumstances("")) == ""


def test_file_systems_with_hard_links() -> None:
    kinds = {"ext4": True, "": True, "nfs4": True, "vfat": False, "fuse.sshfs": None, "cifs": None}
    assert {kind: has_links(kind) for kind in kinds} == kinds
