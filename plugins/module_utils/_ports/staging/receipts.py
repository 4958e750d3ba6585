# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The receipts' directory: the pusher reads what is written here, and nobody but this user writes."""

from __future__ import annotations

import os
import typing as t

from ..._core.push.receipt import Receipt, receipt_file_name, receipt_from_json, receipt_to_json
from ..store.atomic import TEMPORARY_MARK, FileAttributes, store_errors
from ..store.places import make_place, open_place

#: They tell nothing secret, and the user that uploads has to read them.
_FILE = FileAttributes(0o644)
_DIRECTORY = FileAttributes(0o755)
_SUFFIX: t.Final = receipt_file_name("")
_MOST_REFUSED: t.Final = 1000


class ReceiptDirectory:
    """path: made when it is not there; its parent has to be. Methods raise StoreError."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def is_gone(self) -> bool:
        """Whether its parent is not there any more: who looked here has been removed, or looks elsewhere."""
        try:
            os.stat(os.path.dirname(self.path))
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False  # whoever writes there says why not
        return False

    def write(self, receipts: t.Collection[Receipt]) -> None:
        """One file for each lineage, whole or not at all."""
        if not receipts:
            return
        with store_errors(f"write receipts to {self.path}"), make_place(self.path, _DIRECTORY) as place:
            killed = any(name.startswith(TEMPORARY_MARK) for name in place.names())
            for receipt in receipts:
                name = receipt_file_name(receipt.lineage)
                if killed:
                    place.remove_temporaries_of(name)
                place.write(name, receipt_to_json(receipt), _FILE, own=True)
            place.sync()

    def forget(self, live: t.Container[str]) -> None:
        """The oldest of those that are of no live lineage, where there are too many: whoever uploads chooses names."""
        with store_errors(f"look into {self.path}"), open_place(self.path, private=True) as place:
            names = [
                name for name in place.names() if name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX) not in live
            ]
            if len(names) > _MOST_REFUSED:
                ages = {name: status.st_mtime_ns for name in names if (status := place.look(name))}
                for name in sorted(ages, key=ages.__getitem__)[:-_MOST_REFUSED]:
                    place.unlink(name)

    def read(self, lineage: str) -> Receipt | None:
        """None where there is none that can be read."""
        try:
            with store_errors(f"read receipts of {self.path}"), open_place(self.path, private=True) as place:
                data = place.read(receipt_file_name(lineage))
            return None if data is None else receipt_from_json(data)
        except ValueError:
            return None
