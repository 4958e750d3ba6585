# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A source of certificates on a host without rights in AWS: the controller asks AWS and provides the answers.

An answer is made of what JSON has. It is provided under its question: which secrets are there, or what is the value of
one. Where a host finds that it needs an answer that it was not given, it asks, and is called again.
"""

from __future__ import annotations

import base64
import json
import time
import typing as t
from datetime import timedelta

from .._core.pipeline.source import Discovery, SecretFailure, SecretValue, SecretVersion, Selection
from .._core.promotion import LabelReading
from .._core.x509.problems import Problem
from .._errors import RotationError, SecretsManagerError


class NotProvided(RotationError):
    """The controller has not answered these yet. questions: of discovery_question or value_question."""

    def __init__(self, questions: list[str]) -> None:
        super().__init__("the controller is asked for more")
        self.questions = questions


class ProvidedSource:
    """A CertificateSource of answers. Raises NotProvided where one is missing.

    provided: JSON, question -> answer; under now the controller's time in seconds since 1970, under requests how many
    it has sent.
    """

    def __init__(self, provided: str | None) -> None:
        if not provided:
            raise RotationError(
                "source=controller: the controller provided nothing. Run the module as a task, not by itself."
            )
        self._answers: dict[str, t.Any] = json.loads(provided)
        self._discovered: dict[tuple[str, str], SecretVersion] = {}
        requests: t.Mapping[str, dict[str, int]] = self._answers.get("requests", {})
        #: What the controller has sent for this host, by operation.
        self.api_calls, self.api_errors = requests.get("api_calls", {}), requests.get("api_errors", {})

    def discover(self, selection: Selection) -> Discovery:
        """As SecretsManager, whose error on the controller is raised here."""
        question = discovery_question(selection)
        if question not in self._answers:
            raise NotProvided([question])
        answer = self._answers[question]
        if "error" in answer:
            raise SecretsManagerError(*answer["error"])
        secrets = tuple(answered_secret(secret) for secret in answer["secrets"])
        self._discovered.update({(secret.name, secret.arn): secret for secret in secrets})
        return Discovery(
            secrets,
            tuple(_failure(failure) for failure in answer["failures"]),
            tuple(answer["warnings"]),
            answer["where"],
            timedelta(seconds=self._answers["now"] - time.time()) if "now" in self._answers else None,
        )

    def read(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[SecretValue | SecretFailure]:
        """As SecretsManager; it raises before it gives the first one.

        Asked for is what was discovered, or before it the candidate that this host holds.
        """
        questions = [self._question(secret) for secret in secrets]
        missing = [question for question in questions if question not in self._answers]
        if missing:
            raise NotProvided(missing)
        return map(_value, map(self._answers.__getitem__, questions))

    def _question(self, secret: SecretVersion) -> str:
        listed = self._discovered.get((secret.name, secret.arn), secret)
        held = secret.readings[:1]
        return value_question(secret if held and secret.readings == listed.asked_first(*held).readings else listed)


def discovery_question(selection: Selection) -> str:
    names, prefix, tags, labels = selection
    return json.dumps(["discover", list(names), prefix, dict(tags), list(labels)], sort_keys=True)


def value_question(secret: SecretVersion) -> str:
    return json.dumps(["read", *_facts(secret)])


class Question(t.NamedTuple):
    """What a question asks for: one of the two."""

    selection: Selection | None = None
    secret: SecretVersion | None = None


def parse_question(question: str) -> Question:
    kind, *content = json.loads(question)
    if kind == "read":
        return Question(secret=answered_secret(content))
    names, prefix, tags, labels = content
    return Question(selection=Selection(tuple(names), prefix, tags, tuple(labels)))


def discovery_answer(discovery: Discovery | SecretsManagerError) -> dict[str, t.Any]:
    """Without tags and descriptions, which no host needs."""
    if isinstance(discovery, SecretsManagerError):
        return {"error": [discovery.message, discovery.code, discovery.secret]}
    return {
        "secrets": [_facts(secret) for secret in discovery.secrets],
        "failures": [_failure_answer(failure) for failure in discovery.failures],
        "warnings": list(discovery.warnings),
        "where": discovery.where,
    }


def value_answer(result: SecretValue | SecretFailure) -> dict[str, t.Any]:
    """Holds a private key, unless it is a failure."""
    if isinstance(result, SecretFailure):
        return {"failure": _failure_answer(result)}
    binary = isinstance(result.value, bytes)
    value = base64.b64encode(result.value).decode() if isinstance(result.value, bytes) else result.value
    problems = [_problem(problem) for problem in result.problems]
    return {"secret": _facts(result.secret), "value": value, "binary": binary, "problems": problems}


def _facts(secret: SecretVersion) -> list[t.Any]:
    readings = [list(reading) for reading in secret.readings]
    return [secret.name, secret.arn, secret.version_id, *([readings] if readings else [])]


def answered_secret(facts: t.Sequence[t.Any]) -> SecretVersion:
    """One of those in the answer to a discovery."""
    name, arn, version_id, *more = facts
    readings = more[0] if more else ()
    return SecretVersion(name, arn, version_id, readings=tuple(LabelReading(*reading) for reading in readings))


def _problem(problem: Problem) -> list[str]:
    return [problem.code, problem.severity, problem.message]


def _failure_answer(failure: SecretFailure) -> list[t.Any]:
    return [failure.name, _problem(failure.problem), failure.arn]


def _failure(answer: t.Sequence[t.Any]) -> SecretFailure:
    name, problem, arn = answer
    return SecretFailure(name, Problem(*problem), arn)


def _value(answer: t.Mapping[str, t.Any]) -> SecretValue | SecretFailure:
    if "failure" in answer:
        return _failure(answer["failure"])
    value = base64.b64decode(answer["value"]) if answer["binary"] else answer["value"]
    problems = tuple(Problem(*problem) for problem in answer["problems"])
    return SecretValue(answered_secret(answer["secret"]), value, problems)
