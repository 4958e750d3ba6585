# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the controller packs a module. What it keeps to itself is in tests/integration/test_hostile_values."""

from __future__ import annotations

import gc
import typing as t

import pytest
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.certops.rotation.plugins.plugin_utils._key_keeping import KeyKeepingAction


class Refused(Exception):
    """What Ansible says of a module that it cannot pack."""


@pytest.mark.parametrize("is_on", [True, False])
def test_garbage_is_not_collected_while_a_module_is_packed(is_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And afterwards as it was before, however packing ends."""
    seen = []

    def pack(_self: t.Any, *_arguments: t.Any, **_named: t.Any) -> t.NoReturn:
        seen.append(gc.isenabled())
        raise Refused

    monkeypatch.setattr(NormalAction, "_configure_module", pack)
    action = object.__new__(KeyKeepingAction)
    was_on = gc.isenabled()
    try:
        (gc.enable if is_on else gc.disable)()
        with pytest.raises(Refused):
            action._configure_module("m", {}, {})
        assert (seen, gc.isenabled()) == ([False], is_on)
    finally:
        gc.unfreeze()
        (gc.enable if was_on else gc.disable)()
