"""The user's own SQL: one expression, proven so by the engine's parser, and written anew from its tree.

What goes into a query is never the text that was given but the expression that was parsed out of it, so that
nothing can end the expression early and begin something else.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from dqx.common import ScanError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

BEGIN, END, PLACE = "\x02", "\x03", "\x04"
"""Marks around the user's SQL inside a query's text, and the mark of a bound value.

By them the public form of a query leaves the user's SQL out, and no `?` in a name is taken for a value."""

Tree = dict[str, Any]

_MARKS = frozenset((BEGIN, END, PLACE))
_MARKED = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)

_WANTED = {
    "where": "one SQL condition, such as price > 0",
    "custom_sql": "one aggregate, such as sum(a) / sum(b)",
}
_REFUSED = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "`*`",
    "PARAMETER": "a parameter (`?` or `$1`)",
    "unnest": "unnest",
}


class Parser:
    """Parses the user's SQL of one scan, all of it in two statements, however many conditions there are.

    Args:
        connection: Any connection; nothing is read through it.
        conditions: Every `where` of the scan, in any order, repeated or not.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, conditions: Iterable[str]) -> None:
        self._connection = connection
        (self._bare,) = _trees(connection, ["1"])
        self._conditions: dict[str, str | ScanError] = {}
        valid: dict[str, Tree] = {}
        texts = list(dict.fromkeys(conditions))
        for text, tree in zip(texts, _trees(connection, texts), strict=True):
            try:
                valid[text] = self._proven(tree, text, "where")
            except ScanError as error:
                self._conditions[text] = error
        self._conditions.update(zip(valid, _write(connection, list(valid.values())), strict=True))

    def condition(self, text: str) -> str:
        """Return one of the conditions in the parser's own words, marked.

        Raises:
            ScanError: When it is not exactly one condition.
        """
        parsed = self._conditions[text]
        if isinstance(parsed, ScanError):
            raise parsed
        return parsed

    def aggregate(self, text: str, where: str | None) -> str:
        """Return an aggregate expression, marked, with every aggregate in it kept to the rows of `where`.

        Raises:
            ScanError: When `text` is not exactly one expression, or `where` not exactly one condition.
        """
        (tree,) = _trees(self._connection, [text])
        statement = self._proven(tree, text, "custom_sql")
        if where is not None:
            (tree,) = _trees(self._connection, [where])
            condition = self._proven(tree, where, "where")["statements"][0]["node"]["select_list"][0]
            _filter(statement, condition, self._aggregate_names())
        (written,) = _write(self._connection, [statement])
        return written

    def pattern(self, regex: str) -> str:
        """Return a regular expression that the engine can compile; raise ScanError otherwise."""
        import duckdb

        try:
            self._connection.execute("SELECT regexp_matches('', ?)", [regex]).fetchone()
        except duckdb.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise ScanError(f"{regex!r} is not a regular expression (RE2's syntax): {reason}") from None
        return regex

    def _aggregate_names(self) -> set[str]:
        rows = self._connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
        ).fetchall()
        return {name for (name,) in rows}

    def _proven(self, tree: Tree, text: str, role: str) -> Tree:
        """Return the tree when it is one expression over the dataset's columns and nothing else."""
        wanted = _WANTED[role]
        if not text.strip() or not _MARKS.isdisjoint(text):
            raise ScanError(f"{role}={text!r} is not SQL; write {wanted}")
        if tree.get("error"):
            message = str(tree.get("error_message", "it does not parse")).strip()
            raise ScanError(f"{role}={text!r} is not {wanted}: {message}")
        statements = tree["statements"]
        expressions = statements[0]["node"].get("select_list", []) if len(statements) == 1 else []
        if (
            len(expressions) != 1
            or expressions[0].get("alias")
            or _frame(statements[0]) != _frame(self._bare["statements"][0])
        ):
            raise ScanError(
                f"{role}={text!r} is more than one expression; write {wanted}, with nothing around it"
            )
        for node in _nodes(expressions[0]):
            refused = _REFUSED.get(str(node.get("class"))) or _REFUSED.get(str(node.get("function_name")))
            if refused is not None:
                raise ScanError(
                    f"{role}={text!r} holds {refused}; write {wanted} over the dataset's own columns"
                )
        return tree


def public_text(sql: str) -> str:
    """Return a query's text with every value as `?` and the user's SQL as `<user sql>`."""
    return _MARKED.sub("<user sql>", sql).replace(PLACE, "?")


def fill(sql: str, values: Iterable[str]) -> str:
    """Return a query's text without marks, with `values` where values are bound: `?` or literals, in order."""
    pieces = sql.replace(BEGIN, "").replace(END, "").split(PLACE)
    filled = [pieces[0]]
    for value, piece in zip(values, pieces[1:], strict=True):
        filled += (value, piece)
    return "".join(filled)


def _trees(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> list[Tree]:
    """Return what the engine's parser makes of each text as the one column of a SELECT."""
    statements = [f"SELECT {text}\n" for text in texts]
    query = "SELECT json_serialize_sql(text) FROM (SELECT unnest(?::VARCHAR[]) AS text)"
    return [json.loads(tree) for (tree,) in connection.execute(query, [statements]).fetchall()]


def _write(connection: duckdb.DuckDBPyConnection, trees: list[Tree]) -> list[str]:
    """Return each tree as SQL again, marked."""
    query = "SELECT json_deserialize_sql(tree::JSON) FROM (SELECT unnest(?::VARCHAR[]) AS tree)"
    rows = connection.execute(query, [[json.dumps(tree) for tree in trees]]).fetchall()
    return [f"{BEGIN}{sql.removeprefix('SELECT ')}{END}" for (sql,) in rows]


def _frame(statement: dict[str, Any]) -> object:
    """Return everything of a SELECT but its expressions, to be held against that of a bare `SELECT 1`."""

    def strip(part: object) -> object:
        if isinstance(part, dict):
            return {k: strip(v) for k, v in part.items() if k != "select_list" and "location" not in k}
        return [strip(item) for item in part] if isinstance(part, list) else part

    return strip(statement)


def _nodes(part: object) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [node for item in part for node in _nodes(item)]
    if not isinstance(part, dict):
        return []
    return [part, *(node for item in part.values() for node in _nodes(item))]


def _filter(statement: dict[str, Any], condition: dict[str, Any], aggregates: set[str]) -> None:
    for node in _nodes(statement):
        if node.get("class") != "FUNCTION" or node.get("function_name") not in aggregates:
            continue
        given = node.get("filter")
        both = {
            "class": "CONJUNCTION",
            "type": "CONJUNCTION_AND",
            "alias": "",
            "children": [given, condition],
        }
        node["filter"] = both if given else condition
