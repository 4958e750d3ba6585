# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""http-01 without files: a real HAProxy answers by the account's thumbprint alone, and a real CA is content with it."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import pathlib
import typing as t

import josepy
import pytest
from acme import challenges, errors
from ansible_collections.certops.rotation.tests.support.acme_client import AcmeClient
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from cryptography import x509

pytestmark = pytest.mark.usefixtures("haproxy_version")

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "haproxy-acme.cfg"


class AcmeHaproxy(HaproxyInstance):
    """The example, with this test's port and thumbprint."""

    def __init__(self, thumbprint: str, port: int) -> None:
        self._places = {"bind :80": f"bind 127.0.0.1:{port}", "THUMBPRINT": thumbprint, "log /dev/log local0": ""}
        super().__init__({}, tls=[])

    def write_config(self, extra: str = "") -> None:
        text = EXAMPLE.read_text(encoding="utf-8")
        lines = [f"    stats socket {self.socket} mode 600 level admin", extra]
        # Comments stay as they are: a user replaces what is below them.
        for place, here in self._places.items():
            text = text.replace(place, here)
        self.config_path.write_text(text.replace("global\n", "global\n" + "\n".join(lines), 1))


@pytest.fixture
def pebble(aws_dns: AwsWithDns) -> t.Iterator[Pebble]:
    zone = aws_dns.zone("example.com")
    for name in ("www.example.com", "*.names.example.com"):
        aws_dns.put_record(zone, name, "A", ["127.0.0.1"])
    with Pebble(aws_dns.nameservers[0]) as server:
        yield server


def issue(client: AcmeClient, names: list[str]) -> str:
    """By http-01; the chain as PEM."""
    order = client.order(names)
    for authorization in order.authorizations:
        challenge = next(body for body in authorization.body.challenges if isinstance(body.chall, challenges.HTTP01))
        client.acme.answer_challenge(challenge, challenge.response(client.key))
    deadline = datetime.datetime.now() + datetime.timedelta(seconds=60)  # noqa: DTZ005  # as the library has it
    return client.acme.poll_and_finalize(order, deadline).fullchain_pem


def answer(port: int, path: str) -> tuple[int, str, str]:
    """Status, where it leads, and content."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": "www.example.com"})
        reply = connection.getresponse()
        return reply.status, reply.headers.get("location", ""), reply.read().decode()


def test_certificates_are_issued_and_all_else_is_redirected(pebble: Pebble) -> None:
    client = AcmeClient(pebble.directory_url, pebble.ca_bundle)
    thumbprint = josepy.b64encode(client.key.thumbprint()).decode()
    with AcmeHaproxy(thumbprint, pebble.http_port):
        names = ["www.example.com", *(f"n{number}.names.example.com" for number in range(5))]
        leaf = x509.load_pem_x509_certificate(issue(client, names).encode())
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert sorted(found.get_values_for_type(x509.DNSName)) == sorted(names)
        token = "Zm9v-_bar"
        path = f"/.well-known/acme-challenge/{token}"
        assert answer(pebble.http_port, path) == (200, "", f"{token}.{thumbprint}")
        assert answer(pebble.http_port, f"{path}?x=/y") == (200, "", f"{token}.{thumbprint}")
        for other in ("/", f"{path}/more", f"{path}%0d%0aX", "/.well-known/acme-challenge/", "/x" + path):
            status, leads, _content = answer(pebble.http_port, other)
            assert (status, leads) == (302, f"https://www.example.com{other}")


def test_the_documentation_shows_the_example() -> None:
    text = (EXAMPLE.parents[1] / "docs" / "issuing.md").read_text(encoding="utf-8")
    shown = [line.removeprefix("    ") for line in text.splitlines() if "acme_challenge" in line]
    assert len(shown) == 2
    assert set(shown) <= set(EXAMPLE.read_text(encoding="utf-8").splitlines())


def test_another_accounts_thumbprint_is_refused(pebble: Pebble) -> None:
    client = AcmeClient(pebble.directory_url, pebble.ca_bundle)
    with AcmeHaproxy("someone-elses", pebble.http_port), pytest.raises(errors.ValidationError):
        issue(client, ["www.example.com"])
