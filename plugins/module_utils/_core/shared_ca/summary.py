# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a shared authority and of a host's server certificate, for people."""

from __future__ import annotations

import typing as t

_Told = t.Mapping[str, t.Any]
_WORDS: t.Final = {
    "generated": "generated and stored in Secrets Manager (shared)",
    "renewed": "renewed and stored in Secrets Manager (shared)",
    "retrieved": "retrieved from Secrets Manager (shared)",
}


def summary(member: _Told, created: _Told) -> list[str]:
    """A line for each part and each problem.

    member: result of shared_ca_member, which is skipped where check mode has created nothing, and has not even a
    source where a play ignores that a host cannot be reached; created: of shared_ca, {} where it was not called.
    """
    if not member.get("skipped") and "source" not in member:
        return [f"Not known: {member.get('msg', 'the host has not told')}"]
    server = member.get("server")
    return [
        *_authority(member, created),
        *([_server(server)] if server else []),
        *(f"{problem['severity']}: {problem['message']}" for problem in member.get("problems") or ()),
    ]


def _authority(member: _Told, created: _Told) -> list[str]:
    if not member.get("skipped") and member["source"] == "embedded":
        return ["authority: of this host alone"]
    if not member.get("skipped") and member["source"] != "secrets_manager":
        return [f"Secrets Manager is unavailable ({member['reason']}): nothing has changed"]
    outcomes = created.get("items") or {}
    lines = [f"{_title(item)}: {_WORDS[outcome]}" for item, outcome in outcomes.items() if "-cert" in item]
    return lines or [f"authority: {_WORDS['retrieved']}"]


def _title(item: str) -> str:
    """Of an item of the secret, such as ca-cert, client-cert (the client admin) and client-cert-NAME."""
    if item == "ca-cert":
        return "authority"
    return f"client {item.partition('client-cert')[2].removeprefix('-') or 'admin'}"


def _server(server: _Told) -> str:
    made = f"generated on this host ({server['reason']})" if server["action"] == "issued" else "unchanged"
    return f"server: {made}, until {server['not_after']}"
