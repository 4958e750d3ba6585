# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of a module as they came, before Ansible converts, refuses, prints or logs any of them.

Ansible hides the text that a secret option was given. It does not hide what becomes of anything else: the text that it
makes of a mapping or a list, the value of an option that does not exist, a key in an option that is no secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import typing as t

from ansible.module_utils.common.validation import check_type_dict

from .._core.x509.encodings import PKCS12, der_blocks, read_blocks
from .._core.x509.pem import PemBlock
from .._errors import RotationError

Spec = t.Mapping[str, t.Mapping[str, t.Any]]

#: Ansible's own word for it.
HIDDEN: t.Final = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
_OPTION_NAME: t.Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}")
_KEY_BLOCK: t.Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(.*?)(?:-----|\Z)", re.DOTALL)
_KEY_MARK: t.Final = "PRIVATEKEY-----"
_URL_SAFE: t.Final = str.maketrans("-_", "+/")
_OTHER_BLOCK: t.Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,60})-----[^-]*-----END \1-----")
_TOKEN: t.Final = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}")
_MOST_LAYERS: t.Final = 4
_BASE64: t.Final = re.compile(r"[A-Za-z0-9+/=]{16,}")
_SURROGATE: t.Final = re.compile("[\ud800-\udfff]")
_NO_TEXT: t.Final = (
    (bool, "a boolean", "Write it in quotes."),
    ((int, float), "a number", "Write it in quotes: YAML changes numbers."),
    (t.Mapping, "a mapping", "Give the field of it that is meant."),
    (
        t.Collection,
        "a list",
        "Give one text: join the lines of a list, and give of several texts the one that is meant.",
    ),
)


class Screened(t.NamedTuple):
    """params: without what was refused; refusals: messages that quote nothing; key_lines: of the private keys given."""

    params: dict[str, t.Any]
    refusals: list[str]
    key_lines: frozenset[str]


def screen(spec: Spec, params: t.Mapping[str, t.Any], documents: t.Collection[str] = ()) -> Screened:
    """spec: a module's argument specification; params: from Ansible, unconverted.

    documents: secret options that mean a whole document, where a mapping is read as the JSON text that it came from.
    """
    screening = _Screening(documents)
    return Screened(screening.options(spec, params), screening.refusals, _key_lines(params))


