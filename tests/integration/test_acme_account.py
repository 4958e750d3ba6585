# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""acme_account with a real Pebble and an emulated AWS: each option, ends between any two requests, no key anywhere."""

from __future__ import annotations

import base64
import itertools
import json
import signal
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.account import AcmeAccounts
from ansible_collections.certops.rotation.tests.support import secrets_scan
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.acme_proxy import Handler, Seen
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.forking import Running
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, parse_result
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pebble import Pebble

SECRET, EAB = "acme/account", "acme/eab"
PADDED = base64.urlsafe_b64encode(b"a-key-of-32-bytes-for-the-tests!").decode()
HMAC_KEY = PADDED.rstrip("=")
ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def pebble() -> t.Iterator[Pebble]:
    """Its resolver is never asked: no account needs one."""
    with Pebble("127.0.0.1:1", external_accounts={"kid-1": HMAC_KEY, "kid-2": HMAC_KEY}) as running:
        yield running


class Account:
    """The module, called and looked at as a test needs it."""

    def __init__(self, modules: ModuleServer, faults: AwsFaults, aws: MotoServer, pebble: Pebble) -> None:
        self.modules = modules
        self.faults = faults
        self.pebble = pebble
        self.client = aws.client()
        self.put = aws.put_secret

    def arguments(self, **args: t.Any) -> dict[str, t.Any]:
        there = {"directory": self.pebble.directory_url, "ca_bundle": self.pebble.ca_bundle}
        return {**there, "account_secret": SECRET, "terms_agreed": True, **args}

    def run(self, *, check: bool = False, **args: t.Any) -> ModuleRun:
        wanted = self.arguments(**args)
        run = self.modules.run("acme_account", wanted, check=check, env=self.faults.env)
        # Whatever was stored until now must not be in what was printed.
        self.register_keys(wanted["account_secret"])
        secrets_scan.assert_no_private_key(run.output)
        assert HMAC_KEY not in run.output
        return run

    def good(self, **args: t.Any) -> dict[str, t.Any]:
        run = self.run(**args)
        assert not run.failed, run.result["msg"]
        return run.result

    def message(self, **args: t.Any) -> str:
        run = self.run(**args)
        assert run.failed, run.result
        return str(run.result["msg"])

    def four_times(self, changed: bool, **args: t.Any) -> dict[str, t.Any]:
        """Check, run, check, run. Returns the result of the first run."""
        before = self.versions()
        check = self.good(check=True, **args)
        assert self.versions() == before, "check mode has written something"
        run = self.good(**args)
        after = self.versions()
        rest = [self.good(check=True, **args), self.good(**args)]
        assert self.versions() == after, "the second run has written something"
        assert [each["changed"] for each in (check, run, *rest)] == [changed, changed, False, False]
        assert check["action"] == run["action"]
        return run

    def versions(self, name: str = SECRET) -> dict[str, list[str]]:
        try:
            described = self.client.describe_secret(SecretId=name)
        except self.client.exceptions.ResourceNotFoundException:
            return {}
        return dict(described["VersionIdsToStages"])

    def document(self, label: str = "AWSCURRENT", name: str = SECRET) -> dict[str, t.Any]:
        version = next(version for version, labels in self.versions(name).items() if label in labels)
        text = self.client.get_secret_value(SecretId=name, VersionId=version)["SecretString"]
        return dict(json.loads(text))

    def register_keys(self, name: str) -> None:
        for version in self.versions(name):
            text = self.client.get_secret_value(SecretId=name, VersionId=version)["SecretString"]
            key = json.loads(text).get("account_key", "") if text.startswith("{") else text
            secrets_scan.register_private_key("\n".join(key.splitlines()[:2]))


@pytest.fixture
def account(modules: ModuleServer, faults: AwsFaults, aws: MotoServer, pebble: Pebble) -> Account:
    return Account(modules, faults, aws, pebble)


