# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be seen over TLS, and whether what was seen proves the deployment."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.listeners import (
    CertificateReference,
    TlsBind,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.selection import LoadedFile
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.proof_again import Share, address_of
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.proof_chain import ChainRules
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.proof_report import (
    CertificateProof,
    DeployedCertificate,
    ProofReport,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.proof_targets import (
    ProofTarget,
    proof_targets,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.prove import verdicts


@dataclasses.dataclass(frozen=True)
class Seen:
    fingerprint_sha256: str | None = None
    error: str | None = None
    key_type_ignored: bool = False
    chain: tuple[bytes, ...] = ()


def deployed(name: str, *names: str, key_type: str = "ecdsa") -> DeployedCertificate:
    return DeployedCertificate(name, f"/certs/{name}.pem", f"fp-{name}", names, key_type)


def bind(*certificates: DeployedCertificate | CertificateReference, port: int = 443, **fields: t.Any) -> TlsBind:
    references = tuple(
        item if isinstance(item, CertificateReference) else CertificateReference(item.path) for item in certificates
    )
    return TlsBind(f"127.0.0.1:{port}", "127.0.0.1", port, references, **fields)


ANY = TlsBind("127.0.0.1:443", "127.0.0.1", 443)
OTHER = CertificateReference("/certs/other.pem")


def asked(targets: t.Sequence[ProofTarget]) -> list[tuple[str, int, str | None, str]]:
    return [(item.certificate.name, item.bind.port, item.server_name, item.key_type) for item in targets]


def judge(
    certificates: t.Sequence[DeployedCertificate],
    binds: t.Sequence[TlsBind],
    answer: t.Callable[[ProofTarget], Seen],
    files: t.Mapping[str, LoadedFile] | None = None,
) -> ProofReport:
    targets = proof_targets(certificates, binds, files=files)
    return verdicts(certificates, binds, targets, [answer(target) for target in targets], files=files)


def foreign(name: str, *names: str, key_type: str = "ecdsa") -> dict[str, LoadedFile]:
    """A file that was not deployed here, by its path."""
    path = f"/certs/{name}.pem"
    return {path: LoadedFile(path, f"fp-{name}", names, key_type, "2021-01-01T00:00:00Z")}


def test_each_name_on_each_listener_that_loads_the_certificate() -> None:
    a, b = deployed("a", "a.example.com", "www.Example.com"), deployed("b", "b.example.com")
    binds = [
        bind(OTHER, a, b, port=1),
        bind(OTHER, b, port=2),
        bind(OTHER, a, port=3, not_probeable="is a unix socket"),
    ]
    assert asked(proof_targets([a, b], binds)) == [
        ("a", 1, "a.example.com", "any"),
        ("a", 1, "www.example.com", "any"),
        ("b", 1, "b.example.com", "any"),
        ("b", 2, "b.example.com", "any"),
    ]
    assert asked(proof_targets([a], binds, max_names=1)) == [("a", 1, "a.example.com", "any")]


def test_the_default_certificate_is_also_asked_for_without_sni() -> None:
    a = deployed("a", "a.example.com")
    assert asked(proof_targets([a], [bind(a, OTHER)]))[-1] == ("a", 443, None, "any")
    assert len(proof_targets([a], [bind(a, OTHER, strict_sni=True)])) == 1
    assert len(proof_targets([a], [bind(OTHER, a)])) == 1


def test_a_wildcard_is_asked_for_by_a_made_up_label_that_stays_the_same() -> None:
    a = deployed("a", "*.example.com")
    first, second = (proof_targets([a], [bind(OTHER, a)])[0].server_name for dummy in range(2))
    assert first == second
    assert first is not None
    assert first.startswith("rotation-proof-")
    assert first.endswith(".example.com")
    other = proof_targets([deployed("b", "*.example.com")], [ANY])[0].server_name
    assert other != first


def test_filters_of_a_crt_list_replace_the_names() -> None:
    a = deployed("a", "a.example.com", "b.example.com")
    filters = ("a.example.com", "*.in.example.com", "!x.in.example.com", "c.example.com", "!c.example.com", "*")
    reference = CertificateReference(a.path, filters, filtered=True)
    first, second, third = proof_targets([a], [bind(OTHER, reference)])
    assert (first.server_name, third.server_name) == ("a.example.com", "c.example.com")
    assert (second.server_name or "").endswith(".in.example.com")


def test_who_may_answer_is_worked_out_once_for_a_name_that_thousands_have() -> None:
    many = [deployed(f"c{number}", "shared.example.com", "*.example.com") for number in range(50)]
    excluding = CertificateReference("/certs/c0.pem", ("*.example.com", "!shared.example.com"), filtered=True)
    everybody = frozenset(item.fingerprint_sha256 for item in many)
    targets = proof_targets(many, [bind(OTHER, excluding, *many[1:])])
    assert {item.server_name == "shared.example.com": item.accepted for item in targets} == {
        True: everybody - {"fp-c0"},
        False: everybody,
    }
    assert len({id(item.accepted) for item in targets}) == 2


def test_filters_that_only_exclude_leave_the_default_alone() -> None:
    a = deployed("a", "a.example.com")
    reference = CertificateReference(a.path, ("!*",), filtered=True)
    assert asked(proof_targets([a], [bind(reference, OTHER)])) == [("a", 443, None, "any")]
    report = judge([a], [bind(OTHER, reference)], lambda _target: Seen())
    assert report.certificates[0].unreferenced
    assert "SNI filters" in (report.certificates[0].reason or "")


def test_ip_addresses_are_proven_as_the_default_only() -> None:
    a = deployed("a", "192.0.2.1", "2001:db8::1")
    b = deployed("b", "192.0.2.2", "b.example.com")
    assert asked(proof_targets([a, b], [bind(a, b)])) == [("a", 443, None, "any"), ("b", 443, "b.example.com", "any")]
    assert proof_targets([a], [bind(OTHER, a)]) == []
    assert asked(proof_targets([a], [ANY])) == [("a", 443, None, "any")]
    assert asked(proof_targets([a, b], [ANY])) == [("b", 443, "b.example.com", "any")]


def test_all_as_expected_is_proven() -> None:
    a, b = deployed("a", "a.example.com"), deployed("b", "b.example.com")
    report = judge([a, b], [bind(a, b)], lambda target: Seen(target.certificate.fingerprint_sha256))
    assert [proof.proven for proof in report.certificates] == [True, True]
    assert report.failures(allow_unreferenced=False) == []


def test_one_wrong_answer_is_a_mismatch_with_both_fingerprints() -> None:
    a, b = deployed("a", "a.example.com", "www.example.com"), deployed("b", "b.example.com")

    def answer(target: ProofTarget) -> Seen:
        return Seen("fp-old" if target.server_name == "www.example.com" else target.certificate.fingerprint_sha256)

    report = judge([a, b], [bind(OTHER, a, b)], answer)
    (failure,) = report.failures(allow_unreferenced=False)
    (mismatch,) = failure.mismatches
    assert failure.certificate == a
    assert (mismatch.bind, mismatch.server_name) == ("127.0.0.1:443", "www.example.com")
    assert (mismatch.expected_fingerprint_sha256, mismatch.served_fingerprint_sha256) == ("fp-a", "fp-old")
    assert "fp-a" in str(mismatch)
    assert "fp-old" in str(mismatch)
    assert "not deployed now" in str(mismatch)


def test_no_answer_keeps_its_error_and_a_client_certificate_demand_is_no_failure() -> None:
    a = deployed("a", "a.example.com")
    report = judge([a], [ANY], lambda _target: Seen(error="connection refused"))
    assert report.certificates[0].outcome == "unasked"
    assert report.certificates[0].unanswered[0].error == "connection refused"
    assert report.certificates[0].because == ("127.0.0.1:443 for a.example.com: connection refused",)
    assert report.failures(allow_unreferenced=False) == list(report.certificates)
    assert report.failures(allow_unreferenced=False, allow_unanswered=True) == []
    assert report.unproven(allow_unreferenced=True) == list(report.certificates)
    report = judge([a], [ANY], lambda _target: Seen("fp-a", error="TLS alert certificate_required"))
    assert report.certificates[0].proven


def test_rsa_and_ecdsa_for_one_name_are_asked_for_one_by_one() -> None:
    r = deployed("r", "a.example.com", "r.example.com", key_type="rsa")
    e = deployed("e", "a.example.com")
    targets = proof_targets([r, e], [bind(OTHER, r, e)])
    assert asked(targets) == [
        ("r", 443, "a.example.com", "rsa"),
        ("r", 443, "r.example.com", "any"),
        ("e", 443, "a.example.com", "ecdsa"),
    ]
    # The ECDSA certificate alone answers, whatever the client can do.
    report = judge([r, e], [bind(OTHER, r, e)], lambda target: Seen("fp-r" if target.key_type == "any" else "fp-e"))
    assert [proof.proven for proof in report.certificates] == [False, True]


def test_a_pair_behind_tls_1_3_alone_cannot_be_told_apart() -> None:
    r, e = deployed("r", "a.example.com", key_type="rsa"), deployed("e", "a.example.com")
    report = judge([r, e], [bind(OTHER, r, e)], lambda _target: Seen("fp-e", key_type_ignored=True))
    assert [proof.outcome for proof in report.certificates] == ["unasked", "right"]
    assert "TLS 1.3 alone" in report.certificates[0].because[0]
    report = judge([r, e], [bind(OTHER, r, e)], lambda _target: Seen("fp-old", key_type_ignored=True))
    assert [proof.proven for proof in report.certificates] == [False, False]


def test_either_of_a_bundle_is_the_default_by_version() -> None:
    r, e = deployed("r", "a.example.com", key_type="rsa"), deployed("e", "a.example.com")
    bundle = [CertificateReference(item.path, fallback=True) for item in (r, e)]

    def answer(target: ProofTarget) -> Seen:
        return Seen(target.certificate.fingerprint_sha256 if target.server_name else "fp-e")

    def outcomes(version: tuple[int, int] | None) -> list[str]:
        return [proof.outcome for proof in judge([r, e], [bind(*bundle, version=version)], answer).certificates]

    assert outcomes(None) == ["right", "right"]
    assert outcomes((3, 0)) == ["wrong", "right"]  # who cannot do ECDSA gets the RSA one since 3.0
    assert outcomes((2, 9)) == ["wrong", "right"]  # and everybody the first one before


def test_a_shared_name_may_be_answered_by_either_unless_one_is_shadowed() -> None:
    a, b = deployed("a", "shared.example.com", "a.example.com"), deployed("b", "shared.example.com", "b.example.com")

    def answer(target: ProofTarget) -> Seen:
        shared = target.server_name == "shared.example.com"
        return Seen("fp-a" if shared else target.certificate.fingerprint_sha256)

    assert all(proof.proven for proof in judge([a, b], [bind(OTHER, a, b)], answer).certificates)

    shadowed = deployed("s", "shared.example.com")
    report = judge([a, shadowed], [bind(OTHER, a, shadowed)], answer)
    assert [proof.proven for proof in report.certificates] == [True, False]
    text = str(report.certificates[1].shadowed[0])
    assert "shadowed" in text
    assert "fp-s" in text
    assert "fp-a" in text


def test_a_certificate_shadowed_on_one_of_two_listeners_fails() -> None:
    a, b = deployed("a", "shared.example.com"), deployed("b", "shared.example.com")
    binds = [bind(OTHER, a, b, port=1), bind(OTHER, b, port=2)]
    report = judge([a, b], binds, lambda target: Seen("fp-a" if target.bind.port == 1 else "fp-b"))
    assert report.certificates[1].outcome == "shadowed"
    assert [item.bind for item in report.certificates[1].shadowed] == ["127.0.0.1:1"]


def test_the_default_certificate_must_answer_to_a_name_too() -> None:
    a, b = deployed("a", "shared.example.com"), deployed("b", "shared.example.com")
    report = judge([a, b], [bind(a, b)], lambda target: Seen("fp-b" if target.server_name else "fp-a"))
    assert [proof.proven for proof in report.certificates] == [False, True]


def test_a_certificate_that_no_listener_loads_is_unreferenced() -> None:
    a, b = deployed("a", "a.example.com"), deployed("b", "b.example.com")
    binds = [bind(OTHER, port=1), bind(OTHER, b, port=2, not_probeable="is a unix socket")]
    report = judge([a, b], binds, lambda _target: Seen())
    assert [proof.outcome for proof in report.certificates] == ["unasked", "unasked"]
    assert [proof.unreferenced for proof in report.certificates] == [True, False]
    assert report.certificates[0].reason == "no TLS bind of HAProxy loads this file"
    assert report.certificates[1].because == ("127.0.0.1:2 is a unix socket",)
    assert report.failures(allow_unreferenced=False) == [report.certificates[0]]
    assert report.failures(allow_unreferenced=True) == []


def test_what_cannot_be_asked_somewhere_is_right_where_it_can_be() -> None:
    a = deployed("a", "a.example.com")
    binds = [bind(OTHER, a, port=1), bind(a, port=2, not_probeable="is no address of this host now")]
    report = judge([a], binds, lambda _target: Seen("fp-a"))
    assert (report.certificates[0].outcome, report.certificates[0].because) == ("right", ())
    assert [str(item) for item in report.certificates[0].unasked] == ["127.0.0.1:2 is no address of this host now"]


def test_one_question_without_an_answer_is_not_made_up_for_by_others() -> None:
    a = deployed("a", "a.example.com", "b.example.com")

    def answer(target: ProofTarget) -> Seen:
        return Seen("fp-a") if target.server_name == "a.example.com" else Seen(error="connection reset")

    report = judge([a], [bind(OTHER, a)], answer)
    assert report.certificates[0].outcome == "unasked"
    assert [item.server_name for item in report.certificates[0].unanswered] == ["b.example.com"]


def test_wrong_is_wrong_whatever_else_could_not_be_asked() -> None:
    a = deployed("a", "a.example.com", "b.example.com")

    def answer(target: ProofTarget) -> Seen:
        return Seen("fp-old") if target.server_name == "a.example.com" else Seen(error="timeout")

    (proof,) = judge([a], [bind(OTHER, a)], answer).certificates
    assert (proof.outcome, len(proof.mismatches), len(proof.unanswered)) == ("wrong", 1, 1)
    assert proof.because == tuple(map(str, proof.mismatches))


def test_a_certificate_is_not_shadowed_while_a_name_of_its_own_has_no_answer() -> None:
    a, b = deployed("a", "shared.example.com"), deployed("b", "shared.example.com", "b.example.com")

    def answer(target: ProofTarget) -> Seen:
        return Seen("fp-a") if target.server_name == "shared.example.com" else Seen(error="timeout")

    report = judge([a, b], [bind(OTHER, a, b)], answer)
    assert [proof.outcome for proof in report.certificates] == ["right", "unasked"]


def test_who_answers_without_sni_is_wrong_only_where_the_default_is_known() -> None:
    a, b = deployed("a", "a.example.com"), deployed("b", "192.0.2.1")

    def answer(target: ProofTarget) -> Seen:
        return Seen("fp-a" if target.server_name else "fp-old")

    known = [bind(a, port=1), bind(b, port=2)]
    assert [proof.outcome for proof in judge([a, b], known, answer).certificates] == ["wrong", "wrong"]
    unknown = [dataclasses.replace(item, default_known=False) for item in known]
    report = judge([a, b], unknown, answer)
    assert [proof.outcome for proof in report.certificates] == ["right", "unasked"]
    assert report.failures(allow_unreferenced=False) == []
    assert report.certificates[1].because == (
        "127.0.0.1:2 without SNI serves fp-old, and which one is the default is not known here",
    )
    assert judge([b], unknown[1:], lambda _target: Seen("fp-b")).certificates[0].proven


def test_another_host_that_answers_proves_nothing_against_it() -> None:
    a = deployed("a", "a.example.com")
    elsewhere = TlsBind("192.0.2.9:443", "192.0.2.9", 443, foreign=True)
    (proof,) = judge([a], [elsewhere], lambda _target: Seen("fp-old")).certificates
    assert (proof.outcome, proof.mismatches) == ("unasked", ())
    assert "its address is none of this host's" in proof.because[0]
    assert judge([a], [elsewhere], lambda _target: Seen("fp-a")).certificates[0].proven


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("w*.example.com", "an asterisk stands for the whole first label only"),
        ("*.*.example.com", "an asterisk stands for the whole first label only"),
        ("*example.com", "an asterisk stands for the whole first label only"),
        ("*", "an asterisk stands for the whole first label only"),
        ("*.", "it is no host name"),
        ("www.example.com.", "leave out a dot at the end"),
        ("a..example.com", "it is no host name"),
        (".example.com", "it is no host name"),
        ("", "it is no host name"),
        ("b\u00fccher.example", "it is no host name"),
        (f"{'a' * 64}.example.com", "it is no host name"),
        ("admin@example.com", "it is no host name"),
        ("https://example.com/", "it is no host name"),
        ("www.example.com\0.evil.example", "it is no host name"),
        ("a b.example.com", "it is no host name"),
        (".".join(["a" * 60] * 5), "longer than 253 characters"),
        (f"*.{'.'.join(['a' * 63] * 4)}", "longer than 253 characters"),
    ],
)
def test_a_name_that_no_client_can_send_is_its_own_finding(name: str, reason: str) -> None:
    a, b = deployed("a", "a.example.com", name), deployed("b", name)
    binds = [bind(OTHER, a, b)]
    assert asked(proof_targets([a, b], binds)) == [("a", 443, "a.example.com", "any")]
    report = judge([a, b], binds, lambda _target: Seen("fp-a"))
    assert [proof.outcome for proof in report.certificates] == ["right", "unasked"]
    assert report.failures(allow_unreferenced=False) == []
    assert reason in report.certificates[0].unasked[0].reason
    assert str(report.certificates[1].unasked[0]).isprintable()
    filtered = CertificateReference(a.path, ("a.example.com", name), filtered=True)
    (proof,) = judge([a], [bind(OTHER, filtered)], lambda _target: Seen("fp-a")).certificates
    assert proof.outcome == "right"


