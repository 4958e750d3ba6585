# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where domain exceptions become a module's failure, and unexpected ones lose their text."""

from __future__ import annotations

import contextlib
import typing as t

from .._core.unexpected import only_rotation_errors
from .._errors import RotationError


class FailingModule(t.Protocol):
    """What the boundary needs of a module."""

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn: ...


@contextlib.contextmanager
def module_boundary(module: FailingModule) -> t.Iterator[None]:
    """Run a module's body: RotationError becomes fail_json, anything else is reported without its text.

    The text of an unknown exception may quote the input it choked on, and Ansible prints it unmasked; so only its
    type and the lines of code it came through are shown.
    """
    try:
        with only_rotation_errors():
            yield
    except RotationError as error:
        module.fail_json(msg=error.message, **error.details)
