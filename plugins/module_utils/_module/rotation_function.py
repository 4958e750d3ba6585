# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A function of AWS Lambda over the flow of its name: options and ports as certificate_issue has them, no Ansible."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import logging
import random
import time
import typing as t
from datetime import datetime, timedelta, timezone

from .._core.promotion import PENDING
from .._errors import InvalidOption, RotationError, RunOvertaken
from .certificate_issue import ARGUMENT_SPEC
from .issuing import ports_of, settings_of

if t.TYPE_CHECKING:
    from .._core.acme.wanted import WantedCertificate
    from .._core.x509.bundle import CertificateBundle
    from .._ports.tls.endpoint import Endpoint
    from .aws import AwsModule

#: Seconds that are left to tell how it went.
_RESERVE: t.Final = 15.0
_TIMEOUT: t.Final = 5.0
#: Of certificate_issue: what a rotation decides itself.
_OWN: t.Final = ("certificates", "force", "reissue", "stage", "timeout", "metrics_textfile")
_Params = dict[str, t.Any]


class FunctionModule:
    """As much of AwsModule as ports ask for. session: of boto3."""

    check_mode = False

    def __init__(self, session: t.Any) -> None:
        self._session = session
        self.api_calls: collections.Counter[str] = collections.Counter()

    @staticmethod
    def retry(call: t.Any) -> t.Any:
        """botocore repeats by itself what AWS throttles."""
        return call

    def client(self, service: str, **settings: t.Any) -> t.Any:
        from botocore.config import Config

        retries = Config(retries={"mode": "standard", "max_attempts": 6})
        config = settings.pop("config", None)
        settings = {{"region": "region_name"}.get(name, name): value for name, value in settings.items()}
        return self._session.client(service, config=retries.merge(config) if config else retries, **settings)

    @staticmethod
    def warn(text: str) -> None:
        logging.getLogger(__name__).warning("%s", text)


def rotate(
    event: t.Mapping[str, t.Any], *, left: t.Callable[[], float], issue: str, canaries: str, session: t.Any
) -> str:
    """One step of a rotation. left: seconds that remain; issue: options of certificate_issue as JSON; canaries:
    host:port with commas between them. Raises RotationError, whose text holds nothing secret."""
    from .._flows.issue.rotation_function import FunctionClock, RotationFunction
    from .._ports.aws.certificate_secrets import CertificateSecrets

    module, endpoints, params = FunctionModule(session), canary_endpoints(canaries), issue_params(issue)
    secrets = CertificateSecrets(module.client("secretsmanager"), module.retry)
    clock = FunctionClock(lambda: datetime.now(timezone.utc), lambda: left() - _RESERVE, time.sleep, random.random)
    function = RotationFunction(
        secrets,
        _verifier(),
        lambda wanted, version_id: _issue(module, params, wanted, version_id, clock.left()),
        functools.partial(unproven, endpoints),
        clock,
    )
    return function.run(event)


def issue_params(text: str) -> _Params:
    """As Ansible would make them of the options. Raises InvalidOption."""
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise InvalidOption(
            "CERTOPS_ISSUE is not an object in JSON: give options of certificate_issue, such as issuers."
        )
    taken = sorted(set(given) & {*_OWN})
    if taken:
        raise InvalidOption(f"CERTOPS_ISSUE: {', '.join(taken)} is what a rotation decides itself.")
    return filled({**ARGUMENT_SPEC, "certificates": {"type": "list", "default": []}}, given, "CERTOPS_ISSUE")


def filled(spec: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any], where: str) -> _Params:
    """With defaults. Raises InvalidOption."""
    unknown = sorted(set(given) - set(spec))
    if unknown:
        raise InvalidOption(f"{where}: {', '.join(unknown)} is no option. Known are: {', '.join(spec)}.")
    found: _Params = {}
    for name, option in spec.items():
        value = given.get(name, option.get("default"))
        if value is None and option.get("required"):
            raise InvalidOption(f"{where}: {name} is needed.")
        if option.get("choices") and value is not None and value not in option["choices"]:
            raise InvalidOption(f"{where}: {name} is one of {', '.join(map(str, option['choices']))}.")
        nested = option.get("options")
        if nested and isinstance(value, list):
            value = [filled(nested, _dict(each, f"{where}: {name}"), f"{where}: {name}") for each in value]
        elif nested and value is not None:
            value = filled(nested, _dict(value, f"{where}: {name}"), f"{where}: {name}")
        found[name] = value
    return found


