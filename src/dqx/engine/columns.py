"""The columns of a dataset, as an engine reports them, and what kind of values each holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from dqx.common import ScanError
from dqx.engine.user_sql import UNFIT
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Family = Literal[
    "integer", "decimal", "float", "boolean", "text", "date", "timestamp", "timestamptz", "untyped", "other"
]

NUMBERS: frozenset[Family] = frozenset({"integer", "decimal", "float"})
MOMENTS: frozenset[Family] = frozenset({"date", "timestamp", "timestamptz"})

_FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "integer"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), "integer"),
    "DECIMAL": "decimal",
    **dict.fromkeys(("FLOAT", "DOUBLE"), "float"),
    "BOOLEAN": "boolean",
    "VARCHAR": "text",
    "ENUM": "text",
    "DATE": "date",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "timestamp"),
    **dict.fromkeys(("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"), "timestamptz"),
    # A column of a data frame in which all is missing: it can be whatever is wanted of it.
    **dict.fromkeys(("NULL", '"NULL"'), "untyped"),
}
_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
# In this order, so that what takes several families gets numbers.
_TAKEN_FOR: dict[Family, str] = {"float": "DOUBLE", "timestamp": "TIMESTAMP", "text": "VARCHAR"}


@lru_cache(maxsize=256)
def _family(type_: str) -> Family:
    return "other" if type_.endswith("]") else _FAMILIES.get(type_.partition("(")[0], "other")


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name in the data and the engine's name of its type; `cast` when it has none of its own."""

    name: str
    type: str
    cast: bool = False

    @property
    def family(self) -> Family:
        """Return what kind of values the column holds; a list of numbers is `other`."""
        return _family(self.type)

    def bounds(self) -> tuple[int, int, int]:
        """Return the smallest and largest value of a column of integers or decimals, in units of 10**-scale, and scale.

        An INTEGER is -2147483648, 2147483647, 0 and a DECIMAL(3, 2) is -999, 999, 2.
        """
        if self.family == "decimal":
            width, scale = (int(part) for part in self.type.removeprefix("DECIMAL(").rstrip(")").split(","))
            return 1 - 10**width, 10**width - 1, scale
        bits = _BITS[self.type.removeprefix("U")]
        if self.type.startswith("U"):
            return 0, 2**bits - 1, 0
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 0

    @property
    def sql(self) -> str:
        """Return the name quoted for SQL, whatever it contains, as a value of the column's type."""
        quoted = '"' + self.name.replace('"', '""') + '"'
        return f"CAST({quoted} AS {self.type})" if self.cast else quoted


class Columns:
    """The columns of one dataset, found by name; as in SQL, upper and lower case are the same."""

    def __init__(self, dataset: str, columns: Iterable[Column]) -> None:
        self.dataset = dataset
        self._columns = {column.name: column for column in columns}
        self._folded = {name.casefold(): column for name, column in self._columns.items()}

    def find(self, name: str) -> Column:
        """Return the column `name`; raise ScanError with the nearest name when there is none.

        An engine for which case is nothing renames the second of two columns that differ in it alone, `A` beside
        `a` to `A_1`: then `A` is refused, as it would silently be `a`.
        """
        column = self._columns.get(name) or self._folded.get(name.casefold())
        if column is None:
            raise ScanError(
                f"dataset '{self.dataset}' has no column {name!r}{did_you_mean(name, self._columns)}",
                self.dataset,
            )
        renamed = None if column.name == name else self._columns.get(f"{name}_1")
        if renamed is not None:
            raise ScanError(
                f"dataset '{self.dataset}' has columns that differ in case only; {name!r} can be "
                f"{column.name!r}, or {renamed.name!r} as the second of them is called here",
                self.dataset,
            )
        if UNFIT.search(name):
            raise ScanError(
                f"dataset '{self.dataset}': column {name!r} cannot be named in a query, as it holds one of the "
                "characters U+0002 to U+0004; rename it",
                self.dataset,
            )
        return column

    def require(self, name: str, families: Collection[Family], purpose: str, advice: str) -> Column:
        """Return the column `name` when it holds one of `families`; raise ScanError with `advice` otherwise."""
        column = self.find(name)
        if column.family == "untyped":
            return Column(name, next(t for f, t in _TAKEN_FOR.items() if f in families), cast=True)
        if column.family not in families:
            # The commonest way to text where numbers were meant.
            marks = column.family == "text" and "float" in families
            raise ScanError(
                f"{purpose} does not fit column {column.name!r} of dataset '{self.dataset}', "
                f"which is {column.type}; {advice}"
                + ("; where NA in a CSV file means missing: from_csv(..., nullstr=['', 'NA'])" * marks),
                self.dataset,
            )
        return column
