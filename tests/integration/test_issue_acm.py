# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS Certificate Manager, emulated, as a store: one entry a certificate, for ever, and nobody else's is touched."""

from __future__ import annotations

import datetime
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.stores import StoreStanding
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import WantedCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.truth import SecretsTruth
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.acm import AcmStore
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.issue_stores import (
    DIRECTORY,
    Cloud,
    Interrupted,
    bundle_of,
    interrupted,
    wanted_of,
)
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.pki import (
    CertificateAuthority,
    IssuedCertificate,
    now,
    shared_key,
)
from ansible_collections.certops.rotation.tests.support.secrets_scan import assert_no_private_key

NAME = "www.example.com"
NAMES = (NAME, "*.example.com")
WANTED = wanted_of(NAME, *NAMES)
TAG = f"certops:acm-arn:{REGION}"
OWNER = "certops:secret"
WRITES = {"ImportCertificate", "AddTagsToCertificate", "TagResource", "DeleteCertificate"}


@pytest.fixture
def cloud(aws: MotoServer, faults: AwsFaults) -> t.Iterator[Cloud]:
    made = Cloud(aws, faults)
    requests = faults.requests  # heal forgets them, which none of these tests needs to do before the end
    yield made
    # What ACM refuses and the emulator does not.
    for request in requests:
        if request.operation == "ImportCertificate":
            assert not {"Tags", "CertificateArn"} <= set(request.body), "tags in a re-import"
        if request.operation == "ListCertificates":
            assert "EC_prime256v1" in request.body["Includes"]["keyTypes"], "EC certificates are hidden"


class Acm:
    """A truth with a store in ACM, both anew, as in a run of their own."""

    def __init__(self, cloud: Cloud, *names: str, **options: t.Any) -> None:
        self.truth: SecretsTruth = cloud.truth()
        self.truth.look(names or [NAME], now=now())
        self.store: AcmStore = cloud.acm_store(self.truth, **options)

    def look(self, wanted: WantedCertificate, bundle: CertificateBundle | None) -> StoreStanding:
        return self.store.look({wanted.name: (wanted, bundle)})[wanted.name]

    def put(self, wanted: WantedCertificate, bundle: CertificateBundle, **truth: t.Any) -> str:
        """As a run does: looked at, the truth first, then the store."""
        standing = self.look(wanted, truth.get("before"))
        why = self.store.why_not(wanted, standing, None)
        assert why is None, why
        self.truth.put(wanted, bundle, DIRECTORY, None)
        return self.store.put(wanted, bundle, standing)


def imported(cloud: Cloud, issued: IssuedCertificate, region: str = REGION, **tags: str) -> str:
    """By another tool."""
    reply = cloud.aws.client("acm", region).import_certificate(
        Certificate=issued.certificate_pem.encode(),
        PrivateKey=issued.private_key_pem.encode(),
        CertificateChain=issued.chain_pem.encode(),
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()] or [{"Key": "tool", "Value": "other"}],
    )
    return str(reply["CertificateArn"])


def two(intermediate: CertificateAuthority, names: t.Sequence[str] = NAMES) -> list[IssuedCertificate]:
    return [intermediate.issue(names) for dummy in range(2)]


