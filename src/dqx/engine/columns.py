"""The columns of a dataset, as an engine reports them, and what kind of values each holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dqx.common import ScanError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Family = Literal[
    "integer", "decimal", "float", "boolean", "text", "date", "timestamp", "timestamptz", "other"
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
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name in the data and the engine's name of its type."""

    name: str
    type: str

    @property
    def family(self) -> Family:
        """Return what kind of values the column holds; a list of numbers is `other`."""
        return "other" if self.type.endswith("]") else _FAMILIES.get(self.type.partition("(")[0], "other")

    @property
    def sql(self) -> str:
        """Return the name quoted for SQL, whatever it contains."""
        return '"' + self.name.replace('"', '""') + '"'


class Columns:
    """The columns of one dataset, found by name; as in SQL, upper and lower case are the same."""

    def __init__(self, dataset: str, columns: Iterable[Column]) -> None:
        self.dataset = dataset
        self._columns = {column.name: column for column in columns}
        self._folded = {name.casefold(): column for name, column in self._columns.items()}

    def find(self, name: str) -> Column:
        """Return the column `name`; raise ScanError with the nearest name when there is none."""
        column = self._columns.get(name) or self._folded.get(name.casefold())
        if column is None:
            raise ScanError(
                f"dataset '{self.dataset}' has no column {name!r}{did_you_mean(name, self._columns)}",
                self.dataset,
            )
        return column

    def require(self, name: str, families: Collection[Family], purpose: str, advice: str) -> Column:
        """Return the column `name` when it holds one of `families`; raise ScanError with `advice` otherwise."""
        column = self.find(name)
        if column.family not in families:
            raise ScanError(
                f"{purpose} does not fit column {column.name!r} of dataset '{self.dataset}', "
                f"which is {column.type}; {advice}",
                self.dataset,
            )
        return column
