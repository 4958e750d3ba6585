# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which secrets certificate_sync finds, and what it says of those that it cannot have."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, problem_codes, warnings

Document = dict[str, t.Any]


@pytest.fixture
def document(intermediate: CertificateAuthority) -> Document:
    return intermediate.issue(["a.example.com"]).secret_document()


# -- the scenarios of the system that this replaces ------------------------------------------------------------


@pytest.fixture
def three_secrets(aws: MotoServer, document: Document) -> None:
    """Two are of production."""
    aws.put_secret("one", document, tags={"Environment": "production"})
    aws.put_secret("two", document, tags={"Environment": "production", "Team": "web"})
    aws.put_secret("three", document, tags={"Environment": "staging"})


PRODUCTION = {"Environment": "production"}


@pytest.mark.usefixtures("three_secrets")
@pytest.mark.parametrize(
    ("selection", "found"),
    [
        pytest.param({"tags": PRODUCTION}, {"one", "two"}, id="T1-T3-tagged"),
        pytest.param({"tags": {"Environment": "nowhere"}}, set(), id="T2-unmatched-tag"),
        pytest.param({"tags": PRODUCTION, "names": ["three"]}, {"one", "two"}, id="T6-tags-win-over-names"),
        pytest.param({"tags": {**PRODUCTION, "Team": "web"}}, {"two"}, id="several-pairs"),
        pytest.param({"tags": PRODUCTION, "name_prefix": "o"}, {"one"}, id="tags-narrowed-by-prefix"),
        pytest.param({"name_prefix": "t", "names": ["one"]}, {"one", "two", "three"}, id="prefix-and-names"),
        pytest.param({"names": ["one", " one ", "", "two"]}, {"one", "two"}, id="names-twice-and-empty"),
        pytest.param({"names": "one, two,,"}, {"one", "two"}, id="names-with-commas"),
    ],
)
def test_selection(target: SyncTarget, selection: dict[str, t.Any], found: set[str]) -> None:
    run = target.sync(**selection)
    assert set(actions(run)) == found
    assert run.result["changed"] is bool(found)
    assert set(target.live_files()) == {f"{name}.pem" for name in found}


@pytest.mark.usefixtures("three_secrets")
@pytest.mark.parametrize("tags", [{"Environment": ""}, {"Environment": None}, {"": "production"}], ids=str)
def test_t5_half_a_pair_is_an_error(target: SyncTarget, faults: AwsFaults, tags: dict[str, t.Any]) -> None:
    run = target.sync(tags=tags, names=["one"])
    assert run.failed
    assert "half a pair" in run.result["msg"]
    assert faults.counts() == {}


@pytest.mark.parametrize("selection", [{}, {"names": []}, {"tags": {}, "name_prefix": ""}], ids=str)
def test_t4_t8_nothing_selected(target: SyncTarget, faults: AwsFaults, selection: dict[str, t.Any]) -> None:
    run = target.sync(**selection)
    assert (run.failed, run.result["changed"], run.result["certificates"]) == (False, False, [])
    assert "Nothing is selected" in warnings(run)
    assert faults.counts() == {}
    assert not target.path.exists()


@pytest.mark.usefixtures("three_secrets")
@pytest.mark.parametrize(
    "selection",
    [{"tags": {"Environment": True}}, {"tags": {"Version": 1.1}}, {"names": [True]}, {"names": ["one", 1.1]}],
    ids=str,
)
def test_what_yaml_has_made_another_value_of_is_an_error(
    target: SyncTarget, faults: AwsFaults, selection: dict[str, t.Any]
) -> None:
    run = target.sync(**selection)
    assert run.failed
    assert "Quote it as AWS has it" in run.result["msg"]
    assert faults.counts() == {}


@pytest.mark.usefixtures("three_secrets")
def test_t7_failing_tags_fall_back_to_names(target: SyncTarget, faults: AwsFaults) -> None:
    selection = {"tags": PRODUCTION, "names": ["three"]}
    faults.fail("ListSecrets", "AccessDeniedException", when=lambda body: "tag-key" in str(body))
    run = target.sync(**selection, on_discovery_error="fallback", prune=True)
    assert actions(run) == {"three": "created"}
    assert "falling back to names" in warnings(run)
    assert "Nothing is pruned" in warnings(run)
    strict = target.sync(**selection)
    assert strict.failed
    assert strict.result["aws_error_code"] == "AccessDeniedException"