def test_first_and_next_certificate_have_one_entry(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    first, second = two(intermediate)
    arn = Acm(cloud, tags={"Environment": "production"}).put(WANTED, bundle_of(first))
    assert cloud.imported() == {arn: first.certificate_pem}
    assert cloud.acm_tags(arn) == {"Environment": "production", OWNER: NAME}
    assert cloud.tags(NAME) == {TAG: arn}

    again = Acm(cloud)
    assert again.look(WANTED, bundle_of(first)) == StoreStanding("current", arn)
    assert again.look(WANTED, bundle_of(second)).kind == "other"
    assert again.put(WANTED, bundle_of(second), before=bundle_of(first)) == arn
    assert cloud.imported() == {arn: second.certificate_pem}
    (renewal,) = [body for body in cloud.faults.bodies("ImportCertificate") if "CertificateArn" in body]
    assert "Tags" not in renewal
    assert Acm(cloud).look(WANTED, bundle_of(second)).kind == "current"


def test_the_chain_has_neither_leaf_nor_root(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    issued = intermediate.issue(NAMES)
    whole = issued.replace(chain_pem=issued.chain_pem + intermediate.root_pem + issued.certificate_pem)
    arn = Acm(cloud).put(WANTED, bundle_of(whole))
    # The emulator appends a root of its own.
    chain = cloud.acm.get_certificate(CertificateArn=arn)["CertificateChain"]
    assert chain.startswith(intermediate.certificate_pem)
    assert intermediate.root_pem.strip() not in chain
    assert issued.certificate_pem.strip() not in chain


def test_other_tags_of_an_entry_stay_and_only_what_is_missing_is_added(
    cloud: Cloud, intermediate: CertificateAuthority
) -> None:
    first, _second = two(intermediate)
    arn = Acm(cloud, tags={"a": "1"}).put(WANTED, bundle_of(first))
    cloud.acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "theirs", "Value": "x"}])
    acm = Acm(cloud, tags={"a": "2", "b": "3"})
    standing = acm.look(WANTED, bundle_of(first))
    acm.store.put(WANTED, bundle_of(first), standing)
    assert cloud.acm_tags(arn) == {"a": "2", "b": "3", "theirs": "x", OWNER: NAME}
    assert cloud.faults.bodies("AddTagsToCertificate")[-1]["Tags"] == [
        {"Key": "a", "Value": "2"},
        {"Key": "b", "Value": "3"},
    ]
    assert len(cloud.faults.bodies("ImportCertificate")) == 1, "the same certificate is not imported again"


