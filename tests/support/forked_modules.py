# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a playbook's modules by fork, where Ansible pipes them to this machine's Python: it has been started before.

A module's process takes most of its time to start Python, and to import what each module imports of ansible-core and of
others. Here it finds that imported, apart from what Ansible itself has imported; the collection it takes from what was
packed for it, as on every host. All else is as in a process of its own: environment, descriptors, signals, exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import importlib.machinery
import importlib.util
import os
import pathlib
import pkgutil
import selectors
import shlex
import signal
import sys
import tempfile
import threading
import traceback
import types
import typing as t
import warnings

# Of ansible-core, as far as this version of it has them; and what modules import of others.
_OURS = (
    "basic",
    "_internal._ansiballz._loader",
    "common._collections_compat",
    "common.dict_transformations",
    "common.respawn",
    "common.text.converters",
    "compat.datetime",
    "facts.timeout",
    "service",
    "urls",
)
_OTHERS = ("botocore.config", "cryptography.hazmat.primitives.serialization.pkcs12", "cryptography.x509.ocsp")
# Kinds of plugins, of which Ansible looks at all in each run.
_PLUGINS = ("become", "cache", "callback", "connection", "inventory", "shell", "strategy", "vars")
_SHARING = "ansible_collections.certops.rotation.plugins.plugin_utils._source_action"
_FAILED = 1
# Of what Ansible has imported: to take that apart would take longer than most modules.
_kept: list[types.ModuleType] = []


class _Beginning(t.NamedTuple):
    """What a Python that has just started has, besides the modules of ansible-core that a host has."""

    path: list[str]
    finders: list[t.Any]
    hooks: list[t.Any]
    filters: list[t.Any]
    python_path: str | None
    modules: dict[str, types.ModuleType]


class _Path(list[str]):
    """Where to look for what is in a package: in what was packed for a host first, as there."""

    def __init__(self, package: str, directories: t.Iterable[str]) -> None:
        super().__init__(directories)
        self._inner = package.replace(".", "/")

    def __iter__(self) -> t.Iterator[str]:
        yield from (f"{entry}/{self._inner}" for entry in sys.path if entry.endswith(".zip"))
        yield from super().__iter__()


def prepared() -> _Beginning:
    """Import what modules need, and hide it from Ansible, which is imported afterwards: a host has not all of that."""
    filters = [*warnings.filters]
    found = importlib.util.find_spec("ansible")
    assert found
    directories = [*(found.submodule_search_locations or [])]
    for name, inner in (("ansible", ""), ("ansible.module_utils", "module_utils")):
        package = types.ModuleType(name)  # empty, as in what is packed for a host
        package.__path__ = _Path(name, [str(pathlib.Path(directory, inner)) for directory in directories])
        package.__file__ = f"{package.__path__[-1]}/__init__.py"
        sys.modules[name] = package
    for name in (*(f"ansible.module_utils.{name}" for name in _OURS), *_OTHERS):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        _read_about_aws()
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "ansible"}
    for name in ours:
        del sys.modules[name]
    path = [entry for entry in sys.path if entry]
    lists = (path, [*sys.meta_path], [*sys.path_hooks], filters)
    return _Beginning(*lists, os.environ.get("PYTHONPATH"), ours)


def _read_about_aws() -> None:
    """What boto3 knows of AWS is read once for all, which is the larger part of many a run."""
    boto3: t.Any = importlib.import_module("boto3")
    loaders: t.Any = importlib.import_module("botocore.loaders")
    loaders.create_loader = functools.lru_cache(loaders.create_loader)
    access = {"region_name": "eu-central-1", "aws_access_key_id": "none", "aws_secret_access_key": "none"}
    boto3.session.Session().client("secretsmanager", **access)


def install(beginning: _Beginning) -> None:
    """Ansible has been imported: let its connection to this machine run by fork what it is sent for this Python."""
    local: t.Any = importlib.import_module("ansible.plugins.loader").connection_loader.get("local", class_only=True)
    display = importlib.import_module("ansible.utils.display").Display()
    run = local.exec_command

    def exec_command(
        connection: t.Any, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        environment = _environment(cmd) if in_data else None
        if environment is None or environment.get("PYTHONPATH") != beginning.python_path or connection.become:
            ended: tuple[int, bytes, bytes] = run(connection, cmd, in_data=in_data, sudoable=sudoable)
            return ended
        super(local, connection).exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"EXEC {cmd}", host=connection._play_context.remote_addr)
        cwd = os.fsdecode(connection.cwd or pathlib.Path.cwd())
        return _forked(in_data or b"", {**environment, "PWD": cwd}, beginning)  # the shell tells where it is

    local.exec_command = exec_command
    _keep_compiled()
    _read_ahead()


