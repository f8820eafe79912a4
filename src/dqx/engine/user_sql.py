"""The user's own SQL: one expression, proven so by the engine's parser, and written anew from its tree.

What goes into a query is never the text that was given but the expression that was parsed out of it, so that
nothing can end the expression early and begin something else.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dqx.common import ScanError
from dqx.engine.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

BEGIN, END, PLACE = "\x02", "\x03", "\x04"
"""Marks around the user's SQL inside a query's text, and the mark of a bound value.

By them the public form of a query leaves the user's SQL out, and no `?` in a name is taken for a value."""

Tree = dict[str, Any]

HALF_PAIR = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which Python's text can hold and an engine's cannot."""
UNFIT = re.compile(f"[{BEGIN}{END}{PLACE}\ud800-\udfff]")
"""What cannot stand in a query: that, and the marks."""
_MARKED = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)

_WANTED = {
    "where": "one SQL condition, such as price > 0",
    "custom_sql": "one aggregate, such as sum(a) / sum(b)",
}
_REFUSED_CLASSES = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "`*`",
    "PARAMETER": "a parameter (`?` or `$1`)",
}
# What turns one row into many, changes something outside of the query, or looks at what is not in the data.
_REFUSED_FUNCTIONS = {
    *("unnest", "unlist", "generate_subscripts", "regexp_split_to_table"),
    *("nextval", "currval", "setval", "setseed", "write_log", "current_setting", "getvariable"),
}


class Parser:
    """Parses the user's SQL of one scan, in a handful of statements, however many conditions there are.

    Args:
        connection: Any connection; nothing is read through it.
        conditions: Every `where` of the scan, in any order, repeated or not.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, conditions: Iterable[str]) -> None:
        self._connection = connection
        (self._bare,) = _trees(connection, ["1"])
        texts = dict.fromkeys(conditions)
        shapes = {text: shape for text in texts if (shape := shape_of(text))}
        proven = self._parse(dict.fromkeys(shape.text for shape in shapes.values()))
        self._conditions: dict[str, str | ScanError] = {}
        for text, shape in shapes.items():
            written = proven[shape.text]
            filled = shape.fill(written) if isinstance(written, str) else None
            if filled is not None:
                self._conditions[text] = filled
        self._conditions |= self._parse(text for text in texts if text not in self._conditions)

    def _parse(self, texts: Iterable[str]) -> dict[str, str | ScanError]:
        """Return each of the conditions in the parser's own words, marked, or why it is not one."""
        parsed: dict[str, str | ScanError] = {}
        valid: dict[str, Tree] = {}
        listed = list(texts)
        for text, tree in zip(listed, _trees(self._connection, listed), strict=True):
            try:
                valid[text] = self._proven(tree, text, "where")
            except ScanError as error:
                parsed[text] = error
        parsed.update(zip(valid, _write(self._connection, list(valid.values())), strict=True))
        return parsed

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
            self._refuse_hidden_aggregates(statement, text)
            _filter(statement, condition, self._functions[0])
        (written,) = _write(self._connection, [statement])
        return written

    def pattern(self, regex: str) -> str:
        """Return a regular expression that the engine can compile; raise ScanError otherwise."""
        import duckdb

        if HALF_PAIR.search(regex):
            raise ScanError(f"{regex!r} is not a regular expression: it holds half of a surrogate pair")
        try:
            self._connection.execute("SELECT regexp_matches('', ?)", [regex]).fetchall()
        except duckdb.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise ScanError(f"{regex!r} is not a regular expression (RE2's syntax): {reason}") from None
        return regex

    @cached_property
    def _functions(self) -> tuple[set[str], dict[str, list[str]]]:
        """The names of the engine's aggregates, and what each macro stands for. Asked once: it takes 30 ms."""
        rows = self._connection.execute(
            "SELECT lower(function_name), macro_definition FROM duckdb_functions() "
            "WHERE function_type IN ('aggregate', 'macro')"
        ).fetchall()
        macros: dict[str, list[str]] = {}
        for name, definition in rows:
            if definition is not None:
                macros.setdefault(name, []).append(definition)
        return {name for name, definition in rows if definition is None}, macros

    def _refuse_hidden_aggregates(self, statement: Tree, text: str) -> None:
        """Raise ScanError for a macro, such as geomean, that aggregates: no condition reaches inside of it."""
        aggregates, macros = self._functions
        pending = [(name, name) for name in map(_function, _nodes(statement)) if name in macros]
        seen: set[str] = set()
        while pending:
            used, name = pending.pop()
            if name in aggregates:
                raise ScanError(
                    f"custom_sql={text!r} with where=: {used} is a macro around {name}, where no condition "
                    "reaches; write out what it stands for, or put the condition into the expression"
                )
            if name not in seen:
                seen.add(name)
                inside = _nodes(_trees(self._connection, macros.get(name, [])))
                pending += [(used, function) for function in map(_function, inside) if function]

    def _proven(self, tree: Tree, text: str, role: str) -> Tree:
        """Return the tree when it is one expression over the dataset's columns and nothing else."""
        wanted = _WANTED[role]
        # At a NUL some releases take the text for ended.
        if not text.strip() or "\0" in text or UNFIT.search(text):
            raise ScanError(f"{role}={text!r} is not SQL; write {wanted}")
        if tree.get("error"):
            message = str(tree.get("error_message", "it does not parse")).strip()
            if tree.get("error_type") == "not implemented":  # its words are about the form we ask for
                message = "it holds another statement"
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
            refused = _REFUSED_CLASSES.get(str(node.get("class")))
            if _function(node) in _REFUSED_FUNCTIONS:
                refused = _function(node)
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
    if not texts:
        return []
    # Half a surrogate pair cannot be handed over; what holds one is refused later, and alone.
    statements = [f"SELECT {text}\n".encode(errors="replace").decode() for text in texts]
    query = "SELECT json_serialize_sql(text, skip_default := true) FROM (SELECT unnest(?::VARCHAR[]) AS text)"
    return [json.loads(tree) for (tree,) in connection.execute(query, [statements]).fetchall()]


