# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where domain exceptions become a module's failure, and unexpected ones lose their text."""

from __future__ import annotations

import contextlib
import traceback
import typing as t

from .._errors import RotationError


class FailingModule(t.Protocol):
    """What the boundary needs of AnsibleModule or AnsibleAWSModule."""

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn: ...


@contextlib.contextmanager
def module_boundary(module: FailingModule) -> t.Iterator[None]:
    """Run a module's body: RotationError becomes fail_json, anything else is reported without its text.

    The text of an unknown exception may quote the input it choked on, and Ansible prints it unmasked; so only its
    type and the lines of code it came through are shown.
    """
    try:
        yield
    except RotationError as error:
        module.fail_json(msg=error.message, **error.details)
    except Exception as error:  # pylint: disable=broad-exception-caught
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(
            f"{frame.name} ({frame.filename.rsplit('/', 1)[-1]}:{frame.lineno})" for frame in reversed(frames)
        )
        module.fail_json(
            msg=f"Unexpected {type(error).__name__} in {where}. Its text is withheld, as it may quote a private key;"
            " please report this with the steps to reproduce it.",
        )


@contextlib.contextmanager
def failures_raised(module: t.Any) -> t.Iterator[None]:
    """AnsibleAWSModule ends the run when a client cannot be made; here that is a RotationError like others."""

    def raise_it(msg: str, **_details: t.Any) -> t.NoReturn:
        raise RotationError(str(msg))

    module.fail_json = raise_it
    try:
        yield
    finally:
        del module.fail_json  # the class's own is back
