# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member: parameters to what this host is to take, what it has taken to the result."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core.instants import isoformat_utc
from .._errors import InvalidOption
from .._ports.aws.instance_metadata import Instance, look_up_instance
from .._ports.host.libraries import require_library
from .._ports.host.own_address import own_address
from .._ports.store.atomic import FileAttributes
from .._ports.store.directory import CertificateDirectory
from .boundary import module_boundary
from .options import directory_settings, duration_option
from .shared_ca_common import (
    CLIENT_NAME_CHARACTERS,
    PREFIX_OPTION,
    SERVER_SUBJECT_OPTION,
    WARN_OPTION,
    key_spec,
    now,
    renewal_option,
    secret_names,
    server_subject,
    shared_secrets,
    warn_before,
)

if t.TYPE_CHECKING:
    from .._core.shared_ca.material import Material
    from .._flows.shared_ca.install import Configuration, MemberFiles
    from .._flows.shared_ca.member import MemberWish, ServerWish
    from .._flows.shared_ca.signing import SignersAnswer
    from .._flows.shared_ca.supply import Supplier
    from .._ports.aws.shared_secrets import SharedSecrets
    from .._ports.store.shared_ca import MemberDirectory
    from .aws import AwsModule

_FILE: dict[str, dict[str, t.Any]] = {"owner": {"type": "str"}, "group": {"type": "str"}}
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **PREFIX_OPTION,
    "path": {"type": "path", "required": True},
    "use_secrets_manager": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"},
    "on_unavailable": {"type": "str", "choices": ["keep", "fail", "embedded"], "default": "keep"},
    "server_names": {"type": "list", "elements": "str", "default": []},
    "metadata_names": {"type": "bool", "default": False},
    "own_address": {"type": "bool", "default": False},
    "issuer": {"type": "str", "choices": ["current", "successor"], "default": "current"},
    "signed_elsewhere": {"type": "bool", "default": False},
    "signed_certificate": {"type": "str", "default": "", "no_log": True},
    "signer_failure": {"type": "str", "default": ""},
    "key_type": {"type": "str", "choices": ["rsa", "ec"], "default": "rsa", "no_log": False},
    "key_size": {"type": "int", "no_log": False},
    "validity_days": {"type": "int", "default": 365},
    **SERVER_SUBJECT_OPTION,
    "renew_before": {"type": "str", "default": "auto"},
    "clients": {"type": "list", "elements": "str", "default": []},
    "configurations": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "content": {"type": "str", "required": True, "no_log": True},
            "dest": {"type": "path", "required": True},
            **_FILE,
            "mode": {"type": "raw"},
        },
    },
    **_FILE,
    "mode": {"type": "raw", "default": "0600"},
    "directory_mode": {"type": "raw", "default": "0700"},
    "lock_timeout": {"type": "str", "default": "60s"},
    **WARN_OPTION,
}
_SIZES = {"rsa": 2048, "ec": 256}
_SERVER_FACTS = ("fingerprint_sha256", "not_after", "subject_alternative_names", "issuer_fingerprint_sha256")
# An instance that could go on must not wait for minutes for what is not there.
_AWS_CONFIG = {"connect_timeout": 5, "read_timeout": 15, "retries": {"max_attempts": 2}}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        require_library("cryptography")
        from .._flows.shared_ca.install import install
        from .._flows.shared_ca.member import problems
        from .._ports.store.shared_ca import MemberDirectory

        wanted = _Wanted(module)
        settings = directory_settings({**module.params, "keep_previous": 0})
        lock_timeout = duration_option(module.params, "lock_timeout").total_seconds()
        supplier, configurations = wanted.supplier(), wanted.configurations()
        store = CertificateDirectory(module.params["path"], settings)
        directory = MemberDirectory(store)
        if module.check_mode:
            store.foresee()
        with store.locked(lock_timeout, create=not module.check_mode):
            files = install(directory, supplier, settings.attributes or FileAttributes(), configurations)
        for warning in files.warnings:
            module.warn(warning)
        # A stand-in for what the signer has yet to make is no finding.
        judged = dataclasses.replace(files.material, server=None) if files.request else files.material
        found = problems(judged, supplier.at, supplier.warn_before)
        module.exit_json(
            **_result(files, directory, has_server=supplier.wish.server is not None, predicted=module.check_mode),
            problems=[problem.as_dict() for problem in found],
            instance=wanted.instance_facts,
            api_calls=wanted.api_calls,
            **({"diff": {"before": _shown(files.before), "after": _shown(files.material)}} if module._diff else {}),
        )


