# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-in for the get-pip.py that ansible-test downloads: the interpreter's own ensurepip, then pip from the index."""

from __future__ import annotations

import os
import subprocess
import sys

if __name__ == "__main__":
    environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}
    # Options of get-pip.py that pip does not know.
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
    subprocess.check_call(
        [sys.executable, "-m", "ensurepip", "--default-pip"], env=environment, stdout=subprocess.DEVNULL
    )
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--upgrade", *arguments], env=environment))