def _dict(value: t.Any, where: str) -> dict[str, t.Any]:
    if not isinstance(value, dict):
        raise InvalidOption(f"{where} has objects.")
    return value


def canary_endpoints(text: str) -> list[Endpoint]:
    """Raises InvalidOption where there are none: a rotation that nobody proves is none."""
    from .._ports.tls.endpoint import parse_endpoint

    found = [each.strip() for each in text.split(",") if each.strip()]
    if not found:
        raise InvalidOption("CERTOPS_CANARIES: name the endpoints that have to serve it, as host:port with commas.")
    try:
        return [parse_endpoint(each, number) for number, each in enumerate(found)]
    except RotationError as error:
        raise InvalidOption(f"CERTOPS_CANARIES: {error.message}") from None


def unproven(endpoints: t.Sequence[Endpoint], bundle: CertificateBundle) -> list[str]:
    """Why it is not served, one sentence for each endpoint that does not serve it."""
    from .._ports.haproxy.loaded_files import kind_of_key
    from .._ports.tls.probe import probe_many

    name = next((each for each in bundle.leaf.dns_names if not each.startswith("*.")), None)
    name = name or next((f"canary{each[1:]}" for each in bundle.leaf.dns_names), None)
    asked = [dataclasses.replace(each, server_name=name) for each in endpoints]
    first = probe_many(asked, _TIMEOUT, len(asked))
    problems = [f"{_where(seen.endpoint)} could not be asked: {seen.error}." for seen in first if not seen.chain]
    astray = [seen for seen in first if seen.chain and seen.fingerprint_sha256 != bundle.fingerprint_sha256]
    # Who takes any type of key gets another one where both are served for a name.
    kind = kind_of_key(bundle.key)
    if kind in ("rsa", "ecdsa"):
        asked = [dataclasses.replace(seen.endpoint, key_type=kind) for seen in astray]
        astray = [
            seen
            for seen in probe_many(asked, _TIMEOUT, len(asked))
            if seen.fingerprint_sha256 != bundle.fingerprint_sha256
        ]
    for seen in astray:
        hidden = f", and has TLS 1.3 alone, where nobody can ask for one with a key of type {kind} beside it"
        more = hidden if seen.key_type_ignored else ""
        problems.append(f"{_where(seen.endpoint)} serves another certificate for {name}{more}.")
    return problems


def _where(endpoint: Endpoint) -> str:
    return f"{endpoint.host}:{endpoint.port}"


def _verifier() -> t.Any:
    from .._core.pipeline.verify import SecretVerifier
    from .._core.x509.verify import VerificationPolicy
    from .._ports.openssl.loadable import why_not_loaded
    from .._ports.openssl.opener import ProcessOpener

    return SecretVerifier(VerificationPolicy(), ProcessOpener(None), why_not_loaded)


def _issue(module: FunctionModule, params: _Params, wanted: WantedCertificate, version_id: str, left: float) -> None:
    """Raises RotationError."""
    from .._core.acme.names import WantedCertificates
    from .._flows.issue.issuance import Issuance
    from .._flows.issue.pending_truth import PendingTruth
    from .._flows.issue.run_time import RunTime
    from .._ports.aws.certificate_secrets import CertificateSecrets
    from .._ports.aws.shared_secrets import Properties

    run_time = RunTime(timedelta(seconds=max(left, 1.0)))
    params = {**params, "certificates": [], "force": True, "timeout": max(int(left), 1)}
    settings = settings_of(params, run_time.now())
    ports = ports_of(t.cast("AwsModule", module), params, settings.issuers, run_time, dry=False)
    secrets = CertificateSecrets(module.client("secretsmanager"), module.retry)
    truth = PendingTruth(secrets, _verifier(), Properties(), version_id=version_id)
    report = Issuance(WantedCertificates((wanted,)), settings, dataclasses.replace(ports, truth=truth), run_time).run()
    if report.was_overtaken or truth.was_filled:
        raise RunOvertaken(report.failure)
    if report.failure:
        raise RotationError(report.failure)
    (outcome,) = report.outcomes
    if outcome.candidate is None or outcome.candidate.version_id != version_id:
        raise RotationError(f"{wanted.name}: it did not become {PENDING}: {outcome.reason}")
