"""What `dqx.testing` collects, and that it leaves everything as it was."""

from __future__ import annotations

import logging
from logging.handlers import BufferingHandler

import pytest

from dqx.testing import captured_logs


@pytest.mark.parametrize("before", [logging.NOTSET, logging.DEBUG, logging.ERROR])
def test_logs_are_collected_from_their_level_on_and_nobody_else_loses_any(before: int) -> None:
    """A logger that lets more through goes on doing so; one that lets less through does again afterwards."""
    logger = logging.getLogger("tests.captured")
    logger.setLevel(before)
    handler = BufferingHandler(100)
    logger.addHandler(handler)
    try:
        with captured_logs(logging.WARNING, "tests.captured") as records:
            logger.debug("a detail")
            logger.warning("a warning")
        assert [record.getMessage() for record in records] == ["a warning"]
        assert ("a detail" in [record.getMessage() for record in handler.buffer]) == (before == logging.DEBUG)
        assert (logger.level, logger.handlers) == (before, [handler])
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
