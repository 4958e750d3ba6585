# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    Discovery,
    SecretFailure,
    SecretValue,
    SecretVersion,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import Problem
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError, SecretsManagerError
from ansible_collections.certops.rotation.plugins.module_utils._ports.provided import (
    NotProvided,
    ProvidedSource,
    discovery_answer,
    discovery_question,
    parse_question,
    value_answer,
    value_question,
)

SELECTION = Selection(("web/a",), "web/", {"b": "2", "a": "1"})
SECRETS = tuple(SecretVersion(f"web/{name}", f"arn:aws:{name}", f"version-{name}") for name in "abc")
FAILURE = SecretFailure("web/d", Problem("secret_missing", "error", "There is none."), "arn:aws:d")


def provided(answers):
    return ProvidedSource(json.dumps(answers))


def test_a_discovery_arrives_as_it_was():
    discovery = Discovery(SECRETS, (FAILURE,), ("a warning",))
    source = provided({discovery_question(SELECTION): discovery_answer(discovery)})
    assert source.discover(SELECTION) == discovery


def test_an_error_of_the_controller_is_raised_on_the_host():
    error = SecretsManagerError("denied", "AccessDeniedException", "web/a")
    source = provided({discovery_question(SELECTION): discovery_answer(error)})
    with pytest.raises(SecretsManagerError) as raised:
        source.discover(SELECTION)
    assert (raised.value.message, raised.value.code, raised.value.secret) == (
        "denied",
        "AccessDeniedException",
        "web/a",
    )


def test_values_arrive_as_they_were():
    results = [SecretValue(SECRETS[0], "text"), SecretValue(SECRETS[1], b"\x00\xff"), FAILURE]
    answers = {value_question(secret): value_answer(result) for secret, result in zip(SECRETS, results)}
    assert list(provided(answers).read(SECRETS)) == results


def test_what_was_not_provided_is_asked_for_before_anything_is_read():
    answers = {value_question(SECRETS[0]): value_answer(SecretValue(SECRETS[0], "text"))}
    with pytest.raises(NotProvided) as raised:
        provided(answers).read(SECRETS)
    assert [parse_question(question).secret for question in raised.value.questions] == list(SECRETS[1:])
    with pytest.raises(NotProvided) as raised:
        provided(answers).discover(SELECTION)
    assert [parse_question(question).selection for question in raised.value.questions] == [SELECTION]


def test_without_the_controller():
    with pytest.raises(RotationError, match="as a task"):
        ProvidedSource(None)