def test_an_unchanged_run_costs_two_listings(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    names = [f"{number}.example.com" for number in range(25)]
    wanted = {name: wanted_of(name) for name in names}
    bundles = {name: bundle_of(intermediate.issue(name)) for name in names}
    acm = Acm(cloud, *names)
    for name in names:
        acm.put(wanted[name], bundles[name])
    cloud.list_as_aws_does()
    again = Acm(cloud, *names)
    before = cloud.faults.counts()
    standings = again.store.look({name: (wanted[name], bundles[name]) for name in names})
    assert {each.kind for each in standings.values()} == {"current"}
    after = cloud.faults.counts()
    asked = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    assert asked == {"ListCertificates": 1, "ListSecrets": 1}


def test_all_pages_are_read(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    issued = intermediate.issue(NAMES)
    arn = Acm(cloud).put(WANTED, bundle_of(issued))

    def page(request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        return reply if request.get("NextToken") else {"CertificateSummaryList": [], "NextToken": "more"}

    cloud.faults.change("ListCertificates", page)
    assert Acm(cloud).look(WANTED, bundle_of(issued)) == StoreStanding("current", arn)
    assert [body.get("NextToken") for body in cloud.faults.bodies("ListCertificates")[-2:]] == [None, "more"]


# Whose entry is it


def test_what_amazon_has_issued_is_not_touched(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    theirs = cloud.acm.request_certificate(DomainName=NAME, SubjectAlternativeNames=list(NAMES))["CertificateArn"]
    arn = Acm(cloud).put(WANTED, bundle_of(intermediate.issue(NAMES)))
    assert arn != theirs
    assert len(cloud.imported()) == 2
    # Not even when the tag leads there.
    cloud.secrets.tag_resource(SecretId=NAME, Tags=[{"Key": TAG, "Value": theirs}])
    acm = Acm(cloud)
    standing = acm.look(WANTED, None)
    assert standing.kind == "unknown"
    assert "which was not imported, and cannot be replaced" in str(acm.store.why_not(WANTED, standing, None))
    with pytest.raises(RotationError, match="was not imported"):
        acm.store.put(WANTED, bundle_of(intermediate.issue(NAMES)), standing)


def test_an_imported_one_for_exactly_these_names_is_taken_over_with_its_arn(
    cloud: Cloud, intermediate: CertificateAuthority
) -> None:
    """Load balancers name the ARN: a second entry would leave them with the one that ends."""
    first, second = two(intermediate)
    arn = imported(cloud, first)
    others = [imported(cloud, intermediate.issue(names)) for names in (NAMES[:1], [*NAMES, "example.com"])]
    before = cloud.imported()
    assert Acm(cloud).put(WANTED, bundle_of(second)) == arn
    assert {other: pem for other, pem in cloud.imported().items() if other in others} == {
        other: before[other] for other in others
    }
    assert cloud.imported()[arn] == second.certificate_pem
    assert cloud.acm_tags(arn)[OWNER] == NAME
    assert cloud.tags(NAME)[TAG] == arn


def test_one_that_is_there_already_is_noted_without_an_import(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    issued = intermediate.issue(NAMES)
    arn = imported(cloud, issued)
    acm = Acm(cloud)
    acm.truth.put(WANTED, bundle_of(issued), DIRECTORY, None)
    standing = acm.look(WANTED, bundle_of(issued))
    assert (standing.kind, standing.arn) == ("other", arn)
    assert acm.store.put(WANTED, bundle_of(issued), standing) == arn
    assert cloud.faults.bodies("ImportCertificate") == []
    assert Acm(cloud).look(WANTED, bundle_of(issued)).kind == "current"


def test_of_two_that_fit_the_user_says_which_one(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    arns = [imported(cloud, issued) for issued in two(intermediate)]
    acm, new = Acm(cloud), bundle_of(intermediate.issue(NAMES))
    standing = acm.look(WANTED, None)
    why = str(acm.store.why_not(WANTED, standing, None))
    assert standing.kind == "unknown"
    assert all(arn in why for arn in arns)
    with pytest.raises(RotationError, match="Say which one is to be renewed"):
        acm.store.put(WANTED, new, standing)
    acm.truth.put(WANTED, new, DIRECTORY, None)
    cloud.secrets.tag_resource(SecretId=NAME, Tags=[{"Key": TAG, "Value": arns[1]}])
    assert Acm(cloud).put(WANTED, new) == arns[1]
    cloud.secrets.tag_resource(SecretId=NAME, Tags=[{"Key": TAG, "Value": "new"}])
    third = Acm(cloud).put(WANTED, new)
    assert third not in arns
    assert cloud.tags(NAME)[TAG] == third


def test_another_secrets_entry_is_not_taken(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    other = wanted_of("other", *NAMES)
    theirs = Acm(cloud, "other").put(other, bundle_of(intermediate.issue(NAMES)))
    ours = Acm(cloud).put(WANTED, bundle_of(intermediate.issue(NAMES)))
    assert ours != theirs
    assert (cloud.acm_tags(theirs)[OWNER], cloud.acm_tags(ours)[OWNER]) == ("other", NAME)
    # A secret that was copied, or tagged by mistake, leads to it all the same.
    cloud.secrets.tag_resource(SecretId=NAME, Tags=[{"Key": TAG, "Value": theirs}])
    acm, before = Acm(cloud), cloud.imported()
    standing = acm.look(WANTED, None)
    with pytest.raises(RotationError, match="is the entry of secret other, as its tag certops:secret says"):
        acm.store.put(WANTED, bundle_of(intermediate.issue(NAMES)), standing)
    both = Acm(cloud, NAME, "other")
    standings = both.store.look({each.name: (each, None) for each in (WANTED, other)})
    for each in (WANTED, other):
        assert "Remove the tag of all but one" in str(both.store.why_not(each, standings[each.name], None))
    assert cloud.imported() == before


def test_two_for_the_same_names_get_an_entry_each(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    rsa = intermediate.issue(NAMES, key=shared_key("rsa2048"))
    ec = intermediate.issue(NAMES)
    wanted = {"ec": wanted_of("ec", *NAMES), "rsa": wanted_of("rsa", *NAMES, key_type="rsa2048")}
    bundles = {"ec": bundle_of(ec), "rsa": bundle_of(rsa)}
    there = imported(cloud, rsa)
    acm = Acm(cloud, "ec", "rsa")
    standings = acm.store.look({name: (wanted[name], bundles[name]) for name in wanted})
    arns = {}
    for name, each in wanted.items():
        assert acm.store.why_not(each, standings[name], None) is None
        acm.truth.put(each, bundles[name], DIRECTORY, None)
        arns[name] = acm.store.put(each, bundles[name], standings[name])
    assert arns["rsa"] == there
    assert cloud.imported() == {arns["ec"]: ec.certificate_pem, there: rsa.certificate_pem}


@pytest.mark.parametrize("value", ["garbage", f"arn:aws:acm:us-east-1:123456789012:certificate/{'1' * 36}"])
def test_a_tag_that_leads_nowhere_is_told(cloud: Cloud, intermediate: CertificateAuthority, value: str) -> None:
    acm = Acm(cloud)
    acm.truth.put(WANTED, bundle_of(intermediate.issue(NAMES)), DIRECTORY, None)
    cloud.secrets.tag_resource(SecretId=NAME, Tags=[{"Key": TAG, "Value": value}])
    acm = Acm(cloud)
    why = acm.store.why_not(WANTED, acm.look(WANTED, None), None)
    assert f"the tag {TAG} of secret {NAME} is {value!r}, which is no ARN of ACM in this region" in str(why)


# What does not go


def test_the_key_type_of_an_entry_stays(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    bundle = bundle_of(intermediate.issue(NAMES))
    Acm(cloud).put(WANTED, bundle)
    acm = Acm(cloud)
    rsa = wanted_of(NAME, *NAMES, key_type="rsa2048")
    standing = acm.look(rsa, bundle)
    assert "cannot change to RSA_2048" in str(acm.store.why_not(rsa, standing, None))
    issued = bundle_of(intermediate.issue(NAMES, key=shared_key("rsa2048")))
    with pytest.raises(RotationError, match="cannot change to RSA_2048"):
        acm.store.put(rsa, issued, standing)
    assert len(cloud.faults.bodies("ImportCertificate")) == 1


def test_classic_to_tlsserver_is_refused_before_it_is_ordered(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    rsa = wanted_of(NAME, *NAMES, key_type="rsa2048")
    bundle = bundle_of(intermediate.issue(NAMES, key=shared_key("rsa2048")))  # with keyEncipherment
    Acm(cloud).put(rsa, bundle)
    acm = Acm(cloud)
    standing = acm.look(rsa, bundle)
    assert acm.store.why_not(rsa, standing, "classic") is None
    assert "keyEncipherment, which cannot vanish" in str(acm.store.why_not(rsa, standing, "tlsserver"))


def test_what_is_not_valid_yet_is_told_before_aws_is_asked(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    soon = bundle_of(intermediate.issue(NAMES, not_before=now() + datetime.timedelta(minutes=4)))
    acm = Acm(cloud)
    with pytest.raises(RotationError, match="and ACM takes none before"):
        acm.store.put(WANTED, soon, acm.look(WANTED, None))
    assert cloud.faults.bodies("ImportCertificate") == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("LimitExceededException", "Delete certificates that nobody needs, or ask AWS for a higher quota."),
        ("AccessDeniedException", "Allow acm:ImportCertificate in the IAM policy"),
        ("ValidationException", "failed with ValidationException: made up by a test"),
    ],
)
def test_what_aws_refuses_is_told(cloud: Cloud, intermediate: CertificateAuthority, code: str, message: str) -> None:
    issued = intermediate.issue(NAMES)
    cloud.faults.fail("ImportCertificate", code)
    acm = Acm(cloud)
    with pytest.raises(RotationError, match="acm:ImportCertificate for") as caught:
        acm.store.put(WANTED, bundle_of(issued), acm.look(WANTED, None))
    assert message in caught.value.message


def test_an_error_that_quotes_the_key_shows_none(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    issued = intermediate.issue(NAMES)
    cloud.faults.fail("ImportCertificate", "ValidationException", f"Value '{issued.private_key_pem}' is not valid")
    acm = Acm(cloud)
    with pytest.raises(RotationError) as caught:
        acm.store.put(WANTED, bundle_of(issued), acm.look(WANTED, None))
    assert_no_private_key(repr(caught.value))


def test_throttling_is_waited_for(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    for operation in ("ListCertificates", "ImportCertificate"):
        cloud.faults.fail(operation, "ThrottlingException", times=1)
    arn = Acm(cloud).put(WANTED, bundle_of(intermediate.issue(NAMES)))
    assert list(cloud.imported()) == [arn]


def test_few_are_imported_at_once(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    """ACM takes one a second or so, and what is throttled too often fails."""
    names = [f"{number}.example.com" for number in range(8)]
    bundles = {name: bundle_of(intermediate.issue(name)) for name in names}
    acm = Acm(cloud, *names)
    standings = acm.store.look({name: (wanted_of(name), None) for name in names})
    for name in names:
        acm.truth.put(wanted_of(name), bundles[name], DIRECTORY, None)
    under_way = [0, 0]  # now, at most
    counting = threading.Lock()

    def begins(_body: t.Any) -> bool:
        with counting:
            under_way[0] += 1
            under_way[1] = max(under_way)
        return False

    def ends(_request: t.Any, reply: t.Any) -> t.Any:
        with counting:
            under_way[0] -= 1
        return reply

    cloud.faults.fail("ImportCertificate", "never", when=begins)
    cloud.faults.change("ImportCertificate", ends)
    with ThreadPoolExecutor(8) as pool:
        arns = list(pool.map(lambda name: acm.store.put(wanted_of(name), bundles[name], standings[name]), names))
    assert set(cloud.imported()) == set(arns)
    assert len(set(arns)) == 8
    assert 1 <= under_way[1] <= 2


# What happens meanwhile


def test_an_entry_that_was_deleted_is_imported_anew(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    bundle = bundle_of(intermediate.issue(NAMES))
    gone = Acm(cloud).put(WANTED, bundle)
    cloud.acm.delete_certificate(CertificateArn=gone)
    acm = Acm(cloud)
    standing = acm.look(WANTED, bundle)
    assert standing.kind == "absent"
    arn = acm.store.put(WANTED, bundle, standing)
    assert arn != gone
    assert cloud.tags(NAME)[TAG] == arn
    # And one that is deleted between the two.
    acm = Acm(cloud)
    standing = acm.look(WANTED, bundle)
    cloud.acm.delete_certificate(CertificateArn=arn)
    third = acm.store.put(WANTED, bundle_of(intermediate.issue(NAMES)), standing)
    assert list(cloud.imported()) == [third]
    assert cloud.tags(NAME)[TAG] == third


def test_a_run_that_was_killed_before_it_has_noted_the_entry(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    bundle = bundle_of(intermediate.issue(NAMES))
    acm = Acm(cloud)
    acm.truth.put(WANTED, bundle, DIRECTORY, None)
    interrupted(acm.truth.secrets._client, "TagResource", 0)
    with pytest.raises(Interrupted):
        acm.store.put(WANTED, bundle, acm.look(WANTED, bundle))
    (arn,) = cloud.imported()
    assert cloud.tags(NAME) == {}
    assert imported(cloud, intermediate.issue(NAMES)) != arn, "somebody else's for the same names does not confuse it"
    again = Acm(cloud)
    standing = again.look(WANTED, bundle)
    assert (standing.kind, standing.arn) == ("other", arn)
    assert again.store.put(WANTED, bundle, standing) == arn
    assert Acm(cloud).look(WANTED, bundle).kind == "current"
    assert len(cloud.faults.bodies("ImportCertificate")) == 1


def test_several_regions_are_several_entries(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    first, second = map(bundle_of, two(intermediate))
    truth = cloud.truth()
    truth.put(WANTED, first, DIRECTORY, None)
    truth.look([NAME], now=now())
    regions = {REGION: cloud.acm_store(truth), "us-east-1": cloud.acm_store(truth, "us-east-1", name="cloudfront")}
    arns = {
        region: store.put(WANTED, first, store.look({NAME: (WANTED, first)})[NAME]) for region, store in regions.items()
    }
    assert all(f":acm:{region}:" in arn for region, arn in arns.items())
    assert cloud.tags(NAME) == {f"certops:acm-arn:{region}": arn for region, arn in arns.items()}
    for region, store in regions.items():
        assert store.put(WANTED, second, store.look({NAME: (WANTED, first)})[NAME]) == arns[region]
        assert list(cloud.imported(region)) == [arns[region]]


def test_what_concerns_one_certificate_is_its_own(cloud: Cloud, intermediate: CertificateAuthority) -> None:
    names = ["a.example.com", "b.example.com"]
    bundles = {name: bundle_of(intermediate.issue(name)) for name in names}
    acm = Acm(cloud, *names)
    arns = {name: acm.put(wanted_of(name), bundles[name]) for name in names}
    denied = arns["a.example.com"]
    cloud.faults.fail(
        "DescribeCertificate", "AccessDeniedException", "no", when=lambda body: body["CertificateArn"] == denied
    )
    standings = Acm(cloud, *names).store.look({name: (wanted_of(name), bundles[name]) for name in names})
    assert {name: each.kind for name, each in standings.items()} == {
        "a.example.com": "unknown",
        "b.example.com": "current",
    }
    assert "Allow acm:DescribeCertificate" in str(standings["a.example.com"].why)


@pytest.mark.parametrize("all_of_them", [True, False])
def test_without_the_tags_of_its_secret_no_entry_is_chosen(
    cloud: Cloud, intermediate: CertificateAuthority, all_of_them: bool
) -> None:
    """It would be a second one, for a certificate that gets another name."""
    names = [NAME, "b.example.com"]
    acm = Acm(cloud, *names)
    bundles = {name: bundle_of(intermediate.issue(name)) for name in names}
    for name in names:
        acm.put(wanted_of(name), bundles[name])
    before = cloud.imported()

    def hide(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        return {**reply, "SecretList": [each for each in reply["SecretList"] if each["Name"] != NAME]}

    cloud.faults.change("ListSecrets", hide)
    if all_of_them:
        cloud.faults.fail("ListSecrets", "InternalServiceError", "down")
    else:
        cloud.faults.fail("DescribeSecret", "AccessDeniedException", "no", when=lambda body: body["SecretId"] == NAME)
    again = Acm(cloud, *names)
    wanted = {NAME: wanted_of(NAME, NAME, "new.example.com"), "b.example.com": wanted_of("b.example.com")}
    standings = again.store.look({name: (wanted[name], bundles[name]) for name in names})
    assert standings[NAME].kind == "unknown"
    assert standings["b.example.com"].kind == ("unknown" if all_of_them else "current")
    new = bundle_of(intermediate.issue([NAME, "new.example.com"]))
    with pytest.raises(RotationError, match="secretsmanager:"):
        again.store.put(wanted[NAME], new, standings[NAME])
    assert cloud.imported() == before
    assert len(cloud.faults.bodies("ListSecrets")) <= 4, "what does not answer is not asked for each"
