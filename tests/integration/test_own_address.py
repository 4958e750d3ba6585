# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's own address, and what it is told about itself, in network name spaces with the routes of each kind."""

from __future__ import annotations

import subprocess
import sys

import pytest

ADDRESS = """
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.own_address import own_address
print(own_address())
"""
INSTANCE = """
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.instance_metadata import look_up_instance
from ansible_collections.certops.rotation.tests.support.instance_metadata import InstanceMetadataService
with InstanceMetadataService(("fd00:ec2::254", 80)) as service:
    del service.paths["local-ipv4"], service.paths["public-ipv4"]
    service.paths["ipv6"] = "2001:db8::5"
    print(look_up_instance({}))
"""
FOUR = "ip addr add 192.0.2.5/32 dev lo && ip route add default dev lo src 192.0.2.5"
SIX = "ip addr add 2001:db8::5/128 dev lo nodad && ip -6 route add default dev lo src 2001:db8::5"
LINK_LOCAL = "ip addr add fe80::5/64 dev lo nodad && ip -6 route add default dev lo src fe80::5"


def in_a_name_space(ways: str, program: str) -> str:
    """What the program prints where these are all ways. ways: commands of a shell."""
    command = ["unshare", "--net", "--map-root-user", "sh", "-ec", f'ip link set lo up && {ways} && exec "$@"', "sh"]
    run = subprocess.run(
        [*command, sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize(
    ("ways", "address"),
    [
        ("true", "None"),
        (FOUR, "192.0.2.5"),
        (SIX, "2001:db8::5"),
        (f"{FOUR} && {SIX}", "192.0.2.5"),
        (LINK_LOCAL, "None"),
    ],
)
def test_own_address(ways: str, address: str) -> None:
    assert in_a_name_space(ways, ADDRESS) == address


def test_an_instance_with_ipv6_alone_finds_its_metadata() -> None:
    found = in_a_name_space("ip addr add fd00:ec2::254/128 dev lo nodad", INSTANCE)
    assert found.startswith("Instance(instance_id='i-0123456789abcdef0', region='eu-central-1', names=('2001:db8::5', ")
