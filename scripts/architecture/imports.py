# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the imports below plugins/ tell of the architecture. Nothing is loaded; every import counts, wherever it stands.

Also those inside functions and under TYPE_CHECKING: Ansible packs them for the hosts all the same.
"""

from __future__ import annotations

import ast
import graphlib
import pathlib
import typing as t

#: From the one that everybody may use to the one that nobody may use.
LAYERS: t.Final = ("_errors", "_core", "_ports", "_flows", "_module")
#: The only layer that knows Ansible, and other collections.
SPEAKS_ANSIBLE: t.Final = "_module"
# fmt: off
#: All that the core may use of others: what computes, and touches nothing.
CORE_MAY_IMPORT: t.Final = frozenset({
    "__future__", "base64", "binascii", "codecs", "collections", "contextlib", "copy", "csv", "dataclasses",
    "datetime", "difflib", "enum", "functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json", "math",
    "operator", "posixpath.dirname", "posixpath.join", "re", "shlex", "string", "struct", "textwrap", "types", "typing",
    "unicodedata", "warnings", "cryptography", "idna", "jmespath", "prometheus_client",
    "email.utils.parsedate_to_datetime", "urllib.parse.urlsplit",
})
#: And what it may not use of that, nor of what Python has without an import.
CORE_MUST_NOT_USE: t.Final = frozenset({
    "open", "print", "input", "exec", "eval", "compile", "breakpoint", "__import__", "codecs.open",
    "hashlib.file_digest", "datetime.date.today", "datetime.datetime.today", "datetime.datetime.now",
    "datetime.datetime.utcnow", "prometheus_client.start_http_server", "prometheus_client.write_to_textfile",
    "prometheus_client.push_to_gateway", "prometheus_client.REGISTRY",
})
# fmt: on
_MODULE_UTILS: t.Final = "plugins/module_utils"
_IN_THE_COLLECTION: t.Final = "ansible_collections.certops.rotation."


class Import(t.NamedTuple):
    """what: a module of Tree.modules as it is named there, else the full name of what is imported."""

    what: str
    line: int


class Tree:
    """The files of a collection. root: where its plugins/ is.

    modules: the files of module_utils, by their dotted name in there; trees, imports: those of each of them.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        self._module_utils = root / _MODULE_UTILS
        self.modules = {self._name(path): path for path in sorted(self._module_utils.rglob("*.py"))}
        self.trees = {name: ast.parse(path.read_text("utf-8")) for name, path in self.modules.items()}
        self.imports = {name: self._imports(tree, self.modules[name]) for name, tree in self.trees.items()}

    # -- rules --------------------------------------------------------------------------------------------------

    def upward_imports(self) -> list[str]:
        """A layer imports only from itself and those before it."""
        return [
            f"{name}:{each.line} imports {each.what}, which is above it"
            for name, each in self._all_imports()
            if each.what in self.modules and _layer(each.what) > _layer(name)
        ]

    def circles(self) -> list[str]:
        """Among files, and among folders. One of them, if there are any."""
        found = []
        for graph in (self._graph(lambda name: name), self._graph(folder)):
            try:
                graphlib.TopologicalSorter(graph).prepare()
            except graphlib.CycleError as error:
                found.append(" -> ".join(reversed(error.args[1])))
        return found

    def impurities(self) -> list[str]:
        """The core decides, and touches nothing."""
        found = []
        for name, tree in self.trees.items():
            if not name.startswith("_core."):
                continue
            for each in self.imports[name]:
                if each.what not in self.modules and not CORE_MAY_IMPORT & {each.what, each.what.partition(".")[0]}:
                    found.append(f"{name}:{each.line} imports {each.what}")
            found += [f"{name}:{line} uses {used}" for used, line in _used(tree) if used in CORE_MUST_NOT_USE]
        return found

    def ansible_imports(self) -> list[str]:
        """Below the runners nobody knows Ansible, nor another collection."""
        return [
            f"{name}:{each.line} imports {each.what}"
            for name, each in self._all_imports()
            if each.what.partition(".")[0] in ("ansible", "ansible_collections")
            and name.partition(".")[0] != SPEAKS_ANSIBLE
        ]

    # -- what hosts are sent ------------------------------------------------------------------------------------

    def packed(self) -> dict[str, list[str]]:
        """By module of the collection: our own files that Ansible packs with it, by their names in module_utils."""
        return {path.stem: self._packed(path) for path in sorted((self._root / "plugins/modules").glob("*.py"))}

    def _packed(self, path: pathlib.Path) -> list[str]:
        todo = [each.what for each in self._imports(ast.parse(path.read_text("utf-8")), path)]
        found: set[str] = set()
        while todo:
            name = todo.pop()
            if name in self.modules and name not in found:
                found.add(name)
                todo += [each.what for each in self.imports[name]]
        return sorted(found)

    # -- folders ------------------------------------------------------------------------------------------------

    def folders(self) -> dict[str, set[str]]:
        """Each folder (or a file that is in none), and those that it imports from."""
        return self._graph(folder)

    def _graph(self, node: t.Callable[[str], str]) -> dict[str, set[str]]:
        graph: dict[str, set[str]] = {node(name): set() for name in self.modules}
        for name, each in self._all_imports():
            if each.what in self.modules and node(each.what) != node(name):
                graph[node(name)].add(node(each.what))
        return graph

    # -- reading ------------------------------------------------------------------------------------------------

    def _all_imports(self) -> t.Iterator[tuple[str, Import]]:
        return ((name, each) for name, imports in self.imports.items() for each in imports)

    def _name(self, path: pathlib.Path) -> str:
        return ".".join(path.relative_to(self._module_utils).with_suffix("").parts)

    def _imports(self, tree: ast.AST, path: pathlib.Path) -> list[Import]:
        package = list(path.relative_to(self._root).parent.parts)
        found = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [Import(self._known(alias.name), node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                source = node.module or ""
                if node.level:
                    above = package[: len(package) - node.level + 1]
                    source = _IN_THE_COLLECTION + ".".join([*above, *filter(None, [source])])
                found += [Import(self._known(f"{source}.{alias.name}"), node.lineno) for alias in node.names]
        return found

    def _known(self, imported: str) -> str:
        """imported: a module, or what a module has."""
        ours = imported.removeprefix(_IN_THE_COLLECTION + _MODULE_UTILS.replace("/", ".") + ".")
        return next((name for name in (ours, ours.rpartition(".")[0]) if name in self.modules), imported)


def changed_numbers(recorded: t.Mapping[str, int], packed: t.Mapping[str, t.Sized]) -> list[str]:
    """Sentences about the modules that pack more or less than is recorded, or that are not recorded, or not there."""
    return [
        f"{name} packs {len(packed.get(name, ()))} of our own files, and {recorded.get(name, 0)} are recorded"
        for name in sorted({*recorded, *packed})
        if recorded.get(name) != (len(packed[name]) if name in packed else None)
    ]


def folder(name: str) -> str:
    """Of a module: what stands for it in the picture. The runners are one."""
    parts = name.split(".")
    return parts[0] if parts[0] == SPEAKS_ANSIBLE else ".".join(parts[:2])


def _layer(name: str) -> int:
    return LAYERS.index(name.partition(".")[0])


def _used(tree: ast.AST) -> t.Iterator[tuple[str, int]]:
    """What is used by its full name, however it was imported, and the line."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})

    def full_name(node: ast.AST) -> str:
        if isinstance(node, ast.Attribute):
            return f"{full_name(node.value)}.{node.attr}"
        return known.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    for node in ast.walk(tree):
        # A field of a class, or a variable, may have the name of a builtin.
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            yield full_name(node), node.lineno