@pytest.mark.parametrize("name", ["a_b.example.com", "-a.example.com", "300.1.1.1", "x", "xn--bcher-kva.example"])
def test_odd_names_that_clients_can_send_are_asked_for(name: str) -> None:
    a = deployed("a", name)
    assert asked(proof_targets([a], [bind(OTHER, a)])) == [("a", 443, name, "any")]


@pytest.mark.parametrize("length", [200, 241, 252, 253])
def test_the_made_up_label_of_a_long_wildcard_fits(length: int) -> None:
    rest = ".".join(["a" * 50] * 6)[: length - 2].replace(".a", ".b")
    a = deployed("a", f"*.{rest}")
    (target,) = proof_targets([a], [bind(OTHER, a)])
    assert target.server_name is not None
    assert len(target.server_name) <= 253
    assert target.server_name.endswith(f".{rest}")
    assert all(0 < len(label) < 64 for label in target.server_name.split("."))


def test_thousands_of_certificates_on_one_listener_take_no_quadratic_time() -> None:
    certificates = [deployed(f"c{number}", f"c{number}.example.com") for number in range(5000)]
    report = judge(certificates, [bind(*certificates)], lambda target: Seen(target.certificate.fingerprint_sha256))
    assert all(proof.proven for proof in report.certificates)