def test_tags_are_compared_exactly(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    """The service's filters match by prefix, and key and value independently of each other."""
    lookalikes: list[dict[str, str]] = [
        {"Environment": "production2"},
        {"Environments": "production"},
        {"Environment": "staging", "Other": "production"},
        {"environment": "production"},
        {"Environment": "Production"},
        {"Environment": "production ", "Team": "x"},
    ]
    for index, tags in enumerate(lookalikes):
        aws.put_secret(f"lookalike-{index}", document, tags=tags)
    aws.put_secret("right", document, tags={"Other": "staging", **PRODUCTION})
    assert actions(target.sync(tags=PRODUCTION)) == {"right": "created"}


def test_tag_values_that_filters_refuse(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    aws.put_secret("a", document, tags={"Größe": "groß, sehr", "!": "!"})
    aws.put_secret("b", document, tags={"Größe": "klein"})
    assert actions(target.sync(tags={"Größe": "groß, sehr"})) == {"a": "created"}
    assert actions(target.sync(tags={"!": "!"})) == {"a": "unchanged"}


def test_prefix_is_compared_exactly(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    for name in ("web/a", "web-a", "Web/a", "x/web/a"):
        aws.put_secret(name, document)
    assert actions(target.sync(name_prefix="web/")) == {"web/a": "created"}


# -- what cannot be had ----------------------------------------------------------------------------------------


def test_missing_deleted_and_empty_secrets_are_named(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    for name in ("good", "deleted"):
        aws.put_secret(name, document)
    aws.client().delete_secret(SecretId="deleted")
    aws.client().create_secret(Name="empty")
    names = ["good", "deleted", "empty", "missing"]
    run = target.sync(names=names)
    assert run.failed
    assert actions(run) == {"good": "created", "deleted": "refused", "empty": "refused", "missing": "refused"}
    codes = {"deleted": "secret_deleted", "empty": "secret_no_current_version", "missing": "secret_missing"}
    assert problem_codes(run) == {name: [code] for name, code in codes.items()}
    for name, code in codes.items():
        assert f"{name}: " in run.result["msg"]
        assert f"[{code}]" in run.result["msg"]
    assert "ResourceNotFoundException" in run.result["msg"]
    skipped = target.sync(names=["good", "deleted", "missing"], on_missing="skip", on_deleted="skip")
    assert not skipped.failed
    assert "[secret_missing]" in warnings(skipped)
    assert "[secret_deleted]" in warnings(skipped)


def test_deleted_secret_is_not_selected_by_prefix(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    for name in ("web/a", "web/b"):
        aws.put_secret(name, document)
    aws.client().delete_secret(SecretId="web/b")
    assert actions(target.sync(name_prefix="web/")) == {"web/a": "created"}


@pytest.mark.parametrize("code", ["AccessDeniedException", "DecryptionFailure"])
def test_one_secret_that_cannot_be_read(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document, code: str
) -> None:
    for name in ("a", "b", "c"):
        aws.put_secret(f"web/{name}", document)
    faults.fail_in_batch("web/b", code, "no way")
    run = target.sync(name_prefix="web/")
    assert run.failed
    assert actions(run) == {"web/a": "created", "web/b": "refused", "web/c": "created"}
    assert code in run.result["failures"][0]
    assert run.result["failures"][0].startswith("web/b: ")
    assert "no way" in run.result["msg"]


def test_transient_error_of_one_secret_is_repeated(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document
) -> None:
    aws.put_secret("web/a", document)
    faults.fail_in_batch("web/a", "ThrottlingException")
    run = target.sync(name_prefix="web/")
    assert actions(run) == {"web/a": "created"}
    assert faults.counts()["GetSecretValue"] == 1


def test_batch_reads_denied_falls_back_to_single_reads(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document
) -> None:
    for index in range(3):
        aws.put_secret(f"web/{index}", document)
    faults.fail("BatchGetSecretValue", "AccessDeniedException", "not authorized to perform BatchGetSecretValue")
    assert set(actions(target.sync(name_prefix="web/")).values()) == {"created"}
    assert faults.counts()["GetSecretValue"] == 3


def test_all_reads_denied(aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document) -> None:
    for index in range(3):
        aws.put_secret(f"web/{index}", document)
    for operation in ("BatchGetSecretValue", "GetSecretValue"):
        faults.fail(operation, "AccessDeniedException", "no identity-based policy allows it")
    run = target.sync(name_prefix="web/", on_invalid="skip")
    assert run.failed, "what may not be read is never skipped"
    assert len(run.result["failures"]) == 3
    for index in range(3):
        assert f"of secret web/{index} failed with AccessDeniedException" in run.result["msg"]
    assert problem_codes(run) == {f"web/{index}": ["secret_access_denied"] for index in range(3)}


def test_listing_denied(aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document) -> None:
    aws.put_secret("web/a", document)
    faults.fail("ListSecrets", "AccessDeniedException", "not authorized")
    by_name = target.sync(names=["web/a"])
    assert actions(by_name) == {"web/a": "created"}
    assert "Allow ListSecrets" in warnings(by_name)
    by_prefix = target.sync(name_prefix="web/")
    assert by_prefix.failed
    assert "secretsmanager:ListSecrets failed with AccessDeniedException" in by_prefix.result["msg"]


def test_throttling_is_waited_out(aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document) -> None:
    aws.put_secret("web/a", document)
    faults.fail("ListSecrets", "ThrottlingException", "Rate exceeded", times=3)
    faults.fail("BatchGetSecretValue", "ThrottlingException", "Rate exceeded", times=2)
    run = target.sync(name_prefix="web/")
    assert actions(run) == {"web/a": "created"}
    assert run.result["api_calls"] == faults.counts() == {"ListSecrets": 4, "BatchGetSecretValue": 3}


def test_throttling_without_end_ends(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document
) -> None:
    """One batch is repeated with backoff for a quarter of a minute or so; the others then are not."""
    for index in range(130):
        aws.put_secret(f"web/{index}", document)
    faults.fail("BatchGetSecretValue", "ThrottlingException", "Rate exceeded")
    run = target.sync(name_prefix="web/")
    assert run.failed
    assert "web/129: " in run.result["msg"]
    assert "ThrottlingException: Rate exceeded. AWS kept throttling" in run.result["msg"]
    assert len(run.result["failures"]) == 130
    all_patient = 7 * 6 * 2  # batches, attempts, and requests of each
    assert faults.counts()["BatchGetSecretValue"] < all_patient


def test_emulator_down(target: SyncTarget) -> None:
    run = target.sync(name_prefix="web/", env={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"})
    assert run.failed
    assert "EndpointConnectionError" in run.result["msg"]
    assert "Check the network path" in run.result["msg"]
    assert run.result["aws_error_code"] == "EndpointConnectionError"
    assert not target.path.exists()


def test_no_credentials(target: SyncTarget) -> None:
    run = target.sync(name_prefix="web/", env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    assert run.failed
    assert "Give credentials" in run.result["msg"]
