# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The environment of HAProxy's process, as far as it is known: its configuration reads and changes it. Pure."""

from __future__ import annotations

import re
import typing as t

_CHANGES = frozenset(("setenv", "presetenv", "unsetenv", "resetenv"))
_VARIABLE = re.compile(r"([A-Za-z_]\w*)=")


class UnknownVariable(Exception):
    """A line needs a variable of HAProxy's environment that is not known here. Its text is the variable's name."""


def unknown_variable(unknown: UnknownVariable) -> str:
    """For messages about what needs it."""
    return f"needs the environment variable {unknown}, which is not known here"


class Environment:
    """known: names and values. whole: there are no others, so that one that is not among these is not set.

    doubtful: of which it is not known whether they are set; after_preset: the values that some of these have after
    "presetenv", whichever it was before.
    """

    def __init__(
        self,
        known: t.Mapping[str, str],
        *,
        whole: bool = False,
        doubtful: t.Collection[str] = (),
        after_preset: t.Mapping[str, str] | None = None,
    ) -> None:
        self._known = {name: value for name, value in known.items() if name not in doubtful}
        self._after_preset = after_preset or {}
        self._unset: set[str] = set()
        self._doubtful = set(doubtful)
        self._whole = whole

    def value(self, name: str) -> str | None:
        """None when it is not set. Raises UnknownVariable when it is not known whether it is."""
        if name in self._known:
            return self._known[name]
        if self._is_unknown(name):
            raise UnknownVariable(name)
        return None

    def change(self, keyword: str, arguments: t.Sequence[str]) -> None:
        """setenv, presetenv, unsetenv and resetenv (configuration manual, 3.1)."""
        if keyword == "unsetenv":
            for name in arguments:
                self._set(name, None)
        elif keyword == "resetenv":
            kept = {name: self._known[name] for name in arguments if name in self._known}
            self._doubtful = {name for name in arguments if self._is_unknown(name)}
            self._known, self._whole = kept, True
        elif len(arguments) == 2 and keyword == "setenv":
            self._set(*arguments)
        elif len(arguments) == 2 and arguments[0] not in self._known and arguments[0] not in self._doubtful:
            self._set(*arguments)  # presetenv: who knows of another value says so
        elif len(arguments) == 2 and arguments[0] in self._after_preset and arguments[0] in self._doubtful:
            self._set(arguments[0], self._after_preset[arguments[0]])

    def doubt(self, keyword: str, arguments: t.Sequence[str]) -> None:
        """A change of which it is not known whether it is made, or to what value."""
        names = arguments if keyword == "unsetenv" else arguments[:1]
        for name in set(self._known) - set(arguments) if keyword == "resetenv" else set(names):
            self._known.pop(name, None)
            self._doubtful.add(name)

    def _is_unknown(self, name: str) -> bool:
        # What HAProxy sets by itself is in nobody's environment before.
        is_whole = self._whole and not name.startswith("HAPROXY_")
        return name in self._doubtful or not (is_whole or name in self._unset or name in self._known)

    def _set(self, name: str, value: str | None) -> None:
        self._doubtful.discard(name)
        self._unset.discard(name)
        self._known.pop(name, None)
        if value is None:
            self._unset.add(name)
        else:
            self._known[name] = value


def environment_before(
    shown: t.Mapping[str, str], lines: t.Iterable[str], given: t.Mapping[str, str] | None = None
) -> Environment:
    """What the environment was when HAProxy began to read its configuration, by what it is after that.

    shown: all of it, as `show env` tells; lines: of the configuration, whether they count or not; given: what is known
    of it otherwise. What the configuration may have changed is in doubt.
    """
    changed: dict[str, set[str]] = {}
    for line in lines:
        keyword, *names = [word.strip("\"'") for word in line.split()] or [""]
        if keyword in _CHANGES:
            for name in names if keyword == "unsetenv" else names[:1]:
                changed.setdefault(name, set()).add(keyword)
            if keyword == "resetenv":
                changed.setdefault("", set()).add(keyword)
    known = {**shown, **(given or {})}
    return Environment(
        known,
        whole="" not in changed,
        doubtful=changed.keys() - (given or {}).keys(),
        after_preset={name: shown[name] for name, how in changed.items() if how == {"presetenv"} and name in shown},
    )


def parse_environment(answer: str) -> dict[str, str]:
    """`show env`: name -> value. A line that does not begin with a name goes on with the value before it."""
    found: dict[str, str] = {}
    name = ""
    for line in answer.split("\n"):
        match = _VARIABLE.match(line)
        if match:
            name = match[1]
            found[name] = line[match.end() :]
        elif name:
            found[name] += f"\n{line}"
    return found
