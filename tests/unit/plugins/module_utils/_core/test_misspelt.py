# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that are nearly those of a role."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.misspelt import misspelt

ENDS = ("names", "name_prefix", "tags", "path", "mode", "max_names", "directory_mode")
ROLES = {
    "haproxy_certificates": [f"haproxy_certificates_{end}" for end in ENDS],
    "shared_ca": ["shared_ca_path", "shared_ca_force"],
    "shared_ca_rotation": ["shared_ca_rotation_hosts", "shared_ca_rotation_force"],
}


@pytest.mark.parametrize(
    ("name", "role", "meant"),
    [
        ("haproxy_certificates_name", "haproxy_certificates", "names"),
        ("haproxy_certificates_prefix_name", "haproxy_certificates", ""),
        ("haproxy_certificates_name_prefx", "haproxy_certificates", "name_prefix"),
        ("haproxy_certificates_dir_mode", "haproxy_certificates", "directory_mode"),
        ("haproxy_certificates_extra", "haproxy_certificates", ""),
        ("shared_ca_pth", "shared_ca", "path"),
        ("shared_ca_rotation_host", "shared_ca_rotation", "hosts"),
    ],
)
def test_it_is_named_with_what_may_be_meant(name, role, meant):
    hint = f" Is {role}_{meant} meant?" if meant else ""
    assert misspelt([name], ROLES) == [f"{name} is no variable of the role {role}.{hint}"]


@pytest.mark.parametrize("name", ["haproxy_certificate_path", "haproxy_certifcates_path", "haproxy_certificatespath"])
def test_also_when_the_beginning_is_misspelt(name):
    assert misspelt([name], ROLES) == [f"{name} is no variable of a role. Is haproxy_certificates_path meant?"]


def test_what_is_nobodys_business():
    others = ["haproxy_socket", "haproxy_certs_path", "certificates", "__haproxy_certificates_x", "shared_cat", "a"]
    assert misspelt([*(name for known in ROLES.values() for name in known), *others], ROLES) == []
