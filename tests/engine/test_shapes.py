"""Conditions that differ in their literals alone are parsed once, and are what they would be parsed one by one."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.engine.shapes import shape_of
from dqx.engine.user_sql import BEGIN, END, Parser

PLAIN = [
    "a > {}",
    "a>-{} AND b = '{}'",
    "a > - {} OR NOT (a = {})",
    "a IN ({}, {}, {})",
    "a BETWEEN {} AND {} AND b LIKE '%{}'",
    "a1 > {} AND c2 = {}",
    "b NOT LIKE 'x{}' ESCAPE '!'",
    "CASE WHEN a = {} THEN '{}' ELSE 'x' END = '{}'",
    "d = DATE '2024-01-0{}'",
    "d > now() - INTERVAL '{} days'",
    "d > now() - INTERVAL {} day",
    "ts::date = '{}'",
    "substring(b FROM 1 FOR {}) = '{}'",
    "CAST(a AS DECIMAL(10, 2)) > {}.50",
    "CAST(b AS VARCHAR(7)) = '{}'",
    "CAST(a AS FLOAT(3)) > {}",
    "extract(year FROM d) = {}",
    "a > {}e2 AND a < {}",
    "a > .{} AND a < 007",
    "b = 'a'\n'{}'",
]
ODD = [
    "b = E'{}'",
    "b = X'0{}'",
    "b = 'it''s {}'",
    "b = $${}$$",
    '"c {}" > 1',
    "a > 1 -- {}",
    "a > 1 /* {} */",
    "b = '-- {}' AND a > 1",
    "list_contains([{}], a)",
]
REFUSED = [
    "a > {}) FROM t; DROP TABLE t; --",
    "a > {}, b > {}",
    "a > {} LIMIT 1",
    "a > {} AS named",
    "a = (SELECT {})",
    "a > {} b = '{}",
    "getvariable('{}') = 1",
    "'{}' '{}'",
    "a > {} {}",
]


@pytest.fixture(scope="module")
def connection() -> Any:
    """One connection for all examples."""
    with duckdb.connect() as made:
        yield made


def parsed(connection: Any, text: str, *others: str) -> str:
    """Return a condition in the parser's words, or why it has none, after it was parsed among others."""
    try:
        return Parser(connection, [*others, text]).condition(text).strip(BEGIN + END)
    except Exception as error:  # noqa: BLE001  # compared as text
        return f"{type(error).__name__}: {error}"


def one_by_one(connection: Any, text: str) -> str:
    """Return the same of a condition that no shape stands for."""
    parser = Parser(connection, [])
    (written,) = parser._parse([text]).values()
    return written.strip(BEGIN + END) if isinstance(written, str) else f"ScanError: {written}"


def meaning(connection: Any, written: str) -> str:
    """Return the tree of what the parser wrote, in which 1e2 is 100.0 however it was written."""
    (tree,) = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT {written}"]).fetchone()
    return str(connection.execute("SELECT json_deserialize_sql(?::JSON)", [tree]).fetchone())


@pytest.mark.parametrize("form", [*PLAIN, *ODD])
@given(number=st.integers(0, 10**12), other=st.integers(0, 9))
def test_a_condition_is_the_same_with_a_shape_and_without(
    connection: Any, form: str, number: int, other: int
) -> None:
    """Whatever numbers and texts stand in it, alone or beside others of its shape."""
    text, sibling = form.replace("{}", str(number)), form.replace("{}", str(other))
    found, expected = parsed(connection, text, sibling), one_by_one(connection, text)
    assert found == expected or meaning(connection, found) == meaning(connection, expected)


@given(text=st.text(st.sampled_from("ab '\"\\$-/*.,;:()[]<>=%15e\n\x02Ä"), max_size=12))
def test_no_text_is_anything_else_for_having_a_shape(connection: Any, text: str) -> None:
    """Least of all SQL where it was none, or a piece of a text where it was a literal."""
    condition = f"a > {text}"
    found, expected = parsed(connection, condition), one_by_one(connection, condition)
    assert found == expected or meaning(connection, found) == meaning(connection, expected)


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_refused_names_the_condition_that_was_written(connection: Any, form: str) -> None:
    """Not the shape that was tried before it."""
    text = form.replace("{}", "5")
    assert f"where={text!r}" in parsed(connection, text, form.replace("{}", "6"))
    assert parsed(connection, text) == one_by_one(connection, text)


@pytest.mark.parametrize("form", ODD)
def test_what_could_be_read_in_another_way_has_no_shape(form: str) -> None:
    """Other quotes, comments, parameters, lists; texts that a letter or a quote beside them changes."""
    assert shape_of(form.replace("{}", "5")) is None


def test_conditions_of_one_shape_share_it() -> None:
    """Numbers of any size that every grammar reads alike, and texts; others are a part of the shape."""
    shapes = [shape_of(f"a > {i} AND b = 'x{i}'") for i in (0, 7, 999_999_999)]
    assert len({shape.text for shape in shapes if shape}) == 1
    assert [shape.literals for shape in shapes if shape][1] == ("7", "'x7'")
    larger = shape_of("a > 1000000000 AND a < 1e5")
    assert larger is not None
    assert larger.literals == ()


def test_a_stand_in_that_is_lost_moved_or_doubled_gives_nothing() -> None:
    """Then the condition is parsed by itself."""
    shape = shape_of("a > 1 AND b < 2")
    assert shape is not None
    one, two = shape.stand_ins
    assert shape.fill(f"(a > {one}) AND (b < {two})") == "(a > 1) AND (b < 2)"
    for written in (
        f"a > {one}",
        f"b < {two} AND a > {one}",
        f"a > {one} AND b < {two} AND c < {two}",
        f"b < {two} AND a > {one} AND b < {two}",
    ):
        assert shape.fill(written) is None
    assert shape_of(f"a > {one}") is None, "a number that looks like a stand-in"