def _write(connection: duckdb.DuckDBPyConnection, trees: list[Tree]) -> list[str]:
    """Return each tree as SQL again, marked."""
    if not trees:
        return []
    query = "SELECT json_deserialize_sql(tree::JSON) FROM (SELECT unnest(?::VARCHAR[]) AS tree)"
    rows = connection.execute(query, [[json.dumps(tree) for tree in trees]]).fetchall()
    return [f"{BEGIN}({sql.removeprefix('SELECT ')}){END}" for (sql,) in rows]


def _frame(statement: dict[str, Any]) -> object:
    """Return everything of a SELECT but its expressions, to be held against that of a bare `SELECT 1`."""

    def strip(part: object) -> object:
        if isinstance(part, dict):
            return {k: strip(v) for k, v in part.items() if k != "select_list" and "location" not in k}
        return [strip(item) for item in part] if isinstance(part, list) else part

    return strip(statement)


def _nodes(part: object) -> list[dict[str, Any]]:
    """Return every node of a tree, in no order."""
    nodes: list[dict[str, Any]] = []
    rest = [part]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            nodes.append(item)
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)
    return nodes


def _function(node: dict[str, Any]) -> str:
    return str(node.get("function_name", "")).lower()


def _filter(statement: dict[str, Any], condition: dict[str, Any], aggregates: set[str]) -> None:
    for node in _nodes(statement):
        if node.get("class") != "FUNCTION" or _function(node) not in aggregates:
            continue
        given = node.get("filter")
        both = {
            "class": "CONJUNCTION",
            "type": "CONJUNCTION_AND",
            "alias": "",
            "children": [given, condition],
        }
        node["filter"] = both if given else condition
