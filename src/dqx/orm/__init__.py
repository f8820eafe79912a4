"""The metric store: runs, results and metric values, in memory, in SQLite or in PostgreSQL.

`MetricDB` is all that a user meets. Behind it stand `database` (a store that is open, and its transactions),
`tables` (what is stored), and one file for each thing that is written and read.
"""

from __future__ import annotations

from dqx.orm.records import SnapshotState, StoredRun
from dqx.orm.repositories import MetricDB

__all__ = ["MetricDB", "SnapshotState", "StoredRun"]
