# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables as the types that they mean. From -e x=..., from INI files and from surveys all of them come as text.

Ansible checks a role's variables by its argument specification, and converts them for that check alone.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import math
import re
import typing as t

from ansible.module_utils.common import validation

Kind = t.Literal["str", "bool", "int", "list", "dict", "percentage", "batches"]
_MEANINGS: t.Final[dict[str, str]] = {
    "str": "a text",
    "bool": "true or false",
    "int": "a whole number",
    "list": "a list, or a text with commas",
    "dict": "a dictionary, or one as JSON text",
    "percentage": "a percentage from 0 to 100, such as 25 or 25%",
    "batches": "a list of numbers of hosts and percentages, such as 1,25%,100%",
}
_NOTHING: t.Final[dict[str, t.Any]] = {"str": "", "bool": False, "int": 0, "list": [], "dict": {}}
_BATCH: t.Final = re.compile(r"[0-9]{1,9}%?")
_PERCENTAGE: t.Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%?")


def typed(value: t.Any, kind: Kind, name: str) -> t.Any:
    """value, of the variable of this name, as the kind that is wanted; nothing (null) is empty, false or 0.

    batches: for the keyword "serial" of a play. Raises ValueError, which names the variable and what it may be, and
    not the value: that may be a secret.
    """
    try:
        if value is None and kind in _NOTHING:
            return _NOTHING[kind]
        return _CONVERSIONS[kind](value)
    except (TypeError, ValueError, AttributeError):
        # From None: the exceptions of Ansible's own checks quote the value.
        raise ValueError(f"{name} is to be {_MEANINGS[kind]}.") from None


def typed_fields(kind: type[t.Any], variables: t.Mapping[str, t.Any], prefix: str) -> dict[str, t.Any]:
    """The variables that a dataclass is made of, each as its annotation says. prefix: of their names in messages.

    Raises ValueError, as typed does.
    """
    return {
        field.name: _typed_field(variables[field.name], str(field.type), f"{prefix}{field.name}")
        for field in dataclasses.fields(kind)
    }


def _typed_field(value: t.Any, annotation: str, name: str) -> t.Any:
    kind, _bracket, elements = annotation.partition("[")
    found = typed(value, t.cast(Kind, kind), name)
    return [typed(item, "str", name) for item in found] if elements == "str]" else found


def _is_text(value: t.Any) -> bool:
    """What is encrypted with Ansible Vault is text that is no str."""
    return not isinstance(value, (bool, int, float, list, tuple, dict))


def _str(value: t.Any) -> str:
    if isinstance(value, (list, tuple, dict)):
        raise TypeError
    return str(value)


def _bool(value: t.Any) -> bool:
    return bool(validation.check_type_bool(str(value) if _is_text(value) else value))


def _int(value: t.Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return int(validation.check_type_int(str(value) if _is_text(value) else value))


def _list(value: t.Any) -> list[t.Any]:
    if isinstance(value, dict):
        raise TypeError
    if not _is_text(value):
        return list(value) if isinstance(value, (list, tuple)) else [value]
    text = str(value).strip()
    written = _written_list(text)
    return [item.strip() for item in text.split(",") if item.strip()] if written is None else written


def _written_list(text: str) -> list[t.Any] | None:
    """None for a text that is no list of JSON or Python, such as [::1]:443."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError):
            continue
        if isinstance(found, list):
            return found
    return None


def _dict(value: t.Any) -> dict[str, t.Any]:
    if not _is_text(value):
        return t.cast("dict[str, t.Any]", validation.check_type_dict(value))
    return dict(validation.check_type_dict(str(value).strip()))


def _percentage(value: t.Any) -> float:
    number = math.nan if isinstance(value, bool) else value
    if _is_text(value):
        found = _PERCENTAGE.fullmatch(str(value).strip())
        number = found[1] if found else math.nan
    if not 0 <= float(number) <= 100:
        raise ValueError
    return float(number)


def _batches(value: t.Any) -> list[int | str]:
    return [_batch(item) for item in _list(value)]


def _batch(value: t.Any) -> int | str:
    text = "" if isinstance(value, bool) else str(value).strip()
    if not _BATCH.fullmatch(text):
        raise ValueError
    return text if text.endswith("%") else int(text)


_CONVERSIONS: t.Final[dict[str, t.Callable[[t.Any], t.Any]]] = {
    "str": _str,
    "bool": _bool,
    "int": _int,
    "list": _list,
    "dict": _dict,
    "percentage": _percentage,
    "batches": _batches,
}
