"""The log handlers of the command line: what a line looks like, and what a missing extra says."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from dqx.cli.diagnostics import logging_to_stderr
from dqx.cli.ending import Stopped
from dqx.cli.logs import json_log_handler, text_log_handler
from dqx.common import ConfigurationError
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Callable


def logged(handler: Callable[[], logging.Handler], capsys: pytest.CaptureFixture[str], **fields: Any) -> str:
    """Return what a handler writes of one record to stderr."""
    made = handler()
    made.handle(
        logging.makeLogRecord({"name": "dqx.x", "levelname": "WARNING", "msg": 'a "b"\n🛫', **fields})
    )
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_of_a_signal_there_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """SQLAlchemy logs one when a signal comes while it closes a connection; of other errors it stays."""
    logger = logging.getLogger("sqlalchemy.pool.impl.NullPool")
    with logging_to_stderr(None, None):
        for error in (Stopped(), ValueError("closed")):
            logger.error("Exception closing connection", exc_info=error)
    assert capsys.readouterr().err.count("Exception closing connection") == 1


def test_json_is_one_object_per_line_with_the_fields_of_the_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Facts have the names of the catalogue, beside time, level, logger and message."""
    line = logged(json_log_handler, capsys, **{names.RUN_ID: "r1", names.SUITE_FAILURE: 2, "trace_id": ""})
    assert line.count("\n") == 1
    fields = json.loads(line)
    assert datetime.fromisoformat(fields.pop("timestamp")).utcoffset() == timedelta(0)
    assert fields == {
        "level": "WARNING",
        "logger": "dqx.x",
        "message": 'a "b"\n🛫',
        names.RUN_ID: "r1",
        names.SUITE_FAILURE: 2,
        "trace_id": "",
    }


@pytest.mark.parametrize(
    ("value", "written"),
    [(float("nan"), "nan"), (float("-inf"), "-inf"), (Decimal("1.10"), "1.10"), (2**70, 2**70), (None, None)],
)
def test_no_value_makes_a_line_that_is_not_json(
    capsys: pytest.CaptureFixture[str], value: object, written: object
) -> None:
    """NaN is not JSON; one such field would cost the whole line."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    line = logged(json_log_handler, capsys, field=value)
    assert json.loads(line, parse_constant=refuse)["field"] == written


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional, and asked for by its name."""
    monkeypatch.setitem(sys.modules, "pythonjsonlogger", None)
    monkeypatch.setitem(sys.modules, "pythonjsonlogger.json", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'dqx\[json-log\]'") as caught:
        json_log_handler()
    assert caught.value.culprit == "json"


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Level and logger before the message, nothing of the fields."""
    assert logged(text_log_handler, capsys, **{names.RUN_ID: "r1"}) == 'WARNING dqx.x: a "b"\n🛫\n'
