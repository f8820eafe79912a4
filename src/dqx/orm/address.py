"""Where a store is, read from its URL, and how that may be shown: without a password or other secret."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from dqx.common import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import URL

LOCK_TIMEOUT_S = 30.0
"""How long a transaction waits for another program's before it gives up."""

_EXAMPLES = "a store's URL looks like sqlite:///quality.db or postgresql://user@host/database"

# Options of a PostgreSQL URL that hold no secret; the value of any other is not shown.
_SHOWN_OPTIONS = frozenset(
    {
        "application_name",
        "connect_timeout",
        "dbname",
        "host",
        "port",
        "sslmode",
        "target_session_attrs",
        "user",
    }
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is.

    `path` is the absolute path of a SQLite file, `server` the URL of a PostgreSQL database with psycopg 3 as
    its driver; both are None for a store in memory. `shown` is safe to print. `timeout_s` is how long SQLite
    waits for a lock.
    """

    shown: str
    path: Path | None = None
    server: URL | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    timeout_s: float = LOCK_TIMEOUT_S

    @property
    def persistent(self) -> bool:
        """Tell whether what is stored outlives the process."""
        return self.path is not None or self.server is not None

    def scrub(self, text: str) -> str:
        """Return text, such as a driver's error, with every secret of this address as `***`."""
        for secret in self.secrets:
            for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret)):
                text = text.replace(form, "***")
        return text


IN_MEMORY = Address("in memory")


def check_url(url: str) -> str:
    """Return `url` when it has the form of one; raise StoreError otherwise, without showing what it is.

    A text of another form may be anything, a password among it. Reads nothing and imports nothing.
    """
    if not isinstance(url, str):
        raise StoreError(f"a store is named by a URL as text, and found {type(url).__name__}; {_EXAMPLES}")
    if re.match(r"(sqlite|postgresql)(\+\w+)?://", url):
        return url
    scheme = re.match(r"([\w+]{1,30})://", url)
    found = f"'{scheme[1]}://...'" if scheme else "a text without '://'"
    raise StoreError(f"DQX stores in SQLite or PostgreSQL, and found {found}; {_EXAMPLES}")


def parse(url: str | None, folder: Path) -> Address:
    """Read a store's URL; a relative path of a file starts at `folder`.

    Raises:
        StoreError: When the URL cannot be read, names another driver, or has an option that is unknown.
    """
    if url is None:
        return IN_MEMORY

    from sqlalchemy import exc, make_url

    try:
        parsed = make_url(check_url(url))
        return _sqlite(parsed, folder) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    except (exc.ArgumentError, ValueError):  # ValueError: a port that is not a number, a path with a NUL
        raise StoreError(f"the store's URL cannot be read; {_EXAMPLES}") from None


def _sqlite(url: URL, folder: Path) -> Address:
    _check_driver(url, "sqlite", "pysqlite")
    if url.username or url.host:
        raise StoreError("a sqlite URL has three slashes before a relative path, four before an absolute one")
    if (url.database or ":memory:") == ":memory:":
        return IN_MEMORY
    assert url.database is not None
    unknown = sorted(set(url.query) - {"timeout"})
    if unknown or url.database.startswith("file:"):
        raise StoreError(
            f"a sqlite URL takes a plain path and one option, timeout (seconds); "
            f"found {', '.join(unknown) or 'file:'}"
        )
    # realpath: SQLite follows a link, so it is the target that must be created with the right mode.
    path = (folder / url.database).resolve()
    timeout = str(url.query.get("timeout", LOCK_TIMEOUT_S))
    if not re.fullmatch(r"\d{1,6}(\.\d*)?", timeout):
        raise StoreError(f"the timeout of a sqlite URL is a number of seconds, not {timeout!r}")
    return Address(f"sqlite:///{path}", path=path, timeout_s=float(timeout))


def _postgresql(url: URL) -> Address:
    _check_driver(url, "postgresql", "psycopg")
    if "@" in f"{url.host}{url.database}" or "?" in (url.username or ""):
        raise StoreError(
            "the store's URL cannot be read: its password has a character that must be written as %40 (@), "
            "%2F (/), %3F (?) or %3A (:)"
        )
    hidden = {name: value for name, value in url.query.items() if name not in _SHOWN_OPTIONS}
    secrets = [url.password] if url.password else []
    for value in hidden.values():
        secrets += [value] if isinstance(value, str) else value
    shown = url.update_query_dict(dict.fromkeys(hidden, "***")).render_as_string(hide_password=True)
    return Address(
        shown.replace("%2A%2A%2A", "***"),
        server=url.set(drivername="postgresql+psycopg"),
        secrets=tuple(secret for secret in secrets if secret),
    )


def _check_driver(url: URL, backend: str, driver: str) -> None:
    if url.drivername not in (backend, f"{backend}+{driver}"):
        raise StoreError(
            f"DQX reaches {backend} by the driver {driver}; write {backend}:// in the store's URL"
        )