class _Wanted:
    """What the options ask for. Everything raises InvalidOption, before anything is read or written."""

    def __init__(self, module: AwsModule) -> None:
        self._module = module
        self._params: t.Mapping[str, t.Any] = module.params
        self._source: SharedSecrets | None = None
        self._instance = self._look_up_instance()

    @property
    def instance_facts(self) -> dict[str, t.Any] | None:
        return {"id": self._instance.instance_id, "region": self._instance.region} if self._instance else None

    @property
    def api_calls(self) -> dict[str, int]:
        return dict(self._source.api_calls) if self._source else {}

    def supplier(self) -> Supplier:
        from .._core.ca.keys import generate_key, quick_key
        from .._flows.shared_ca.supply import Supplier
        from .._ports.store.embedded import EmbeddedAuthority

        params = self._params
        return Supplier(
            wish=self._member_wish(),
            names=secret_names(params),
            store=None if params["use_secrets_manager"] == "false" else self._shared_secrets,
            on_unavailable=params["on_unavailable"],
            embedded=EmbeddedAuthority(params["path"]),
            subject=server_subject(self._params),
            key_type=params["key_type"],
            at=now(),
            warn_before=warn_before(params),
            make_key=quick_key if self._module.check_mode else generate_key,
            check_mode=self._module.check_mode,
            answer=self._answer(),
        )

    def _answer(self) -> SignersAnswer | None:
        """Raises InvalidOption."""
        from .._flows.shared_ca.signing import SignersAnswer

        params = self._params
        certificate, failure = params["signed_certificate"], params["signer_failure"]
        if not params["signed_elsewhere"]:
            if certificate or failure:
                raise InvalidOption("signed_certificate and signer_failure: need signed_elsewhere: true.")
            return None
        return SignersAnswer(certificate, failure)

    def configurations(self) -> list[Configuration]:
        from .._flows.shared_ca.install import Configuration

        return [
            Configuration(item["content"], item["dest"], self._attributes_of(item))
            for item in self._params["configurations"]
        ]

    def _shared_secrets(self) -> SharedSecrets:
        """Raises Unavailable."""
        from .._flows.shared_ca.supply import require_a_way

        params, instance = self._module.params, self._instance
        require_a_way(
            params["use_secrets_manager"],
            on_ec2=instance is not None,
            has_region=lambda: bool(self._module.region),
        )
        if instance is not None and not self._module.region:
            params["region"] = instance.region
        params["aws_config"] = params["aws_config"] or _AWS_CONFIG
        self._source = shared_secrets(self._module)
        return self._source

    def _look_up_instance(self) -> Instance | None:
        params = self._params
        needed = params["metadata_names"] or params["use_secrets_manager"] == "auto"
        needed = needed or (params["use_secrets_manager"] == "true" and not self._module.region)
        return look_up_instance(os.environ) if needed else None

    def _member_wish(self) -> MemberWish:
        """Raises InvalidOption."""
        from .._flows.shared_ca.member import MemberWish

        clients = tuple(dict.fromkeys(self._params["clients"]))
        for name in clients:
            if not name or not set(name) <= CLIENT_NAME_CHARACTERS:
                raise InvalidOption(f"clients: {name!r} is no name of a client.")
        return MemberWish(self._server_wish(), clients, self._params["issuer"] == "successor")

    def _server_wish(self) -> ServerWish | None:
        """Raises InvalidOption."""
        from .._core.ca.names import alternative_names
        from .._core.ca.profiles import Profile, days
        from .._flows.shared_ca.member import ServerWish

        params, names = self._params, [*self._params["server_names"]]
        address = own_address() if params["own_address"] else None
        names += [address] if address else []
        names += self._instance.names if self._instance and params["metadata_names"] else []
        key = key_spec(params["key_type"], params["key_size"], _SIZES)
        profile = Profile(server_subject(self._params).name(), key, days(params["validity_days"]))
        renew_before = renewal_option(params)
        if renew_before is not None and renew_before >= profile.validity:
            raise InvalidOption("renew_before: as long as validity_days, so each run would issue a certificate.")
        if not names:
            return None
        if params["own_address"] and not address:
            self._module.warn(
                "own_address: this host has no default route, neither for IPv4 nor for IPv6, so no address is added."
                " Name its addresses in server_names."
            )
        tolerant = (params["metadata_names"] and not self._instance) or (params["own_address"] and not address)
        return ServerWish(alternative_names(names), profile, renew_before, tolerant)

    def _attributes_of(self, item: t.Mapping[str, t.Any]) -> FileAttributes:
        """Raises InvalidOption."""
        given = {name: item[name] for name in ("owner", "group", "mode") if item[name] is not None}
        settings = directory_settings({**self._params, "keep_previous": 0, **given})
        return settings.attributes or FileAttributes()


