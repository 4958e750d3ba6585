# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A selection that finds nothing is a mistake, and what is deployed expires whatever is found."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    Discovery,
    SecretValue,
    SecretVersion,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.provided import (
    discovery_answer,
    discovery_question,
    value_answer,
    value_question,
)
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, warnings

Document = dict[str, t.Any]
PRODUCTION = {"Environment": "production"}


@pytest.fixture
def document(intermediate: CertificateAuthority) -> Document:
    return intermediate.issue(["a.example.com"]).secret_document()


# -- nothing found ---------------------------------------------------------------------------------------------

SOLD_OUT = [
    pytest.param({"tags": {"Environment": "prodction"}}, "tags Environment=prodction", id="misspelt-tag"),
    pytest.param({"name_prefix": "wev/"}, "name_prefix 'wev/'", id="wrong-prefix"),
    pytest.param({"tags": PRODUCTION, "region": "us-east-1"}, "in region us-east-1", id="wrong-region"),
    pytest.param({"names": ["web/x", "web/y"], "on_missing": "skip"}, "names web/x, web/y", id="names-passed-over"),
    pytest.param({}, "Nothing is selected", id="nothing-selected"),
    pytest.param({"names": [" "], "name_prefix": ""}, "Nothing is selected", id="empty-options"),
]


@pytest.mark.parametrize(("selection", "said"), SOLD_OUT)
def test_a_selection_that_finds_nothing_is_no_success(
    aws: MotoServer, target: SyncTarget, document: Document, selection: dict[str, t.Any], said: str
) -> None:
    """On a host with certificates: else they expire, and every run has ended well."""
    fresh = target.sync(**selection)
    assert (fresh.failed, fresh.result["changed"]) == (False, False)
    assert said in warnings(fresh), "it may be a mistake on the first day, too"
    assert target.sync(**selection, on_nothing_found="ignore").result["failures"] == []
    aws.put_secret("web/a", document, tags=PRODUCTION)
    assert not target.sync(tags=PRODUCTION).failed
    before = target.snapshot()
    for check in (True, False):
        run = target.sync(**selection, prune=True, check=check)
        assert (run.failed, run.result["changed"]) == (True, False)
        assert said in run.result["msg"]
        assert "holds web/a, from region eu-central-1 of account 123456789012" in run.result["msg"]
        assert [line.endswith("[nothing_found]") for line in run.result["failures"]] == [True]
        assert run.result["failures_by_cause"] == {"content": [], "host": [], "source": run.result["failures"]}
        assert target.snapshot() == before
    warned = target.sync(**selection, on_nothing_found="warn")
    assert not warned.failed
    assert said in warnings(warned)
    ignored = target.sync(**selection, on_nothing_found="ignore")
    assert not ignored.failed
    assert "[nothing_found]" not in warnings(ignored)
    assert target.snapshot() == before


@pytest.mark.parametrize("loss", ["damaged", "gone"])
def test_what_a_lost_manifest_does_not_know_counts_as_well(
    aws: MotoServer, target: SyncTarget, document: Document, loss: str
) -> None:
    aws.put_secret("web/a", document)
    target.sync(name_prefix="web/")
    manifest = target.path / ".certops/manifest.json"
    manifest.write_text("{") if loss == "damaged" else manifest.unlink()
    for selection in ({"name_prefix": "wev/"}, {}):
        run = target.sync(**selection, prune=True)
        assert run.failed
        assert "though the manifest does not know which" in run.result["msg"]
    assert set(target.live_files()) == {"web_a.pem"}


def test_files_of_others_are_no_certificates_of_ours(target: SyncTarget) -> None:
    """Nothing is configured on this host: it warns and succeeds, whatever else lies in the directory."""
    target.path.mkdir()
    (target.path / "default.pem").write_text("someone's own")
    run = target.sync()
    assert (run.failed, run.result["failures"]) == (False, [])
    assert "Nothing is selected" in warnings(run)


