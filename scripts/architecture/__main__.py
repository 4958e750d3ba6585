# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write down anew what the imports tell: how many files each module packs, and the picture of CONTRIBUTING.md.

Usage: python scripts/architecture [MODULE]. With a module it lists what that one packs, and writes nothing.
"""

from __future__ import annotations

import pathlib
import sys

from imports import LAYERS, Tree  # type: ignore[import-not-found]
from picture import draw  # type: ignore[import-not-found]

ROOT = pathlib.Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    tree = Tree(ROOT)
    packed = tree.packed()
    if arguments:
        print(*packed[arguments[0]], sep="\n")
        return 0
    lines = ["# Our own files that Ansible packs with each module. Written by: python scripts/architecture", "---"]
    lines += [f"{name}: {len(files)}" for name, files in packed.items()]
    (ROOT / "tests/unit/meta/packed_files.yml").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (ROOT / "docs/architecture.svg").write_text(draw(tree.folders(), LAYERS), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