def judge_all(target: ProofTarget, *answers: Seen, **more: t.Any) -> CertificateProof:
    """One question, asked as often as it is answered."""
    certificate, binds = target.certificate, [target.bind]
    (proof,) = verdicts([certificate], binds, [target] * len(answers), answers, **more).certificates
    return proof


def test_answers_that_waver_are_wrong() -> None:
    a = deployed("a", "a.example.com")
    (target,) = proof_targets([a], [bind(OTHER, a)])
    right, wrong, other, silent = Seen("fp-a"), Seen("fp-old"), Seen("fp-older"), Seen(error="timeout after 5 s")
    assert judge_all(target, right, right, right).outcome == "right"
    (mismatch,) = judge_all(target, right, wrong, right, other, wrong).mismatches
    assert mismatch.error == "3 of 5 connections got a certificate that is not deployed now"
    assert mismatch.served_fingerprint_sha256 == "fp-old"
    assert judge_all(target, right, silent, wrong).mismatches[0].error.startswith("1 of 3 connections got ")
    assert judge_all(target, wrong, wrong).mismatches[0].error == "a certificate that is not deployed now"
    proof = judge_all(target, right, silent, right, silent)
    assert (proof.outcome, proof.unanswered[0].error) == ("unasked", "2 of 4 connections: timeout after 5 s")
    assert judge_all(target, silent, silent).unanswered[0].error == "timeout after 5 s"


