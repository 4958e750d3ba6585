# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files with certificates in them, filled in on the host: keys need not leave it to get there."""

from __future__ import annotations

import re
import typing as t

from ..._errors import InvalidOption
from ..ca.keys import key_pem
from ..text import lines_of
from .material import Material, pem

# A client's name may have an @ in it.
_PLACEHOLDER = re.compile(r"@(ca|crl|server_cert|server_key|client_(?:cert|key):[^\s]+)@")
_BLANK = " \t"


def fill_in(template: str, material: Material) -> str:
    """Each line that is nothing but a placeholder becomes the lines of that PEM, indented like it.

    So a YAML block scalar stays one. Raises InvalidOption for a placeholder beside other text, and for what the host
    does not have.
    """
    filled = []
    for line in lines_of(template):
        indentation = line[: len(line) - len(line.lstrip(_BLANK))]
        whole, part = _PLACEHOLDER.fullmatch(line.strip(_BLANK)), _PLACEHOLDER.search(line)
        if whole:
            filled += [indentation + each for each in lines_of(_value(whole[1], material))]
        elif part:
            raise InvalidOption(f"{part[0]} must be alone on its line: PEM has many lines.")
        else:
            filled.append(line)
    return "".join(f"{line}\n" for line in filled)


def _value(name: str, material: Material) -> str:
    kind, _colon, client = name.partition(":")
    if kind == "ca":
        return "".join(map(pem, material.authorities))
    identity = material.clients.get(client) if client else material.server
    text: str | None = None
    if kind == "crl":
        text = material.crl
    elif identity:
        text = key_pem(identity.key) if kind.endswith("_key") else pem(identity.certificate)
    if text is None:
        raise InvalidOption(f"@{name}@: this host does not have it. {_ADVICE[kind.partition('_')[0]]}")
    return text


_ADVICE: t.Final = {
    "crl": "There is a revocation list from the first revocation on.",
    "server": "Give server_names.",
    "client": "List the client in clients.",
}
