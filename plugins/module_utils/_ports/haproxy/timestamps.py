# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate timestamps (RFC 6962) that HAProxy loads from a file of their own, NAME.sctl.

HAProxy frees them with every TLS context that sends them, and once more with the certificate. So it crashes when such a
certificate, its lines or the CA files that it is used with change at run time (seen with 2.6.12, 2.8.25, 3.0.11 and
3.2.26). It takes none at run time, and does not tell of which certificates it has some.
"""

from __future__ import annotations

import os
import typing as t

from .errors import ReloadRequired

SUFFIX = ".sctl"


def find_timestamps(paths: t.Iterable[str]) -> str | None:
    """The file of timestamps beside one of these certificates, perhaps without their .crt (ssl-load-extra-del-ext)."""
    places = (place + SUFFIX for path in paths for place in dict.fromkeys((path, path.removesuffix(".crt"))))
    return next(filter(os.path.exists, places), None)


def crash_foreseen(what: str, file: str) -> ReloadRequired:
    return ReloadRequired(
        f"{what} is not changed at run time, for HAProxy has timestamps of a certificate in {file}, and crashes when it"
        " frees them. So reload it, which also makes it send those that are there."
    )