def test_one_of_several_that_is_missing_is_as_before(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    aws.put_secret("web/a", document)
    run = target.sync(names=["web/a", "web/b"], on_missing="skip")
    assert (run.failed, actions(run)) == (False, {"web/a": "created", "web/b": "refused"})
    assert "[nothing_found]" not in warnings(run)
    assert [item["cause"] for item in run.result["certificates"] if item["name"] == "web/b"] == ["content"]


# -- what is deployed expires, whatever was found --------------------------------------------------------------


@pytest.fixture
def aging(aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority) -> str:
    """web/old ends in ten days, web/new later; both are deployed. Returns the end of web/old."""
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=10)
    aws.put_secret("web/old", intermediate.issue("old.example.com", not_after=end).secret_document(), tags=PRODUCTION)
    aws.put_secret("web/new", intermediate.issue("new.example.com").secret_document(), tags=PRODUCTION)
    run = target.sync(name_prefix="web/")
    assert not run.failed, run.result
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def refused(aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    aws.put_secret("web/old", "this is no certificate")
    return {"name_prefix": "web/", "on_invalid": "skip"}


def denied(_aws: MotoServer, faults: AwsFaults) -> dict[str, t.Any]:
    faults.fail("ListSecrets", "AccessDeniedException")
    return {"name_prefix": "web/"}


def unnamed(_aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    return {"names": ["web/new"]}


def vanished(aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    aws.client().delete_secret(SecretId="web/old", ForceDeleteWithoutRecovery=True)
    return {"name_prefix": "web/"}


def missing(aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    aws.client().delete_secret(SecretId="web/old", ForceDeleteWithoutRecovery=True)
    return {"names": ["web/new", "web/old"], "on_missing": "skip"}


def unchanged(_aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    return {"name_prefix": "web/", "on_invalid": "skip"}


def without_a_client(_aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    return {"name_prefix": "web/", "profile": "nobody"}


def unreachable(_aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    return {"name_prefix": "web/", "env": {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}}


def misspelt(_aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    return {"tags": {"Environment": "x"}, "on_nothing_found": "ignore"}


def a_boolean(_aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    return {"tags": {"Environment": True}}


def nothing(_aws: MotoServer, _faults: AwsFaults) -> dict[str, t.Any]:
    return {"on_nothing_found": "warn"}


HOW = (
    refused, denied, unnamed, vanished, missing, unchanged, without_a_client, unreachable, misspelt, a_boolean, nothing,
)  # fmt: skip


@pytest.mark.parametrize("how", HOW, ids=lambda how: str(how.__name__))
def test_what_is_deployed_is_judged_whatever_is_found(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, aging: str, how: t.Callable[..., dict[str, t.Any]]
) -> None:
    options = how(aws, faults)
    live = target.live_files()
    early = target.sync(**options)
    assert f"expires at {aging}" not in str(early.result), "ten days are enough unless more are asked for"
    run = target.sync(**options, min_remaining="20d")
    assert run.failed
    assert run.result["msg"].count(f"web/old: The deployed certificate expires at {aging}") == 1
    assert "web/new: The" not in run.result["msg"]
    if how in (unnamed, vanished, misspelt):
        (left,) = [item for item in run.result["unselected"] if item["name"] == "web/old"]
        assert (left["not_after"], left["path"]) == (aging, str(target.path / "web_old.pem"))
        assert [problem["code"] for problem in left["problems"]] == ["expires_too_soon"]
    # As it is when ten days have gone.
    manifest = target.path / ".certops/manifest.json"
    manifest.write_text(manifest.read_text().replace(aging, "2020-01-01T00:00:00Z"))
    expired = target.sync(**options)
    assert expired.failed
    assert "web/old: The deployed certificate expired at 2020-01-01T00:00:00Z" in expired.result["msg"]
    assert target.live_files() == live


# -- a clock that is wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "own"), [(timedelta(days=2), True), (timedelta(minutes=1), False)])
def test_what_a_wrong_clock_refuses_is_the_hosts_failure(
    target: SyncTarget, intermediate: CertificateAuthority, ahead: timedelta, own: bool
) -> None:
    """By its clock the certificate has expired yesterday; by the controller's it has a day left."""
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    document = intermediate.issue("a.example.com", not_after=yesterday).secret_string()
    secret = SecretVersion("web/a", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:web/a-abcdef", "1")
    selection = Selection(name_prefix="web/")
    answers = {
        discovery_question(selection): discovery_answer(Discovery((secret,))),
        value_question(secret): value_answer(SecretValue(secret, document)),
        "now": (datetime.now(timezone.utc) - ahead).timestamp(),
    }
    run = target.sync(source="controller", provided=json.dumps(answers), name_prefix="web/")
    assert run.failed
    assert actions(run) == {"web/a": "refused"}
    host = run.result["failures_by_cause"]["host"]
    assert [line.endswith("[clock_wrong]") for line in host] == ([True] if own else [])
    assert ("This host's clock is 2d ahead of the controller's" in run.result["msg"]) is own
