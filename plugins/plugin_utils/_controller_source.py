# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets Manager as the controller asks it for its hosts: each question once in a run, however many hosts have it."""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import json
import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import SecretVersion, Selection
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion import CURRENT
from ansible_collections.certops.rotation.plugins.module_utils._errors import SecretsManagerError
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.secrets_manager import SecretsManager
from ansible_collections.certops.rotation.plugins.module_utils._ports.provided import (
    answered_secret,
    discovery_answer,
    discovery_question,
    parse_question,
    value_answer,
    value_question,
)
from ansible_collections.certops.rotation.plugins.plugin_utils._spool import Spool

_LONGEST_ID = 64  # characters
# What a host that was tampered with may send.
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


class Selected:
    """Which questions of a host are answered: those that its task's own selection leads to, each once.
    Beside them, for each secret, whether the candidate that the host holds still is one.

    selection: of the task, None for none; may_fall_back: whether names may take the place of tags, when those cannot be
    listed.
    """

    def __init__(self, selection: Selection | None, *, may_fall_back: bool) -> None:
        self._labels = selection.labels if selection else ()
        self.first_questions = [] if selection is None else [discovery_question(selection)]
        by_names = selection is not None and selection.tags and selection.names and may_fall_back
        names = selection._replace(name_prefix=None, tags={}) if selection and by_names else None
        self._fallback = [discovery_question(names)] if names else []

    def refused(self, questions: t.Any, answers: t.Mapping[str, t.Any]) -> str | None:
        """The first of these that is not answered, as text; None when all are. answers: what the host was given."""
        if not isinstance(questions, list):
            return str(questions)
        may_be_asked = self._allowed(answers)
        found = {(secret.name, secret.arn): secret for secret in self._found(answers)}
        for question in answers:  # one candidate for each secret in a run
            self._take_held(question, found)
        for question in questions:
            if isinstance(question, str) and question in may_be_asked:
                may_be_asked.remove(question)
            elif not self._take_held(question, found):
                return str(question)
        return None

    def values(self, answers: t.Mapping[str, t.Any]) -> dict[str, str]:
        """Question for the value of each secret that was found -> the version that it is about."""
        return {value_question(secret): secret.version_id for secret in self._found(answers)}

    def _found(self, answers: t.Mapping[str, t.Any]) -> list[SecretVersion]:
        asked = [*self.first_questions, *self._fallback]
        found = (secret for question in asked for secret in answers.get(question, {}).get("secrets", ()))
        return list(map(answered_secret, found))

    def _take_held(self, question: t.Any, found: dict[tuple[str, str], SecretVersion]) -> bool:
        """Whether it is about one of these secrets, as listed, and before that about a version that the host holds by
        one of its labels, as a listing may lag behind. It is not in found afterwards.

        The version may be any: AWS tells its labels with the value, and what does not count is not answered.
        """
        try:
            secret = parse_question(question).secret
            held = secret.readings[0]._replace(based=True)
            listed = found[secret.name, secret.arn]
            is_known = question == value_question(listed.asked_first(held))
        except _MALFORMED:
            return False
        is_one = isinstance(held.version_id, str) and len(held.version_id) <= _LONGEST_ID
        if not (is_known and is_one and held.label != CURRENT and held.label in self._labels):
            return False
        del found[secret.name, secret.arn]
        return True

    def _allowed(self, answers: t.Mapping[str, t.Any]) -> set[str]:
        first = [answers[question] for question in self.first_questions if question in answers]
        values = set(self.values(answers))
        fallback = {question for question in self._fallback if any("error" in answer for answer in first)}
        return (values | fallback) - answers.keys()


class ControllerSource:
    """Answers the questions of ProvidedSource.

    options: of AWS, as the task has them; spool: shared by all hosts; run: answers are shared within it.
    """

    def __init__(self, options: t.Mapping[str, t.Any], spool: Spool, run: str) -> None:
        self._options = options
        self._spool = spool
        account = json.dumps([run, options], sort_keys=True, default=str)
        self._prefix = hashlib.sha256(account.encode()).hexdigest()
        self._ahead: dict[str, dict[str, int]] = {}

    @functools.cached_property
    def _secrets(self) -> SecretsManager:
        # Only the process that asks needs boto3, which is slow to load.
        from ansible_collections.certops.rotation.plugins.plugin_utils._account import Account

        return Account(self._options).secrets_manager()

    @property
    def requests(self) -> dict[str, dict[str, int]]:
        """For the module's result: requests sent for this host, which are none where an answer was there."""
        counts = {kind: collections.Counter(self._ahead.get(kind, {})) for kind in ("api_calls", "api_errors")}
        if "_secrets" in vars(self):
            counts["api_calls"].update(self._secrets.api_calls)
            counts["api_errors"].update(self._secrets.api_errors)
        return {kind: dict(count) for kind, count in counts.items()}

    @contextlib.contextmanager
    def asking_ahead(self, questions: t.Sequence[str]) -> t.Iterator[None]:
        """Meanwhile a process of its own asks AWS, and puts the answers into the spool.

        To load boto3 and Ansible's packing of a module take a core each. If that process fails, answer() asks itself.
        """
        with self._spool.locked():
            there = self._spool.find([self._prefix + question for question in questions])
        if len(there) == len(questions):
            yield
            return
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                self.answer(questions)
                os.write(writing, json.dumps(self.requests).encode())  # of a few bytes: it does not wait for a reader
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        try:
            yield
        finally:
            with os.fdopen(reading, "rb") as told:
                requests = told.read()
            os.waitpid(child, 0)
            if requests:
                self._ahead = json.loads(requests)

    def answer(self, questions: t.Sequence[str]) -> dict[str, t.Any]:
        """Question -> answer, for all of them."""
        keys = {self._prefix + question: question for question in questions}
        with self._spool.locked():
            found = self._spool.find(keys)
            missing = [question for key, question in keys.items() if key not in found]
            new = {self._prefix + question: answer for question, answer in self._ask(missing).items()}
            self._spool.add(new)
        return {question: {**found, **new}[key] for key, question in keys.items()}

    def _ask(self, questions: t.Sequence[str]) -> dict[str, t.Any]:
        parsed = {question: parse_question(question) for question in questions}
        answers = {
            question: self._discover(asked.selection)
            for question, asked in parsed.items()
            if asked.selection is not None
        }
        secrets = [asked.secret for asked in parsed.values() if asked.secret is not None]
        if secrets:
            for secret, result in self._secrets.answers(secrets):
                answers[value_question(secret)] = value_answer(result)
        return answers

    def _discover(self, selection: Selection) -> dict[str, t.Any]:
        """An error is an answer, too: it is one for all hosts, which must not each wait for AWS again."""
        try:
            return discovery_answer(self._secrets.discover(selection))
        except SecretsManagerError as error:
            return discovery_answer(error)
        except AnsibleActionFail as error:  # no region, no library: the host still says what it has that expires
            return discovery_answer(SecretsManagerError(str(error), "NoClient"))
