# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains that are graphs: authorities with several certificates, of which the right ones are sent. OpenSSL judges."""

from __future__ import annotations

import itertools
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.arranged import arranged_pem
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.verification import (
    DAY,
    ISSUED,
    LOWER,
    NOW,
    OTHER_ROOT,
    ROOT,
    UPPER,
    accepted,
    chain_of,
    found,
    verify,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

Authority = pki.CertificateAuthority

OLD_ROOT = Authority("Old Root")
NEW_ROOT = Authority("New Root")
NEW_ROOT_BY_OLD = Authority("New Root", key=NEW_ROOT.key, parent=OLD_ROOT)
BY_OLD = Authority("Issuing", parent=OLD_ROOT, not_after=NOW + 700 * DAY)
BY_NEW = Authority("Issuing", key=BY_OLD.key, parent=NEW_ROOT)
LEAF = BY_NEW.issue("a.example.com")
UNNEEDED, DROPPED = ("chain_certificate_unneeded", "warning"), ("root_dropped", "warning")


def document(leaf: pki.IssuedCertificate, *authorities: Authority) -> str:
    return leaf.secret_string(certificate_chain="".join(authority.certificate_pem for authority in authorities) or None)


def sent(leaf: pki.IssuedCertificate, *authorities: Authority, **policy: t.Any) -> list[str]:
    """The intermediates that are sent, the same for every order of the document."""
    orders = list(itertools.permutations(authorities))
    some = orders[:: len(orders) // 24 + 1]
    bundles = {accepted(document(leaf, *order), **policy).render("haproxy")["pem"] for order in some}
    assert len(bundles) == 1
    return chain_of(accepted(document(leaf, *authorities), **policy))


def openssl_verifies(folder: pathlib.Path, leaf: str, chain: t.Sequence[str], anchor: str) -> bool:
    for name, content in (("leaf", leaf), ("chain", "".join(chain)), ("anchor", anchor)):
        (folder / name).write_text(content)
    untrusted = ["-untrusted", "chain"] if chain else []
    command = ["openssl", "verify", "-partial_chain", "-purpose", "sslserver", "-CAfile", "anchor", *untrusted, "leaf"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


# What is chosen


def test_an_intermediate_of_two_roots(tmp_path: pathlib.Path) -> None:
    for root, expected in ((OLD_ROOT, BY_OLD), (NEW_ROOT, BY_NEW)):
        chain = sent(LEAF, BY_OLD, BY_NEW, trust_anchors=(root.certificate,))
        assert chain == [expected.certificate_pem]
        assert openssl_verifies(tmp_path, LEAF.certificate_pem, chain, root.certificate_pem)
    assert found(document(LEAF, BY_NEW, BY_OLD)) == [UNNEEDED]
    assert sent(LEAF, BY_OLD, BY_NEW) == [BY_NEW.certificate_pem], "it is valid for longer"


def test_a_root_that_was_given_tells_which_way_is_meant() -> None:
    assert sent(LEAF, BY_OLD, BY_NEW, OLD_ROOT) == [BY_OLD.certificate_pem]
    assert sent(LEAF, BY_OLD, BY_NEW, OLD_ROOT, NEW_ROOT) == [BY_NEW.certificate_pem]


def test_an_intermediate_renewed_with_the_same_key() -> None:
    old = Authority("Issuing", parent=ROOT, not_after=NOW + 30 * DAY)
    renewed = Authority("Issuing", key=old.key, parent=ROOT)
    leaf = old.issue("a.example.com")
    assert sent(leaf, old, renewed) == [renewed.certificate_pem]
    problem = verify(document(leaf, old, renewed))[1][0]
    assert problem.code == "chain_certificate_unneeded"
    fingerprint = old.certificate.fingerprint(hashes.SHA256()).hex()
    assert f"'CN=Issuing' (SHA-256 {fingerprint[:16]}..., " in problem.message
    assert f"to {NOW + 30 * DAY:%Y-%m-%d})" in problem.message


@pytest.mark.parametrize("dates", [{"not_after": NOW - DAY}, {"not_before": NOW + DAY}])
def test_a_form_that_is_not_valid_now(dates: dict[str, t.Any]) -> None:
    bad = Authority("Issuing", parent=ROOT, **dates)
    good = Authority("Issuing", key=bad.key, parent=ROOT, not_after=NOW + 40 * DAY)
    assert sent(bad.issue("a.example.com"), bad, good) == [good.certificate_pem]


def test_an_expired_cross_sign_beside_the_root(tmp_path: pathlib.Path) -> None:
    expired = Authority("Root", key=ROOT.key, parent=OTHER_ROOT, not_after=NOW - DAY)
    assert sent(ISSUED, LOWER, UPPER, expired, ROOT) == [LOWER.certificate_pem, UPPER.certificate_pem]
    assert found(document(ISSUED, LOWER, UPPER, expired, ROOT)) == [DROPPED, UNNEEDED]
    with_anchor = {"trust_anchors": (ROOT.certificate,)}
    assert found(document(ISSUED, LOWER, UPPER, expired), **with_anchor) == [UNNEEDED]
    chain = sent(ISSUED, LOWER, UPPER, expired, **with_anchor)
    assert openssl_verifies(tmp_path, ISSUED.certificate_pem, chain, ROOT.certificate_pem)


def test_an_expired_authority_that_nothing_replaces_is_an_error() -> None:
    expired = Authority("Root", key=ROOT.key, parent=OTHER_ROOT, not_after=NOW - DAY)
    assert found(document(ISSUED, LOWER, UPPER, expired)) == [("intermediate_expired", "error")]


def test_a_cross_sign_that_ends_before_the_leaf_is_left_out() -> None:
    short = Authority("Root", key=ROOT.key, parent=OTHER_ROOT, not_after=NOW + 10 * DAY)
    assert sent(ISSUED, LOWER, UPPER, ROOT, short) == [LOWER.certificate_pem, UPPER.certificate_pem]


def test_a_cross_sign_is_sent_with_the_new_root_trusted(tmp_path: pathlib.Path) -> None:
    leaf = NEW_ROOT.issue("a.example.com")
    chain = sent(leaf, NEW_ROOT, NEW_ROOT_BY_OLD, trust_anchors=(NEW_ROOT.certificate,))
    assert chain == [NEW_ROOT_BY_OLD.certificate_pem]
    for root in (OLD_ROOT, NEW_ROOT):
        assert openssl_verifies(tmp_path, leaf.certificate_pem, chain, root.certificate_pem)


def test_authorities_that_signed_each_other_beside_a_way_out(tmp_path: pathlib.Path) -> None:
    one, two = Authority("One", parent=ROOT), Authority("Two")
    one_by_two = Authority("One", key=one.key, parent=two)
    two_by_one = Authority("Two", key=two.key, parent=one)
    leaf = one.issue("a.example.com")
    chain = sent(leaf, one_by_two, two_by_one, one)
    assert chain == [one.certificate_pem]
    assert openssl_verifies(tmp_path, leaf.certificate_pem, chain, ROOT.certificate_pem)


@pytest.mark.parametrize("dates", [{"not_after": NOW - DAY}, {"not_before": NOW + DAY}])
@pytest.mark.parametrize("anchored", [False, True])
def test_a_root_that_nobody_has_ends_no_way(tmp_path: pathlib.Path, dates: dict[str, t.Any], anchored: bool) -> None:
    """Both ways ended with it, and the shorter one was taken, which ends before the leaf and at no other root."""
    gone = Authority("Gone", **dates)
    short = Authority("Issuing", parent=gone, not_after=NOW + 20 * DAY)
    long = Authority("Issuing", key=short.key, parent=NEW_ROOT)
    cross = Authority("New Root", key=NEW_ROOT.key, parent=gone)
    leaf = short.issue("a.example.com")
    anchors = (gone.certificate, NEW_ROOT.certificate)
    for forms in ((short, long, cross, gone), (short, long, gone), (short, long, cross, gone, NEW_ROOT)):
        chain = sent(leaf, *forms, **({"trust_anchors": anchors} if anchored else {}))
        assert chain[0] == long.certificate_pem
        assert openssl_verifies(tmp_path, leaf.certificate_pem, chain, NEW_ROOT.certificate_pem)


def test_an_expired_root_beside_its_expired_cross_sign_is_taken_where_all_ways_end_at_it() -> None:
    """Whoever trusts nothing but the intermediate believes it."""
    gone = Authority("Gone", not_after=NOW - DAY)
    issuing = Authority("Issuing", parent=gone)
    cross = Authority("Gone", key=gone.key, parent=ROOT, not_after=NOW - DAY)
    assert sent(issuing.issue("a.example.com"), issuing, cross, gone) == [issuing.certificate_pem]


def test_a_form_that_is_no_authority_or_may_not_sign_or_is_weak() -> None:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    forbidden = dict.fromkeys((*others, "key_cert_sign", "encipher_only", "decipher_only"), False)
    mute = x509.KeyUsage(digital_signature=True, crl_sign=True, **forbidden)
    good = Authority("Issuing", parent=ROOT, not_after=NOW + 40 * DAY)
    leaf = good.issue("a.example.com")
    for bad in (
        Authority("Issuing", key=good.key, parent=ROOT, key_usage=mute),
        Authority("Issuing", key=good.key, parent=ROOT, signature_hash=hashes.SHA1()),
    ):
        assert sent(leaf, bad, good) == [good.certificate_pem]
    (problem,) = verify(document(leaf, Authority("Issuing", key=good.key, parent=ROOT, key_usage=mute)))[1]
    assert problem.code == "intermediate_not_ca"
    assert "may sign certificates" in problem.message


def test_path_lengths_are_kept() -> None:
    low = Authority("Low", parent=UPPER)
    short = Authority("Upper", key=UPPER.key, parent=ROOT, path_length=0)
    leaf = low.issue("a.example.com")
    assert sent(leaf, low, short, UPPER) == [low.certificate_pem, UPPER.certificate_pem]
    (problem,) = verify(document(leaf, low, short))[1]
    assert (problem.code, problem.severity) == ("path_length_exceeded", "error")
    assert "'CN=Upper' allows 0 authorities below it" in problem.message


def test_a_form_whose_constraints_or_usages_forbid_the_leaf(tmp_path: pathlib.Path) -> None:
    good = Authority("Issuing", parent=ROOT, not_after=NOW + 40 * DAY)
    leaf = good.issue("a.example.com")
    for extension in (
        x509.NameConstraints(None, [x509.DNSName("example.com")]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]),
    ):
        bad = Authority("Issuing", key=good.key, parent=ROOT, extra_extensions=[(extension, False)])
        for policy in ({}, {"trust_anchors": (ROOT.certificate,)}):
            chain = sent(leaf, bad, good, **policy)
            assert chain == [good.certificate_pem]
        assert openssl_verifies(tmp_path, leaf.certificate_pem, chain, ROOT.certificate_pem)


def test_a_form_of_another_key_identifier_is_not_taken_by_openssl(tmp_path: pathlib.Path) -> None:
    key = pki.new_key()
    forms = [
        Authority("Issuing", key=key, parent=ROOT, not_after=NOW + days * DAY, key_identifier=identifier)
        for identifier, days in ((None, 40), (b"another", 400))
    ]
    leaf = forms[0].issue("a.example.com")
    chain = sent(leaf, *forms)
    assert chain == [forms[0].certificate_pem]
    assert openssl_verifies(tmp_path, leaf.certificate_pem, chain, ROOT.certificate_pem)
    assert not openssl_verifies(tmp_path, leaf.certificate_pem, [forms[1].certificate_pem], ROOT.certificate_pem)


def test_a_leaf_that_names_the_serial_number_of_its_issuer(tmp_path: pathlib.Path) -> None:
    named = Authority("Issuing", parent=ROOT, not_after=NOW + 40 * DAY)
    renewed = Authority("Issuing", key=named.key, parent=ROOT)
    issuer = [x509.DirectoryName(ROOT.certificate.subject)]
    identifier = x509.AuthorityKeyIdentifier(None, issuer, named.certificate.serial_number)
    leaf = named.issue("a.example.com", key_identifier=identifier)
    chain = sent(leaf, renewed, named)
    assert chain == [named.certificate_pem]
    assert openssl_verifies(tmp_path, leaf.certificate_pem, chain, ROOT.certificate_pem)
    assert not openssl_verifies(tmp_path, leaf.certificate_pem, [renewed.certificate_pem], ROOT.certificate_pem)


# What is left over


def test_neighbours_are_left_out_and_strangers_refused() -> None:
    neighbour = Authority("Neighbour", parent=UPPER)
    assert found(document(ISSUED, LOWER, neighbour, UPPER)) == [UNNEEDED]
    assert chain_of(accepted(document(ISSUED, LOWER, neighbour, UPPER))) == [
        LOWER.certificate_pem,
        UPPER.certificate_pem,
    ]
    assert found(document(ISSUED, LOWER, NEW_ROOT)) == [("chain_broken", "error")]
    assert found(document(ISSUED, neighbour, UPPER)) == [("chain_broken", "error")], "its issuer is missing"


def test_two_leaves_of_one_name_are_told_apart() -> None:
    other = LOWER.issue("a.example.com", not_after=NOW + 5 * DAY)
    (problem,) = verify(ISSUED.combined_pem + other.certificate_pem)[1]
    assert problem.code == "multiple_leaves"
    for issued in (ISSUED, other):
        assert issued.fingerprint_sha256[:16] in problem.message


def test_an_expired_one_of_two_is_told_apart() -> None:
    expired = [Authority("Lower", key=LOWER.key, parent=UPPER, not_after=NOW - days * DAY) for days in (1, 2)]
    problems = verify(document(ISSUED, *expired, UPPER))[1]
    assert [problem.code for problem in problems] == ["chain_certificate_unneeded", "intermediate_expired"]
    for authority, problem in zip(reversed(expired), problems):
        assert authority.certificate.fingerprint(hashes.SHA256()).hex()[:16] in problem.message


def test_arranged_without_verification_it_is_the_same() -> None:
    for authorities in ((BY_OLD, BY_NEW), (BY_NEW, NEW_ROOT, BY_OLD)):
        content = document(LEAF, *authorities)
        expected = accepted(content).render("haproxy")["pem"]
        assert arranged_pem(content, ProcessOpener(), private_key=True, at=NOW) == expected


def test_an_authority_that_is_the_leaf_is_arranged_as_one(tmp_path: pathlib.Path) -> None:
    issued = LOWER.issue("a.example.com", is_ca=True)
    assert openssl_verifies(
        tmp_path, issued.certificate_pem, chain_of(accepted(issued.combined_pem)), ROOT.certificate_pem
    )
    assert arranged_pem(issued.combined_pem, ProcessOpener(), private_key=True, at=NOW).decode() == issued.combined_pem
    public = issued.certificate_pem + issued.chain_pem
    assert arranged_pem(public, ProcessOpener(), private_key=False, at=NOW).decode() == public


# However many there are


@pytest.mark.parametrize("levels", [1, 3, 6])
def test_fifty_certificates_that_all_sign_each_other(levels: int) -> None:
    keys = [pki.new_key() for _level in range(levels)]
    heads = [Authority(f"Level {level}", key=key) for level, key in enumerate(keys)]
    top = Authority("Level 0", key=keys[0], parent=ROOT)
    forms = [
        Authority(
            f"Level {number % levels}",
            key=keys[number % levels],
            parent=heads[(number // levels) % levels] if levels > 1 else Authority("Stranger", key=ROOT.key),
            not_after=NOW + (100 + number) * DAY,
        )
        for number in range(48)
    ]
    leaf = heads[0].issue("a.example.com")
    bundle = accepted(document(leaf, *forms, top), trust_anchors=(ROOT.certificate,))
    assert chain_of(bundle)[-1] == top.certificate_pem


def decoys(levels: int, count: int, *, closed: bool) -> tuple[Authority, list[Authority]]:
    """Authorities that lead to each other in all ways, and to nothing else, or out of what is given."""
    keys = [pki.new_key() for _level in range(levels + 1)]
    heads = [Authority(f"Decoy {level}", key=key) for level, key in enumerate(keys)]
    if closed:
        heads[-1] = heads[0]
    parents = [number % levels for number in range(count)]
    return heads[0], [Authority(f"Decoy {level}", key=keys[level], parent=heads[level + 1]) for level in parents]


@pytest.mark.parametrize("closed", [False, True])
def test_the_way_out_is_found_among_many_that_lead_nowhere(closed: bool) -> None:
    head, forms = decoys(8, 46, closed=closed)
    out = Authority("Issuing", parent=ROOT, not_after=NOW + 100 * DAY)
    wrong = [Authority("Issuing", key=out.key, parent=head, not_after=NOW + days * DAY) for days in (300, 400)]
    leaf = out.issue("a.example.com")
    bundle = accepted(document(leaf, *wrong, *forms, out), trust_anchors=(ROOT.certificate,))
    assert chain_of(bundle) == [out.certificate_pem]
    if closed:
        assert chain_of(accepted(document(leaf, *wrong, *forms, out))) == [out.certificate_pem]


def test_many_keys_of_one_name_are_given_up() -> None:
    forms = [Authority("Same", parent=Authority("Same")) for _number in range(49)]
    leaf = Authority("Same").issue("a.example.com")
    codes = [problem.code for problem in verify(document(leaf, *forms))[1] if problem.severity == "error"]
    assert codes == ["chain_signature_invalid"]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_whatever_the_graph_a_way_is_found_where_openssl_finds_one(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Each certificate that is good goes up, or to a neighbour; the bad ones must not be in the way."""
    names = ["A", "B", "C"]
    heads = {name: Authority(name, key=_key(name)) for name in names} | {"Root": ROOT}
    forms = data.draw(
        st.lists(
            st.builds(
                lambda name, by, days, length: Authority(
                    name, key=_key(name), parent=heads[by], not_after=NOW + days * DAY, path_length=length
                ),
                st.sampled_from(names),
                st.sampled_from([*names, "Root"]),
                st.sampled_from([-5, 20, 200, 400]),
                st.sampled_from([None, None, 0, 1]),
            ),
            min_size=1,
            max_size=7,
        )
    )
    leaf = heads["A"].issue("a.example.com", key=_key("leaf"))
    policy = {"trust_anchors": (ROOT.certificate,)}
    bundle, problems = verify(document(leaf, *forms), **policy)
    shuffled = data.draw(st.permutations(forms))
    again, _problems = verify(document(leaf, *shuffled), **policy)
    assert (bundle and bundle.render("haproxy")) == (again and again.render("haproxy"))
    folder = tmp_path_factory.mktemp("graph")
    if bundle is not None:
        assert openssl_verifies(folder, leaf.certificate_pem, chain_of(bundle), ROOT.certificate_pem)
    elif [problem.code for problem in problems if problem.severity == "error"] != ["chain_broken"]:  # a stranger
        chain = [form.certificate_pem for form in forms]
        assert not openssl_verifies(folder, leaf.certificate_pem, chain, ROOT.certificate_pem), problems
    bundle, _problems = verify(document(leaf, *forms))
    if bundle is not None:  # whoever trusts what is above believes it
        above = (bundle.leaf, *bundle.intermediates)[-1].issuer.removeprefix("CN=")
        assert openssl_verifies(folder, leaf.certificate_pem, chain_of(bundle), heads[above].certificate_pem)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_whatever_the_roots_the_way_that_lasts_longest_is_taken(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Of roots some are over, some end before the leaf, and some were certified by others. OpenSSL says how long."""
    days = st.sampled_from([-5, 20, 50, 200])
    roots = {
        name: Authority(name, key=_key(name), not_after=NOW + data.draw(days) * DAY) for name in ("One", "Two", "Three")
    }
    made = data.draw(
        st.lists(st.tuples(st.sampled_from(["A", *roots]), st.sampled_from([*roots]), days), min_size=1, max_size=5)
    )
    forms = [
        Authority(name, key=_key(name), parent=roots[by], not_after=NOW + end * DAY)
        for name, by, end in [("A", "One", 50), *made]
        if name != by
    ]
    leaf = Authority("A", key=_key("A")).issue("a.example.com", key=_key("leaf"), not_after=NOW + 100 * DAY)
    bundle, problems = verify(document(leaf, *forms, *roots.values()))
    if bundle is None:
        assert "chain_broken" in [problem.code for problem in problems], "a stranger"
        return
    folder = tmp_path_factory.mktemp("roots")

    def lasts(chain: t.Sequence[str]) -> int:
        """How many of the days."""
        for count, end in enumerate((1, 19, 49, 99)):
            (folder / "roots").write_text("".join(root.certificate_pem for root in roots.values()))
            (folder / "leaf").write_text(leaf.certificate_pem)
            (folder / "chain").write_text("".join(chain))
            at = str(int((NOW + end * DAY).timestamp()))
            command = ["openssl", "verify", "-attime", at, "-CAfile", "roots", "-untrusted", "chain", "leaf"]
            if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
                return count
        return 4

    def ways(issuer: x509.Name, way: tuple[str, ...]) -> t.Iterator[tuple[str, ...]]:
        yield way
        for form in forms:
            if form.certificate.subject == issuer and form.certificate_pem not in way and len(way) < 3:
                yield from ways(form.certificate.issuer, (*way, form.certificate_pem))

    assert lasts(chain_of(bundle)) == max(map(lasts, set(ways(leaf.certificate.issuer, ()))))


_KEYS: dict[str, t.Any] = {}


def _key(name: str) -> t.Any:
    return _KEYS.setdefault(name, pki.new_key())


def test_no_way_leads_on_from_an_authority_whose_root_is_over(tmp_path: pathlib.Path) -> None:
    """Who still has that root ends there and refuses it, though a cross-certificate leads on to a root that counts."""
    old, new = (
        Authority(name, key=_key(name), not_after=NOW + end * DAY) for name, end in (("One", -5), ("Three", 50))
    )
    by_old, by_new = (
        Authority("A", key=_key("A"), parent=parent, not_after=NOW + end * DAY)
        for parent, end in ((old, 50), (new, 20))
    )
    crossed = Authority("One", key=_key("One"), parent=new, not_after=NOW + 50 * DAY)
    leaf = Authority("A", key=_key("A")).issue("a.example.com", key=_key("leaf"), not_after=NOW + 100 * DAY)
    bundle, _problems = verify(document(leaf, by_old, by_new, crossed, old, new))
    assert chain_of(bundle) == [by_new.certificate_pem]
    roots = old.certificate_pem + new.certificate_pem
    assert openssl_verifies(tmp_path, leaf.certificate_pem, chain_of(bundle), roots)
