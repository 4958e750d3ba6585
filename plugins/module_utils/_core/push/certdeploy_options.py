# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One mapping of a configuration of certdeploy, read key by key: what is wrong is said by its key. Pure."""

from __future__ import annotations

import typing as t

#: What certdeploy's own documentation calls options in places, and never took -> what to write.
_MISSPELT: t.Final = {
    "private_key_file": "privkey_filename",
    "check_renew": "renew_every, renew_unit and renew_at (check_renew: {every: week} is renew_unit: week)",
    "update_sevices": "update_services",
    "docker_host": "docker_url",
    "privkey": "privkey_filename, the path of a file with the key",
    "pubkey_filename": "pubkey, the text of the key",
    "host": "address",
    "user": "username",
    "clients": "client_configs",
}
_LONGEST: t.Final = 60
LOG_LEVELS: t.Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
Given = t.Mapping[t.Any, t.Any]


class CertdeployOptions:
    """title: of the mapping, "" for the file's own; problems: a list that what is wrong is added to."""

    def __init__(self, given: t.Any, title: str, problems: list[str]) -> None:
        self._title = title
        self._problems = problems
        self._read: set[t.Any] = set()
        self._given: Given = {}
        if isinstance(given, t.Mapping):
            self._given = given
        else:
            self.wrong("", f"it is to be a mapping of options to values, not {quoted(given)}")

    def wrong(self, key: str, what: str) -> None:
        where = ": ".join(part for part in (self._title, key) if part)
        self._problems.append(f"{where or 'The configuration'}: {what}.")

    def has(self, key: str) -> bool:
        return key in self._given

    def value(self, key: str, default: t.Any = None) -> t.Any:
        """As it is."""
        self._read.add(key)
        return self._given.get(key, default)

    def text(self, key: str, default: str | None = None, *, required: bool = False) -> str | None:
        """One line. required: and not empty."""
        value = self.value(key, default)
        if isinstance(value, str) and (value.strip() or not required) and len(value.strip().splitlines()) < 2:
            return value.strip()
        if value is None and not required:
            return default
        if required and key not in self._given:
            self.wrong(key, "it is missing")
        else:
            self.wrong(key, f"it is to be text, not {quoted(value)}")
        return default

    def flag(self, key: str, default: bool) -> bool:
        value = self.value(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, f"it is to be true or false, not {quoted(value)}")
        return default

    def integer(self, key: str, default: int | None, *, least: int = 0, most: int | None = None) -> int | None:
        """A truth value is no number. None where the default is None and nothing is given."""
        value = self.value(key, default)
        if value is None and default is None:
            return None
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and least <= value
            and (most is None or value <= most)
        ):
            return value
        limit = f"from {least} to {most}" if most is not None else f"greater than or equal to {least}"
        self.wrong(key, f"it is to be an integer {limit}, not {quoted(value)}")
        return default

    def number(self, key: str, default: float | None = None) -> float | None:
        """Seconds, or None (null)."""
        value = self.value(key, default)
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return value
        self.wrong(key, f"it is to be a number of seconds greater than or equal to 0, or null, not {quoted(value)}")
        return default

    def choice(self, key: str, default: str, choices: t.Sequence[str]) -> str:
        value = self.value(key, default)
        if value in choices:
            return str(value)
        self.wrong(key, f"it is to be {' or '.join(choices)}, not {quoted(value)}")
        return default

    def items(self, key: str) -> list[t.Any]:
        value = self.value(key)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        self.wrong(key, f"it is to be a list, not {quoted(value)}")
        return []

    def unknown(self) -> None:
        """Say which keys nobody has read."""
        for key in sorted(set(self._given) - self._read, key=str):
            advice = f": write {_MISSPELT[key]}" if key in _MISSPELT else ""
            name = str(key)
            known = (
                name if (len(name) <= _LONGEST and name.isidentifier()) or name.isdigit() else "an option (not shown)"
            )
            self.wrong(known, f"certdeploy has no such option{advice}")


def quoted(value: t.Any) -> str:
    """No more than any real one has: somebody may have written a private key."""
    text = repr(value)
    return text if len(text) <= _LONGEST and "PRIVATE KEY" not in text else f"a {type(value).__name__} (not shown)"
