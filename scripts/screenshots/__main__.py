# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the pictures of docs/images anew, in a real Chromium.

Usage: python scripts/screenshots [NAME...]. Without names all of them; for "quickstart" the quickstart is run, and for
"run" a rotation, of which an SVG is made without a browser.
"""

from __future__ import annotations

import html
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile
import typing as t
from datetime import datetime, timezone

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / ".dev" / "collections"))

from ansible_collections.certops.rotation.plugins.module_utils._core.record.page import filled  # noqa: E402
from ansible_collections.certops.rotation.plugins.module_utils._core.record.run_report import (  # noqa: E402
    HostRotation,
    page_document,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.dashboard import (  # noqa: E402
    DashboardSettings,
    dashboard_document,
)
from ansible_collections.certops.rotation.plugins.plugin_utils._dashboard import page_without_data  # noqa: E402
from ansible_collections.certops.rotation.tests.support import run_picture  # noqa: E402
from ansible_collections.certops.rotation.tests.support.browser import Browser, chromium  # noqa: E402
from ansible_collections.certops.rotation.tests.support.moto import moto_server  # noqa: E402
from ansible_collections.certops.rotation.tests.support.watched_fleet import example_fleet  # noqa: E402

IMAGES = ROOT / "docs" / "images"
# What the quickstart's screen uses: bold, dim, red, green.
_CLASSES = {"1": "bold", "2": "dim", "31": "red", "32": "green"}
_TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>
body { margin: 0; background: #14181c; color: #d5dade; font: 14px/1.45 ui-monospace, "DejaVu Sans Mono", monospace }
pre { margin: 0; padding: 24px 28px; font: inherit; width: max-content }
.bold { color: #fff; font-weight: 700 } .dim { color: #8c97a1 } .green { color: #7fcb9b } .red { color: #ff938a }
</style><pre>%s</pre>"""


def watch_page() -> bytes:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    fleet = example_fleet(now)
    settings = DashboardSettings(title="Certificates of example.com")
    document = dashboard_document(fleet.views, fleet.events, fleet.deployments, settings, now)
    return filled(page_without_data("watch"), document, "screenshot")


def rotation_page() -> bytes:
    """A fleet in which everything happens at once."""

    def items(action: str, *names: str) -> list[dict[str, str]]:
        return [{"name": name, "action": action} for name in names]

    rest = [f"web/{number}" for number in range(8)]
    new = ["web/shop", "web/www"]
    rotated = {"certificates": [*items("updated", *new), *items("unchanged", *rest)], "pending": new, "proven": new}
    bad = "web/shop: The private key does not belong to the certificate."
    hosts = {
        "lb1.example.com": HostRotation(rotated),
        "lb2.example.com": HostRotation(rotated),
        "lb3.example.com": HostRotation({"certificates": items("unchanged", *new, *rest)}),
        "lb4.example.com": HostRotation(
            {
                "certificates": [
                    *items("refused", "web/shop"),
                    *items("updated", "web/www"),
                    *items("unchanged", *rest),
                ],
                "failures": [bad],
                "pending": ["web/www"],
                "proven": ["web/www"],
            }
        ),
        "lb5.example.com": HostRotation(unreachable="Failed to connect to the host via ssh: No route to host"),
        "lb6.example.com": HostRotation(
            {"certificates": [*items("failed", "web/shop"), *items("unchanged", *rest)]},
            ["Cannot write certificate web/shop to /etc/haproxy/certs: No space left on device."],
            failed=True,
        ),
        "lb7.example.com": HostRotation(),
    }
    now = datetime.now(timezone.utc)
    document = page_document(hosts, check_mode=False, title="Rotation of certificates", now=now)
    return filled(page_without_data("rotation"), document, "screenshot")


def terminal_page(command: t.Sequence[str]) -> bytes:
    """What a command shows on a terminal. RuntimeError when it fails."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=its, stderr=its, env={**os.environ, "TERM": "xterm"}
    )
    os.close(its)
    output = b""
    while True:
        try:
            output += os.read(ours, 65536)
        except OSError:  # EIO: the other end is closed (pty(7))
            break
    if process.wait() != 0:
        raise RuntimeError(output.decode("utf-8", "replace"))
    text = html.escape(output.decode().replace("\r\n", "\n").strip("\n"))
    text = re.sub(r"\x1b\[0m", "</span>", text)
    text = re.sub(r"\x1b\[(\d+)m", lambda code: f'<span class="{_CLASSES[code[1]]}">', text)
    return (_TERMINAL % text).encode()


class Picture(t.NamedTuple):
    """page: makes what is shown; height: pixels from the top, None for all; dark, phone: how it is looked at."""

    page: t.Callable[[], bytes]
    fragment: str = ""
    height: int | None = None
    dark: bool = False
    phone: bool = False


PICTURES: dict[str, Picture] = {
    "dashboard": Picture(watch_page, height=1240),
    "dashboard-dark": Picture(watch_page, height=1240, dark=True),
    "dashboard-endpoint": Picture(watch_page, "#/endpoint/www.example.com%3A443"),
    "dashboard-phone": Picture(watch_page, height=1100, phone=True),
    "rotation": Picture(rotation_page),
    "quickstart": Picture(lambda: terminal_page([str(ROOT / "scripts" / "quickstart")])),
}


def take(browser: Browser, name: str, picture: Picture, folder: pathlib.Path) -> None:
    page = folder / f"{name}.html"
    page.write_bytes(picture.page())
    is_terminal = name == "quickstart"
    browser.resize(
        360 if picture.phone else 1000 if is_terminal else 1280, 200 if is_terminal else 800, mobile=picture.phone
    )
    browser.prefer("dark" if picture.dark else "light")
    browser.open(page, picture.fragment)
    path = IMAGES / f"{name}.png"
    browser.screenshot(path, picture.height)
    # A third of the size, and no difference to the eye: these pages have few colours.
    subprocess.run(["pngquant", "--force", "--skip-if-larger", "--strip", "--output", path, "--", path], check=True)


def main(names: list[str]) -> int:
    known = [*PICTURES, "run"]
    unknown = set(names) - set(known)
    if unknown:
        print(f"There is no picture {', '.join(sorted(unknown))}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    IMAGES.mkdir(exist_ok=True)
    if not names or "run" in names:
        with moto_server() as aws:
            (IMAGES / "run.svg").write_text(run_picture.picture(aws), encoding="utf-8")
        print(IMAGES / "run.svg")
    if names == ["run"]:
        return 0
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        for name, picture in PICTURES.items():
            if not names or name in names:
                take(browser, name, picture, pathlib.Path(folder))
                print(IMAGES / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