def test_register(account: Account) -> None:
    result = account.four_times(True, contacts=[ALICE])
    assert (result["action"], result["status"]) == ("registered", "valid")
    assert result["contacts"] == [f"mailto:{ALICE}"]
    assert result["diff"]["before"]["account_url"] is None
    document = account.document()
    assert document["directory"] == account.pebble.directory_url
    assert document["account_url"] == result["account_url"]
    assert "BEGIN PRIVATE KEY" in document["account_key"]
    again = account.good()
    assert {name: again[name] for name in ("account_url", "thumbprint", "contacts")} == {
        name: result[name] for name in ("account_url", "thumbprint", "contacts")
    }
    assert again["api_calls"] == {"DescribeSecret": 1, "GetSecretValue": 1}


def test_contacts(account: Account) -> None:
    account.good(contacts=[ALICE])
    changed = account.four_times(True, contacts=[BOB, f"mailto:{ALICE}"])
    assert (changed["action"], changed["contacts"]) == ("contacts_changed", [f"mailto:{BOB}", f"mailto:{ALICE}"])
    assert account.four_times(False, contacts=[ALICE, BOB])["action"] == "unchanged"
    assert account.four_times(False)["contacts"] == changed["contacts"]
    assert account.four_times(True, contacts=[])["contacts"] == []
    assert "admin@" in account.message(contacts=["nobody"])


@pytest.mark.parametrize("key_type", ["ec384", "rsa2048"])
def test_roll_over(account: Account, key_type: str) -> None:
    before = account.good(contacts=[ALICE])
    assert account.four_times(False, rotate_key_after="1d")["action"] == "unchanged"
    check = account.good(check=True, rotate_key_after="0", key_type=key_type)
    assert (check["changed"], check["action"], check["thumbprint"]) == (True, "key_changed", before["thumbprint"])
    result = account.good(rotate_key_after="0", key_type=key_type)
    assert (result["action"], result["account_url"]) == ("key_changed", before["account_url"])
    assert result["thumbprint"] != before["thumbprint"]
    assert result["contacts"] == before["contacts"]
    assert sorted(map(tuple, account.versions().values()))[-2:] == [("AWSCURRENT",), ("AWSPREVIOUS",)]
    assert account.four_times(False, rotate_key_after="1d")["thumbprint"] == result["thumbprint"]


def test_deactivate(account: Account) -> None:
    assert account.four_times(False, state="absent")["account_url"] is None
    account.good()
    result = account.four_times(True, state="absent")
    assert (result["action"], result["status"]) == ("deactivated", "deactivated")
    message = account.message()
    assert "deactivated" in message
    assert SECRET in message
    key = account.document()["account_key"]
    account.put("acme/key", key)
    assert "deactivated" in account.message(account_secret="acme/key"), "also where nothing is known but the key"


def test_the_terms_are_shown(account: Account) -> None:
    for check in (True, False):
        message = account.message(terms_agreed=False, check=check)
        assert "terms_agreed" in message
        assert "Read data:text/plain,Do%20what%20thou%20wilt, and" in message, "Pebble's page"
        assert account.versions() == {}


def test_another_directory(account: Account) -> None:
    """The staging key under production's name (terraform-provider-acme #440)."""
    account.good()
    message = account.message(directory="https://acme.example.com/directory")
    assert "one directory" in message
    assert account.pebble.directory_url in message


def test_a_ca_that_has_lost_the_account(account: Account, pebble: Pebble) -> None:
    before = account.good(contacts=[ALICE])
    pebble.restart()
    run = account.run()
    assert (run.result["action"], run.result["thumbprint"]) == ("registered", before["thumbprint"])
    assert "does not know the account" in json.dumps(run.result["warnings"])
    assert account.good()["changed"] is False


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("nonsense", "neither a JSON document"),
        ({"certificate": "x", "private_key": "y"}, "holds a certificate|private key"),
        ({"account_key": "x"}, "private key"),
    ],
)
def test_what_is_no_account(account: Account, value: t.Any, why: str) -> None:
    account.put("acme/other", value)
    message = account.message(account_secret="acme/other")
    assert any(part in message for part in why.split("|"))
    assert "acme/other" in message


