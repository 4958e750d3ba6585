# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of a batch in Secrets Manager: one secret, and further ones where that is too small.

Of two runs that write the next state exactly one succeeds, and the other one ends before it does harm: that is all the
locking there is. The first secret is written first: whoever has written it owns the others. An entry stays in its
secret, so a run that is killed between two writes loses none: some entries are a step behind, and nothing was done yet
that needs that step.
"""

from __future__ import annotations

import contextlib
import typing as t
import uuid

from ..._core.acme.journal import JournalEntry, JournalPart, allotted
from ..._errors import RotationError, RunOvertaken, SecretsManagerError
from .secret_chain import SecretChain, chain_store
from .secrets_manager import Retry
from .shared_secrets import Properties

_MAX_PARTS: t.Final = 200
_DESCRIPTION: t.Final = (
    "Journal of certificates that are being issued (certops.rotation): orders, and private keys until they are stored."
)


class IssuanceJournal:
    """client, retry: as of SecretsManager; name: of the first secret, the others are NAME.2, NAME.3 and so on.

    damaged: sentences about what could not be read, after read(). Every method raises RotationError whose text says
    that nothing is ordered, or must be ordered any more: RunOvertaken when another run has written the journal.
    """

    def __init__(
        self,
        client: t.Any,
        retry: Retry,
        name: str,
        *,
        kms_key_id: str | None = None,
        tags: t.Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.damaged: tuple[str, ...] = ()
        properties = Properties(tags=tags or {}, kms_key_id=kms_key_id, description=_DESCRIPTION)
        self._store = chain_store(client, retry, properties)
        self._run = uuid.uuid4().hex
        self._generation = 0
        self._chains: list[SecretChain] = []
        self._places: dict[str, int] = {}
        self._is_empty = True

    def read(self) -> tuple[JournalEntry, ...]:
        """The entries of runs before. Writes nothing."""
        parts = [self._read_part(1)]
        parts += [self._read_part(number) for number in range(2, min(parts[0].of, _MAX_PARTS) + 1)]
        entries = tuple(entry for part in parts for entry in part.entries)
        self._generation = max(part.generation for part in parts)
        self._places = {entry.order_url: number for number, part in enumerate(parts, start=1) for entry in part.entries}
        self.damaged = tuple(sentence for part in parts for sentence in part.damaged)
        self._is_empty = not entries and not self.damaged
        return entries

    def write(self, entries: t.Sequence[JournalEntry]) -> None:
        """Make the journal hold these entries. After read() only."""
        parts = allotted(entries, self._places)
        self._generation += 1
        count = max(len(parts), len(self._chains))
        for number in range(1, count + 1):
            held = tuple(parts.get(number, ()))
            text = JournalPart(held, number, count, self._generation, self._run).to_json()
            self._write_part(number, text)
        self._places = {entry.order_url: number for number, part in parts.items() for entry in part}
        self._is_empty = not entries

    def clear(self) -> None:
        """Nothing is under way any more, and no version with a key keeps a label. Costs nothing when that is so."""
        if not self._is_empty:
            self.write(())
            self.damaged = ()
        for chain in self._chains:
            with _told(chain.name, "emptied"):
                chain.forget_previous()

    def _read_part(self, number: int) -> JournalPart:
        chain = self._chain(number)
        with _told(chain.name, "read"):
            text = chain.read()
        if text is None and number == 1:
            return JournalPart()
        if text is None:
            why = "a run was killed before it wrote it, or it was deleted"
            return JournalPart(damaged=(f"{chain.name}: a part of the journal is not there: {why}.",))
        return JournalPart.from_json(text, chain.name)

    def _write_part(self, number: int, text: str) -> None:
        if number > len(self._chains):
            self._read_part(number)  # of an older batch, maybe; what is no journal is not overwritten
        chain = self._chain(number)
        with _told(chain.name, "written"):
            if not chain.succeed(text):
                raise RunOvertaken(
                    f"The journal of orders cannot be written: {chain.why_not()} This run ends here, so that nothing is"
                    " issued twice; what it has ordered is in the journal, and the other run finishes it."
                )

    def _chain(self, number: int) -> SecretChain:
        while len(self._chains) < number:
            name = self.name if not self._chains else f"{self.name}.{len(self._chains) + 1}"
            self._chains.append(SecretChain(self._store, name))
        return self._chains[number - 1]


@contextlib.contextmanager
def _told(name: str, done: str) -> t.Iterator[None]:
    """Failures say what they mean for the run."""
    text = f"The journal of orders (secret {name}) cannot be {done}, so nothing more is ordered: "
    try:
        yield
    except RunOvertaken:
        raise
    except SecretsManagerError as error:
        raise SecretsManagerError(text + error.message, error.code, error.secret) from None
    except RotationError as error:
        raise RotationError(text + error.message) from None
