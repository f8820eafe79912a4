"""The store's tables are there and of this version, or it is said why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, update

from dqx.common import StoreError
from dqx.orm.tables import SCHEMA_VERSION, metadata, store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dqx.orm.address import Address


def is_current(connection: Connection, address: Address) -> bool:
    """Tell whether the tables are there; raise StoreError when they are of a newer version."""
    if not inspect(connection).has_table(store.name):
        return False
    version = connection.execute(select(store.c.version)).scalar_one()
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store {address.shown} was written by a newer DQX (schema {version}, this one knows "
            f"{SCHEMA_VERSION}): upgrade dqx, or name another store",
            address.shown,
        )
    return True


def create(connection: Connection, address: Address) -> None:
    """Create the tables, unless another program just did; runs in a transaction that has the store alone."""
    if not is_current(connection, address):
        metadata.create_all(connection)
        connection.execute(store.insert().values(version=SCHEMA_VERSION, changes=0))


def count_change(connection: Connection) -> None:
    """Count a transaction that writes, as its last statement: the row is locked for the commit alone."""
    connection.execute(update(store).values(changes=store.c.changes + 1))
