# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the core asks for where content is encrypted."""

from __future__ import annotations

import typing as t


class Opener(t.Protocol):
    """Opens what is encrypted with one passphrase, or with none, where that can be ended when it takes too long."""

    @property
    def has_passphrase(self) -> bool: ...

    def open(self, kind: t.Literal["key", "pkcs12"], data: bytes) -> list[bytes]:
        """The key as PKCS#8 (b"" for none), then of PKCS#12 the certificate that belongs to it (b"" for none), others.

        [] when it cannot be opened: damaged, or another passphrase. Raises MaterialError when that takes too long, and
        OSError when nobody can try.
        """
