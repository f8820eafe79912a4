"""The books of what is sent: nothing is counted twice, nothing is forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dqx.telemetry.ledger import Failure, Ledger

steps = st.lists(
    st.tuples(st.sampled_from(["take", "arrive", "fail", "write_off", "full"]), st.integers(1, 9))
)


@given(steps)
def test_every_item_is_delivered_or_dropped_or_open(moves: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order, and however late."""
    ledger = Ledger("traces")
    queued = 0
    for move, count in moves:
        match move:
            case "take":
                ledger.take(count)
                queued += count
            case "full":
                ledger.take(count)
                ledger.drop(count, "queue_full")
            case "arrive" | "fail":
                sent = min(count, queued)
                queued -= sent
                ledger.attempt()
                ledger.arrive(sent) if move == "arrive" else ledger.fail(sent)
            case "write_off":
                ledger.write_off()
        dropped = sum(ledger.dropped.values())
        assert ledger.delivered + dropped + ledger.open(ledger.taken) == ledger.taken
        assert min(ledger.delivered, dropped, ledger.open(ledger.taken)) >= 0
    ledger.write_off()
    assert ledger.open(ledger.taken) == 0
    ledger.arrive(queued)
    assert "timeout" not in ledger.dropped


def test_only_what_was_there_when_the_flush_began_is_written_off() -> None:
    """What came later has its own flush."""
    ledger = Ledger("traces")
    ledger.take(3)
    mark = ledger.taken
    ledger.take(2)
    assert ledger.write_off(mark) == 3
    assert ledger.dropped == {"timeout": 3}
    assert ledger.open(ledger.taken) == 2


def test_an_answer_refuses_no_more_than_was_sent() -> None:
    """Whatever a server says: what is delivered never falls below nothing."""
    ledger = Ledger("traces")
    for refused, delivered, dropped in ((1, 2, {"rejected": 1}), (9, 2, {"rejected": 4})):
        ledger.take(3)
        ledger.attempt()
        ledger.refused = refused
        ledger.arrive(3)
        assert (ledger.delivered, ledger.dropped) == (delivered, dropped)


def test_the_reason_is_that_of_the_latest_attempt() -> None:
    """And out of time where there was none."""
    ledger = Ledger("metrics")
    ledger.take(2)
    ledger.failure = Failure("unreachable", "refused")
    ledger.write_off()
    ledger.take(1)
    ledger.attempt()
    ledger.write_off()
    assert ledger.dropped == {"unreachable": 2, "timeout": 1}


def test_what_was_missed_is_dropped_until_something_is_taken() -> None:
    """The points of a gauge that are sent later stand for those that were not."""
    ledger = Ledger("metrics")
    ledger.miss(2)
    ledger.miss(2)
    assert ledger.dropped == {"timeout": 4}
    ledger.take(2)
    ledger.arrive(2)
    assert (ledger.delivered, ledger.dropped, ledger.open(2)) == (2, {}, 0)
