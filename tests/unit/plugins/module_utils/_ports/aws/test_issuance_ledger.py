# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger's port over places in memory: what goes wrong there is a warning, and runs at one instant are merged."""

from __future__ import annotations

import concurrent.futures
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.ledger import AccountKey, Ledger
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.limits import LETS_ENCRYPT
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.issuance_ledger import (
    IssuanceLedger,
    ObjectPlace,
    SecretPlace,
    ledger_place,
)
from ansible_collections.certops.rotation.tests.support.issuance import ACCOUNT, NOW, ONE
from ansible_collections.certops.rotation.tests.support.memory_secrets_manager import MemorySecretsManager, client_error

NAME = "acme/ledger"
ONES = AccountKey(ONE.directory, ACCOUNT)


@pytest.fixture
def secrets() -> MemorySecretsManager:
    return MemorySecretsManager()


def opened(secrets: MemorySecretsManager) -> tuple[IssuanceLedger, Ledger, str | None]:
    place = ledger_place(NAME, lambda service: secrets, lambda function: function)
    port = IssuanceLedger(place)
    return port, *port.read()


def ordered(port: IssuanceLedger, ledger: Ledger) -> str | None:
    ledger.note_order(ONES, LETS_ENCRYPT, NOW)
    return port.write(ledger, NOW)


def orders(secrets: MemorySecretsManager) -> int:
    left = opened(secrets)[1].orders_left(ONES, LETS_ENCRYPT, NOW)
    assert left is not None
    return 300 - left


def test_what_a_run_has_noted_the_next_one_knows(secrets: MemorySecretsManager) -> None:
    port, ledger, warning = opened(secrets)
    assert warning is None
    assert ordered(port, ledger) is None
    assert ordered(port, ledger) is None
    assert orders(secrets) == 2
    assert "Ledger of certificate issuance" in secrets.secrets[NAME].properties["Description"]


def test_a_run_that_changes_nothing_writes_nothing(secrets: MemorySecretsManager) -> None:
    port, ledger, _warning = opened(secrets)
    assert port.write(ledger, NOW) is None
    assert secrets.writes == []


def test_runs_at_one_instant_are_merged(secrets: MemorySecretsManager) -> None:
    runs = [opened(secrets)[:2] for _run in range(5)]
    together = threading.Barrier(len(runs))

    def run(number: int) -> str | None:
        together.wait(30)
        return ordered(*runs[number])

    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        assert set(pool.map(run, range(len(runs)))) == {None}
    assert orders(secrets) == 5


@pytest.mark.parametrize(
    "text", ["-----BEGIN PRIVATE KEY-----", '{"certificate": "x"}', '{"format": 2, "accounts": {}}']
)
def test_a_strangers_secret_is_left_as_it_is(secrets: MemorySecretsManager, text: str) -> None:
    secrets.create_secret(Name=NAME, ClientRequestToken="x" * 32, SecretString=text)
    port, ledger, warning = opened(secrets)
    assert warning is not None
    assert NAME in warning
    assert text not in warning
    assert ordered(port, ledger) is None
    assert secrets.labelled_texts() == {(NAME, "AWSCURRENT"): text}


def test_a_damaged_one_begins_anew_with_a_warning(secrets: MemorySecretsManager) -> None:
    secrets.create_secret(Name=NAME, ClientRequestToken="x" * 32, SecretString='{"accounts":{"htt')
    port, ledger, warning = opened(secrets)
    assert warning is not None
    assert "damaged, and begun anew" in warning
    assert ordered(port, ledger) is None
    assert opened(secrets)[2] is None
    assert orders(secrets) == 1


@pytest.mark.parametrize("denied", ["describe_secret", "get_secret_value"])
def test_one_that_cannot_be_read_keeps_nothing_back_and_is_not_overwritten(
    secrets: MemorySecretsManager, denied: str
) -> None:
    assert ordered(*opened(secrets)[:2]) is None
    before = secrets.labelled_texts()

    def deny(operation: str) -> None:
        if operation == denied:
            raise client_error("AccessDeniedException")

    secrets.before = deny
    port, ledger, warning = opened(secrets)
    assert warning is not None
    assert "cannot be read, and is left alone" in warning
    assert "Allow the operation" in warning
    assert ordered(port, ledger) is None
    assert secrets.labelled_texts() == before


def test_one_that_cannot_be_written_is_a_warning(secrets: MemorySecretsManager) -> None:
    port, ledger, _warning = opened(secrets)

    def deny(operation: str) -> None:
        if operation == "create_secret":
            raise client_error("AccessDeniedException")

    secrets.before = deny
    warning = ordered(port, ledger)
    assert warning is not None
    assert "cannot be written" in warning


def test_a_deleted_secret_is_a_warning(secrets: MemorySecretsManager) -> None:
    assert ordered(*opened(secrets)[:2]) is None
    secrets.secrets[NAME].deleted = True
    assert "marked for deletion" in str(opened(secrets)[2])


def test_somebody_who_always_writes_first_ends_in_a_warning() -> None:
    class Busy:
        name, max_bytes = "busy", 1000

        def read(self) -> str | None:
            return None

        def succeed(self, text: str) -> bool:
            return False

    port = IssuanceLedger(Busy())
    assert "too many runs" in str(ordered(port, port.read()[0]))


def test_a_stranger_who_comes_meanwhile_is_left_alone(secrets: MemorySecretsManager) -> None:
    port, ledger, _warning = opened(secrets)
    secrets.create_secret(Name=NAME, ClientRequestToken="x" * 32, SecretString="mine")
    assert ordered(port, ledger) is None
    assert secrets.labelled_texts() == {(NAME, "AWSCURRENT"): "mine"}


def place(address: str) -> t.Any:
    return ledger_place(address, lambda service: MemorySecretsManager(), lambda function: function)


def test_addresses() -> None:
    assert isinstance(place("acme/ledger"), SecretPlace)
    in_a_bucket = place("s3://bucket.example/some/where.json")
    assert isinstance(in_a_bucket, ObjectPlace)
    assert in_a_bucket.name == "s3://bucket.example/some/where.json"
    assert in_a_bucket.max_bytes > place("acme/ledger").max_bytes


@pytest.mark.parametrize(
    "address", ["s3://", "s3://bucket", "s3://bucket/", "s3://Bucket/x", "s3://b/x", "s3:///x", "s3://b?/x/"]
)
def test_addresses_of_nothing(address: str) -> None:
    with pytest.raises(InvalidOption, match="names no object"):
        place(address)
