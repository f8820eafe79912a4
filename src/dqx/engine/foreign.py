"""Code that opens and reads data, and is not DQX's: what it raises is a result, and no defect."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dqx.common import ScanError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def foreign_code() -> Iterator[None]:
    """Make a ScanError of whatever is raised inside, but let the engine's own errors and the system's pass.

    What opens and reads data (an engine, a data frame, a record of the caller's) may raise whatever it likes, and
    bad data is a result. Outside of it such an exception is a defect of DQX, and nothing hides it.
    """
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError, ScanError):
        raise
    except Exception as error:
        refuse_interruption(error)
        raise ScanError(reason_of(error)) from error


def refuse_interruption(error: Exception) -> None:
    """Raise KeyboardInterrupt where DuckDB says that a signal's handler raised, and drops what that was."""
    if type(error) is RuntimeError and str(error) == "Query interrupted":
        raise KeyboardInterrupt from error


def reason_of(error: Exception) -> str:
    """Return what an error says and suggests, on one line, without the query that some repeat below it."""
    return " ".join(str(error).split("\n\n")[0].split()) or type(error).__name__
