# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may import from whom, what the core must not touch, and how much each module makes Ansible send to hosts."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest
import yaml
from ansible.executor.module_common import ModuleDepFinder
from ansible_collections.certops.rotation.scripts.architecture.imports import LAYERS, Tree, changed_numbers
from ansible_collections.certops.rotation.scripts.architecture.picture import draw, reduced

ROOT = pathlib.Path(__file__).parents[3]
RECORD = pathlib.Path(__file__).with_name("packed_files.yml")
COLLECTION = "ansible_collections.certops.rotation"
ANEW = "If that is meant: python scripts/architecture"


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


# The collection


def test_a_layer_imports_only_from_those_before_it(tree: Tree) -> None:
    assert {name.partition(".")[0] for name in tree.modules} == set(LAYERS)
    assert tree.upward_imports() == []


def test_there_is_no_circle(tree: Tree) -> None:
    assert tree.circles() == []


def test_the_core_touches_nothing(tree: Tree) -> None:
    assert tree.impurities() == []


def test_ansible_is_known_to_the_runners_only(tree: Tree) -> None:
    assert tree.ansible_imports() == []


def test_what_modules_pack_is_recorded(tree: Tree) -> None:
    """A module that begins to pack more costs every task of every host: somebody has to say that it is meant."""
    changed = changed_numbers(yaml.safe_load(RECORD.read_text("utf-8")), tree.packed())
    assert not changed, "\n".join([*changed, f"{ANEW}; with the module's name it lists them."])


def test_the_picture_is_current(tree: Tree) -> None:
    current = draw(tree.folders(), LAYERS) == (ROOT / "docs" / "architecture.svg").read_text("utf-8")
    assert current, f"docs/architecture.svg shows other folders or imports than there are. {ANEW}"


def test_ansible_finds_the_same_imports(tree: Tree) -> None:
    """By which it decides what to pack."""
    prefix = (*COLLECTION.split("."), "plugins", "module_utils")
    for name in tree.modules:
        finder = ModuleDepFinder(".".join([*prefix, name]), tree.trees[name])
        theirs = set()
        for found in finder.submodules:
            if found[: len(prefix)] == prefix:
                rest = found[len(prefix) :]
                theirs.add(next(known for known in map(".".join, (rest, rest[:-1])) if known in tree.modules))
        assert theirs == {each.what for each in tree.imports[name] if each.what in tree.modules}, name


def test_contributing_names_what_there_is() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"`((?:_core|_ports|_flows|_module|plugins|tests|scripts|docs|meta)/[^`<>]*)`", text)
    places = [ROOT / "plugins" / "module_utils" / path if path.startswith("_") else ROOT / path for path in named]
    assert len(places) > 20
    assert [str(place) for place in places if not place.exists()] == []


def test_filters_import_when_they_are_called() -> None:
    """Ansible loads all of them in the process of each task that names one, and compiles anew what they import."""
    filters = ROOT / "plugins" / "filter"
    eager = [
        f"{path.name}: {node.module}"
        for path in sorted(filters.glob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("ansible_collections.")
    ]
    assert eager == []


# The rules themselves, on a small collection

GOOD = {
    "_errors": "class RotationError(Exception): ...\n",
    "_core/plan": "import datetime\nfrom .._errors import RotationError\nfrom .names import stem\n",
    "_core/names": "import re\ndef stem(name, at, file): return re.compile(name, at.now, file.open())\n",
    "_core/x509/verify": "from cryptography import x509\nfrom ..names import stem\n",
    "_ports/files": "import os, time\nfrom .._core import plan\n",
    "_flows/rotate/walk": "def walk():\n    from ..._ports.files import read\n",
    "_module/sync": "from ansible.module_utils.basic import AnsibleModule\nfrom .._flows.rotate.walk import walk\n",
    "_module/info": "import typing as t\nif t.TYPE_CHECKING:\n    from .._core.names import stem\n",
}
MODULES = {
    "sync": f"def main():\n    from {COLLECTION}.plugins.module_utils._module.sync import run\n",
    "info": "from ..module_utils._module import info\nfrom ansible.module_utils.basic import AnsibleModule\n",
}


def planted(root: pathlib.Path, **more: str) -> Tree:
    """more: lines that a file has in addition; / is written as __."""
    for name, text in GOOD.items():
        path = root / "plugins" / "module_utils" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + more.get(name.replace("/", "__"), ""))
    (root / "plugins" / "modules").mkdir()
    for name, text in MODULES.items():
        (root / "plugins" / "modules" / f"{name}.py").write_text(text)
    return Tree(root)


def all_found(tree: Tree) -> list[str]:
    return [*tree.upward_imports(), *tree.circles(), *tree.impurities(), *tree.ansible_imports()]


def test_nothing_is_found_where_nothing_is(tmp_path: pathlib.Path) -> None:
    assert all_found(planted(tmp_path)) == []


@pytest.mark.parametrize(
    ("where", "line", "imported"),
    [
        ("_errors", "from ._core import plan", "_core.plan"),
        ("_core__names", "from .._ports.files import read", "_ports.files"),
        ("_core__names", "def f():\n    from .._ports import files as shown", "_ports.files"),
        ("_core__x509__verify", "if TYPE_CHECKING:\n    from ..._flows.rotate import walk", "_flows.rotate.walk"),
        ("_core__names", f"import {COLLECTION}.plugins.module_utils._ports.files", "_ports.files"),
        ("_ports__files", "from .._flows.rotate.walk import walk", "_flows.rotate.walk"),
        ("_flows__rotate__walk", "from ..._module.info import run", "_module.info"),
    ],
)
def test_an_upward_import_is_found(tmp_path: pathlib.Path, where: str, line: str, imported: str) -> None:
    found = planted(tmp_path, **{where: line}).upward_imports()
    assert [text.partition(" imports ")[2] for text in found] == [f"{imported}, which is above it"]