def test_a_key_that_is_imported_finds_its_account(account: Account) -> None:
    before = account.good()
    account.put("acme/imported", account.document()["account_key"])
    found = account.good(account_secret="acme/imported")
    assert (found["action"], found["account_url"]) == ("found", before["account_url"])
    assert account.good(account_secret="acme/imported")["changed"] is False


@pytest.mark.parametrize(
    "binding",
    [
        {"kid": "kid-1", "hmac": HMAC_KEY},
        {"key_id": "kid-1", "hmac_key": PADDED},
        {"KeyId": "kid-1", "MacKey": HMAC_KEY},
    ],
)
def test_external_account_binding(modules, faults, aws, binding: dict[str, str]) -> None:
    """Used once only (cert-manager #2882): a second run needs neither it nor its secret."""
    external = {"kid-1": HMAC_KEY}
    with Pebble("127.0.0.1:1", external_accounts=external, external_account_required=True) as bound:
        account = Account(modules, faults, aws, bound)
        assert "eab_secret" in account.message()
        assert "acme/eab" in account.message(eab_secret=EAB), "a secret that is missing"
        account.put(EAB, binding)
        result = account.four_times(True, eab_secret=EAB)
        assert result["action"] == "registered"
        assert account.document()["eab_key_id"] == "kid-1"
        aws.client().delete_secret(SecretId=EAB, ForceDeleteWithoutRecovery=True)
        assert account.good(eab_secret=EAB)["changed"] is False


def test_a_binding_that_the_ca_refuses(modules, faults, aws) -> None:
    with Pebble("127.0.0.1:1", external_accounts={"kid-1": HMAC_KEY}, external_account_required=True) as bound:
        account = Account(modules, faults, aws, bound)
        account.put(EAB, {"kid": "kid-1", "hmac": "YW5vdGhlciBrZXk"})
        assert bound.directory_url in account.message(eab_secret=EAB)
        kept = account.document()["account_key"]
        account.put(EAB, {"kid": "kid-1", "hmac": HMAC_KEY})
        assert account.good(eab_secret=EAB)["action"] == "registered"
        assert account.document()["account_key"] == kept, "the key that was stored is used"


class Ended(t.NamedTuple):
    """Where a process is killed. where: a request to AWS, or kind of a request to the CA; skip: of these before;
    late: the request is served still."""

    where: str
    skip: int = 0
    late: bool = False


def ended(account: Account, proxy: AcmeFaults, point: Ended, **args: t.Any) -> None:
    """A real process, killed by SIGKILL when the request arrives, or when it has been served."""
    running: list[Running] = []
    counter = itertools.count()

    def kill(*_request: t.Any) -> bool:
        is_due = next(counter) == point.skip
        if is_due:
            running[0].kill()
        return is_due  # and so the request is not passed on

    def kill_served(_request: t.Any, reply: t.Any) -> t.Any:
        kill()
        return reply

    def kill_at_ca(handler: Handler, seen: Seen) -> bool:
        if point.late:
            handler.pass_on(seen)
        kill()
        handler.drop()
        return True

    if point.where[0].isupper():
        if point.late:
            account.faults.change(point.where, kill_served)
        else:
            account.faults.fail(point.where, "Unreachable", when=kill)
    else:
        proxy.rule(point.where, kill_at_ca, skip=point.skip, times=1)
        counter = itertools.count(point.skip)
    wanted = account.arguments(directory=proxy.directory_url, ca_bundle=proxy.ca_bundle, **args)
    running.append(account.modules.start("acme_account", wanted, env=account.faults.env))
    status, _memory = running[0].wait()
    account.faults.heal()
    proxy.heal()
    assert status == -signal.SIGKILL, f"it was not killed at {point}"


