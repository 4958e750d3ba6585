# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every option of every module with every hostile value: run as a program, so that any ansible-core can be asked.

Standard input: {"values": {name: value}, "fragments": [texts that must not be seen]}; standard output: a Verdict.
Modules do nothing here: what is looked at ends where they begin.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pathlib
import subprocess
import sys
import traceback
import typing as t

_MODULES = pathlib.Path(__file__).parents[2] / "plugins/modules"
_EXAMPLES: dict[str, t.Any] = {"list": [], "dict": {}, "int": 1, "float": 1.0, "bool": True}


class Verdict(t.NamedTuple):
    """wrong: calls that broke down, or showed a fragment in their result or the system's log; messages: of failures."""

    calls: int
    wrong: list[str]
    messages: dict[str, str]


def ask(values: t.Mapping[str, t.Any], fragments: t.Sequence[str]) -> Verdict:
    """In a process of its own, with the ansible-core of PYTHONPATH."""
    process = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps({"values": values, "fragments": fragments}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=_MODULES.parents[1],
    )
    assert process.returncode == 0, process.stderr
    return Verdict(*json.loads(process.stdout.splitlines()[-1]))


def module_names() -> list[str]:
    return sorted(path.stem for path in _MODULES.glob("*.py"))


def load(name: str) -> t.Any:
    """A module's plugin whose runner returns at once."""
    plugin = importlib.import_module(f"ansible_collections.certops.rotation.plugins.modules.{name}")
    plugin.run = lambda module: module.exit_json(changed=False)
    return plugin


def specification(plugin: t.Any) -> dict[str, t.Any]:
    """What its AnsibleModule is made with."""
    from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule

    found: dict[str, t.Any] = {}

    class _Made(Exception):
        pass

    def made(_self: t.Any, **arguments: t.Any) -> None:
        found.update(arguments["argument_spec"])
        raise _Made

    constructor, GuardedModule.__init__ = GuardedModule.__init__, made
    try:
        plugin.main()
    except _Made:
        return found
    finally:
        GuardedModule.__init__ = constructor
    raise AssertionError(f"{plugin.__name__} makes no GuardedModule")


def _cases(spec: t.Mapping[str, t.Any], values: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    for name, value in values.items():
        yield f"privat_key={name}", {"privat_key": value}
        for option, facts in spec.items():
            yield f"{option}={name}", {option: value}
            for suboption in (*facts.get("options", ()), *(["privat_key"] if "options" in facts else ())):
                item = {**_required(facts["options"]), suboption: value}
                yield f"{option}.{suboption}={name}", {option: item if facts["type"] == "dict" else [item]}


def _required(spec: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        name: facts.get("choices", [_EXAMPLES.get(facts.get("type", "str"), "/x")])[0]
        for name, facts in spec.items()
        if facts.get("required")
    }


def _call(plugin: t.Any, arguments: dict[str, t.Any]) -> str:
    """All that it prints and logs."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            with _module_arguments(arguments):
                plugin.main()
        except SystemExit:
            pass
        except Exception:  # noqa: BLE001  # whatever it is
            traceback.print_exc()  # as Ansible would show it
    return output.getvalue()


@contextlib.contextmanager
def _module_arguments(arguments: dict[str, t.Any]) -> t.Iterator[None]:
    from ansible.module_utils import basic

    try:
        from ansible.module_utils.testing import patch_module_args
    except ImportError:  # ansible-core < 2.19
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        yield
    else:
        with patch_module_args(arguments):
            yield


def _main() -> None:
    from ansible.module_utils import basic

    basic.AnsibleModule.log = lambda _self, message, log_args=None: sys.stdout.write(f"{message}\n{log_args}\n")
    request = json.load(sys.stdin)
    calls, wrong, messages = 0, [], {}
    for name in module_names():
        plugin = load(name)
        spec = specification(plugin)
        for case, arguments in _cases(spec, request["values"]):
            complete = {**_required(spec), **arguments}
            for given in [complete, *([arguments] if complete != arguments else [])]:
                output = _call(plugin, {"_ansible_verbosity": 5, "_ansible_diff": True, **given})
                calls += 1
                if any(fragment in output for fragment in request["fragments"]):
                    wrong.append(f"{name}: {case}")
                last = output.splitlines()[-1]
                if not last.startswith("{"):
                    wrong.append(f"{name}: {case} broke down: {last}")
                elif json.loads(last).get("failed"):
                    messages[f"{name}: {case}"] = json.loads(last)["msg"]
    json.dump([calls, wrong, messages], sys.stdout)


if __name__ == "__main__":
    _main()
