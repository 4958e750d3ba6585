# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""openssl s_server(1): a TLS server of any age, with any of its options."""

from __future__ import annotations

import pathlib
import socket
import subprocess
import tempfile
import time

from .pki import IssuedCertificate
from .ports import free_port


class OpensslServer:
    """Started on __enter__, gone on __exit__. options: as on its command line. It listens on port, of IPv4."""

    def __init__(self, issued: IssuedCertificate, *options: str) -> None:
        self._issued = issued
        self._options = options
        self.port = free_port()

    def __enter__(self) -> OpensslServer:
        self._directory = tempfile.TemporaryDirectory(prefix="s_server-")
        path = pathlib.Path(self._directory.name, "server.pem")
        path.touch(mode=0o600)
        path.write_text(self._issued.combined_pem)
        files = ["-cert", str(path), "-cert_chain", str(path)]
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", *files, "-quiet", "-www", *self._options]
        log = pathlib.Path(self._directory.name, "log")
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        for _attempt in range(200):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        said = log.read_text("utf-8", "replace")
        self.__exit__()
        raise AssertionError(f"openssl s_server did not start: {said}")

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.wait()
        self._directory.cleanup()
