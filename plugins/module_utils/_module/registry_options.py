# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option that all modules with a registry share."""

from __future__ import annotations

import typing as t

from .._ports.host.libraries import require_library

if t.TYPE_CHECKING:
    from .._ports.registry.sql_registry import SqlRegistry

DATABASE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "database_url": {"type": "str", "no_log": True, "default": "sqlite:////var/lib/certops-monitor/endpoints.db"},
}


def opened_registry(module: t.Any, *, read_only: bool = False) -> SqlRegistry:
    """In check mode for reading only. Raises RotationError: no SQLAlchemy, or no URL that can be used."""
    require_library("sqlalchemy")
    from .._ports.registry.sql_registry import SqlRegistry

    registry = SqlRegistry(module.params["database_url"], read_only=read_only or module.check_mode)
    module.no_log_values.update(registry.secrets)
    return registry
