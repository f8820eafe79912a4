"""How values get into a query: bound, or written as literals that are exactly the value and nothing more."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dqx.engine.aggregates import Aggregate
from dqx.engine.reader import ConnectionReader, RelationReader, RowFilter, literal, query_text, quote
from dqx.engine.user_sql import BEGIN, END, PLACE, fill, public_text

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# Early releases of the engine end a query at a NUL.
TEXT = ANY_TEXT.filter(lambda text: "\0" not in text)
MOMENTS = st.one_of(st.dates(), st.datetimes())
ZONED = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
NUMBERS = st.one_of(
    st.integers(-(2**127) + 1, 2**127 - 1),
    st.floats(allow_nan=False),
    st.decimals(-(10**20), 10**20, places=5),
)


@pytest.fixture(scope="module")
def connection() -> Any:
    """One connection for all examples, in UTC."""
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        yield made


@given(value=st.one_of(ANY_TEXT, st.booleans(), NUMBERS, MOMENTS, ZONED))
@example(value="a NUL \0 and 'more'")
def test_a_literal_is_the_value(connection: Any, value: Any) -> None:
    """Quotes, backslashes and comments in a text end nothing; numbers keep their sign, size and type."""
    aware = isinstance(value, datetime) and value.tzinfo is not None
    # A zoned timestamp can only be fetched with a time zone package installed.
    sql = f"CAST({literal(value)} AS TIMESTAMP)" if aware else literal(value)
    ((found,),) = connection.execute(f"SELECT {sql}").fetchall()
    assert (found.replace(tzinfo=UTC) if aware else found) == value
    if not isinstance(value, (datetime, Decimal)):
        assert type(found) is type(value)


@given(text=TEXT)
def test_a_quoted_text_is_the_text(connection: Any, text: str) -> None:
    """As the name of a file in a query."""
    assert connection.execute(f"SELECT {quote(text)}").fetchall() == [(text,)]


@given(values=st.lists(st.one_of(TEXT, st.booleans(), MOMENTS), min_size=1, max_size=5), note=TEXT)
def test_values_go_where_their_marks_are(connection: Any, values: list[Any], note: str) -> None:
    """In their order, whatever stands in them: marks of ours, question marks, quotes; by either reader.

    Numbers are not among them: they are bound as text, to be read as the type of their column.
    """
    aggregates = [Aggregate(f"max({PLACE}) -- ?\n", (value,)) for value in values]
    rows = RowFilter(f"note = {PLACE}", (note,))
    query = f"(SELECT {quote(note)} AS note, 'a?b{PLACE}c' AS other)"
    bound = ConnectionReader(connection, query).run(aggregates, rows)
    written = RelationReader(connection, connection.sql(f"FROM {query}")).run(aggregates, rows)
    assert list(bound) == list(written) == values


def test_a_query_is_public_without_values_and_sql_of_the_user() -> None:
    """What is ours stays, a mark inside of a name does not count."""
    aggregates = [
        Aggregate(f"sum(CASE WHEN {BEGIN}a > 'secret'{END} THEN 1 END)"),
        Aggregate(f"f({PLACE})", ("x",)),
    ]
    text = query_text(aggregates, '"orders"', RowFilter(f"d >= {PLACE}", (date(2024, 1, 1),)))
    assert public_text(text) == 'SELECT sum(CASE WHEN <user sql> THEN 1 END), f(?) FROM "orders" WHERE d >= ?'
    assert fill(text, ["1", "2"]) == (
        "SELECT sum(CASE WHEN a > 'secret' THEN 1 END), f(1) FROM \"orders\" WHERE d >= 2"
    )


def test_as_many_values_as_marks() -> None:
    """Anything else is a defect, and told at once."""
    for values in ([], ["1"], ["1", "2", "3"]):
        with pytest.raises(ValueError, match="zip"):
            fill(f"{PLACE} + {PLACE}", values)
