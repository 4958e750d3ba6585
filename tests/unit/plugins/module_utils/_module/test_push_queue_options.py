# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._flows.push.queueing import QueueScope
from ansible_collections.certops.rotation.plugins.module_utils._module.push_queue_options import scope_of


def test_a_lineage_may_be_named_by_its_directory() -> None:
    given = {"host": [" web1", "web1"], "lineage": ["/etc/letsencrypt/live/a.org/", "b.org", "a.org"]}
    assert scope_of(given) == QueueScope(("web1",), ("a.org", "b.org"))
    assert scope_of({"host": [], "lineage": []}).is_all


@pytest.mark.parametrize("option", ["host", "lineage"])
@pytest.mark.parametrize("name", ["", " ", ".", "..", "/", " / ", "/x/.."])
def test_what_is_no_name_is_not_all_of_them(option: str, name: str) -> None:
    if option == "host" and "/" in name:
        assert scope_of({"host": [name], "lineage": []}).hosts
        return
    with pytest.raises(InvalidOption, match=f"option {option}: one of them is no name"):
        scope_of({"host": [], "lineage": [], option: ["a", name]})
