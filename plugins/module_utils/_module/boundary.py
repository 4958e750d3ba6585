# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where domain exceptions become a failure, unexpected ones lose their text, and all text is harmless."""

from __future__ import annotations

import contextlib
import functools
import traceback
import typing as t

from .._errors import RotationError
from .._text import harmless

_WAYS_OUT = ("exit_json", "fail_json", "warn")


class FailingModule(t.Protocol):
    """What the boundary needs of AnsibleModule or AnsibleAWSModule."""

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn: ...


@contextlib.contextmanager
def module_boundary(module: FailingModule) -> t.Iterator[None]:
    """Run a module's body: RotationError becomes fail_json, anything else is reported without its text.

    The text of an unknown exception may quote the input it choked on, and Ansible prints it unmasked; so only its
    type and the lines of code it came through are shown. Control characters leave as escapes, whosever they are.
    """
    _guard(module)
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


def _guard(module: t.Any) -> None:
    """Results, messages and warnings pass through harmless(). AnsibleAWSModule has the module that prints inside."""
    inner = getattr(module, "_module", module)
    for name in _WAYS_OUT:
        if hasattr(inner, name):
            setattr(inner, name, _harmlessly(getattr(inner, name)))


def _harmlessly(way_out: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    @functools.wraps(way_out)
    def guarded(*arguments: t.Any, **result: t.Any) -> t.Any:
        return way_out(*map(harmless, arguments), **harmless(result))

    return guarded
