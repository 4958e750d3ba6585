# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which secrets, and how to read them: options that everything shares that reads certificate secrets."""

from __future__ import annotations

import typing as t

from .._core.pipeline.source import Selection
from .._core.promotion import CURRENT, check_labels
from .._errors import InvalidOption
from .._ports.host.libraries import require_library
from .options import VERIFY_OPTIONS, exact_text, tag_texts, verification_policy

if t.TYPE_CHECKING:
    from .._core.pipeline.verify import SecretVerifier

_SECRET_FIELDS = ("certificate", "private_key", "certificate_chain", "domain_name", "description")

SELECTION_OPTIONS: dict[str, dict[str, t.Any]] = {
    # Not str, which would make True of a secret's name that is written as yes.
    "names": {"type": "list", "elements": "raw", "aliases": ["name"]},
    "name_prefix": {"type": "str"},
    "tags": {"type": "dict"},
}
#: Of what brings certificates to hosts: by which labels they are read.
LABELS_OPTION: dict[str, dict[str, t.Any]] = {"labels": {"type": "list", "elements": "str", "default": [CURRENT]}}
CONTENT_OPTIONS: dict[str, dict[str, t.Any]] = {
    "fields": {"type": "dict", "options": {name: {"type": "str", "no_log": False} for name in _SECRET_FIELDS}},
    "passphrase": {"type": "str", "no_log": True},
    **VERIFY_OPTIONS,
}


def secret_selection(params: t.Mapping[str, t.Any], *, empty_prefix_is_all: bool = False) -> Selection | None:
    """From SELECTION_OPTIONS, and LABELS_OPTION where it is one of them; None when they select nothing.

    Raises InvalidOption for half a tag pair, for what YAML has made something else of than text, and for labels that no
    host can have.

    empty_prefix_is_all: every name starts with an empty text. Otherwise it counts as not given.
    """
    given: t.Mapping[t.Any, t.Any] = params["tags"] or {}
    for key, value in given.items():
        if not str(key).strip() or value is None or str(value) == "":
            raise InvalidOption(
                f"tags: {key!r}: {value!r} is half a pair. Give both the key and the value, or neither."
            )
    tags = tag_texts(given)
    texts = [exact_text("names", name).strip() for name in params["names"] or []]
    names = tuple(dict.fromkeys(name for name in texts if name))
    prefix = params["name_prefix"] if empty_prefix_is_all else params["name_prefix"] or None
    labels = check_labels(params.get("labels", (CURRENT,)))
    return Selection(names, prefix, tags, labels) if names or tags or prefix is not None else None


def secret_verifier(params: t.Mapping[str, t.Any]) -> SecretVerifier:
    """From CONTENT_OPTIONS. Raises InvalidOption, and RotationError without cryptography."""
    require_library("cryptography")
    from .._core.pipeline.verify import SecretVerifier, field_map
    from .._ports.openssl.loadable import why_not_loaded
    from .._ports.openssl.opener import ProcessOpener

    return SecretVerifier(
        verification_policy(params),
        ProcessOpener(params["passphrase"]),
        why_not_loaded,
        field_map(params["fields"] or {}),
    )
