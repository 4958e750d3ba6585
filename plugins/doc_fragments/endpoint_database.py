# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The database of watched endpoints: mirrors DATABASE_OPTIONS in module_utils/_module/registry_options.py."""

    DOCUMENTATION = r"""
options:
  database_url:
    description:
      - The registry of endpoints, as SQLAlchemy writes URLs of databases, with an absolute path or a server.
      - V(sqlite:////var/lib/certops-monitor/endpoints.db) is a file. It is made with mode V(0600) when something is
        written for the first time, and its directory with V(0700) if only that is missing. The file has to be on a
        local file system, not on NFS.
      - V(postgresql://user:password@host/database) and V(mariadb://user:password@host/database) are databases that have
        to be there. The user needs the right to make tables in it. Their names begin with C(certops_).
      - Special characters of the password are written as in other URLs, such as V(%40) for C(@).
      - The password is never shown. Driver and options of the connection can be given as SQLAlchemy takes them, such as
        V(postgresql+psycopg2://...) and V(?sslmode=verify-full).
    type: str
    default: sqlite:////var/lib/certops-monitor/endpoints.db
requirements:
  - sqlalchemy >= 2.0
  - psycopg or psycopg2 for PostgreSQL, PyMySQL or mysqlclient for MariaDB
notes:
  - Any number of runs may read and write at the same time, on one host or, with a server, on many. Writers wait for
    each other.
  - The tables are made, and upgraded after an upgrade of this collection, by the first run that writes. A database that
    a newer version of this collection has upgraded is refused.
"""
