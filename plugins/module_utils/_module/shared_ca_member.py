# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member: what this host takes from the shared authority, and a server certificate of its own, in files."""

from __future__ import annotations

import os
import typing as t

from .._core.instants import isoformat_utc
from .._errors import InvalidOption, RotationError, SecretsManagerError
from .._ports.aws.instance_metadata import Instance, look_up_instance
from .._ports.aws.shared_secrets import SharedSecrets, failure_kind
from .._ports.host.libraries import require_library
from .._ports.host.own_address import own_address
from .._ports.store.atomic import FileAttributes, store_errors
from .._ports.store.directory import CertificateDirectory
from .._ports.store.places import make_place
from .boundary import module_boundary
from .options import directory_settings, duration_option
from .shared_ca_common import (
    CLIENT_NAME_CHARACTERS,
    PREFIX_OPTION,
    SUBJECT_DEFAULTS,
    WARN_OPTION,
    key_spec,
    now,
    secret_names,
    shared_secrets,
    warn_before,
)

if t.TYPE_CHECKING:
    from .._core.ca.profiles import Subject
    from .._core.shared_ca.material import Material
    from .._core.x509.problems import Problem
    from .._flows.shared_ca.member import MemberWish, ServerWish, Taken
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
    "key_type": {"type": "str", "choices": ["rsa", "ec"], "default": "rsa", "no_log": False},
    "key_size": {"type": "int", "no_log": False},
    "validity_days": {"type": "int", "default": 365},
    "subject": {
        "type": "dict",
        "options": {
            **SUBJECT_DEFAULTS,
            "organizational_unit": {"type": "str", "default": "Server"},
            "common_name": {"type": "str", "default": "joblet-server"},
        },
    },
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
# An instance that could go on must not wait for minutes for what is not there.
_AWS_CONFIG = {"connect_timeout": 5, "read_timeout": 15, "retries": {"max_attempts": 2}}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        require_library("cryptography")
        job = _MemberJob(module)
        directory = CertificateDirectory(module.params["path"], job.settings)
        with directory.locked(job.lock_timeout, create=not module.check_mode):
            result = job.run()
        diff = result.pop("diff")
        module.exit_json(**result, **({"diff": diff} if module._diff else {}))