def _read_ahead() -> None:
    """Import what most runs find and import, wherever they find it: collections' metadata and plugins."""
    loader: t.Any = importlib.import_module("ansible.plugins.loader")
    loader.init_plugin_loader()
    importlib.import_module("ansible.cli").init_plugin_loader = lambda _paths=None: None  # type: ignore[attr-defined]
    for name in _PLUGINS:
        [*getattr(loader, f"{name}_loader").all(class_only=True)]
    for kind in ("action", "callback", "filter"):
        package = importlib.import_module(f"ansible_collections.certops.rotation.plugins.{kind}")
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    for name in ("ansible.executor.process.worker", "ansible.playbook.role_include", "ansible.utils.encrypt"):
        importlib.import_module(name)


def begin() -> None:
    """A run has been forked: what the processes of one run share is its own."""
    source_action: t.Any = importlib.import_module(_SHARING)
    source_action._SPOOL.__init__()


def _keep_compiled() -> None:
    """Ansible compiles anew, in each task, what it imports of collections: take what Python has kept of it."""
    finder = importlib.import_module("ansible.utils.collection_loader._collection_finder")
    loader: t.Any = finder._AnsibleCollectionPkgLoaderBase
    compiled = loader.get_code

    def get_code(self: t.Any, fullname: str) -> types.CodeType | None:
        filename = self.get_filename(fullname)
        if filename and filename.endswith(".py") and pathlib.Path(filename).is_file():
            return importlib.machinery.SourceFileLoader(fullname, filename).get_code(fullname)
        code: types.CodeType | None = compiled(self, fullname)
        return code

    loader.get_code = get_code


def _environment(command: str) -> dict[str, str] | None:
    """That of a command that only starts this Python; None of any other."""
    words = shlex.split(command)
    if len(words) != 3 or words[1] != "-c":
        return None
    *settings, program = shlex.split(words[2].removesuffix(" && sleep 0"))
    if program != sys.executable or not all("=" in setting for setting in settings):
        return None
    return {**os.environ, **dict(setting.split("=", 1) for setting in settings)}


def _forked(program: bytes, environment: dict[str, str], beginning: _Beginning) -> tuple[int, bytes, bytes]:
    """Its exit code and what it wrote, when nobody can write any more."""
    pipes = [os.pipe(), os.pipe()]
    child = os.fork()
    if child == 0:
        _become(program, environment, beginning, [writer for _reader, writer in pipes])
    printed = {}
    with selectors.DefaultSelector() as selector:
        for reader, writer in pipes:
            os.close(writer)
            selector.register(reader, selectors.EVENT_READ)
            printed[reader] = bytearray()
        while selector.get_map():
            for key, _events in selector.select():
                data = os.read(key.fd, 65536)
                printed[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    _pid, status = os.waitpid(child, 0)
    output, errors = (bytes(text) for text in printed.values())
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code, output, errors  # as the shell tells


def _become(program: bytes, environment: dict[str, str], beginning: _Beginning, outputs: t.Sequence[int]) -> t.NoReturn:
    """The program, in this process, which was a copy of Ansible's."""
    status = _FAILED
    gc.freeze()
    try:
        _forget(environment, beginning, outputs)
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        sys.argv = [""]
        exec(compile(program, "<stdin>", "exec", dont_inherit=True), main.__dict__)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001  # as Python itself
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _forget(environment: dict[str, str], beginning: _Beginning, outputs: t.Sequence[int]) -> None:
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    atexit._clear()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, opened in enumerate((nothing, *outputs)):
        os.dup2(opened, descriptor)
    os.closerange(3, max(int(entry.name) for entry in pathlib.Path("/proc/self/fd").iterdir()) + 1)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(descriptor, mode, closefd=False) for descriptor, mode in enumerate(("r", "w", "w"))
    )
    hidden = {name for name in sys.modules if name.partition(".")[0] in {"ansible", "ansible_collections"}}
    _kept.extend(sys.modules.pop(name) for name in hidden)
    sys.modules.update(beginning.modules)
    sys.path[:], sys.meta_path[:], sys.path_hooks[:] = beginning.path, beginning.finders, beginning.hooks
    sys.path_importer_cache.clear()
    warnings.filters[:] = beginning.filters  # type: ignore[index]
    tempfile.tempdir = None
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(environment["PWD"])
