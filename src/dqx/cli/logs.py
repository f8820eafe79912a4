"""The log handlers of the command line: text or JSON, on stderr, where results never go."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

from dqx.common import ConfigurationError

_NAMES = {"levelname": "level", "name": "logger"}


def text_log_handler() -> logging.Handler:
    """Return a handler that writes one record after the other as text to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    return handler


def json_log_handler() -> logging.Handler:
    """Return a handler that writes each record as one line of JSON to stderr, its extra fields as they are.

    Every line has `timestamp` (ISO 8601, UTC), `level`, `logger` and `message`.

    Raises:
        ConfigurationError: When python-json-logger, the extra `json-log`, is not installed.
    """
    try:
        from pythonjsonlogger.json import JsonFormatter
    except ImportError as error:
        raise ConfigurationError(
            "--log-format json needs python-json-logger, which is not installed; "
            "pip install 'dqx[json-log]' brings it",
            "json",
        ) from error
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields=_NAMES,
            timestamp=True,
            json_serializer=_strict_json,
        )
    )
    return handler


def _strict_json(fields: dict[str, Any], **options: Any) -> str:
    """Return JSON; NaN and infinity, which are not JSON and would cost the whole line, become text."""
    endless = {name: str(v) for name, v in fields.items() if isinstance(v, float) and not math.isfinite(v)}
    return json.dumps(fields | endless, **options)