def shown(spec: Spec, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What may be printed of screened params, before and after Ansible has converted them."""
    options = _by_name(spec)
    return {
        name: _shown_value(options.get(name), value)
        for name, value in params.items()
        if not name.startswith("_ansible_")
    }


def holds_secret(spec: Spec, params: t.Mapping[str, t.Any]) -> bool:
    """Whether any of the params is to be hidden: a secret of the specification, or a private key anywhere."""
    options = _by_name(spec)
    return any(
        value not in (None, "", [], {})
        and (_holds_secret(options.get(name), value) or holds_private_key([name, value]))
        for name, value in params.items()
    )


def holds_private_key(value: t.Any) -> bool:
    """Whether any text in it, or all of them together, are a private key: PEM or DER, as they are or in base64,
    also within a text, such as a document of JSON or YAML."""
    texts = list(_texts(value))
    together = "".join(texts)
    return (
        _KEY_MARK in _squeezed(together)
        or any(map(_is_encoded_key, [*texts, together]))
        or any(True for text in texts for _found in _keys_within(text))
    )


def key_lines_in(value: t.Any, key_lines: t.Collection[str]) -> set[str]:
    """Those of the lines that occur in a result."""
    if not key_lines:
        return set()
    return {line for text in _texts(value) for line in _BASE64.findall(_unescaped(text)) if line in key_lines}


class _Screening:
    def __init__(self, documents: t.Collection[str]) -> None:
        self._documents = documents
        self.refusals: list[str] = []

    def options(self, spec: Spec, params: t.Mapping[str, t.Any], path: str = "") -> dict[str, t.Any]:
        """Of a module, or suboptions. path: of the option they belong to, with its dot."""
        known = _by_name(spec)
        result: dict[str, t.Any] = {}
        for name, value in params.items():
            if name in known:
                result[name] = value if value is None else self._value(known[name], value, path + name)
            elif name.startswith("_ansible_"):
                result[name] = value
            else:  # Ansible refuses it, and names it
                result[name if _OPTION_NAME.fullmatch(name) else HIDDEN] = HIDDEN
        return result

    def _value(self, option: t.Mapping[str, t.Any], value: t.Any, path: str) -> t.Any:
        if any(map(_SURROGATE.search, _texts(value))):
            return self._refuse(path, "holds characters that no text has (surrogates). Use its right encoding.")
        if "options" in option:
            return self._suboptions(option, value, path)
        if option.get("no_log"):
            return self._secret(option, value, path)
        if holds_private_key(value):
            return self._refuse(path, "holds a private key. Give keys to the option that is meant for them.")
        return value

    def _secret(self, option: t.Mapping[str, t.Any], value: t.Any, path: str) -> t.Any:
        if isinstance(value, str):
            return value  # which Ansible reads as a mapping, where it wants one
        if isinstance(value, t.Mapping):
            if option.get("type", "str") == "dict":
                return self._named_texts(value, path)
            if path in self._documents:
                return json.dumps(value)
        elif option.get("type", "str") == "dict":
            return self._refuse(path, "must be a mapping.")
        return self._no_text(value, path)

    def _named_texts(self, value: t.Mapping[str, t.Any], path: str) -> t.Any:
        if any(isinstance(item, (t.Mapping, list)) for item in value.values()):
            return self._refuse(path, "must have a text for each name, and holds a list or mapping.")
        return value

    def _no_text(self, value: t.Any, path: str) -> str:
        for kind, name, advice in _NO_TEXT:
            if isinstance(value, t.cast("type", kind)):
                return self._refuse(path, f"must be text, and {name} was given. {advice}")
        return self._refuse(path, "must be text.")

    def _suboptions(self, option: t.Mapping[str, t.Any], value: t.Any, path: str) -> t.Any:
        is_list = isinstance(value, t.Sequence) and not isinstance(value, str)
        # A line of PEM that ends in "=" would be taken for the name of a suboption.
        if any(map(_is_plain_text, value if is_list else [value])) and holds_private_key(value):
            return self._refuse(path, "holds a private key as text, and must be made of suboptions.")
        if option.get("type", "str") == "dict":
            return self._mapping(option, value, path)
        if is_list:
            return [self._mapping(option, item, f"{path}[{number}]") for number, item in enumerate(value)]
        return self._misshapen(option, value, path, "a list of mappings")

    def _mapping(self, option: t.Mapping[str, t.Any], value: t.Any, path: str) -> t.Any:
        if isinstance(value, str):
            try:
                value = check_type_dict(value)  # as Ansible would
            except TypeError:
                pass
        if isinstance(value, t.Mapping):
            return self.options(option["options"], {str(name): item for name, item in value.items()}, f"{path}.")
        return self._misshapen(option, value, path, "a mapping")

    def _misshapen(self, option: t.Mapping[str, t.Any], value: t.Any, path: str, wanted: str) -> t.Any:
        """Ansible says what is wrong, unless what it would print is a secret."""
        if _is_secret(option) or holds_private_key(value):
            return self._refuse(path, f"must be {wanted}.")
        return value

    def _refuse(self, path: str, what: str) -> str:
        self.refusals.append(f"The option {path} {what} Its value is not shown, and nothing was done.")
        return HIDDEN


def _is_plain_text(value: t.Any) -> bool:
    return isinstance(value, str) and not value.lstrip().startswith("{")


def _by_name(spec: Spec) -> dict[str, t.Mapping[str, t.Any]]:
    return {name: option for main, option in spec.items() for name in (main, *option.get("aliases", ()))}


def _is_secret(option: t.Mapping[str, t.Any] | None) -> bool:
    """Or any of its suboptions. What there is no option for may be anything."""
    if option is None:
        return False
    return bool(option.get("no_log")) or any(map(_is_secret, option.get("options", {}).values()))


def _holds_secret(option: t.Mapping[str, t.Any] | None, value: t.Any) -> bool:
    if option is None or not _is_secret(option):
        return False
    items = value if isinstance(value, list) else [value]
    if "options" not in option or not all(isinstance(item, t.Mapping) for item in items):
        return True
    return any(holds_secret(option["options"], item) for item in items)


def _shown_value(option: t.Mapping[str, t.Any] | None, value: t.Any) -> t.Any:
    if value in (None, "", [], {}):
        return value
    if option is None or option.get("no_log"):
        return HIDDEN
    if not _is_secret(option):
        return value
    if isinstance(value, t.Mapping):
        return shown(option["options"], value)
    if isinstance(value, list) and all(isinstance(item, t.Mapping) for item in value):
        return [shown(option["options"], item) for item in value]
    return HIDDEN


def _texts(value: t.Any) -> t.Iterator[str]:
    """All texts in a value, the names in mappings included, in their order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, t.Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, t.Collection):  # on the controller also what a mapping's values() are
        for item in value:
            yield from _texts(item)


