# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell ansible-core which texts are secrets, where it can mask them in all that it prints (2.22 and later)."""

from __future__ import annotations

import base64
import typing as t
import urllib.parse

try:
    from ansible.module_utils.secrets import register_secrets
except ImportError:  # ansible-core before 2.22 has no such masking
    register_secrets = None

_SHORTEST_LINE = 16
_SHORTEST_VALUE = 4  # the like of "1" or "yes" occurs everywhere


def can_mask() -> bool:
    return register_secrets is not None


def mask_private_key(pem: str) -> None:
    """Register a key in the forms in which it may turn up: whole, line by line, CRLF, escaped, base64."""
    if register_secrets is not None:
        register_secrets(secret_forms(pem))


def secret_forms(pem: str) -> list[str]:
    """Texts that give away a key. A diff or a reformatted copy holds its lines, not its whole."""
    text = pem.strip()
    lines = [line.strip() for line in text.splitlines() if "-----" not in line]
    forms: t.Iterable[str] = (
        text,
        text + "\n",
        text.replace("\n", "\r\n"),
        text.replace("\n", "\\n"),
        "".join(lines),
        base64.b64encode(text.encode()).decode(),
        base64.b64encode(f"{text}\n".encode()).decode(),
        *(line for line in lines if len(line) >= _SHORTEST_LINE),
    )
    return list(dict.fromkeys(forms))


def mask_in_url(module: t.Any, option: str) -> None:
    """Of an option with no_log that is a URL, mask its query and fragment alone: where it leads may be told.

    module: of Ansible or AWS. A URL with credentials in it stays masked as a whole.
    """
    url = str(module.params[option] or "")
    masked: set[str] = module.no_log_values
    try:
        parts = urllib.parse.urlsplit(url)
        values = [value for _name, value in urllib.parse.parse_qsl(parts.query)]
    except ValueError:
        return
    if "@" not in parts.netloc:
        masked.discard(url)
        whole = {text for text in (parts.query, parts.fragment) if text}
        masked.update(whole | {value for value in values if len(value) >= _SHORTEST_VALUE})
