# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role shared_ca tells of its results."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.summary import summary

SERVER = {"action": "issued", "reason": "missing", "not_after": "2027-01-02T03:04:05Z"}


def test_each_part_in_the_order_in_which_it_was_made():
    items = {
        "ca-cert": "generated",
        "ca-key": "generated",
        "client-cert": "retrieved",
        "client-key": "retrieved",
        "client-cert-on-call": "renewed",
    }
    assert summary({"source": "secrets_manager", "server": SERVER}, {"items": items}) == [
        "authority: generated and stored in Secrets Manager (shared)",
        "client admin: retrieved from Secrets Manager (shared)",
        "client on-call: renewed and stored in Secrets Manager (shared)",
        "server: generated on this host (missing), until 2027-01-02T03:04:05Z",
    ]


def test_a_host_for_which_somebody_else_has_made_the_authority():
    member = {
        "source": "secrets_manager",
        "server": {**SERVER, "action": "none"},
        "problems": [{"severity": "warning", "message": "It ends soon."}],
    }
    assert summary(member, {}) == [
        "authority: retrieved from Secrets Manager (shared)",
        "server: unchanged, until 2027-01-02T03:04:05Z",
        "warning: It ends soon.",
    ]


def test_a_host_without_secrets_manager():
    assert summary({"source": "embedded", "server": None}, {}) == ["authority: of this host alone"]
    assert summary({"source": "kept", "reason": "denied"}, {"items": {"ca-cert": "retrieved"}}) == [
        "Secrets Manager is unavailable (denied): nothing has changed"
    ]


def test_a_host_that_could_not_be_reached():
    assert summary({"unreachable": True, "msg": "No route to host"}, {}) == ["Not known: No route to host"]


def test_check_mode_that_has_created_nothing():
    assert summary({"skipped": True}, {"items": {"ca-cert": "generated"}}) == [
        "authority: generated and stored in Secrets Manager (shared)"
    ]
