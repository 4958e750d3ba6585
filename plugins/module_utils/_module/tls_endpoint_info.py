# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of tls_endpoint_info."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._core.instants import isoformat_utc
from .._core.limits import check_limits
from .._core.watch.chain_facts import chain_notes, needed_until
from .._core.watch.seen import NOT_X509, seen_certificate
from .._core.watch.sightings import SeenCertificate
from .._core.watch.staple import staple_state
from .._errors import InvalidOption
from .._ports.host.libraries import require_library
from .._ports.tls.endpoint import Endpoint, parse_endpoint
from .._ports.tls.every_address import probe_every_address
from .._ports.tls.probe import Observation, Trust, probe_many
from .boundary import module_boundary
from .options import trusted_certificates

if t.TYPE_CHECKING:
    from cryptography import x509

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "endpoints": {"type": "list", "elements": "raw", "required": True},
    "timeout": {"type": "float", "default": 10.0},
    "concurrency": {"type": "int", "default": 32},
    "trust_anchors": {"type": "str"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "addresses": {"type": "str", "choices": ["first", "all"], "default": "first"},
    "staple": {"type": "bool", "default": False},
}
_LEAF_FIELDS: t.Final = (
    "fingerprint_sha256",
    "fingerprint_sha1",
    "fingerprint_md5",
    "key_sha256",
    "key_type",
    "not_before",
    "not_after",
    "subject_alternative_names",
    "issuer",
    "subject",
    "serial_number",
)
_CHAIN_FIELDS: t.Final = ("subject", "issuer", "fingerprint_sha256", "not_before", "not_after")


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
        if params["staple"]:
            require_library("pyOpenSSL")
        anchors = trusted_certificates(params["trust_anchors"])
        now = datetime.now(timezone.utc).replace(microsecond=0)
        limits = params["timeout"], params["concurrency"]
        look = probe_every_address if params["addresses"] == "all" else probe_many
        observations = look(endpoints, *limits, trust, staple=params["staple"])
        results = [_result(observation, anchors, now) for observation in observations]
        if params["staple"]:
            for result, observation in zip(results, observations):
                result["staple"] = _staple(observation, now)
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


def _result(observation: Observation, anchors: tuple[x509.Certificate, ...], now: datetime) -> dict[str, t.Any]:
    endpoint = observation.endpoint
    chain = [seen_certificate(der) for der in observation.chain]
    until = needed_until(chain, anchors, now)
    result: dict[str, t.Any] = {
        "host": endpoint.host,
        "port": endpoint.port,
        "server_name": endpoint.server_name or "",
        "address": observation.address,
        "starttls": endpoint.starttls,
        "reachable": observation.reachable,
        "error": observation.error or next(filter(None, map(_oddity, chain)), None),
        "trusted": bool(observation.trusted),
        "trust_error": observation.trust_error,
        "protocol": observation.protocol,
        "cipher": observation.cipher,
        "key_type_ignored": observation.key_type_ignored,
        **dict.fromkeys(_LEAF_FIELDS),
        "subject_alternative_names": [],
        **(_fields(chain[0], _LEAF_FIELDS) if chain else {}),
        "needed_until": until and isoformat_utc(until),
        "chain_notes": list(chain_notes(chain)),
        "chain": [_fields(each, _CHAIN_FIELDS) for each in chain],
    }
    return result


def _staple(observation: Observation, now: datetime) -> str | None:
    if observation.staple is None:
        return None
    return staple_state(observation.staple, [seen_certificate(der) for der in observation.chain], now)


def _oddity(certificate: SeenCertificate) -> str | None:
    if certificate.odd in (None, NOT_X509):
        return certificate.odd and "the server sent a certificate that is not valid X.509"
    return f"the server sent a certificate that clients may refuse: {certificate.odd}"


def _fields(certificate: SeenCertificate, names: t.Iterable[str]) -> dict[str, t.Any]:
    return {name: _value(getattr(certificate, name)) for name in names}


def _value(fact: t.Any) -> t.Any:
    if isinstance(fact, datetime):
        return isoformat_utc(fact)
    return list(fact) if isinstance(fact, tuple) else fact
