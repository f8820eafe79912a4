"""PostgreSQL by psycopg 3: how it is opened, and how its transactions begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from dqx.common import StoreError
from dqx.orm.address import LOCK_TIMEOUT_S

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from dqx.orm.address import Address

# The key of the advisory lock by which our transactions know of each other: 'DQX' in ASCII.
_LOCK = 0x445158

# libpq's own limits are none: a server that vanished would hold a run for as long as TCP hopes (15 minutes).
_LIMITS: dict[str, str | int] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_IDLE_LIMIT_S = 20.0
"""How long the server waits for a program in the middle of a transaction: less than others wait for its locks.

One whose host went down would else keep every run out until the server's TCP gives up, after two hours.
"""


def postgresql_engine(address: Address) -> Engine:
    """Make the engine for a PostgreSQL address; connects to nothing.

    Each transaction has a connection of its own (5 ms on a local server, half a dozen in a run), so that none
    lies idle while a scan takes an hour, a restart of the server is not noticed, and a fork shares none.

    Raises:
        StoreError: When the driver is not installed.
    """
    assert address.server is not None
    limits = {name: value for name, value in _LIMITS.items() if name not in address.server.query}
    try:
        engine = create_engine(
            address.server,
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=limits,
            paramstyle="format",  # rows.py sends rows as tuples
        )
    except ImportError as error:
        raise StoreError(
            f"the store {address.shown} needs a driver that cannot be imported ({error}): "
            "pip install 'dqx[postgres]'",
            address.shown,
        ) from None
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Bound the waiting for locks, and keep apart what reads, what writes, and what must be alone.

    What reads sees the store at one moment, as it does in SQLite, whatever is written or deleted meanwhile.
    Runs that are written share the lock. What deletes has it alone, so that no definition goes away between a
    writer's looking it up and referring to it; so has what creates the tables, which PostgreSQL cannot do twice
    at once, and what touches the rows of many suites, which two programs might do in two orders.
    """
    mode = connection.get_execution_options()["dqx_mode"]
    if mode == "read":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    connection.exec_driver_sql(
        f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_S * 1000:.0f};"
        f"SET LOCAL idle_in_transaction_session_timeout = {_IDLE_LIMIT_S * 1000:.0f}"
    )
    if mode != "read":
        lock = "pg_advisory_xact_lock" if mode == "alone" else "pg_advisory_xact_lock_shared"
        connection.exec_driver_sql(f"SELECT {lock}({_LOCK})")
