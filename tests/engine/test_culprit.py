"""One read when all is well; after an error the culprit is found by halving, in few more reads, and alone ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.common import ScanError
from dqx.engine.aggregates import Aggregate
from dqx.engine.culprit import EXTRA_READS_MAX, Reads
from dqx.engine.user_sql import BEGIN, END

if TYPE_CHECKING:
    from collections.abc import Sequence


class RefusedError(Exception):
    """The engine's error at run time."""


class UnboundError(RefusedError):
    """The engine's error before anything is read."""


class Engine:
    """Computes the length of each aggregate's text, and refuses some of them, as an engine does."""

    def __init__(self, bad: set[str] = frozenset(), unbound: set[str] = frozenset()) -> None:
        self.bad, self.unbound = bad, unbound
        self.read: list[list[str]] = []
        self.probed = 0

    def run(self, aggregates: Sequence[Aggregate]) -> tuple[int, ...]:
        self.bind(aggregates)
        self.read.append([a.sql for a in aggregates])
        for aggregate in aggregates:
            if aggregate.sql in self.bad:
                raise RefusedError(f"{aggregate.sql} overflows\n\nLINE 1: SELECT ...")
        return tuple(len(a.sql) for a in aggregates)

    def bind(self, aggregates: Sequence[Aggregate]) -> None:
        self.probed += 1
        for aggregate in aggregates:
            if aggregate.sql in self.unbound:
                raise UnboundError(f"Binder Error: {aggregate.sql} is unknown\n\nLINE 1: SELECT ...")

    def reads(self) -> Reads:
        return Reads(self.run, self.bind, (RefusedError,), (UnboundError,))


def named(*texts: str) -> list[Aggregate]:
    """Return an aggregate for each text."""
    return [Aggregate(text) for text in texts]


def test_one_read_for_everything() -> None:
    """Every aggregate once, in one query."""
    engine = Engine()
    reads = engine.reads()
    wanted = named("a", "bb", "a", "ccc")
    assert reads.read(wanted) == {Aggregate("a"): 1, Aggregate("bb"): 2, Aggregate("ccc"): 3}
    assert engine.read == [["a", "bb", "ccc"]]
    assert reads.count == 1


def test_nothing_to_read_is_no_read() -> None:
    """Statistics may answer everything."""
    reads = Engine().reads()
    assert reads.read([]) == {}
    assert reads.count == 0


NAMES = [f"m{n}" for n in range(40)]


@given(bad=st.sets(st.sampled_from(NAMES), max_size=6), size=st.integers(1, 40))
def test_whatever_fails_every_aggregate_gets_a_value_or_a_reason(bad: set[str], size: int) -> None:
    """No value is lost but a few that cannot be told from a culprit; what is a culprit never has a value."""
    engine = Engine(bad)
    reads = engine.reads()
    wanted = named(*NAMES[:size])
    found = reads.read(wanted)
    culprits = [a for a in wanted if a.sql in bad]
    assert set(found) == set(wanted)
    assert all(isinstance(found[a], ScanError) for a in culprits)
    assert all(found[a] == len(a.sql) for a in wanted if not isinstance(found[a], ScanError))
    assert reads.count == len(engine.read) <= 1 + EXTRA_READS_MAX
    blamed = [a for a in wanted if isinstance(found[a], ScanError) and str(found[a]).endswith("overflows")]
    assert all(a.sql in str(found[a]) for a in blamed if "not computed" not in str(found[a]))
    if not culprits:
        assert reads.count == 1
    if len(culprits) == 1:
        assert [a for a in wanted if isinstance(found[a], ScanError)] == culprits
        assert str(found[culprits[0]]) == f"{culprits[0].sql} overflows"


