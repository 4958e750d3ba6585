# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of certbot's library as it comes, to try out servers with: the collection has its own."""

from __future__ import annotations

import datetime
import typing as t

import josepy
from acme import challenges, client, crypto_util, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

#: Shall publish the value at the name, without the last dot.
Publish = t.Callable[[str, str], object]


def new_key_pem() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class AcmeClient:
    """An account of a new key. external_account: kid and HMAC key as base64url. ca_bundle: path."""

    def __init__(self, directory: str, ca_bundle: str, external_account: tuple[str, str] | None = None) -> None:
        self.key = josepy.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        self.net = client.ClientNetwork(self.key, alg=josepy.ES256, timeout=20)
        self.net.verify_ssl = ca_bundle  # type: ignore[assignment]  # requests takes a path, too
        self.acme = client.ClientV2(client.ClientV2.get_directory(directory, self.net), self.net)
        binding = None
        if external_account:
            kid, secret = external_account
            binding = messages.ExternalAccountBinding.from_data(self.key.public_key(), kid, secret, self.acme.directory)
        registration = messages.NewRegistration(terms_of_service_agreed=True, external_account_binding=binding)
        self.account = self.acme.new_account(registration)

    def order(self, names: t.Sequence[str], profile: str | None = None) -> messages.OrderResource:
        return self.acme.new_order(crypto_util.make_csr(new_key_pem(), domains=list(names)), profile=profile)

    def issue(self, names: t.Sequence[str], publish: Publish, profile: str | None = None) -> str:
        """By dns-01; the chain as PEM."""
        order = self.order(names, profile)
        to_answer = []
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_VALID:
                continue
            challenge = next(body for body in authorization.body.challenges if isinstance(body.chall, challenges.DNS01))
            publish(f"_acme-challenge.{authorization.body.identifier.value}", challenge.validation(self.key))
            to_answer.append(challenge)
        for challenge in to_answer:
            self.acme.answer_challenge(challenge, challenge.response(self.key))
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=60)  # noqa: DTZ005  # as the library has it
        return self.acme.poll_and_finalize(order, deadline).fullchain_pem
