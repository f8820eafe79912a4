"""What went wrong with a store, in words that say what to do, from the error codes of the drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqx.common import StoreError

if TYPE_CHECKING:
    from dqx.orm.address import Address

_NO_ROOM = "has no room left: free some, or remove old runs with `dqx db prune --keep 400d`"
_LOCKED = "is locked by another program: wait for it to end its transaction, and try again"
_READ_ONLY = (
    "cannot be written: give this user the right to write to it, and to its folder where it is a file"
)

# Primary result codes: https://www.sqlite.org/rescode.html
_SQLITE = {
    3: _READ_ONLY,
    5: _LOCKED,
    6: _LOCKED,
    8: _READ_ONLY,
    10: "cannot be read or written: is the disk full, failing or gone?",
    11: "is damaged: restore it from a backup, or name another file",
    13: _NO_ROOM,
    14: "cannot be opened: is the file still there, and may this user read and write it and its folder?",
    26: "is not a SQLite database: name another file",
}

# Codes, and classes of two digits: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
    "08": "cannot be connected to: does the server run, and are address, database, user and password right?",
    "25006": _READ_ONLY,
    "42501": "refused: this user needs the right to create and to change tables there",
    "53100": _NO_ROOM,
    "53": "has no connection or memory left: try again when it is less busy",
    "55P03": _LOCKED,
    "57P": "is shutting down or starting: try again when it is up",
}


def store_error(error: BaseException, address: Address) -> StoreError:
    """Make the StoreError that says what a driver's error means, where, and what to do next.

    Of the driver's own words the first line is kept, without the secrets of the address: further lines of a
    PostgreSQL error, and SQLAlchemy's own text, hold values of rows.
    """
    cause = getattr(error, "orig", None) or error
    words = address.scrub((str(cause).strip() or type(cause).__name__).splitlines()[0])
    return StoreError(f"the store {address.shown} {_meaning(cause)} ({words})", address.shown)


def _meaning(cause: BaseException) -> str:
    if isinstance(cause, ValueError | OverflowError):
        return "cannot hold a name or number of this run"
    sqlite_code = getattr(cause, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return _SQLITE.get(sqlite_code & 0xFF, "refused a request")
    if hasattr(cause, "sqlstate"):
        state = cause.sqlstate or "08"  # psycopg gives no code when it could not connect
        return next(
            (_POSTGRESQL[key] for key in (state, state[:3], state[:2]) if key in _POSTGRESQL),
            "refused a request",
        )
    return "refused a request"
