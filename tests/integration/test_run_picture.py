# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The README's picture of a run shows what a run prints."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.tests.support import run_picture
from ansible_collections.certops.rotation.tests.support.moto import MotoServer

IMAGE = pathlib.Path(__file__).parents[2] / "docs" / "images" / "run.svg"


def test_the_picture_of_a_run_is_current(aws: MotoServer) -> None:
    made = run_picture.picture(aws)
    assert made == IMAGE.read_text(encoding="utf-8"), "python scripts/screenshots run"
    for what in ("web/www", "1 of 1", "web/shop: ", "refused"):
        assert what in made.replace("\u00a0", " ")
