# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits that a user sets: which of them mean anything. Pure."""

from __future__ import annotations

from .._errors import InvalidOption


def check_limits(timeout: float, concurrency: int) -> None:
    """timeout: seconds for an answer; concurrency: questions at a time. Raises InvalidOption for what means nothing."""
    if not 0 < timeout <= 3600:
        raise InvalidOption(f"timeout must be more than 0 and at most 3600 seconds, not {timeout:g}.")
    if not 0 < concurrency <= 1024:
        raise InvalidOption(f"concurrency must be between 1 and 1024, not {concurrency}.")