@pytest.mark.parametrize(
    ("where", "line", "circle"),
    [
        ("_core__names", "from .plan import plan", {"_core.names", "_core.plan"}),
        ("_core__names", "def f():\n    from . import plan", {"_core.names", "_core.plan"}),
        ("_core__names", "if TYPE_CHECKING:\n    from .x509.verify import x", {"_core.names", "_core.x509.verify"}),
    ],
)
def test_a_circle_is_found(tmp_path: pathlib.Path, where: str, line: str, circle: set[str]) -> None:
    found = planted(tmp_path, **{where: line}).circles()
    assert set(found[0].split(" -> ")) == circle


def test_a_circle_of_folders_is_found(tmp_path: pathlib.Path) -> None:
    """Where no two files are one."""
    (tmp_path / "plugins" / "module_utils" / "_core" / "x509").mkdir(parents=True)
    for name, line in (("_core/x509/pem", ""), ("_core/ca/keys", "from ..x509.pem import x")):
        path = tmp_path / "plugins" / "module_utils" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(line)
    tree = planted(tmp_path, _core__x509__verify="from ..ca.keys import x")
    assert [set(text.split(" -> ")) for text in tree.circles()] == [{"_core.x509", "_core.ca"}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import os", "imports os"),
        ("def f():\n    import os.path", "imports os.path"),
        ("if TYPE_CHECKING:\n    from socket import socket", "imports socket.socket"),
        ("import time\nnow = time.time()", "imports time"),
        ("from botocore.exceptions import ClientError", "imports botocore.exceptions.ClientError"),
        ("from subprocess import run", "imports subprocess.run"),
        ("from tempfile import mkdtemp", "imports tempfile.mkdtemp"),
        ("from ansible.module_utils.basic import AnsibleModule", "imports ansible.module_utils.basic.AnsibleModule"),
        ("import importlib", "imports importlib"),
        ("def f():\n    with open('x') as file: ...", "uses open"),
        ("read = open", "uses open"),
        ("from codecs import open as read\nread('x')", "uses codecs.open"),
        ("from datetime import datetime\ndatetime.now()", "uses datetime.datetime.now"),
        ("import datetime as clock\nclock.datetime.now(clock.timezone.utc)", "uses datetime.datetime.now"),
        ("from datetime import date\nnow = date.today", "uses datetime.date.today"),
        ("from os import environ", "imports os.environ"),
        ("from posixpath import dirname, exists", "imports posixpath.exists"),
    ],
)
def test_contact_in_the_core_is_found(tmp_path: pathlib.Path, line: str, said: str) -> None:
    found = planted(tmp_path, _core__x509__verify=line).impurities()
    assert {text.partition(" ")[2] for text in found} == {said}


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("_ports__files", "from ansible.module_utils.basic import AnsibleModule"),
        (
            "_flows__rotate__walk",
            "def f():\n    import ansible_collections.amazon.aws.plugins.module_utils.modules",
        ),
        ("_core__names", "if TYPE_CHECKING:\n    import ansible"),
    ],
)
def test_ansible_below_the_runners_is_found(tmp_path: pathlib.Path, where: str, line: str) -> None:
    assert len(planted(tmp_path, **{where: line}).ansible_imports()) == 1


def test_what_is_packed(tmp_path: pathlib.Path) -> None:
    packed = planted(tmp_path).packed()
    assert packed == {
        "info": ["_core.names", "_module.info"],
        "sync": ["_core.names", "_core.plan", "_errors", "_flows.rotate.walk", "_module.sync", "_ports.files"],
    }


@pytest.mark.parametrize(
    "line",
    [
        "from .._ports.files import read",
        "def f():\n    from .._ports import files",
        "if t.TYPE_CHECKING:\n    from .._ports.files import File",
    ],
)
def test_a_module_that_begins_to_pack_more_is_found(tmp_path: pathlib.Path, line: str) -> None:
    recorded = {"info": 2, "sync": 6}
    assert changed_numbers(recorded, planted(tmp_path / "before").packed()) == []
    more = planted(tmp_path / "after", _module__info=line).packed()
    assert changed_numbers(recorded, more) == ["info packs 5 of our own files, and 2 are recorded"]


def test_numbers_that_are_no_longer_true_are_found() -> None:
    packed = {"info": ["a", "b"], "new": ["a"], "same": ["a"]}
    assert changed_numbers({"info": 3, "gone": 1, "same": 1}, packed) == [
        "gone packs 0 of our own files, and 1 are recorded",
        "info packs 2 of our own files, and 3 are recorded",
        "new packs 1 of our own files, and 0 are recorded",
    ]


# The picture


def test_arrows_that_others_imply_are_left_out() -> None:
    assert reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_another_import_changes_the_picture(tmp_path: pathlib.Path) -> None:
    def picture(root: str, **more: str) -> str:
        return draw(planted(tmp_path / root, **more).folders(), LAYERS)

    before = picture("before")
    for folder in ("_errors", "plan", "names", "x509", "files", "rotate", "_module"):
        assert f">{folder}</text>" in before
    assert picture("again") == before
    assert picture("after", _ports__files="from .._core.x509 import verify") != before
