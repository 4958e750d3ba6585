# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_certificate: parameters to the update of HAProxy's memory, its report to the result."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._core.haproxy.crt_list_line import make_line
from .._errors import InvalidOption
from .._flows.rotate.activate import update_memory
from .._flows.rotate.memory_items import GivenText, MemoryItem, WantedLine
from .._flows.rotate.settings import MemorySettings
from .boundary import module_boundary


def run(module: t.Any) -> None:
    """The module haproxy_certificate."""
    with module_boundary(module):
        params = module.params
        settings = MemorySettings(
            params["socket"], params["timeout"], params["config"] or (), remove_stale_ocsp=params["remove_stale_ocsp"]
        )
        report = update_memory(settings, wanted_certificates(params), check_mode=module.check_mode)
        for outcome in report.outcomes:
            if outcome.warning:
                module.warn(outcome.warning)
        if report.message:
            module.fail_json(msg=report.message, **report.as_result())
        module.exit_json(**report.as_result())


def wanted_certificates(params: t.Mapping[str, t.Any]) -> list[MemoryItem]:
    """The module's options as items. Raises InvalidOption."""
    items = []
    for number, item in enumerate(params["certificates"], start=1):
        name = item["name"] or item["src"]
        state = item["state"] or params["state"]
        if not name:
            raise InvalidOption(
                f"Item {number} of certificates has neither name nor src: HAProxy knows certificates by their name."
            )
        lacking = [item["src"], item["content"]].count(None)
        if state == "present" and (lacking == 0 or (lacking == 2 and not item["entries"])):
            raise InvalidOption(f"{name}: give either src or content.")
        made = MemoryItem(
            name=name,
            state=state,
            source=item["src"],
            content=item["content"],
            crt_list=item["crt_list"] or params["crt_list"],
            force=params["force"] if item["force"] is None else item["force"],
            purge_entries=item["purge_entries"],
            ocsp=GivenText(item["ocsp_src"], item["ocsp_content"]),
            issuer=GivenText(item["issuer_src"], item["issuer_content"]),
            key_source=item["key_src"],
        )
        try:
            items.append(replace(made, entries=_wanted_lines(made, item["entries"])))
        except InvalidOption as error:
            items.append(replace(made, refusal=error))
    names = [item.name for item in items]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidOption(
            f"Named more than once in certificates: {', '.join(twice)}. For several crt-lists or lines, give one item"
            " several entries."
        )
    return items


def _wanted_lines(wanted: MemoryItem, entries: t.Sequence[t.Mapping[str, t.Any]] | None) -> list[WantedLine] | None:
    """Raises InvalidOption for what does not go together, here or in what goes with the certificate."""
    name = wanted.name
    if (wanted.ocsp or wanted.issuer) and (wanted.state == "absent" or not wanted.has_content):
        raise InvalidOption(f"{name}: an OCSP response goes with the certificate: give that by src or content, too.")
    if wanted.state == "absent" and entries:
        raise InvalidOption(
            f"{name}: a certificate that is absent has no entries. To take single lines out, give entries of state"
            " absent to a certificate that is present."
        )
    if wanted.purge_entries and not entries:
        raise InvalidOption(f"{name}: purge_entries needs entries: those that it should have.")
    lines = []
    for entry in entries or ():
        where, number = entry["crt_list"] or wanted.crt_list, entry["line"]
        is_told = entry["options"] is not None or entry["filters"] is not None
        if not where:
            raise InvalidOption(f"{name}: an entry needs a crt_list.")
        if entry["state"] == "present" and number is not None:
            raise InvalidOption(f"{name}: HAProxy numbers new lines itself: line is for entries of state absent.")
        if entry["state"] == "absent" and number is None and not is_told:
            raise InvalidOption(
                f"{name}: an entry that is absent needs line, options or filters: which one should go? A plain line has"
                " options ''."
            )
        line = make_line(entry["options"], entry["filters"]) if is_told or entry["state"] == "present" else None
        lines.append(WantedLine(entry["state"], where, line, number))
    return lines or None
