# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prometheus' own tools, as judges of what the collection writes for them."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import subprocess
import time
import typing as t
import urllib.request

from .ports import free_port


def promtool(*arguments: str, text: str = "") -> tuple[int, str]:
    """Exit code and all output of promtool. text: its standard input."""
    program = shutil.which("promtool")
    assert program, "promtool is missing: run scripts/bootstrap"
    run = subprocess.run(
        [program, *arguments],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return run.returncode, run.stdout


def samples(text: str) -> dict[str, float]:
    """Series, as written in the text format -> value."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {series: float(value) for series, _space, value in lines}


class NodeExporter:
    """A real node_exporter on loopback that reads the *.prom files of a directory."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"

    def scrape(self) -> dict[str, float]:
        """What Prometheus would get."""
        with urllib.request.urlopen(self._url, timeout=10) as reply:
            return samples(reply.read().decode())


@contextlib.contextmanager
def node_exporter(directory: pathlib.Path) -> t.Iterator[NodeExporter]:
    """Run it while the context is open."""
    program = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
    assert program, "node_exporter is missing: run scripts/bootstrap"
    port = free_port()
    command = [program, "--collector.disable-defaults", "--collector.textfile"]
    command += [f"--collector.textfile.directory={directory}", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        exporter = NodeExporter(port)
        deadline = time.monotonic() + 60
        while True:
            try:
                exporter.scrape()
                break
            except OSError:
                assert process.poll() is None, "node_exporter ended at once"
                assert time.monotonic() < deadline, "node_exporter does not answer"
                time.sleep(0.05)
        yield exporter
    finally:
        process.terminate()
        process.wait(30)
