# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option dns: who publishes TXT values, where, and by what right."""

from __future__ import annotations

import json
import typing as t

from .._errors import InvalidOption
from .._ports.host.libraries import require_library

if t.TYPE_CHECKING:
    from .._core.acme.dns import DnsProvider
    from .._core.acme.update_key import UpdateKey
    from .aws import AwsModule

    _Options = t.Mapping[str, t.Any]

#: Of each provider. A secret is always named here, and kept in Secrets Manager.
DNS_OPTIONS: dict[str, dict[str, t.Any]] = {
    "provider": {"type": "str", "choices": ["route53", "rfc2136", "command", "lexicon"], "default": "route53"},
    "hosted_zone_ids": {"type": "list", "elements": "str"},
    "profile": {"type": "str"},
    "role_arn": {"type": "str"},
    "external_id": {"type": "str"},
    "zones": {"type": "list", "elements": "str"},
    "server": {"type": "str"},
    "key_secret": {"type": "str", "no_log": False},
    "key_name": {"type": "str", "no_log": False},
    "key_algorithm": {
        "type": "str",
        "choices": ["hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1", "hmac-md5"],
        "no_log": False,
    },
    "command": {"type": "list", "elements": "str"},
    "command_timeout": {"type": "int"},
    "lexicon_service": {"type": "str"},
    "credentials_secret": {"type": "str", "no_log": False},
}
_OF: dict[str, frozenset[str]] = {
    "route53": frozenset({"hosted_zone_ids", "profile", "role_arn", "external_id"}),
    "rfc2136": frozenset({"zones", "server", "key_secret", "key_name", "key_algorithm"}),
    "command": frozenset({"zones", "command", "command_timeout"}),
    "lexicon": frozenset({"zones", "lexicon_service", "credentials_secret"}),
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "route53": (),
    "rfc2136": ("server",),
    "command": ("command",),
    "lexicon": ("lexicon_service", "zones", "credentials_secret"),
}
_SESSION = "certops-rotation-dns"


def check_dns_options(providers: t.Sequence[_Options]) -> None:
    """Raises InvalidOption for what a provider lacks, or has no use for."""
    if not providers:
        raise InvalidOption("dns: name at least one provider.")
    for options in providers:
        kind = options["provider"]
        given = {name for name, value in options.items() if value not in (None, []) and name != "provider"}
        missing = [name for name in _NEEDED[kind] if name not in given]
        if missing:
            raise InvalidOption(f"dns: the provider {kind} needs {' and '.join(missing)}.")
        strange = sorted(given - _OF[kind])
        if strange:
            raise InvalidOption(f"dns: the provider {kind} has no use for {' and '.join(strange)}.")
        if "external_id" in given and "role_arn" not in given:
            raise InvalidOption("dns: external_id is for the role in role_arn, which is missing.")
        timeout = options.get("command_timeout")
        if timeout is not None and not 0 < timeout <= 3600:
            raise InvalidOption("dns: command_timeout is a number of seconds from 1 to 3600.")


def dns_providers(module: AwsModule, providers: t.Sequence[_Options]) -> list[DnsProvider]:
    """In order. providers: each with DNS_OPTIONS. Raises RotationError: InvalidOption first, before AWS is asked."""
    check_dns_options(providers)
    make = {"route53": _route53, "rfc2136": _rfc2136, "command": _command, "lexicon": _lexicon}
    return [make[options["provider"]](module, options) for options in providers]


def _route53(module: AwsModule, options: _Options) -> DnsProvider:
    from .._ports.dns.route53 import CLIENT_CONFIG, Route53

    settings: dict[str, t.Any] = {}
    if options.get("profile"):
        # In place of what the task itself uses.
        keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        settings = {"profile_name": options["profile"], **dict.fromkeys(keys)}
    if options.get("role_arn"):
        settings = _assumed(module.client("sts", **settings), options)
    require_library("botocore")
    from botocore.config import Config

    client = module.client("route53", config=Config(**CLIENT_CONFIG), **settings)
    account = options.get("role_arn") or (f"profile {options['profile']}" if options.get("profile") else "")
    return Route53(client, hosted_zone_ids=options.get("hosted_zone_ids") or (), account=account, warn=module.warn)


def _assumed(sts: t.Any, options: _Options) -> dict[str, t.Any]:
    """Settings for clients with the rights of the role. Raises RotationError."""
    from .._ports.aws.assumed_role import assume_role

    role = assume_role(sts, options["role_arn"], options.get("external_id"), _SESSION)
    return {
        "profile_name": None,
        "aws_access_key_id": role["AccessKeyId"],
        "aws_secret_access_key": role["SecretAccessKey"],
        "aws_session_token": role["SessionToken"],
    }


def _rfc2136(module: AwsModule, options: _Options) -> DnsProvider:
    require_library("dnspython")
    from .._ports.dns.delegations import Delegations
    from .._ports.dns.rfc2136 import Rfc2136
    from .._ports.dns.servers import name_server

    servers = name_server(options["server"], Delegations().addresses, "dns: server")
    return Rfc2136(servers, _update_key(module, options), zones=options.get("zones") or ())


def _update_key(module: AwsModule, options: _Options) -> UpdateKey | None:
    from .._core.acme.update_key import read_update_key

    secret = options.get("key_secret")
    if not secret:
        if options.get("key_name") or options.get("key_algorithm"):
            raise InvalidOption("dns: key_name and key_algorithm are of the key in key_secret, which is missing.")
        return None
    text = _secret_text(module, secret, "key_secret")
    return read_update_key(text, secret, options.get("key_name"), options.get("key_algorithm"))


def _command(_module: AwsModule, options: _Options) -> DnsProvider:
    from .._ports.dns.command import COMMAND_TIMEOUT, DnsCommand

    timeout = options.get("command_timeout") or COMMAND_TIMEOUT
    return DnsCommand(options["command"], zones=options.get("zones") or (), timeout=timeout)


def _lexicon(module: AwsModule, options: _Options) -> DnsProvider:
    require_library("dns-lexicon")
    from .._ports.dns.lexicon import LexiconDns

    secret = options["credentials_secret"]
    try:
        settings = json.loads(_secret_text(module, secret, "credentials_secret"))
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
        raise InvalidOption(
            f"dns: the secret {secret} (credentials_secret) must be a JSON object of texts, such as auth_token, by the"
            f" names that lexicon has for {options['lexicon_service']}."
        )
    return LexiconDns(options["lexicon_service"], options["zones"], settings)


def _secret_text(module: AwsModule, name: str, option: str) -> str:
    """The current value. Raises RotationError."""
    from .._core.secrets.plan import CURRENT
    from .._ports.aws.shared_secrets import SharedSecrets

    secret = SharedSecrets(module.client("secretsmanager"), module.retry, labels=(CURRENT,)).fetch(name)
    current = secret.labelled(CURRENT) if secret else None
    if current is None:
        raise InvalidOption(f"dns: there is no secret {name} ({option}), or it has no current version. Create it.")
    return current.text