@pytest.fixture(scope="module")
def proxy(pebble: Pebble) -> t.Iterator[AcmeFaults]:
    with AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


def test_killed_at_every_step_of_a_registration(account: Account, proxy: AcmeFaults) -> None:
    """No account is lost: whatever key the CA has heard of is stored, and used by the next run."""
    steps = [("CreateSecret", 0), ("newAccount", 0), ("newAccount", 1), ("PutSecretValue", 0)]
    for number, (step, late) in enumerate(itertools.product(steps, (False, True))):
        name = f"acme/killed-{number}"
        ended(account, proxy, Ended(*step, late), account_secret=name)
        before = account.document(name=name)["account_key"] if account.versions(name) else None
        heard_of = proxy_accounts(account, proxy, before)
        result = account.good(directory=proxy.directory_url, ca_bundle=proxy.ca_bundle, account_secret=name)
        assert before in (None, account.document(name=name)["account_key"]), step
        assert heard_of in (None, result["account_url"]), f"an account was lost at {step}"
        assert account.document(name=name)["account_url"] == result["account_url"]


def proxy_accounts(account: Account, proxy: AcmeFaults, key: str | None) -> str | None:
    """The account that the CA has for a key."""
    if key is None:
        return None
    with AcmeAccounts(proxy.directory_url, ca_bundle=proxy.ca_bundle) as accounts:
        found = accounts.find(key)
    return found.url if found else None


def test_killed_at_every_step_of_a_rollover(account: Account, proxy: AcmeFaults) -> None:
    """The next run finds out which key is valid, and ends it."""
    steps = [("PutSecretValue", 0), ("keyChange", 0), ("UpdateSecretVersionStage", 0), ("UpdateSecretVersionStage", 1)]
    there = {"directory": proxy.directory_url, "ca_bundle": proxy.ca_bundle}
    before = account.good(**there)
    for step, late in itertools.product(steps, (False, True)):
        point = Ended(*step, late)
        ended(account, proxy, point, rotate_key_after="0")
        result = account.good(**there)
        assert result["account_url"] == before["account_url"], point
        assert proxy_accounts(account, proxy, account.document()["account_key"]) == before["account_url"], point
        assert "AWSPENDING" not in str(account.versions()), point
        is_begun = point != Ended("PutSecretValue", 0, False)
        assert (result["action"] == "key_changed") is (is_begun and not _is_over(point)), point
        assert (result["thumbprint"] != before["thumbprint"]) is is_begun, point
        before = result
    assert account.good(**there)["changed"] is False


def _is_over(point: Ended) -> bool:
    return point == Ended("UpdateSecretVersionStage", 1, True)


def test_two_controllers_at_once(account: Account, modules: ModuleServer) -> None:
    """They use one key, and there is one account."""
    second = ModuleServer()
    try:
        for number in range(3):
            wanted = account.arguments(account_secret=f"acme/shared-{number}", contacts=[ALICE])
            running = [server.start("acme_account", wanted, env=account.faults.env) for server in (modules, second)]
            assert [each.wait()[0] for each in running] == [0, 0], [each.server.output for each in running]
            results = [parse_result("acme_account", 0, each.server.output).result for each in running]
            assert len({(each["account_url"], each["thumbprint"]) for each in results}) == 1
            assert account.document(name=f"acme/shared-{number}")["account_url"] == results[0]["account_url"]
            assert account.good(account_secret=f"acme/shared-{number}", contacts=[ALICE])["changed"] is False
    finally:
        second.close()


def test_a_ca_that_does_not_answer(account: Account) -> None:
    message = account.message(directory="https://127.0.0.1:1/dir")
    assert "https://127.0.0.1:1/dir" in message
    assert account.versions() == {}, "no key is made before the CA is seen"
