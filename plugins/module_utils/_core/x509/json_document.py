# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON as secrets hold it, with the JSON that is text in it, bounded in what it may cost."""

from __future__ import annotations

import json
import typing as t

from .encodings import SHORTEST_CONTENT, from_base64
from .field_names import capitalized, role_of, shown_path
from .pem import as_utf8
from .problems import MaterialError

_MAX_DIGITS: t.Final = 4300
_MAX_LAYERS: t.Final = 4
_MAX_DEPTH: t.Final = 50
_MAX_NODES: t.Final = 100_000
_DECORATION: t.Final = "\ufeff \t\r\n"
_BASE64_OF_BRACE: t.Final = "e"


class _Twice(ValueError):
    """A field is there twice."""


def load_document(text: str) -> t.Any:
    """The value, in which each text that is JSON itself is its value. Raises MaterialError (document_invalid)."""
    try:
        document = _loads(text)
        return _Unfolding().unfold(document, 0, 0)
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno}, column {exc.colno}: {exc.msg}"
    except _Twice as exc:
        raise MaterialError("document_invalid", str(exc)) from None
    except (ValueError, RecursionError):
        where = "it is nested too deeply or holds a number that is too long"
    raise MaterialError("document_invalid", f"The secret starts like a JSON document but is not one ({where}).")


def json_text(text: str) -> str | None:
    """The text of a JSON object, list or text, also in base64; None for anything else, by its beginning."""
    stripped = text.lstrip(_DECORATION)
    if stripped[:1] in ("{", "[", '"'):
        return stripped
    if stripped.startswith(_BASE64_OF_BRACE):
        decoded = as_utf8(from_base64(stripped) or b"").decode("utf-8", "replace")
        return decoded if decoded.startswith("{") else None
    return None


def _loads(text: str) -> t.Any:
    # strict=False: line ends inside strings are common in documents written by hand.
    return json.loads(text, strict=False, parse_int=_integer, object_pairs_hook=_mapping)


def _integer(digits: str) -> int:
    """Python limits their number by itself only from 3.11 on; the work grows with its square. Raises ValueError."""
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)


def _mapping(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    """Raises _Twice: of two Python would take the last one, and others the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            is_read = (role_of(name) or ("description",))[0] != "description"
            if value != found[name] and (is_read or _may_hold_content(value)):
                what = capitalized(shown_path((name,)))
                raise _Twice(f"{what} is twice in the JSON document, with different content: leave the right one.")
    return found


def _may_hold_content(value: t.Any) -> bool:
    return isinstance(value, (dict, list)) or (isinstance(value, str) and len(value) >= SHORTEST_CONTENT)


class _Unfolding:
    def __init__(self) -> None:
        self._nodes = 0

    def unfold(self, node: t.Any, depth: int, layer: int) -> t.Any:
        """Raises ValueError for what is nested too deeply, and MaterialError."""
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise MaterialError(
                "content_too_costly",
                f"The JSON document has more than {_MAX_NODES:,} values: store what is needed.",
            )
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        if isinstance(node, dict):
            return {name: self.unfold(value, depth + 1, layer) for name, value in node.items()}
        if isinstance(node, list):
            return [self.unfold(value, depth + 1, layer) for value in node]
        if isinstance(node, str) and layer < _MAX_LAYERS:
            return self._unfold_text(node, depth, layer + 1)
        return node

    def _unfold_text(self, text: str, depth: int, layer: int) -> t.Any:
        inner = json_text(text)
        if inner is None:
            return text
        try:
            value = _loads(inner)
        except _Twice:
            raise
        except (ValueError, RecursionError):
            return text
        return self.unfold(value, depth + 1, layer) if isinstance(value, (dict, list, str)) else text
