# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_rotation: one step of replacing a shared authority without cutting anybody off."""

from __future__ import annotations

import typing as t

from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .shared_ca_common import (
    PREFIX_OPTION,
    WARN_OPTION,
    failures_told_apart,
    key_spec,
    now,
    secret_names,
    shared_secrets,
    warn_before,
)

if t.TYPE_CHECKING:
    from .._core.ca.profiles import Profile
    from .._core.shared_ca.state import State
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **PREFIX_OPTION,
    "step": {"type": "str", "choices": ["publish", "promote", "finish", "abort"], "required": True},
    "clients": {"type": "list", "elements": "str"},
    "validity_days": {"type": "int"},
    "key_type": {"type": "str", "choices": ["rsa", "ec"], "no_log": False},
    "key_size": {"type": "int", "no_log": False},
    **WARN_OPTION,
}
_SIZES = {"rsa": 4096, "ec": 256}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module), failures_told_apart():
        require_library("cryptography")
        from .._core.ca.keys import generate_key, quick_key
        from .._core.shared_ca.facts import facts, shown
        from .._flows.shared_ca.known_clients import known_clients
        from .._flows.shared_ca.overlay import Overlay
        from .._flows.shared_ca.rotation import AuthorityRotation
        from .._flows.shared_ca.steward import ClientWish, Steward
        from .._ports.openssl.peers import why_not_believed

        params, check_mode, warn = module.params, module.check_mode, warn_before(module.params)
        names, source = secret_names(params), shared_secrets(module)
        known = known_clients(source, names, module.warn)
        clients = list(dict.fromkeys([*(params["clients"] or []), *known]))
        store = Overlay(source) if check_mode else source
        steward = Steward(store, names, now(), quick_key if check_mode else generate_key)
        rotation = AuthorityRotation(steward, [ClientWish(name) for name in clients])
        before = steward.look(clients)
        if params["step"] == "publish":
            after = rotation.publish(_profile(params, before))
        else:
            after = {"promote": rotation.promote, "finish": rotation.finish, "abort": rotation.abort}[params["step"]]()
        told = before if check_mode and steward.changed else after
        result = facts(told, steward.at, warn, why_not_believed)
        diff = {"diff": {"before": shown(before), "after": shown(after)}} if module._diff else {}
        module.exit_json(
            changed=steward.changed,
            **result,
            previous_stage=before.phase,
            next_stage=after.phase,
            items={names.item(name): outcome for name, outcome in sorted(steward.outcomes.items())},
            api_calls=dict(source.api_calls),
            **diff,
        )


def _profile(params: t.Mapping[str, t.Any], state: State) -> Profile | None:
    """None to make the successor like the authority that there is. Raises RotationError."""
    import dataclasses

    from .._core.ca.keys import profile_of, spec_of
    from .._core.ca.profiles import days

    if all(params[name] is None for name in ("validity_days", "key_type", "key_size")) or state.current is None:
        return None
    key = None
    if params["key_type"] or params["key_size"]:
        certificate = state.current.certificate
        kind = params["key_type"] or (spec_of(certificate.public_key).kind if certificate else "rsa")
        key = key_spec(kind, params["key_size"], _SIZES)
    profile = profile_of(state.current.certificate, state.names.ca_cert, key)
    if params["validity_days"] is not None:
        profile = dataclasses.replace(profile, validity=days(params["validity_days"]))
    return profile