def test_who_answers_rightly_once_is_known_to_be_the_one_to_answer() -> None:
    """Where the default one is not known, another certificate is not wrong; but not where ours comes now and then."""
    a = deployed("a", "192.0.2.1")
    (target,) = proof_targets([a], [bind(a, default_known=False)])
    assert judge_all(target, Seen("fp-old")).outcome == "unasked"
    assert judge_all(target, Seen("fp-a"), Seen("fp-old")).outcome == "wrong"


def test_who_listens_there_is_named() -> None:
    a = deployed("a", "a.example.com")
    (target,) = proof_targets([a], [bind(OTHER, a)])
    address = address_of(target.bind)
    shared = {address: Share(2, ("haproxy (process 1)", "haproxy (process 2)"))}
    (mismatch,) = judge_all(target, Seen("fp-a"), Seen("fp-old"), shares=shared).mismatches
    assert "may answer: haproxy (process 1), haproxy (process 2). Stop all but one" in mismatch.error
    strange = {address: Share(1, ("nginx (process 3)",), strange=True)}
    (mismatch,) = judge_all(target, Seen("fp-old"), shares=strange).mismatches
    assert mismatch.error.endswith(". nginx (process 3) listens there, which is not HAProxy")
    usual = {address: Share(1, ("haproxy (process 1)",))}
    assert judge_all(target, Seen("fp-old"), shares=usual).mismatches[0].error.endswith("not deployed now")


