# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the registry, the same in SQLite, PostgreSQL and MariaDB.

Instants are whole seconds since 1970 in UTC: exact, and alike in all of them. Lists and mappings are JSON in text. What
has no limit in a certificate or an answer has none here.
"""

from __future__ import annotations

import functools
import typing as t

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql
except ImportError:  # told by the runners
    pass

from ..._core.watch.endpoints import MOST_OF_A_HOST, MOST_OF_A_NAME, MOST_OF_AN_ADDRESS

_MARIADB: dict[str, t.Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    # Names that differ by case, accents or spaces at the end are different names.
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


class RegistryTables:
    """All of them. Needs SQLAlchemy; get it by registry_tables()."""

    def __init__(self) -> None:
        self.all = sa.MetaData()
        # One row, which every writer locks first: so there is one at a time, whoever it is.
        self.schema = self._table(
            "schema",
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("version", sa.Integer, nullable=False),
        )
        self.endpoints = self._table(
            "endpoints",
            _number(),
            sa.Column("name", sa.String(MOST_OF_A_NAME), nullable=False),
            sa.Column("host", sa.String(MOST_OF_A_HOST), nullable=False),
            sa.Column("port", sa.Integer, nullable=False),
            sa.Column("server_name", sa.String(MOST_OF_A_HOST)),
            sa.Column("starttls", sa.String(32)),
            sa.Column("address", sa.String(MOST_OF_AN_ADDRESS)),
            sa.Column("proxy_protocol", sa.Boolean, nullable=False),
            sa.Column("enabled", sa.Boolean, nullable=False),
            sa.Column("tags", _text(), nullable=False),
            sa.Column("added", sa.BigInteger, nullable=False),
            sa.Column("retired", sa.BigInteger),
            sa.UniqueConstraint("host", "port", name="certops_endpoints_host_port"),
        )
        self.certificates = self._table(
            "certificates",
            sa.Column("fingerprint_sha256", sa.String(64), primary_key=True),
            sa.Column("fingerprint_sha1", sa.String(40), nullable=False),
            sa.Column("fingerprint_md5", sa.String(32), nullable=False),
            sa.Column("key_sha256", sa.String(64)),
            sa.Column("not_before", sa.BigInteger),
            sa.Column("not_after", sa.BigInteger),
            sa.Column("subject", _text()),
            sa.Column("issuer", _text()),
            sa.Column("serial_number", _text()),
            sa.Column("subject_alternative_names", _text(), nullable=False),
            sa.Column("key_type", _text()),
            sa.Column("odd", _text()),
            sa.Column("der", _bytes(), nullable=False),
            sa.Column("added", sa.BigInteger, nullable=False),
        )
        self.intervals = self._table(
            "intervals",
            _number(),
            sa.Column("endpoint_id", sa.BigInteger, sa.ForeignKey(self.endpoints.c.id), nullable=False),
            sa.Column("address", sa.String(MOST_OF_AN_ADDRESS)),
            sa.Column("key_type", sa.String(16), nullable=False),
            sa.Column("since", sa.BigInteger, nullable=False),
            sa.Column("until", sa.BigInteger, nullable=False),
            # One of an address is, at most.
            sa.Column("open", sa.Boolean, nullable=False),
            sa.Column("reach", sa.String(16), nullable=False),
            sa.Column("fingerprint_sha256", sa.String(64)),
            sa.Column("failures", sa.Integer, nullable=False),
            sa.Column("told", _text(), nullable=False),
            sa.Column("chain", _text(), nullable=False),
            sa.Column("error", _text()),
            sa.Column("trusted", sa.Boolean),
            sa.Column("trust_error", _text()),
            sa.Column("needed_until", sa.BigInteger),
            sa.Column("chain_notes", _text(), nullable=False),
            sa.Column("protocol", sa.String(64)),
            sa.Column("cipher", sa.String(128)),
            sa.Column("key_type_ignored", sa.Boolean, nullable=False),
            sa.Column("staple", sa.String(32)),
            sa.Index("certops_intervals_endpoint", "endpoint_id", "open"),
            sa.Index("certops_intervals_until", "until"),
        )
        self.events = self._table(
            "events",
            _number(),
            sa.Column("event_id", sa.String(128), nullable=False, unique=True),
            sa.Column("kind", sa.String(32), nullable=False),
            sa.Column("severity", sa.String(16), nullable=False),
            sa.Column("at", sa.BigInteger, nullable=False, index=True),
            sa.Column("name", sa.String(MOST_OF_A_NAME), nullable=False),
            sa.Column("host", sa.String(MOST_OF_A_HOST), nullable=False),
            sa.Column("port", sa.Integer, nullable=False),
            sa.Column("address", sa.String(MOST_OF_AN_ADDRESS)),
            sa.Column("message", _text(), nullable=False),
            sa.Column("details", _text(), nullable=False),
            sa.Index("certops_events_endpoint", "host", "port"),
        )
        self.deliveries = self._table(
            "deliveries",
            sa.Column("event_id", sa.String(128), primary_key=True),
            sa.Column("receiver", sa.String(64), primary_key=True),
            sa.Column("at", sa.BigInteger, nullable=False),
        )
        self.deployments = self._table(
            "deployments",
            _number(),
            sa.Column("host", sa.String(MOST_OF_A_HOST), nullable=False, index=True),
            sa.Column("certificate", _text(), nullable=False),
            sa.Column("layers", _text(), nullable=False),
            sa.Column("endpoints", _text(), nullable=False),
            sa.Column("at", sa.BigInteger, nullable=False),
        )

    def _table(self, name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
        """The prefix: a database may be others' as well."""
        table: sa.Table = sa.Table(f"certops_{name}", self.all, *parts, **_MARIADB)
        return table


@functools.lru_cache(maxsize=1)
def registry_tables() -> RegistryTables:
    """Made once in a process."""
    return RegistryTables()


def _number() -> sa.Column[int]:
    """SQLite counts by itself in columns of this one type only."""
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def _text() -> sa.types.TypeEngine[str]:
    """MariaDB's own TEXT ends after 64 KiB."""
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def _bytes() -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
