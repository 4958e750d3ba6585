# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a JSON document keeps certificate, key and chain: by known names at any depth, or by JMESPath expressions."""

from __future__ import annotations

import copy
import dataclasses
import functools
import typing as t

from ..._errors import InvalidOption
from .encodings import SHORTEST_CONTENT, has_unread, read_each
from .field_names import FIELDS, Path, Role, capitalized, role_of, role_of_other, shown_path
from .keys import KEY_LABELS
from .pem import CERTIFICATE, PemBlock
from .problems import MaterialError

#: Those that hold PEM; the documented name of each is its own.
CONTENT: t.Final[tuple[Role, ...]] = ("certificate", "private_key", "certificate_chain", "authorities")
_CHAIN: t.Final[tuple[Role, ...]] = ("certificate_chain", "authorities")


@dataclasses.dataclass(frozen=True)
class Field:
    """A field with text. path: where in the document; of what an expression has found, what that is for."""

    path: Path
    texts: tuple[str, ...] = dataclasses.field(repr=False)

    @property
    def name(self) -> str:
        """For messages: "the field 'data.cert'"."""
        return shown_path(self.path)

    @functools.cached_property
    def blocks(self) -> list[PemBlock]:
        """Raises MaterialError, which names the field."""
        try:
            return read_each(self.texts)
        except MaterialError as exc:
            raise MaterialError(exc.problem.code, f"{capitalized(self.name)}: {exc.message}") from None

    @property
    def has_content(self) -> bool:
        """True also where it is damaged."""
        try:
            return bool(self.blocks)
        except MaterialError:
            return True

    def require_read(self) -> None:
        """Raises MaterialError, which names the field, where there may be certificates in what nobody can read."""
        if has_unread(self.texts):
            raise MaterialError(
                "pem_invalid",
                f"{capitalized(self.name)} holds something that is neither PEM nor base64 of DER: store it as PEM.",
            )

    def may_have_certificates(self) -> bool:
        """True also where they are damaged."""
        try:
            self.require_read()
            return bool(self.blocks)
        except MaterialError:
            return True

    def has_any(self, labels: t.Collection[str]) -> bool:
        """Whether it holds a block of one of these kinds."""
        try:
            return any(block.label in labels for block in self.blocks)
        except MaterialError:
            return False


@dataclasses.dataclass(frozen=True)
class DocumentFields:
    """by_role: those that are there and not empty, the best known name first; others: further fields with content.

    is_chain_chosen: an expression has found the chain, so that what lies elsewhere is not meant.
    """

    by_role: t.Mapping[Role, t.Sequence[Field]]
    others: t.Sequence[Field] = ()
    domain_name: str | None = None
    description: str | None = None
    is_chain_chosen: bool = False


class FieldMap:
    """Where a JSON document keeps the five FIELDS: a JMESPath expression for each; others are known by their names.

    Raises InvalidOption for an unknown field, a bad expression, or when the Python package jmespath is missing.
    """

    def __init__(self, expressions: t.Mapping[str, str] | None = None) -> None:
        self._compiled = {field: _compile(field, text) for field, text in (expressions or {}).items()}

    def read(self, document: t.Any) -> DocumentFields:
        """document: from load_document. Raises MaterialError (field_invalid, document_invalid)."""
        holder = _holder(document, is_chosen=not {"certificate", "private_key"}.isdisjoint(self._compiled))
        by_role = _fields_of(document, holder, except_roles=self._compiled)
        for role in CONTENT:
            if role in self._compiled:
                field = _field((role,), self._search(role, document), must_be_text=True)
                by_role[role] = [field] if field else []
        if "certificate_chain" in self._compiled:
            by_role["authorities"] = []
        read = {field.texts for fields in by_role.values() for field in fields}
        names, descriptions = ([*self._values(role, document, holder)] for role in ("domain_name", "description"))
        return DocumentFields(
            by_role,
            [field for field in _all_fields(document, ()) if field.texts not in read],
            _one_name(names),
            next((value.strip() for value in descriptions if isinstance(value, str) and value.strip()), None),
            bool("certificate_chain" in self._compiled and by_role["certificate_chain"]),
        )

    def is_known_by_name(self, field: str) -> bool:
        """Whether no expression says where it is."""
        return field not in self._compiled

    def _values(self, role: Role, document: t.Any, holder: Path) -> t.Iterator[t.Any]:
        if role in self._compiled:
            yield self._search(role, document)
            return
        for _path, mapping in _upwards(document, holder):
            yield from (value for name, value in mapping.items() if (role_of(name) or ("",))[0] == role)

    def _search(self, field: str, document: t.Any) -> t.Any:
        try:
            return self._compiled[field].search(document)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            # JMESPath's functions raise many kinds, some of which quote the document.
            raise MaterialError(
                "field_invalid", f"The JMESPath expression for the field '{field}' does not fit this document."
            ) from None


