# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads back what was written to a textfile for node_exporter, by prometheus_client. Pure."""

from __future__ import annotations

import contextlib
import typing as t

with contextlib.suppress(ImportError):
    from prometheus_client.parser import text_string_to_metric_families


class Sample(t.NamedTuple):
    """name: without the prefix; labels: without the owner's."""

    name: str
    labels: dict[str, str]
    value: float


def own_samples(text: str, prefix: str, label: str, owner: str) -> t.Iterator[Sample]:
    """The samples whose names have this prefix, and whose label has this value. To be read within damages_told."""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels, name = dict(sample.labels), sample.name.removeprefix(prefix)
            if name != sample.name and labels.pop(label, None) == owner:
                yield Sample(name, labels, sample.value)


@contextlib.contextmanager
def damages_told() -> t.Iterator[None]:
    """Turn what the parser, or a reader, says of a text that nobody wrote so into a ValueError."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(type(error).__name__) from None
