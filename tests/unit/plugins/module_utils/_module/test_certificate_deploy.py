# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directories of a deployment belong to different ones."""

from __future__ import annotations

import pathlib
import typing as t
from datetime import datetime, timezone

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_deploy import (
    ARGUMENT_SPEC,
    make_deployment,
)


def made(root: pathlib.Path, haproxy: pathlib.Path) -> object:
    places = {"source": str(root / "staging"), "path": str(root / "live"), "receipts": str(root / "receipts")}
    services = [{"type": "haproxy", "haproxy": {"path": str(haproxy)}}]
    found = ArgumentSpecValidator(ARGUMENT_SPEC).validate({**places, "services": services})
    assert not found.error_messages
    params: dict[str, t.Any] = found.validated_parameters
    return make_deployment(params, now=datetime(2026, 11, 26, tzinfo=timezone.utc), check_mode=True)


@pytest.mark.parametrize("name", ["staging", "live", "receipts", "live/haproxy", "link", "."])
def test_haproxy_reads_none_of_them(tmp_path: pathlib.Path, name: str) -> None:
    """What it finds there that is none of its files it removes: the live lineages, for one."""
    (tmp_path / "live").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "live")
    with pytest.raises(InvalidOption, match="not to be inside each other"):
        made(tmp_path, tmp_path / name)


def test_haproxy_has_a_directory_of_its_own(tmp_path: pathlib.Path) -> None:
    assert made(tmp_path, tmp_path / "live-haproxy")