def _compile(field: str, expression: str) -> t.Any:
    if field not in FIELDS:
        raise InvalidOption(f"Unknown field '{field}': the fields are {', '.join(FIELDS)}.")
    try:
        import jmespath
        import jmespath.exceptions
    except ImportError:
        raise InvalidOption(
            "Mapping the fields of a document needs the Python package jmespath on the host that runs the module."
        ) from None
    try:
        return jmespath.compile(expression)
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError) as exc:
        raise InvalidOption(f"The field '{field}' has a bad JMESPath expression {expression!r}: {exc}") from None


def replaced(document: dict[str, t.Any], parts: t.Mapping[str, str]) -> dict[str, t.Any]:
    """A copy of a document in which these of the FIELDS, by their documented names, stand for all that there were."""
    changed: dict[str, t.Any] = copy.deepcopy(document)
    holder = _holder(changed, is_chosen=True)
    roles: set[t.Any] = {*parts, *(["authorities"] if "certificate_chain" in parts else [])}
    for _path, mapping in _upwards(changed, holder):
        read = {
            field.path[-1] for role, known in _known_fields(mapping, ()).items() if role in roles for field in known
        }
        for name in [name for name in mapping if (role_of(name) or ("",))[0] in roles or name in read]:
            del mapping[name]
    _upwards(changed, holder)[0][1].update(parts)
    return changed


def _holder(document: t.Any, *, is_chosen: bool) -> Path:
    """Where the mapping is that has certificate and key, or at least a certificate: the document, or one below it.

    is_chosen: an expression says where they are, so that it does not matter which of several it is.
    """
    for is_holder in (functools.partial(_has_pair, with_others=False), _has_pair, _has_certificate):
        if isinstance(document, dict) and is_holder(document):
            return ()
        found = list(_mappings_with(is_holder, document, ()))
        if len(found) == 1 or (found and not is_chosen and len({_said(_at(document, path)) for path in found}) == 1):
            return found[0]
        if found and not is_chosen:
            places = " and ".join(shown_path(path) for path in found[:2])
            raise MaterialError(
                "document_invalid",
                f"The JSON document holds {len(found)} certificates, in {places}: store each in a secret of its own, "
                "or say with JMESPath expressions which one is meant.",
            )
    return ()


def _said(mapping: t.Mapping[str, t.Any]) -> frozenset[t.Any]:
    """All that it says of a certificate, in whatever encoding: who says the same twice contradicts nobody.

    Raises MaterialError for what is damaged.
    """
    content = {block for fields in _known_fields(mapping, ()).values() for field in fields for block in field.blocks}
    names = {str(value) for name, value in mapping.items() if (role_of(name) or ("",))[0] == "domain_name"}
    return frozenset(content | names)


def _has_certificate(mapping: t.Mapping[str, t.Any]) -> bool:
    return any(field.has_any({CERTIFICATE}) for field in _known_fields(mapping, ()).get("certificate", ()))


def _has_pair(mapping: t.Mapping[str, t.Any], *, with_others: bool = True) -> bool:
    return _is_pair(_known_fields(mapping, (), with_others=with_others))


def _is_pair(fields: t.Mapping[Role, t.Sequence[Field]]) -> bool:
    certificates = fields.get("certificate", ())
    if certificates and "private_key" in fields:
        return True
    return any(field.has_any({CERTIFICATE}) and field.has_any(KEY_LABELS) for field in certificates)


def _fields_of(document: t.Any, holder: Path, except_roles: t.Collection[str]) -> dict[Role, list[Field]]:
    """Those of the holder, and of what it is in the chains and what it lacks."""
    by_role: dict[Role, list[Field]] = {}
    for path, mapping in _upwards(document, holder):
        is_holder = path == holder
        known = _known_fields(mapping, path, must_be_text=is_holder, except_roles=except_roles, with_others=is_holder)
        for role, fields in known.items():
            if role in _CHAIN or role not in by_role:
                by_role.setdefault(role, []).extend(fields)
    return by_role


