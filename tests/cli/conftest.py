"""Data and folders for the tests of the command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Go to an empty folder, without settings in the environment; forget the checks files imported there."""
    for name in [*os.environ]:
        if name.startswith("DQX_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if name.startswith("dqx_checks_") or file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def orders(folder: Path) -> Path:
    """Write `orders.parquet`: 10 rows on each of three days, one price in ten missing."""
    path = folder / "orders.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (
                SELECT range AS order_id, DATE '2024-01-01' + (range // 10)::INTEGER AS day,
                    CASE WHEN range % 10 > 0 THEN (range * 1.25)::DECIMAL(12, 2) END AS price
                FROM range(30)
            ) TO '{path}'"""
        )
    return path