def test_the_chain_is_judged_where_it_is_known() -> None:
    leaf, one, two = b"\x30\x01\x00", b"\x30\x01\x01", b"\x30\x01\x02"
    a = dataclasses.replace(deployed("a", "a.example.com"), chain=(one,))
    (target,) = proof_targets([a], [bind(OTHER, a)])
    assert judge_all(target, Seen("fp-a", chain=(leaf, one))).outcome == "right"
    (mismatch,) = judge_all(target, Seen("fp-a", chain=(leaf, two))).mismatches
    assert mismatch.expected_fingerprint_sha256 == mismatch.served_fingerprint_sha256 == "fp-a"
    assert str(mismatch).startswith("127.0.0.1:443 for a.example.com serves fp-a: the right certificate, but it comes")
    seen = Seen("fp-a", chain=(leaf, one)), Seen("fp-a", chain=(leaf,))
    (mismatch,) = judge_all(target, *seen, rules=ChainRules(completes=False, builds=False)).mismatches
    assert mismatch.error.startswith("1 of 2 connections got the right certificate, but it comes without ")
    unknown = dataclasses.replace(a, chain=None)
    (target,) = proof_targets([unknown], [bind(OTHER, a)])
    assert judge_all(target, Seen("fp-a", chain=(leaf, two))).outcome == "right"
    foreign = dataclasses.replace(bind(OTHER, a), foreign=True)
    (target,) = proof_targets([a], [foreign])
    assert judge_all(target, Seen("fp-a", chain=(leaf, two))).outcome == "unasked"