def _known_fields(
    mapping: t.Mapping[str, t.Any],
    path: Path,
    *,
    must_be_text: bool = False,
    except_roles: t.Collection[str] = (),
    with_others: bool = True,
) -> dict[Role, list[Field]]:
    """The best known names first. What a less known name holds counts only when it is PEM or the like.

    must_be_text: raises MaterialError when a documented name holds anything else. with_others: what is called after
    others, such as client.crt, counts where nothing else is there for the same, or the pair is not complete.
    """
    known: list[tuple[int, str, Role, Field]] = []
    of_others: list[tuple[int, str, Role, Field]] = []
    for name, value in mapping.items():
        is_other = role_of(name) is None
        role, rank = (role_of_other(name) if is_other and with_others else role_of(name)) or (None, 0)
        if role not in CONTENT or role in except_roles:
            continue
        is_documented = rank == 0 and role in FIELDS and not is_other
        field = _field((*path, name), value, must_be_text=must_be_text and is_documented)
        has_content = field and (field.has_content if role == "private_key" else field.may_have_certificates())
        if field and (is_documented or has_content):
            (of_others if is_other else known).append((rank, name, role, field))
    by_role = _by_role(known)
    if not _is_pair(by_role):
        by_role.update({role: fields for role, fields in _by_role(of_others).items() if role not in by_role})
    return by_role


def _by_role(known: t.Iterable[tuple[int, str, Role, Field]]) -> dict[Role, list[Field]]:
    by_role: dict[Role, list[Field]] = {}
    for _rank, _name, role, field in sorted(known, key=lambda item: item[:2]):
        by_role.setdefault(role, []).append(field)
    return by_role


def _field(path: Path, value: t.Any, *, must_be_text: bool) -> Field | None:
    """None for one that is empty. Raises MaterialError (field_invalid)."""
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        given = tuple(text for text in texts if text.strip())
        return Field(path, given) if given else None
    if value is not None and must_be_text:
        raise MaterialError(
            "field_invalid", f"{capitalized(shown_path(path))} of the JSON document must be text or a list of texts."
        )
    return None


def _one_name(values: t.Sequence[t.Any]) -> str | None:
    """Raises MaterialError for what is no name, for it is there to be enforced."""
    names = set()
    for value in values:
        single = value[0] if isinstance(value, list) and len(value) == 1 else value
        if single is None or single == []:
            continue
        if not isinstance(single, str):
            raise MaterialError(
                "field_invalid",
                "The field 'domain_name' must be one name, as text, which the certificate has to cover.",
            )
        names.add(single.strip())
    names.discard("")
    if len(names) > 1:
        raise MaterialError("field_invalid", "The document has several different domain names: leave one of them.")
    return next(iter(names), None)


# The document as a tree.


def _upwards(document: t.Any, path: Path) -> list[tuple[Path, dict[str, t.Any]]]:
    """The mapping at the path and those that it is in, innermost first."""
    found = []
    node = document
    for depth in range(len(path) + 1):
        if isinstance(node, dict):
            found.append((path[:depth], node))
        if depth < len(path):
            node = node[path[depth]]
    return found[::-1]


def _at(document: t.Any, path: Path) -> t.Any:
    for part in path:
        document = document[part]
    return document


def _children(node: t.Any) -> t.Iterator[tuple[str | int, t.Any]]:
    if isinstance(node, dict):
        yield from node.items()
    elif isinstance(node, list):
        yield from enumerate(node)


def _mappings_with(is_wanted: t.Callable[[t.Mapping[str, t.Any]], bool], node: t.Any, path: Path) -> t.Iterator[Path]:
    """Outermost first; none inside of another one."""
    if isinstance(node, dict) and is_wanted(node):
        yield path
        return
    for name, child in _children(node):
        yield from _mappings_with(is_wanted, child, (*path, name))


def _all_fields(node: t.Any, path: Path) -> t.Iterator[Field]:
    """Whatever may hold PEM or the like."""
    field = _field(path, node, must_be_text=False)
    if field:
        if sum(map(len, field.texts)) >= SHORTEST_CONTENT:
            yield field
        return
    for name, child in _children(node):
        yield from _all_fields(child, (*path, name))