class _Unavailable(Exception):
    """Secrets Manager cannot be used now. reason: "denied", "unreachable", "other", "no_region" or "not_ec2"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class _MemberJob:
    """One call of the module. Raises InvalidOption when it is made, before anything is read or written."""

    def __init__(self, module: AwsModule) -> None:
        from .._core.ca.keys import generate_key, quick_key
        from .._ports.store.embedded import EmbeddedAuthority
        from .._ports.store.shared_ca import MemberDirectory

        self._module = module
        self._params: t.Mapping[str, t.Any] = module.params
        self._check_mode: bool = module.check_mode
        self._warn = module.warn
        self._make_key = quick_key if self._check_mode else generate_key
        self._at = now()
        self._warn_before = warn_before(self._params)
        self._names = secret_names(self._params)
        self._source: SharedSecrets | None = None
        self.settings = directory_settings({**self._params, "keep_previous": 0})
        self.lock_timeout = duration_option(self._params, "lock_timeout").total_seconds()
        self._attributes = self.settings.attributes or FileAttributes()
        self._instance = self._look_up_instance()
        self._wish = self._member_wish()
        self._directory = MemberDirectory(self._params["path"])
        self._embedded = EmbeddedAuthority(self._params["path"])
        self._configuration_attributes = [self._attributes_of(each) for each in self._params["configurations"]]

    def run(self) -> dict[str, t.Any]:
        from .._core.shared_ca.file_names import SERVER

        params = self._params
        installed = self._directory.read(self._wish.clients)
        taken: Taken | None
        why_kept: _Unavailable | None = None
        if params["use_secrets_manager"] == "false":
            source, taken = "embedded", self._take_embedded(installed.material)
        else:
            try:
                source, taken = "secrets_manager", self._take_shared(installed.material)
            except _Unavailable as unavailable:
                why_kept = unavailable
                source, taken = self._fall_back(installed.material, unavailable)
        material = taken.material if taken else installed.material
        reason: str | None = taken.reason if taken else None
        if reason == "missing" and installed.broken:
            reason = "key_broken"
        stale = self._directory.changes(material, self._attributes) if taken else []
        configurations = self._configurations(material)
        if not self._check_mode:
            self._directory.write(stale, material, self._attributes)
            self._write_configurations(configurations)
        problems = self._problems(material)
        changed = [self._directory.file(name) for name in stale] + [dest for dest, _text, _attributes in configurations]
        return {
            "changed": bool(changed),
            "source": source,
            "reason": why_kept.reason if why_kept else None,
            "stage": taken.state.phase if taken else None,
            "server": self._server_facts(material, reason, SERVER in stale),
            "clients": {
                name: {**_facts(client.certificate), "subject": client.certificate.subject}
                for name, client in material.clients.items()
            },
            "trusted_fingerprints": [authority.fingerprint_sha256 for authority in material.authorities],
            "files": self._files(material),
            "changed_files": changed,
            "problems": [problem.as_dict() for problem in problems],
            "instance": {"id": self._instance.instance_id, "region": self._instance.region} if self._instance else None,
            "api_calls": dict(self._source.api_calls) if self._source else {},
            "diff": {"before": _shown(installed.material), "after": _shown(material)},
        }

    # -- sources ------------------------------------------------------------------------------------------------

    def _take_shared(self, installed: Material) -> Taken:
        """Raises _Unavailable, and RotationError for what is absent, deleted, expired or torn."""
        from .._flows.shared_ca.member import take
        from .._flows.shared_ca.steward import Steward

        self._require_secrets_manager()
        self._source = shared_secrets(self._module)
        try:
            return take(Steward(self._source, self._names, self._at), self._make_key, self._wish, installed)
        except SecretsManagerError as error:
            reason = failure_kind(error)
            if reason in ("deleted", "absent"):
                raise RotationError(error.message, **error.details, reason=reason) from None
            raise _Unavailable(reason, error.message) from None

    def _require_secrets_manager(self) -> None:
        """Raises _Unavailable when it is clear without asking that it cannot be used."""
        params = self._module.params
        if params["use_secrets_manager"] == "auto" and self._instance is None:
            text = (
                "This host does not seem to be on EC2: no instance metadata (IMDSv2) within 2 seconds. To use Secrets"
                " Manager from here, set use_secrets_manager: true; for an authority of this host alone, false."
            )
            raise _Unavailable("not_ec2", text)
        if not self._module.region:
            if self._instance is None:
                raise _Unavailable("no_region", "There is no region: give region, or set AWS_REGION.")
            params["region"] = self._instance.region
        params["aws_config"] = params["aws_config"] or _AWS_CONFIG

    def _fall_back(self, installed: Material, why: _Unavailable) -> tuple[str, Taken | None]:
        """What this host has goes on, if it is good; else an authority of its own, if that is allowed."""
        from .._flows.shared_ca.member import missing

        choice, authority = self._params["on_unavailable"], self._embedded.authority()
        broken = [problem for problem in self._problems(installed) if problem.severity == "error"]
        broken += missing(installed, self._wish)
        if choice == "embedded" and (broken or (authority and installed.authorities == (authority.certificate,))):
            self._warn(f"{why.message} This host uses an authority of its own, which no other host trusts.")
            return "embedded", self._take_embedded(installed)
        if choice == "fail" or broken:
            has_not = f" And this host cannot go on: {broken[0].message}" if broken and choice != "fail" else ""
            raise RotationError(f"{why.message}{has_not}", reason=why.reason)
        self._warn(f"{why.message} What this host has is good, and stays as it is.")
        return "kept", None

    def _take_embedded(self, installed: Material) -> Taken:
        from .._flows.shared_ca.embedded import NAMES, bring_about_embedded, save, stored
        from .._flows.shared_ca.member import take
        from .._flows.shared_ca.steward import Steward

        steward = Steward(stored(self._embedded, self._wish.clients), NAMES, self._at, self._make_key)
        state = bring_about_embedded(steward, self._wish.clients, self._subject(), self._params["key_type"])
        taken = take(steward, self._make_key, self._wish, installed)
        if steward.changed and not self._check_mode:
            save(self._embedded, state)
        return taken

    # -- what is wanted -----------------------------------------------------------------------------------------

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
        profile = Profile(self._subject().name(), key, days(params["validity_days"]))
        renew_before = None if params["renew_before"] == "auto" else duration_option(params, "renew_before")
        if renew_before is not None and renew_before >= profile.validity:
            raise InvalidOption("renew_before: as long as validity_days, so each run would issue a certificate.")
        if not names:
            return None
        tolerant = (params["metadata_names"] and not self._instance) or (params["own_address"] and not address)
        return ServerWish(alternative_names(names), profile, renew_before, tolerant)

    def _subject(self) -> Subject:
        from .._core.ca.profiles import Subject

        given = {name: text for name, text in (self._params["subject"] or {}).items() if text is not None}
        return Subject(**{"organizational_unit": "Server", "common_name": "joblet-server", **given})

    # -- configuration files ------------------------------------------------------------------------------------

    def _attributes_of(self, item: t.Mapping[str, t.Any]) -> FileAttributes:
        """Raises InvalidOption."""
        given = {name: item[name] for name in ("owner", "group", "mode") if item[name] is not None}
        settings = directory_settings({**self._params, "keep_previous": 0, **given})
        return settings.attributes or FileAttributes()

    def _configurations(self, material: Material) -> list[tuple[str, str, FileAttributes]]:
        """Those that differ from what is there. Raises InvalidOption."""
        from .._core.shared_ca.configuration import fill_in
        from .._ports.store.shared_ca import is_stale, member_place

        found = []
        for item, attributes in zip(self._params["configurations"], self._configuration_attributes):
            try:
                text = fill_in(item["content"], material)
            except InvalidOption as error:
                raise InvalidOption(f"configurations: {item['dest']}: {error.message}") from None
            directory, name = os.path.split(item["dest"])
            with member_place(directory) as place:
                if is_stale(place, name, text, attributes):
                    found.append((item["dest"], text, attributes))
        return found

    def _write_configurations(self, configurations: t.Iterable[tuple[str, str, FileAttributes]]) -> None:
        for dest, text, attributes in configurations:
            with store_errors(f"write {dest}"):
                directory, name = os.path.split(dest)
                with make_place(directory) as place:
                    place.write(name, text.encode(), attributes)

    # -- what results tell --------------------------------------------------------------------------------------

    def _problems(self, material: Material) -> list[Problem]:
        from .._flows.shared_ca.member import problems

        return problems(material, self._at, self._warn_before)

    def _server_facts(self, material: Material, reason: str | None, stale: bool) -> dict[str, t.Any] | None:
        server = material.server
        if server is None or (self._wish.server is None and not stale):
            return None
        issuer = next((each for each in material.authorities if _issued(server.certificate, each)), None)
        facts = _facts(server.certificate)
        if reason and self._check_mode:
            facts["fingerprint_sha256"] = None
        return {
            "action": "issued" if reason else "unchanged",
            "reason": reason,
            **facts,
            "subject_alternative_names": list(server.certificate.subject_alternative_names),
            "issuer_fingerprint_sha256": issuer.fingerprint_sha256 if issuer else None,
        }

    def _files(self, material: Material) -> dict[str, t.Any]:
        from .._core.shared_ca import file_names as names

        file, server = self._directory.file, material.server
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


def _issued(leaf: t.Any, authority: t.Any) -> bool:
    from .._core.ca.judge import is_issued_by

    return is_issued_by(leaf, authority)


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
