# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal over an AWS in memory, where runs can die at each of their calls, and many can write at one instant."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.journal import JournalEntry
from ansible_collections.certops.rotation.plugins.module_utils._errors import (
    RotationError,
    RunOvertaken,
    SecretsManagerError,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.issuance_journal import IssuanceJournal
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.issuance import entry
from ansible_collections.certops.rotation.tests.support.memory_secrets_manager import (
    Killed,
    MemorySecretsManager,
    client_error,
)

NAME = "acme/journal"


@pytest.fixture
def secrets() -> MemorySecretsManager:
    return MemorySecretsManager()


def journal(secrets: MemorySecretsManager, **more: t.Any) -> IssuanceJournal:
    return IssuanceJournal(secrets, lambda function: function, NAME, **more)


def opened(secrets: MemorySecretsManager) -> tuple[IssuanceJournal, tuple[JournalEntry, ...]]:
    """As a run begins."""
    one = journal(secrets)
    return one, one.read()


def with_key(each: JournalEntry) -> JournalEntry:
    return dataclasses.replace(entry(key=pki.shared_key()), name=each.name, values=each.values).at("validated")


def has_keys(secrets: MemorySecretsManager) -> bool:
    """Whether a version that has a label holds one."""
    return any('"key"' in text for text in secrets.labelled_texts().values())


def test_the_next_run_reads_what_one_has_written(secrets: MemorySecretsManager) -> None:
    run, entries = opened(secrets)
    assert entries == ()
    assert secrets.writes == []
    run.write([entry("a"), entry("b")])
    run.write([with_key(entry("a")), entry("b")])
    follower, entries = opened(secrets)
    assert entries == (with_key(entry("a")), entry("b"))
    assert follower.damaged == ()


def test_a_new_secret_has_its_key_and_says_what_it_is(secrets: MemorySecretsManager) -> None:
    run = journal(secrets, kms_key_id="alias/acme", tags={"team": "edge"})
    run.read()
    run.write([entry()])
    assert secrets.secrets[NAME].properties == {
        "KmsKeyId": "alias/acme",
        "Tags": [{"Key": "team", "Value": "edge"}],
        "Description": "Journal of certificates that are being issued (certops.rotation): orders, and private keys"
        " until they are stored.",
    }


# Emptied


def test_in_the_end_no_version_with_a_key_has_a_label(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write([entry()])
    run.write([with_key(entry())])
    assert has_keys(secrets)
    run.clear()
    assert not has_keys(secrets)
    assert {label for _name, label in secrets.labelled_texts()} == {"AWSCURRENT"}


def test_a_run_with_nothing_to_do_writes_nothing(secrets: MemorySecretsManager) -> None:
    opened(secrets)[0].clear()
    assert secrets.secrets == {}
    run, _entries = opened(secrets)
    run.write([with_key(entry())])
    run.clear()
    writes = list(secrets.writes)
    again, _entries = opened(secrets)
    again.clear()
    assert secrets.writes == writes
    assert secrets.calls[-2:] == ["describe_secret", "get_secret_value"]


def test_a_label_that_a_killed_run_has_left_is_removed_by_the_next_one(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write([with_key(entry())])
    secrets.kill_at(2)
    with pytest.raises(Killed):
        run.clear()
    assert has_keys(secrets)
    secrets.kill_at(0)
    follower, entries = opened(secrets)
    assert entries == ()
    follower.clear()
    assert not has_keys(secrets)


def test_a_label_that_another_run_has_removed_is_no_error(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write([with_key(entry())])
    secrets.kill_at(2)
    with pytest.raises(Killed):
        run.clear()
    secrets.kill_at(0)
    one, two = opened(secrets)[0], opened(secrets)[0]
    one.clear()
    two.clear()
    assert not has_keys(secrets)


# Two runs


def test_who_comes_second_ends_before_it_does_harm(secrets: MemorySecretsManager) -> None:
    one, two = opened(secrets)[0], opened(secrets)[0]
    one.write([entry("a")])
    with pytest.raises(RunOvertaken, match="Another run has written secret acme/journal"):
        two.write([entry("b")])
    assert opened(secrets)[1] == (entry("a"),)
    three = opened(secrets)[0]
    three.write([with_key(entry("a"))])  # it has taken over
    with pytest.raises(RunOvertaken, match="nothing is issued twice"):
        one.write([entry("a").at("finalized")])
    with pytest.raises(RunOvertaken):
        one.clear()
    assert opened(secrets)[1] == (with_key(entry("a")),)


@pytest.mark.parametrize("is_there", [False, True])
def test_of_many_at_one_instant_exactly_one_goes_on(secrets: MemorySecretsManager, is_there: bool) -> None:
    if is_there:
        opened(secrets)[0].write([entry("before")])
    runs = [opened(secrets)[0] for _run in range(12)]
    together = threading.Barrier(len(runs))

    def begin(number: int) -> int | None:
        together.wait(30)
        try:
            runs[number].write([entry(f"run-{number}")])
        except RunOvertaken:
            return None
        return number

    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        winners = [number for number in pool.map(begin, range(len(runs))) if number is not None]
    assert len(winners) == 1
    assert [each.name for each in opened(secrets)[1]] == [f"run-{winners[0]}"]


def test_two_runs_that_write_the_same_are_told_apart(secrets: MemorySecretsManager) -> None:
    """AWS takes a repetition of the same content for a success."""
    opened(secrets)[0].write([entry()])
    one, two = opened(secrets)[0], opened(secrets)[0]
    one.write([])
    with pytest.raises(RunOvertaken):
        two.write([])


def test_an_answer_that_got_lost_is_no_other_run(secrets: MemorySecretsManager) -> None:
    """botocore sends the request again."""

    def twice(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any, **options: t.Any) -> t.Any:
            function(*arguments, **options)
            return function(*arguments, **options)

        return call

    run = IssuanceJournal(secrets, twice, NAME)
    run.read()
    run.write([entry()])
    run.write([with_key(entry())])
    assert opened(secrets)[1] == (with_key(entry()),)


def test_a_label_that_somebody_has_moved_back_is_told(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write([entry("a")])
    first = secrets.secrets[NAME].labels["AWSCURRENT"]
    run.write([entry("b")])
    second = secrets.secrets[NAME].labels["AWSCURRENT"]
    secrets.update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSCURRENT", RemoveFromVersionId=second, MoveToVersionId=first
    )
    run, entries = opened(secrets)
    assert [each.name for each in entries] == ["a"]
    with pytest.raises(
        RunOvertaken, match=f"moved the label AWSCURRENT .* back to version {first}. Move it .*{second}"
    ):
        run.write([entry("c")])


def test_a_secret_that_infrastructure_code_has_made_without_a_value(secrets: MemorySecretsManager) -> None:
    secrets.create_secret(Name=NAME, ClientRequestToken="x" * 32, SecretString="")
    secrets.secrets[NAME].texts.clear()
    secrets.secrets[NAME].labels.clear()
    one, two = opened(secrets)[0], opened(secrets)[0]
    one.write([entry("a")])
    with pytest.raises(RunOvertaken):
        two.write([entry("b")])
    one.write([entry("a").at("validated")])
    assert opened(secrets)[1] == (entry("a").at("validated"),)


# What cannot be used


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"certificate": "x", "private_key": "y"}', "something else than a journal"),
        ("", "something else than a journal"),
        ('{"kind": "certops.rotation issuance journal", "format": 2}', "a newer one is at work"),
    ],
)
def test_another_secret_is_not_overwritten(secrets: MemorySecretsManager, text: str, told: str) -> None:
    secrets.create_secret(Name=NAME, ClientRequestToken="x" * 32, SecretString=text)
    with pytest.raises(RotationError, match=told):
        opened(secrets)
    assert secrets.labelled_texts() == {(NAME, "AWSCURRENT"): text}


def test_a_deleted_secret_is_told_before_anything_is_ordered(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write([entry()])
    secrets.secrets[NAME].deleted = True
    with pytest.raises(RotationError, match=r"so nothing more is ordered: Secret acme/journal is marked for deletion"):
        opened(secrets)
    with pytest.raises(RotationError, match=r"so nothing more is ordered: .*marked for deletion"):
        run.write([entry()])


def test_a_secret_that_is_deleted_after_it_was_not_found(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    opened(secrets)[0].write([entry()])
    secrets.secrets[NAME].deleted = True
    with pytest.raises(RotationError, match=r"marked for deletion\. Restore it"):
        run.write([entry()])


@pytest.mark.parametrize(
    "denied",
    ["describe_secret", "get_secret_value", "create_secret", "put_secret_value", "update_secret_version_stage"],
)
def test_what_is_denied_is_told_with_what_to_do(secrets: MemorySecretsManager, denied: str) -> None:
    if denied != "create_secret":
        opened(secrets)[0].write([with_key(entry())])

    def deny(operation: str) -> None:
        if operation == denied:
            raise client_error("AccessDeniedException")

    secrets.before = deny

    def whole_run() -> None:
        run, entries = opened(secrets)
        run.write([*entries, entry("more")])
        run.clear()

    with pytest.raises(SecretsManagerError, match=r"so nothing more is ordered: .*Allow the operation") as caught:
        whole_run()
    assert caught.value.code == "AccessDeniedException"


def test_a_damaged_entry_is_told_and_gone_in_the_end(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write([with_key(entry("a")), entry("b")])
    version = secrets.secrets[NAME].labels["AWSCURRENT"]
    document = json.loads(secrets.secrets[NAME].texts[version])
    document["entries"][0]["identifiers"] = None
    secrets.secrets[NAME].texts[version] = json.dumps(document)
    run, entries = opened(secrets)
    assert [each.name for each in entries] == ["b"]
    assert run.damaged == ("acme/journal: the entry a is damaged, and left out.",)
    run.write(())
    run.clear()
    assert not has_keys(secrets)
    assert opened(secrets)[0].damaged == ()


def test_only_damaged_entries_are_gone_in_the_end_too(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write([with_key(entry("a"))])
    version = secrets.secrets[NAME].labels["AWSCURRENT"]
    secrets.secrets[NAME].texts[version] = secrets.secrets[NAME].texts[version].replace("ec256", "ec25")
    run, entries = opened(secrets)
    assert entries == ()
    run.clear()
    assert not has_keys(secrets)


# Parts, and death at each call


def batch() -> list[JournalEntry]:
    """More than one secret holds, once the keys are there."""
    return [entry(f"n{number:02d}", key_type="rsa4096") for number in range(40)]


def finished(entries: list[JournalEntry]) -> list[JournalEntry]:
    key = "A" * 3168
    return [dataclasses.replace(each.at("validated"), key=key) for each in entries]


@pytest.fixture
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty RSA keys take a minute to make, and what they hold does not matter here."""
    from ansible_collections.certops.rotation.plugins.module_utils._core.acme import journal as module

    monkeypatch.setattr(module, "expand_key", lambda text: text)


@pytest.mark.usefixtures("quick_keys")
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_call_no_entry_is_lost_and_no_key_stays(after: bool) -> None:
    """Three parts, written three times and emptied."""
    total = None
    write = 0
    while total is None or write < total:
        write += 1
        secrets = MemorySecretsManager()
        run, _entries = opened(secrets)
        secrets.kill_at(write, after=after)
        reached: list[str] = []
        try:
            run.write(batch())
            reached.append("ordered")
            run.write(finished(batch()))
            reached.append("validated")
            run.clear()
            reached.append("cleared")
            total = write - 1
        except Killed:
            pass
        secrets.kill_at(0)
        follower, entries = opened(secrets)
        names = {each.name for each in entries}
        assert follower.damaged == () or reached == []
        assert len(names) == len(entries)
        if "cleared" not in reached and "validated" in reached:
            # It was emptying: all is in its stores already.
            assert names <= {each.name for each in batch()}
        elif "ordered" in reached and "cleared" not in reached:
            assert names == {each.name for each in batch()}
        follower.write([each.at("stored") for each in entries])
        follower.clear()
        assert not has_keys(secrets)
        assert opened(secrets)[1] == ()
        assert opened(secrets)[0].damaged == ()
    assert total > 9


@pytest.mark.usefixtures("quick_keys")
def test_two_orders_for_one_certificate_stay_each_in_its_part(secrets: MemorySecretsManager) -> None:
    """At two CAs, after a failover: neither moves to another secret, where a death between two writes would lose it."""
    run, _entries = opened(secrets)
    first, others = finished(batch())[0], finished(batch())[1:]
    run.write([first, *others])
    second = dataclasses.replace(first, order_url="https://two.example/order/1")
    run.write([first, *others, second])
    texts = {name: text for (name, label), text in secrets.labelled_texts().items() if label == "AWSCURRENT"}
    places = {
        each.order_url: [name for name, text in texts.items() if each.order_url in text] for each in (first, second)
    }
    assert places[first.order_url] != places[second.order_url]
    run.write([first, *others, second])
    texts = {name: text for (name, label), text in secrets.labelled_texts().items() if label == "AWSCURRENT"}
    for url, names in places.items():
        assert [name for name, text in texts.items() if url in text] == names
    assert len(opened(secrets)[1]) == 41


@pytest.mark.usefixtures("quick_keys")
def test_parts_are_used_again_and_emptied_with_the_first_one(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write(finished(batch()))
    assert sorted(secrets.secrets) == [NAME, f"{NAME}.2", f"{NAME}.3"]
    follower, entries = opened(secrets)
    assert list(entries) == finished(batch())
    follower.write(entries[:1])
    assert opened(secrets)[1] == entries[:1]
    follower.clear()
    assert not has_keys(secrets)
    third, entries = opened(secrets)
    third.write(finished(batch()))
    assert len(secrets.secrets) == 3
    assert len(opened(secrets)[1]) == 40


@pytest.mark.usefixtures("quick_keys")
def test_a_part_of_an_older_journal_is_taken_over_and_a_strangers_secret_is_not(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write(finished(batch()))
    del secrets.secrets[NAME]  # by hand
    run, entries = opened(secrets)
    assert entries == ()
    run.write(finished(batch()))
    assert len(opened(secrets)[1]) == 40
    other = MemorySecretsManager()
    other.create_secret(Name=f"{NAME}.2", ClientRequestToken="x" * 32, SecretString="not ours")
    run, _entries = opened(other)
    with pytest.raises(RotationError, match=rf"{NAME}\.2 holds something else"):
        run.write(finished(batch()))


@pytest.mark.usefixtures("quick_keys")
def test_a_part_that_is_gone_is_told(secrets: MemorySecretsManager) -> None:
    run, _entries = opened(secrets)
    run.write(finished(batch()))
    del secrets.secrets[f"{NAME}.2"]
    run, entries = opened(secrets)
    assert 0 < len(entries) < 40
    assert run.damaged == (
        f"{NAME}.2: a part of the journal is not there: a run was killed before it wrote it, or it was deleted.",
    )
    run.clear()
    assert opened(secrets)[0].damaged == ()