def _unescaped(text: str) -> str:
    """With the line ends that JSON or a representation wrote as two characters."""
    return text.replace("\\r", "\n").replace("\\n", "\n")


def _squeezed(text: str) -> str:
    return "".join(_unescaped(text).split())


def _is_encoded_key(text: str) -> bool:
    """DER as base64 of either alphabet, with or without line ends, or base64 of any of the other forms."""
    found = _BASE64.match(_squeezed(text).translate(_URL_SAFE))
    content = _decoded(found[0]) if found and len(found[0]) >= 32 else None
    return content is not None and _is_key_content(content)


def _keys_within(text: str, layers: int = _MOST_LAYERS) -> t.Iterator[str]:
    """The base64 in it that is a key, or the beginning of one, also where base64 holds a document with it."""
    rest = _OTHER_BLOCK.sub(" ", _unescaped(text))
    for token in _TOKEN.findall(rest.translate(_URL_SAFE)):
        content = _decoded(token)
        if content is None:
            continue
        if _is_key_content(content):
            yield token
        elif layers and content.isascii():
            yield from _keys_within(content.decode("ascii"), layers - 1)


def _decoded(digits: str) -> bytes | None:
    try:
        return base64.b64decode(digits[: len(digits) // 4 * 4], validate=True)
    except binascii.Error:
        return None


def _is_key_content(content: bytes) -> bool:
    if content[:1] == b"\x30":
        # SEQUENCE, then the INTEGER that is the version: RFC 5958 and 8017 (0), 5915 (1), 7292 (3).
        length = content[1] & 0x7F if content[1] & 0x80 else 0
        is_key = content[2 + length : 5 + length] in (b"\x02\x01\x00", b"\x02\x01\x01", b"\x02\x01\x03")
        return is_key or any(_is_key(block) for block in der_blocks(content))  # after a certificate, for instance
    return _KEY_MARK.encode() in b"".join(content.split())


def _is_key(block: PemBlock) -> bool:
    return block.label.endswith("PRIVATE KEY") or block.label == PKCS12


def _key_lines(params: t.Mapping[str, t.Any]) -> frozenset[str]:
    lines: set[str] = set()
    for value in params.values():
        text = _unescaped("\n".join(_texts(value)))
        for found in _KEY_BLOCK.finditer(text):
            lines.update(_BASE64.findall(found[1]))
        for encoded in filter(_is_encoded_key, _texts(value)):
            lines.update(_lines_of_encoded(encoded))
        for text in _texts(value):
            for token in _keys_within(text):
                lines.add(token)
                lines.update(_lines_of_encoded(token))
    return frozenset(lines)


def _lines_of_encoded(text: str) -> t.Iterator[str]:
    """As they are once somebody has made PEM of it."""
    try:
        blocks = read_blocks(text)
    except RotationError:
        return  # damaged PEM in base64: nobody makes anything of it
    for block in filter(_is_key, blocks):
        yield from _BASE64.findall(block.encode().decode())