def _result(files: MemberFiles, directory: MemberDirectory, *, has_server: bool, predicted: bool) -> dict[str, t.Any]:
    """has_server: whether this host is to have a certificate of its own; predicted: in check mode."""
    from .._core.shared_ca.file_names import SERVER

    supply, material = files.supply, files.material
    changed = [*map(directory.file, files.stale), *files.configurations]
    return {
        "changed": bool(changed),
        "source": supply.source,
        "reason": supply.why.reason if supply.why else None,
        "stage": supply.taken.state.phase if supply.taken else None,
        "server": _server_facts(files, predicted) if has_server or SERVER in files.stale else None,
        "clients": {
            name: {**_facts(client.certificate), "subject": client.certificate.subject}
            for name, client in material.clients.items()
        },
        "trusted_fingerprints": [authority.fingerprint_sha256 for authority in material.authorities],
        "files": _paths(directory, material),
        "changed_files": changed,
        "request": files.request,
    }


def _server_facts(files: MemberFiles, predicted: bool) -> dict[str, t.Any] | None:
    from .._core.ca.judge import is_issued_by

    server, reason = files.material.server, files.reason
    if server is None and reason is None:
        return None
    action = ("requested" if files.request and not predicted else "issued") if reason else "unchanged"
    if server is None:
        return {"action": action, "reason": reason, **dict.fromkeys(_SERVER_FACTS)}
    authorities = files.material.authorities
    issuer = next((each for each in authorities if is_issued_by(server.certificate, each)), None)
    facts = _facts(server.certificate)
    if reason and predicted:
        facts["fingerprint_sha256"] = None
    return {
        "action": action,
        "reason": reason,
        **facts,
        "subject_alternative_names": list(server.certificate.subject_alternative_names),
        "issuer_fingerprint_sha256": issuer.fingerprint_sha256 if issuer else None,
    }


def _paths(directory: MemberDirectory, material: Material) -> dict[str, t.Any]:
    from .._core.shared_ca import file_names as names

    file, server = directory.file, material.server
    return {
        "ca": file(names.CA),
        "crl": file(names.CRL) if material.crl is not None else None,
        "server": file(names.SERVER) if server else None,
        "server_cert": file(names.SERVER_CERT) if server else None,
        "server_key": file(names.SERVER_KEY) if server else None,
        "clients": {
            name: {"cert": file(names.client_cert(name)), "key": file(names.client_key(name))}
            for name in material.clients
        },
    }


def _facts(certificate: t.Any) -> dict[str, t.Any]:
    return {
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "not_after": isoformat_utc(certificate.not_after),
    }


def _shown(material: Material) -> dict[str, t.Any]:
    """For a diff: fingerprints, names and dates."""
    import hashlib

    shown: dict[str, t.Any] = {
        "trusted": [authority.fingerprint_sha256 for authority in material.authorities],
        "clients": {name: _facts(client.certificate) for name, client in material.clients.items()},
    }
    if material.crl is not None:
        shown["crl_sha256"] = hashlib.sha256(material.crl.encode()).hexdigest()
    if material.server:
        certificate = material.server.certificate
        names = list(certificate.subject_alternative_names)
        shown["server"] = {**_facts(certificate), "subject_alternative_names": names}
    return shown
