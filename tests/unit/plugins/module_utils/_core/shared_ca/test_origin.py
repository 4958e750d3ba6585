# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of clients are removed, and whether a directory may be given to an authority."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.material import (
    Material,
    read_certificates,
    read_identity,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.origin import (
    Origin,
    leftovers,
    origin_of,
)
from ansible_collections.certops.rotation.tests.support import pki

OURS, OTHER = pki.CertificateAuthority("CA"), pki.CertificateAuthority("CA")
CI, FOREIGN = OURS.issue("ci-client", usages=()), OTHER.issue("ci-client", usages=())
(TRUSTED,), (UNKNOWN,) = read_certificates(OURS.certificate_pem), read_certificates(OTHER.certificate_pem)
WRITTEN = origin_of("arn", Material(clients={"ci": read_identity(CI.certificate_pem + CI.private_key_pem)}))


def files(certificate: str | None, key: str | None) -> dict[str, dict[str, str | None]]:
    return {"ci": {"client-ci-cert.pem": certificate, "client-ci-key.pem": key}}


def judged(others, origin=None, authorities=(TRUSTED,)):
    left = leftovers(others, origin, authorities)
    return [*left.gone], [*left.foreign]


BOTH = ["client-ci-cert.pem", "client-ci-key.pem"]


def test_what_was_written_here_is_removed() -> None:
    whole = files(CI.certificate_pem, CI.private_key_pem)
    assert judged(whole, WRITTEN) == (BOTH, [])
    assert judged(whole, WRITTEN, [UNKNOWN]) == (BOTH, [])  # also when its authority has gone
    # Where nothing is remembered, what the authority has issued. Else somebody has put it there.
    assert judged(whole) == (BOTH, [])
    assert judged(whole, None, [UNKNOWN]) == ([], [])
    assert judged(whole, Origin()) == ([], [])
    assert list(leftovers(whole, WRITTEN, ()).clients) == ["ci"]


@pytest.mark.parametrize("foreign", [FOREIGN.private_key_pem, FOREIGN.certificate_pem, "", "text", "\x00", None])
def test_what_somebody_else_has_put_there_stays(foreign: str | None) -> None:
    assert judged(files(foreign, foreign)) == ([], [])
    assert judged(files(foreign, foreign), WRITTEN) == ([], BOTH)
    assert judged(files(CI.certificate_pem, foreign), WRITTEN) == (BOTH[:1], BOTH[1:])
    assert judged(files(foreign, CI.private_key_pem), WRITTEN) == (BOTH[1:], BOTH[:1])
    assert judged({"a": {"client-a-key.pem": foreign}}, WRITTEN) == ([], [])


def test_half_a_pair_goes_where_it_is_remembered() -> None:
    """A run was killed between the two."""
    for name, text in zip(BOTH, (CI.certificate_pem, CI.private_key_pem)):
        assert judged({"ci": {name: text}}, WRITTEN) == ([name], [])
        assert judged({"ci": {name: text}}) == ([], [])


def test_a_pair_that_does_not_belong_together_is_not_ours() -> None:
    assert judged(files(CI.certificate_pem, FOREIGN.private_key_pem)) == ([], [])


def test_while_files_are_replaced_both_keys_are_remembered() -> None:
    other = Material(clients={"ci": read_identity(FOREIGN.certificate_pem + FOREIGN.private_key_pem)})
    meanwhile = WRITTEN.while_written(other)
    for issued in (CI, FOREIGN):
        assert judged(files(issued.certificate_pem, issued.private_key_pem), meanwhile, ()) == (BOTH, [])
    assert WRITTEN.while_written(Material()) == WRITTEN
    after = origin_of("arn", other)
    assert judged(files(CI.certificate_pem, CI.private_key_pem), after, ()) == ([], BOTH)
    assert after.while_written(other) == after


def test_it_is_written_and_read_without_a_key() -> None:
    assert Origin.from_json(WRITTEN.to_json()) == WRITTEN
    assert Origin.from_json(Origin().to_json()) == Origin()
    assert b"KEY" not in WRITTEN.to_json()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b'{"authority": 1, "clients": {}}',
        b'{"authority": "", "clients": []}',
        b'{"authority": "", "clients": {"a": "b"}}',
        b'{"authority": "", "clients": {"a": [1]}}',
    ],
)
def test_what_is_damaged_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Origin.from_json(data)


def test_a_directory_has_one_authority() -> None:
    origin = Origin("arn:aws:secretsmanager:eu-central-1:1:secret:joblet/ca-cert")
    assert origin.may_become(origin.authority, [TRUSTED], [UNKNOWN])
    assert not origin.may_become("arn:another", [TRUSTED], [UNKNOWN])
    assert not origin.may_become("arn:another", [], [UNKNOWN])
    # A replica, or the same one below another prefix.
    assert origin.may_become("arn:another", [TRUSTED], [UNKNOWN, TRUSTED])
    assert Origin().may_become("arn:another", [TRUSTED], [UNKNOWN])
