"""Where a store is: which URLs are understood, and what of them is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dqx.common import StoreError
from dqx.orm import MetricDB
from dqx.orm.address import parse

SECRET = "cAnArY"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, "in memory"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////data/quality.db", "sqlite:////data/quality.db"),
        ("sqlite+pysqlite:////data/quality.db?timeout=5", "sqlite:////data/quality.db"),
        ("postgresql://db.example.com/quality", "postgresql://db.example.com/quality"),
        (f"postgresql://me:{SECRET}@db:5433/quality", "postgresql://me:***@db:5433/quality"),
        (f"postgresql+psycopg://me:{SECRET}@db/q", "postgresql+psycopg://me:***@db/q"),
        (f"postgresql://me:{SECRET}%40%2F@db/q", "postgresql://me:***@db/q"),
        (f"postgresql://me:a/{SECRET}?#:@db/q", "postgresql://me:***@db/q"),
        (f"postgresql:///q?host=/tmp&password={SECRET}", "postgresql:///q?host=%2Ftmp&password=***"),
        (
            f"postgresql://db/q?sslmode=require&sslpassword={SECRET}",
            "postgresql://db/q?sslmode=require&sslpassword=***",
        ),
        (
            f"postgresql://db/q?options={SECRET}&passfile={SECRET}",
            "postgresql://db/q?options=***&passfile=***",
        ),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str | None, shown: str) -> None:
    """Password and unknown options show as asterisks, the rest as it was."""
    store = MetricDB(url)

    assert store.url == shown
    assert repr(store) == f"<MetricDB {shown}>"


@pytest.mark.parametrize(
    ("url", "persistent"),
    [
        (None, False),
        ("sqlite://", False),
        ("sqlite:///:memory:", False),
        ("sqlite:///quality.db", True),
        ("postgresql://db/quality", True),
    ],
)
def test_what_is_in_memory_is_not_persistent(url: str | None, persistent: bool) -> None:
    """The command line warns about history when a store does not outlive the process."""
    assert MetricDB(url).persistent is persistent


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "found a text without '://'"),
        ("quality.db", "found a text without '://'; a store's URL looks like sqlite:///quality.db"),
        (SECRET, "found a text without '://'"),
        (f"mysql://me:{SECRET}@db/q", "stores in SQLite or PostgreSQL, and found 'mysql://...'"),
        (f"postgres://me:{SECRET}@db/q", "found 'postgres://...'"),
        (Path("quality.db"), "a store is named by a URL as text, and found PosixPath"),
        (5, "and found int; a store's URL looks like sqlite:///quality.db"),
    ],
)
def test_what_is_no_url_of_a_store_is_refused_at_once(url: Any, message: str) -> None:
    """The line that names the store is the line that fails, and shows no secret."""
    with pytest.raises(StoreError) as caught:
        MetricDB(url)

    assert message in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"postgresql://me:{SECRET}@db:port/q", "cannot be read; a store's URL looks like"),
        (f"postgresql://me:x@{SECRET}@db/q", "must be written as %40"),
        (f"postgresql://me:x@{SECRET}/y@db/q", "must be written as %40"),
        (f"postgresql://db?password={SECRET}@x", "must be written as %40"),
        (f"postgresql+psycopg2://me:{SECRET}@db/q", "by the driver psycopg; write postgresql://"),
        ("sqlite+aiosqlite:///q.db", "by the driver pysqlite; write sqlite://"),
        ("sqlite://quality.db", "three slashes before a relative path"),
        (f"sqlite://me:{SECRET}@host/q.db", "three slashes before a relative path"),
        ("sqlite:///q.db?timeout=soon", "a number of seconds, not 'soon'"),
        ("sqlite:///q.db?timeout=nan", "a number of seconds, not 'nan'"),
        ("sqlite:///q.db?timeout=-1", "a number of seconds, not '-1'"),
        (f"sqlite:///{SECRET}\0.db", "cannot be read; a store's URL looks like"),
        (f"sqlite:///q.db?key={SECRET}", "one option, timeout (seconds); found key"),
        ("sqlite:///file:q.db?uri=true", "takes a plain path"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_showing_it(url: str, message: str) -> None:
    """What could not be told apart might be a password, so nothing of it is shown."""
    store = MetricDB(url)

    for use in (store.suites, lambda: store.url, lambda: store.persistent):
        with pytest.raises(StoreError) as caught:
            use()
        assert message in str(caught.value)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("form", ["s p/c@t+%", "plain", "ünï"])
def test_a_drivers_words_lose_the_secret_in_every_spelling(form: str) -> None:
    """A driver may repeat a password as it is, or as it stood in the URL."""
    from urllib.parse import quote, quote_plus

    address = parse(f"postgresql://me:{quote(form, safe='')}@db/q?sslpassword={quote_plus(form)}", Path())

    for spelling in (form, quote(form), quote(form, safe=""), quote_plus(form)):
        assert address.scrub(f"connection to '{spelling}' failed") == "connection to '***' failed"


def test_an_address_prints_without_its_secrets() -> None:
    """A debugger or a traceback with local values shows no password."""
    address = parse(f"postgresql://me:{SECRET}@db/q?sslpassword={SECRET}", Path())

    assert SECRET not in repr(address)