def test_two_files_with_one_leaf_and_two_chains() -> None:
    """Which of the two HAProxy loads is not told by the leaf; any of their chains is right."""
    leaf, one, two, three = (bytes([0x30, 1, number]) for number in range(4))
    a = dataclasses.replace(deployed("a", "a.example.com"), chain=(one,))
    b = dataclasses.replace(a, name="b", path="/certs/b.pem", chain=(two,))
    binds = [bind(OTHER, a, b)]
    targets = proof_targets([a, b], binds)
    for chain, expected in (((leaf, one), "right"), ((leaf, two), "right"), ((leaf, three), "wrong")):
        report = verdicts([a, b], binds, targets, [Seen("fp-a", chain=chain)] * len(targets))
        assert {proof.outcome for proof in report.certificates} == {expected}


def test_another_file_that_haproxy_is_to_serve_is_named_and_is_nothing_to_go_back_for() -> None:
    a = deployed("a", "a.example.com", "own.example.com")
    legacy = foreign("legacy", "a.example.com")
    behind, before = (
        bind(OTHER, a, CertificateReference("/certs/legacy.pem")),
        bind(OTHER, CertificateReference("/certs/legacy.pem"), a),
    )

    def answer(target: ProofTarget) -> Seen:
        return Seen("fp-legacy" if target.server_name == "a.example.com" else "fp-a")

    for listener, reload_helps in ((behind, True), (before, False)):
        (proof,) = judge([a], [listener], answer, {**legacy, **foreign("other", "other.example.com")}).certificates
        assert (proof.outcome, proof.mismatches) == ("shadowed", ())
        (found,) = proof.shadowed
        assert (found.path, found.server_name, found.reload_helps) == (
            "/certs/legacy.pem",
            "a.example.com",
            reload_helps,
        )
        assert "/certs/legacy.pem (valid until 2021-01-01T00:00:00Z)" in proof.because[0]
        assert proof.fails(allow_unreferenced=True, allow_unanswered=False)
        assert not proof.fails(allow_unreferenced=True, allow_unanswered=True)
    # What answers and has not the name is wrong, and named as well; so is the version before, wherever it lies.
    (proof,) = judge([a], [before], lambda _target: Seen("fp-other"), {**legacy, **foreign("other", "x")}).certificates
    assert proof.outcome == "wrong"
    assert "that of /certs/other.pem" in proof.because[0]
    renewed = dataclasses.replace(a, previous_fingerprint_sha256="fp-legacy")
    (proof,) = judge([renewed], [before], answer, {**legacy, **foreign("other", "x")}).certificates
    assert proof.outcome == "wrong"


