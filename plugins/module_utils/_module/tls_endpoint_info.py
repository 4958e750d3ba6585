# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of tls_endpoint_info."""

from __future__ import annotations

import hashlib
import typing as t

from .._core.instants import isoformat_utc
from .._core.limits import check_limits
from .._core.x509.certificate import load_certificate
from .._errors import InvalidOption, RotationError
from .._ports.host.libraries import require_library
from .._ports.tls.endpoint import Endpoint, parse_endpoint
from .._ports.tls.probe import Observation, Trust, probe_many
from .boundary import module_boundary

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "endpoints": {"type": "list", "elements": "raw", "required": True},
    "timeout": {"type": "float", "default": 10.0},
    "concurrency": {"type": "int", "default": 32},
    "trust_anchors": {"type": "str"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
}
_LEAF_FIELDS = (
    "fingerprint_sha256",
    "not_before",
    "not_after",
    "subject_alternative_names",
    "issuer",
    "subject",
    "serial_number",
)
_CHAIN_FIELDS = ("subject", "issuer", "fingerprint_sha256", "not_before", "not_after")


def run(module: t.Any) -> None:
    with module_boundary(module):
        require_library("cryptography")
        params = module.params
        check_limits(params["timeout"], params["concurrency"])
        endpoints = [parse_endpoint(entry, position) for position, entry in enumerate(params["endpoints"])]
        check_names(params["endpoints"], endpoints)
        if params["client_key"] and not params["client_cert"]:
            raise InvalidOption("client_key is of no use without client_cert.")
        identity = (params["client_cert"], params["client_key"] or params["client_cert"])
        trust = Trust(params["trust_anchors"], identity if params["client_cert"] else None)
        observations = probe_many(endpoints, params["timeout"], params["concurrency"], trust)
        results = [_result(observation) for observation in observations]
        if trust.identity:
            for result in results:
                result["accepted"] = result["trusted"] and result["error"] is None
        module.exit_json(changed=False, endpoints=results)


def check_names(entries: t.Sequence[t.Any], endpoints: t.Sequence[Endpoint]) -> None:
    """Raises InvalidOption when not one of the endpoints has a name that can be asked for.

    A single odd one is that one's result: lists of names come from certificates and inventories, too.
    """
    odd = [endpoint.odd_name for endpoint in endpoints]
    if odd and all(odd):
        raise InvalidOption(f"endpoints[0] ({entries[0]!r}): {odd[0]}")


def _result(observation: Observation) -> dict[str, t.Any]:
    endpoint = observation.endpoint
    result: dict[str, t.Any] = {
        "host": endpoint.host,
        "port": endpoint.port,
        "server_name": endpoint.server_name or "",
        "address": observation.address,
        "starttls": endpoint.starttls,
        "reachable": observation.reachable,
        "error": observation.error,
        "trusted": bool(observation.trusted),
        "trust_error": observation.trust_error,
        "protocol": observation.protocol,
        "cipher": observation.cipher,
        **dict.fromkeys(_LEAF_FIELDS),
        "subject_alternative_names": [],
        "chain": [],
    }
    sent = [_facts(der) for der in observation.chain]
    if sent:
        leaf, _odd = sent[0]
        result.update({field: leaf[field] for field in _LEAF_FIELDS})
        result["chain"] = [{field: facts[field] for field in _CHAIN_FIELDS} for facts, _odd in sent]
        result["error"] = result["error"] or next((odd for _facts, odd in sent if odd), None)
    return result


def _facts(der: bytes) -> tuple[dict[str, t.Any], str | None]:
    """What can be read of a certificate that a peer sent, and what is odd about it."""
    try:
        certificate = load_certificate(der)
    except RotationError:
        facts: dict[str, t.Any] = dict.fromkeys(_LEAF_FIELDS)
        facts.update(fingerprint_sha256=hashlib.sha256(der).hexdigest(), subject_alternative_names=[])
        return facts, "the server sent a certificate that is not valid X.509"
    facts = {
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "not_before": isoformat_utc(certificate.not_before),
        "not_after": isoformat_utc(certificate.not_after),
        "subject_alternative_names": list(certificate.subject_alternative_names),
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial_number": certificate.serial_number,
    }
    odd = certificate.malformed
    return facts, f"the server sent a certificate that clients may refuse: {odd}" if odd else None
