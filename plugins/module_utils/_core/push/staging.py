# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an uploaded lineage is named in the staging directory: by both ends.

``<lineage>@<fingerprint>``: whole, for it was renamed to this from ``.upload-<random>`` after its last file;
``<lineage>``: by somebody who cannot rename (a certdeploy server): whole when certificate and key belong together.
"""

from __future__ import annotations

import re
import typing as t

UPLOAD_PREFIX: t.Final = ".upload-"
#: Of a lineage: what certbot makes of a domain (a wildcard without its ``*.``), ``-0001`` behind it, or --cert-name.
#: With ``@`` and the fingerprint it is a file name, of 255 characters at most.
LINEAGE_NAME: t.Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,189}\Z")
_STAGED: t.Final = re.compile(r"(?P<lineage>[^@/]+)(?:@(?P<fingerprint>[0-9a-f]{64}))?\Z")


class StagedName(t.NamedTuple):
    """fingerprint_sha256: None where the name does not say."""

    lineage: str
    fingerprint_sha256: str | None


def staged_name(lineage: str, fingerprint_sha256: str) -> str:
    """The directory's name once its upload is complete."""
    return f"{lineage}@{fingerprint_sha256}"


def parse_staged_name(name: str) -> StagedName | None:
    """None for what is no lineage: an upload that is under way, or something else."""
    found = _STAGED.match(name)
    if not found or not LINEAGE_NAME.match(found["lineage"]):
        return None
    return StagedName(found["lineage"], found["fingerprint"])
