# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where HAProxy may have loaded the timestamps of a certificate from."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.load_paths import FileNames, LoadPaths
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.timestamps import find_timestamps


def test_beside_the_name_and_beside_its_file(tmp_path: pathlib.Path) -> None:
    """Of a link HAProxy takes those beside the link; without .crt those of ssl-load-extra-del-ext."""
    for name in ("a.pem", "b.crt", "c.pem", "d.pem"):
        (tmp_path / name).touch()
    (tmp_path / "link.pem").symlink_to("c.pem")
    files = FileNames(LoadPaths(stores={"@web/a": f"{tmp_path}/a.pem"}, directories=(str(tmp_path),)))

    def found(name: str) -> str | None:
        return find_timestamps(files.paths_of(name))

    names = ["@web/a", f"{tmp_path}/b.crt", f"{tmp_path}/link.pem", "d.pem", "@web/unknown"]
    assert list(map(found, names)) == [None] * 5
    places = ["a.pem.sctl", "b.sctl", "link.pem.sctl", "d.pem.sctl"]
    for place in places:
        (tmp_path / place).touch()
    assert list(map(found, names)) == [*(f"{tmp_path}/{place}" for place in places), None]
    (tmp_path / "link.pem.sctl").rename(tmp_path / "c.pem.sctl")
    assert found(f"{tmp_path}/link.pem") == f"{tmp_path}/c.pem.sctl"
