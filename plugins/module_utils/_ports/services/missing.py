# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That a service is not there, apart from all else that can be wrong with it."""

from __future__ import annotations

from ..._errors import ServiceError


class ServiceMissing(ServiceError):
    """There is no such service on this host, or it does not run."""
