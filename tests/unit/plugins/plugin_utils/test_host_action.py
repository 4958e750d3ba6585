# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module knows no role; who calls a role reads its variables in the place of the module's options."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import in_words_of_role

VARIABLES = {"my_role_socket": 1, "my_role_reload_methods": 1, "my_role_aws": 1, "my_role_rollback_versions": 1}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("option socket: it is gone.", "my_role_socket: it is gone."),
        ("Set option socket or option reload_methods.", "Set my_role_socket or my_role_reload_methods."),
        ("Set option region.", "Set my_role_aws.region."),
        ("Name it in option expected.", "Name it in my_role_rollback_versions."),
        ("Set option other.", "Set option other."),
        ("HAProxy's option -S, an option socketpair, adoption socket", None),
    ],
)
def test_words(said: str, read: str | None) -> None:
    result: dict[str, t.Any] = {"msg": said, "checks": [{"message": said, "ok": False}], "changed": False}
    translated = in_words_of_role(result, "my_role", VARIABLES, {"expected": "rollback_versions"})
    expected = said if read is None else read
    assert translated == {"msg": expected, "checks": [{"message": expected, "ok": False}], "changed": False}


def test_a_role_without_these_variables_changes_nothing() -> None:
    result = {"msg": "Set option region and option socket."}
    assert in_words_of_role(result, "other", VARIABLES) == result
