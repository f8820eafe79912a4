"""DQX: data quality whose results land in the monitoring you already run.

The names below are the public surface; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dqx.api import Context, VerificationSuite, check
    from dqx.common import (
        AssertionResult,
        ConfigurationError,
        DQXError,
        ResultKey,
        ResultValue,
        ScanError,
        StoreError,
        SuiteRun,
        SymbolInfo,
        VerdictError,
    )
    from dqx.orm.repositories import MetricDB
    from dqx.provider import DataSource, MetricProvider

__version__ = "0.1.0"

_HOMES = {
    "dqx.api": ("Context", "VerificationSuite", "check"),
    "dqx.common": (
        "AssertionResult",
        "ConfigurationError",
        "DQXError",
        "ResultKey",
        "ResultValue",
        "ScanError",
        "StoreError",
        "SuiteRun",
        "SymbolInfo",
        "VerdictError",
    ),
    "dqx.orm.repositories": ("MetricDB",),
    "dqx.provider": ("DataSource", "MetricProvider"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AssertionResult",
    "ConfigurationError",
    "Context",
    "DQXError",
    "DataSource",
    "MetricDB",
    "MetricProvider",
    "ResultKey",
    "ResultValue",
    "ScanError",
    "StoreError",
    "SuiteRun",
    "SymbolInfo",
    "VerdictError",
    "VerificationSuite",
    "check",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dqx' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