def test_a_file_that_cannot_be_read_may_be_the_one_that_answers() -> None:
    a = deployed("a", "a.example.com")
    (proof,) = judge([a], [bind(OTHER, a)], lambda _target: Seen("fp-old"), {}).certificates
    assert (proof.outcome, proof.mismatches) == ("unasked", ())
    why = "who answers is not known here: it may be /certs/other.pem, which cannot be read, or has changed since"
    assert why in proof.because[0]
    (proof,) = judge([a], [bind(a, incomplete=True)], lambda _target: Seen("fp-old")).certificates
    assert (proof.outcome, proof.mismatches) == ("unasked", ())
    assert judge([a], [bind(a, incomplete=True)], lambda _target: Seen("fp-a")).outcome == "right"
    nameless = {**foreign("other", "a.example.com"), "/certs/a.pem": LoadedFile("/certs/a.pem", "fp-a", (), "ecdsa")}
    unclear = {path: dataclasses.replace(file, fingerprint_sha256="") for path, file in nameless.items()}
    (proof,) = judge([a], [bind(OTHER, a)], lambda _target: Seen("fp-old"), unclear).certificates
    assert (proof.outcome, why in proof.because[0]) == ("unasked", True)


def test_a_wildcard_of_the_other_type_of_key_takes_nothing_from_the_exact_name() -> None:
    r = deployed("r", "a.example.com", key_type="rsa")
    files = {**foreign("other", "*.example.com"), **foreign("r", "a.example.com", key_type="rsa")}
    targets = proof_targets([r], [bind(OTHER, r)], files=files)
    assert asked(targets) == [("r", 443, "a.example.com", "rsa")]

    def outcome(seen: Seen) -> tuple[str, int]:
        (proof,) = judge([r], [bind(OTHER, r)], lambda _target: seen, files).certificates
        return proof.outcome, len(proof.unasked)

    assert outcome(Seen("fp-r")) == ("right", 0)
    assert outcome(Seen("fp-old")) == ("wrong", 0)
    assert outcome(Seen("fp-other", key_type_ignored=True)) == ("unasked", 1)  # TLS 1.3 alone


