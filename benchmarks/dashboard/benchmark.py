# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the dashboard costs whoever opens it: a page with many endpoints next to an empty one, in a real Chromium.

Every round opens the empty page and then the large one. Each endpoint has a certificate of its own, and one that it had
before. Searching is from the key to the painted rows; the heap is what is left after the garbage was collected.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import tempfile
import time
import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.plugins.module_utils._core.record.page import filled
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.dashboard import (
    DashboardSettings,
    dashboard_document,
)
from ansible_collections.certops.rotation.plugins.plugin_utils._dashboard import page_without_data
from ansible_collections.certops.rotation.tests.support.browser import Browser, chromium
from ansible_collections.certops.rotation.tests.support.watched_fleet import large_fleet

# From the input to the next frame, which is when somebody sees it. Milliseconds.
_PAINTED = """
const done = arguments[arguments.length - 1];
const started = performance.now();
const field = document.getElementById("search");
field.value = arguments[0];
field.dispatchEvent(new Event("input"));
document.body.offsetHeight;
const worked = performance.now() - started;
requestAnimationFrame(() => done(worked));
"""
_SORTED = """
const done = arguments[arguments.length - 1];
const started = performance.now();
document.querySelectorAll("thead button")[arguments[0]].click();
window.addEventListener("hashchange", () => {
  document.body.offsetHeight;
  done(performance.now() - started);
}, { once: true });
"""
WORDS = ("h", "host0", "host01234", "encrypt", "no such thing", "")


class Opening(t.NamedTuple):
    """One page in one round. seconds: until it is loaded and drawn; heap: bytes; searches, sorts: milliseconds."""

    seconds: float
    heap: int
    elements: int
    searches: list[float]
    sorts: list[float]


def written(path: pathlib.Path, endpoints: int) -> float:
    """Write a page; the seconds that its data and its text took."""
    fleet = large_fleet(datetime.now(timezone.utc).replace(microsecond=0), endpoints)
    started = time.perf_counter()
    document = dashboard_document(fleet.views, fleet.events[:200], (), DashboardSettings(), fleet.now)
    path.write_bytes(filled(page_without_data("watch"), document, "benchmark"))
    return time.perf_counter() - started


def opened(browser: Browser, page: pathlib.Path) -> Opening:
    started = time.perf_counter()
    browser.open(page)
    browser.script("return document.body.offsetHeight")
    seconds = time.perf_counter() - started
    heap = browser.heap_bytes()
    elements = browser.script("return document.querySelectorAll('*').length")
    run = browser.driver.execute_async_script
    searches = [run(_PAINTED, word) for word in WORDS]
    is_empty = not browser.all("thead")
    sorts = [] if is_empty else [run(_SORTED, column) for column in range(1, 5)]
    return Opening(seconds, heap, elements, searches, sorts)


def main() -> int:
    parser = measuring.parser(__doc__)
    parser.add_argument("--endpoints", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options: argparse.Namespace = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        empty, large = pathlib.Path(folder, "empty.html"), pathlib.Path(folder, "large.html")
        written(empty, 0)
        seconds = written(large, options.endpoints)
        pairs = [(opened(browser, empty), opened(browser, large)) for _round in range(options.rounds)]
        megabytes = large.stat().st_size / 1e6
    openings = {"empty": [pair[0] for pair in pairs], "large": [pair[1] for pair in pairs]}

    def middle(name: str, value: t.Callable[[Opening], float]) -> float:
        return statistics.median(map(value, openings[name]))

    searches = [each for opening in openings["large"] for each in opening.searches]
    sorts = [each for opening in openings["large"] for each in opening.sorts]
    rows = [
        [
            f"{options.endpoints} endpoints" if name == "large" else "empty",
            f"{middle(name, lambda opening: opening.seconds):.2f} s",
            f"{middle(name, lambda opening: opening.heap) / 1e6:.1f} MB",
            f"{middle(name, lambda opening: opening.elements):.0f}",
            f"{middle(name, lambda opening: max(opening.searches)):.1f} ms",
            f"{middle(name, lambda opening: max(opening.sorts, default=0)):.1f} ms",
        ]
        for name in openings
    ]
    print(f"The page has {megabytes:.1f} MB, written in {seconds:.1f} s.")
    print(measuring.table("dashboard", ["page", "load", "heap", "elements", "dearest search", "dearest sort"], rows))
    reaches = measuring.Reaches()
    reaches.at_most("seconds until it is loaded", middle("large", lambda opening: opening.seconds), 3, 2)
    reaches.at_most("milliseconds of a search", statistics.median(searches), 50, 1)
    dearest = middle("large", lambda opening: max(opening.searches))
    reaches.at_most("milliseconds of the dearest search of a round", dearest, 50, 1)
    reaches.at_most("milliseconds of a sort", statistics.median(sorts), 150, 1)
    reaches.at_most("megabytes of heap", middle("large", lambda opening: opening.heap) / 1e6, 50, 1)
    measurements = {name: [each._asdict() for each in found] for name, found in openings.items()}
    return measuring.finish(options, measurements, reaches)


if __name__ == "__main__":
    sys.exit(main())
