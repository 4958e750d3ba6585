# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that modules share, the libraries they need, and the boundary where errors become results."""

from __future__ import annotations

import importlib.metadata
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RotationError
from ansible_collections.certops.rotation.plugins.module_utils._module import options
from ansible_collections.certops.rotation.plugins.module_utils._module.boundary import module_boundary
from ansible_collections.certops.rotation.plugins.module_utils._module.selection import secret_selection
from ansible_collections.certops.rotation.plugins.module_utils._ports.host import libraries
from ansible_collections.certops.rotation.tests.support import pki

FILE_DEFAULTS: dict[str, t.Any] = {
    "owner": None, "group": None, "mode": "0600", "directory_mode": "0700", "keep_previous": 1, "lock_timeout": "60s",
}  # fmt: skip


class Failed(Exception):
    """Raised by Module.fail_json, as SystemExit is by the real one."""


class Module:
    def __init__(self) -> None:
        self.result: dict[str, t.Any] = {}

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        self.result = {"msg": msg, **kwargs}
        raise Failed


def run_in_boundary(error: BaseException) -> dict[str, t.Any]:
    module = Module()
    with pytest.raises(Failed), module_boundary(module):
        raise error
    return module.result


def test_boundary_tells_expected_errors() -> None:
    assert run_in_boundary(RotationError("what and why", secret="a")) == {"msg": "what and why", "secret": "a"}


@pytest.mark.parametrize("kind", [ValueError, KeyError, RuntimeError, UnicodeDecodeError])
def test_boundary_withholds_the_text_of_unexpected_errors(kind: type[Exception]) -> None:
    key = pki.private_key_pem(pki.shared_key())
    error = kind("utf-8", b"x", 0, 1, key) if kind is UnicodeDecodeError else kind(key)
    message = run_in_boundary(error)["msg"]
    assert message.startswith(f"Unexpected {kind.__name__} in run_in_boundary (")
    assert "PRIVATE KEY" not in message


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt()])
def test_boundary_lets_the_end_of_the_process_pass(error: BaseException) -> None:
    with pytest.raises(type(error)), module_boundary(Module()):
        raise error


@pytest.mark.parametrize(
    ("given", "expected"), [("0600", 0o600), ("640", 0o640), (0o400, 0o400), ("0o660", 0o660), ("0440", 0o440)]
)
def test_modes(given: t.Any, expected: int) -> None:
    settings = options.directory_settings({**FILE_DEFAULTS, "mode": given})
    assert settings.attributes is not None
    assert settings.attributes.mode == expected


@pytest.mark.parametrize(
    "bad",
    [
        {"mode": "0644"}, {"mode": "0604"}, {"mode": 600}, {"mode": 640}, {"mode": 0}, {"mode": "u=rw"}, {"mode": True},
        {"mode": "9"}, {"mode": "-1"}, {"mode": None}, {"mode": "0200"}, {"mode": "4600"}, {"directory_mode": 700},
        {"directory_mode": "0500"}, {"directory_mode": ""}, {"keep_previous": -1}, {"owner": "no-such-user"},
        {"group": "no-such-group"},
    ],
    ids=str,
)  # fmt: skip
def test_options_without_meaning_are_named(bad: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(bad))):
        options.directory_settings({**FILE_DEFAULTS, **bad})


def test_owners_by_name_and_number() -> None:
    settings = options.directory_settings({**FILE_DEFAULTS, "owner": "root", "group": "12345"})
    assert settings.attributes is not None
    assert (settings.attributes.uid, settings.attributes.gid) == (0, 12345)


def test_duration_names_its_option() -> None:
    assert options.duration_option({"x": "1h"}, "x").total_seconds() == 3600
    with pytest.raises(InvalidOption, match=r"^x: "):
        options.duration_option({"x": "later"}, "x")


def params(**fields: t.Any) -> dict[str, t.Any]:
    return {"names": [], "name_prefix": None, "tags": {}, **fields}


def test_selection_is_none_when_nothing_is_selected() -> None:
    assert secret_selection(params()) is None
    assert secret_selection(params(names=["", " "], name_prefix="", tags=None)) is None


def test_selection_of_whole_numbers_is_by_their_digits() -> None:
    selection = secret_selection(params(tags={"Port": 443, 1: "true"}, names=[2026]))
    assert selection is not None
    assert (selection.tags, selection.names) == ({"Port": "443", "1": "true"}, ("2026",))


@pytest.mark.parametrize(
    "given",
    [
        {"tags": {"Production": True}},
        {"tags": {True: "yes"}},
        {"tags": {"Version": 1.10}},
        {"tags": {"Team": ["web"]}},
        {"tags": {"Team": {"name": "web"}}},
        {"names": [True]},
        {"names": ["web/a", 1.10]},
        {"names": [None]},
        {"names": [{"name": "web/a"}]},
    ],
    ids=str,
)
def test_what_yaml_has_made_another_value_of_is_refused(given: dict[str, t.Any]) -> None:
    """It would be compared as "True" or "1.1", and find nothing."""
    with pytest.raises(InvalidOption, match="Quote it") as refused:
        secret_selection(params(**given))
    assert str(refused.value).startswith(next(iter(given)))


def test_tags_that_are_written() -> None:
    assert options.tag_texts({"Port": 443, "Empty": "", "Production": "true"}) == {
        "Port": "443",
        "Empty": "",
        "Production": "true",
    }
    for value in (True, 1.0, None, ["a"]):
        with pytest.raises(InvalidOption, match="Quote it"):
            options.tag_texts({"a": value})


@pytest.mark.parametrize("tags", [{"a": ""}, {"a": None}, {"": "b"}, {" ": "b"}, {"a": "b", "c": ""}], ids=str)
def test_half_a_pair(tags: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidOption, match="half a pair"):
        secret_selection(params(tags=tags))


@pytest.mark.parametrize(
    ("found", "problem"),
    [(None, "is not installed"), ("41.0.7", "is 41.0.7"), ("42.0.0", None), ("42.0", None), ("50.0.1rc1", None)],
)
def test_libraries(monkeypatch: pytest.MonkeyPatch, found: str | None, problem: str | None) -> None:
    def version(name: str) -> str:
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    message = libraries.missing_library("cryptography")
    if problem is None:
        assert message is None
        libraries.require_library("cryptography")
    else:
        assert message is not None
        assert problem in message
        with pytest.raises(RotationError, match="cryptography"):
            libraries.require_library("cryptography")