@pytest.mark.parametrize("size", [1, 2, 3, 100, 128])
def test_one_culprit_among_up_to_128_is_found(size: int) -> None:
    """Wherever it stands, within eight more reads; the reason is its own, without the query below it."""
    for position in {0, size // 2, size - 1}:
        wanted = named(*(f"m{n}" for n in range(size)))
        engine = Engine({f"m{position}"})
        reads = engine.reads()
        found = reads.read(wanted)
        assert [a.sql for a in wanted if isinstance(found[a], ScanError)] == [f"m{position}"]
        assert str(found[wanted[position]]) == f"m{position} overflows"
        assert reads.count <= 9


def test_among_thousands_only_the_last_suspects_go_without_a_value() -> None:
    """Eight halvings of 2,000 leave a handful; the last read is kept for all others."""
    wanted = named(*(f"m{n}" for n in range(2000)))
    reads = Engine({"m777"}).reads()
    found = reads.read(wanted)
    failed = [a.sql for a in wanted if isinstance(found[a], ScanError)]
    assert "m777" in failed
    assert len(failed) <= 16
    assert "and 8 more reads did not tell which: m777 overflows" in str(found[Aggregate("m777")])
    assert reads.count == 9


def test_a_users_own_sql_is_suspected_first() -> None:
    """Two more reads tell a user's one expression from a thousand of ours."""
    wanted = [*named(*(f"m{n}" for n in range(500))), Aggregate(f"{BEGIN}bad{END}"), *named("x", "y")]
    engine = Engine({f"{BEGIN}bad{END}"})
    reads = engine.reads()
    found = reads.read(wanted)
    assert [a for a in wanted if isinstance(found[a], ScanError)] == [wanted[500]]
    assert reads.count == 2


def test_what_does_not_bind_costs_no_read() -> None:
    """It is found without one, however many there are, and the rest is read once."""
    engine = Engine(unbound={"m3", "m7", "m8"})
    reads = engine.reads()
    wanted = named(*NAMES)
    found = reads.read(wanted)
    assert {a.sql: str(found[a]) for a in wanted if isinstance(found[a], ScanError)} == {
        name: f"Binder Error: {name} is unknown" for name in ("m3", "m7", "m8")
    }
    assert reads.count == len(engine.read) == 1


def test_what_does_not_bind_is_found_by_halving() -> None:
    """One of 2,000 is not looked for one by one."""
    engine = Engine(unbound={"m1999"})
    reads = engine.reads()
    found = reads.read(named(*(f"m{n}" for n in range(2000))))
    assert isinstance(found[Aggregate("m1999")], ScanError)
    assert engine.probed < 40


def test_nothing_that_binds_is_no_read() -> None:
    """Every aggregate has its reason."""
    reads = Engine(unbound={"a", "b"}).reads()
    found = reads.read(named("a", "b"))
    assert {a.sql: str(why) for a, why in found.items()} == {n: f"Binder Error: {n} is unknown" for n in "ab"}
    assert reads.count == 0


def test_aggregates_that_bind_only_apart_are_all_told_why() -> None:
    """A fault of the query as a whole has no culprit."""

    def bind(aggregates: Sequence[Aggregate]) -> None:
        if len(aggregates) > 2:
            raise UnboundError("too many")

    def run(aggregates: Sequence[Aggregate]) -> Any:
        bind(aggregates)
        return tuple(range(len(aggregates)))

    reads = Reads(run, bind, (RefusedError,), (UnboundError,))
    assert {str(v) for v in reads.read(named("a", "b", "c")).values()} == {"too many"}
    assert reads.count == 0


def test_a_bitmap_that_does_not_fit_is_counted_another_way() -> None:
    """In a second read, which is counted; what stands beside it is right, too."""
    bitmap = Aggregate("bitmap", fallback=Aggregate("hash table"))
    engine = Engine({"bitmap"})
    reads = engine.reads()
    assert reads.read([bitmap, *named("a")]) == {bitmap: len("hash table"), Aggregate("a"): 1}
    assert engine.read == [["bitmap", "a"], ["hash table", "a"]]
    assert reads.count == 2


def test_a_culprit_beside_a_bitmap_is_found_all_the_same() -> None:
    """The bitmap is given up first, as it is the likelier cause."""
    bitmap = Aggregate("bitmap", fallback=Aggregate("hash table"))
    reads = Engine({"bad"}).reads()
    found = reads.read([bitmap, *named("a", "bad", "b")])
    assert found[bitmap] == len("hash table")
    assert [a.sql for a in found if isinstance(found[a], ScanError)] == ["bad"]
    assert reads.count <= 2 + EXTRA_READS_MAX


def test_the_reads_for_culprits_are_limited_for_a_whole_scan() -> None:
    """A second look, for equal hashes, does not start a second search of eight reads."""
    engine = Engine({"bad", "worse"})
    reads = engine.reads()
    reads.read(named("bad", *NAMES))
    reads.read(named("worse", *NAMES[:30]))
    assert reads.count <= 2 + EXTRA_READS_MAX


def test_what_concerns_the_data_as_a_whole_is_no_aggregates_fault() -> None:
    """A file that vanished ends the scan, at once, as a read that was tried."""

    def run(_: Sequence[Aggregate]) -> Any:
        raise OSError("the file is gone")

    reads = Reads(run, run, (RefusedError,), (UnboundError,))
    with pytest.raises(OSError, match="gone"):
        reads.read(named("a", "b"))
    assert reads.count == 1