def test_a_common_name_is_a_name_for_haproxy() -> None:
    a, b = deployed("a", "a.example.com", key_type="rsa"), deployed("b", "b.example.com")
    files = {**foreign("a", "a.example.com", key_type="rsa"), **foreign("b", "b.example.com", "a.example.com")}
    targets = proof_targets([a, b], [bind(OTHER, a, b)], files={**files, **foreign("other", "x")})
    assert asked(targets) == [("a", 443, "a.example.com", "rsa"), ("b", 443, "b.example.com", "any")]


def test_who_names_nothing_may_get_any_default_certificate() -> None:
    a = deployed("a", "a.example.com")
    reference = CertificateReference("/certs/other.pem", fallback=True)
    listener = bind(a, reference, version=(3, 0))

    def answer(target: ProofTarget) -> Seen:
        return Seen("fp-a" if target.server_name else "fp-other")

    assert judge([a], [listener], answer, foreign("other", "x")).certificates[0].proven
    assert judge([a], [dataclasses.replace(listener, version=(2, 8))], answer, foreign("other", "x")).outcome == "wrong"


def test_a_wrong_answer_to_a_shared_name_is_the_fault_of_one() -> None:
    """Not of who is served wherever it alone may answer, nor in whose place the version before of the other comes."""
    a, b = deployed("a", "a.example.com", "n.example.com"), deployed("b", "b.example.com", "n.example.com")

    def outcomes(pair: t.Sequence[DeployedCertificate], *, shared: str, a_alone: str = "fp-a") -> list[str]:
        others = {"a.example.com": a_alone, "b.example.com": "fp-old"}
        report = judge(pair, [bind(OTHER, *pair)], lambda target: Seen(others.get(target.server_name or "", shared)))
        return [proof.outcome for proof in report.certificates]

    assert outcomes([a, b], shared="fp-old") == ["shadowed", "wrong"]
    assert outcomes([a, b], shared="fp-old", a_alone="fp-old") == ["wrong", "wrong"]
    only_shared = deployed("a", "n.example.com")
    assert outcomes([only_shared, b], shared="fp-old") == ["wrong", "wrong"]
    knowing = dataclasses.replace(b, previous_fingerprint_sha256="fp-old")
    assert outcomes([only_shared, knowing], shared="fp-old") == ["shadowed", "wrong"]
    both = dataclasses.replace(only_shared, previous_fingerprint_sha256="fp-old")
    assert outcomes([both, knowing], shared="fp-old") == ["wrong", "wrong"]
    assert outcomes([a, dataclasses.replace(a, name="b", path="/certs/b.pem")], shared="fp-old") == ["wrong", "wrong"]
    r = deployed("r", "n.example.com", key_type="rsa")
    ecdsa = dataclasses.replace(deployed("e", "n.example.com"), previous_fingerprint_sha256="fp-old")
    seen = Seen("fp-old", key_type_ignored=True)  # TLS 1.3 alone
    report = judge([r, ecdsa], [bind(OTHER, r, ecdsa)], lambda _target: seen)
    assert [proof.outcome for proof in report.certificates] == ["shadowed", "wrong"]


def test_the_chain_of_another_certificate_counts_against_that_one() -> None:
    leaf, one, two = b"leaf", b"one", b"two"
    a = dataclasses.replace(deployed("a", "a.example.com", "n.example.com"), chain=(one,))
    b = dataclasses.replace(deployed("b", "n.example.com"), chain=(one,))
    right, odd = Seen("fp-a", chain=(leaf, one)), Seen("fp-b", chain=(leaf, two))
    report = judge([a, b], [bind(OTHER, a, b)], lambda target: right if target.server_name == "a.example.com" else odd)
    assert [proof.outcome for proof in report.certificates] == ["right", "wrong"]
