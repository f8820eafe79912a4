"""The thread that calls into a plugin are made on."""

from __future__ import annotations

import contextvars
import functools
import gc
import inspect
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

import pydantic
import pytest
from tests.plugins.stand_ins import wait_until

from dqx.common import ResultKey
from dqx.frozen_dict import Tags
from dqx.plugins.declared import validated
from dqx.plugins.failure import Failure
from dqx.plugins.isolation import Worker, own_copy
from dqx.plugins.streams import Streams
from dqx.testing import KEY

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def _nobody(late_s: float) -> None:
    raise AssertionError(f"late by {late_s}")


def test_a_call_gives_its_value() -> None:
    """What the function returns is the reply's value, and there is no failure."""
    reply = Worker("p").call(lambda: 42, 5, _nobody)
    assert (reply.value, reply.failure, reply.timed_out) == (42, None, False)


def test_all_calls_are_made_on_one_daemon_thread_of_its_own() -> None:
    """So a plugin may keep what belongs to a thread, and hold up nobody's exit."""
    worker, other = Worker("mine"), Worker("other")
    threads = [worker.call(threading.current_thread, 5, _nobody).value for _ in range(3)]
    assert len(set(threads)) == 1
    assert threads[0].daemon
    assert threads[0].name == "dqx-plugin-mine"
    assert threads[0] is not threading.current_thread()
    assert other.call(threading.current_thread, 5, _nobody).value is not threads[0]


def test_the_caller_s_context_variables_are_seen_and_kept_apart() -> None:
    """A call sees what the caller has set; what it sets stays its own."""
    VARIABLE.set("caller's")
    worker = Worker("p")
    assert worker.call(VARIABLE.get, 5, _nobody).value == "caller's"
    worker.call(lambda: VARIABLE.set("plugin's"), 5, _nobody)
    assert VARIABLE.get() == "caller's"
    assert worker.call(VARIABLE.get, 5, _nobody).value == "caller's"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        MemoryError(),
        RecursionError(),
    ],
)
def test_whatever_is_raised_is_a_failure(error: BaseException) -> None:
    """SystemExit and a KeyboardInterrupt that is not the user's, too; the thread lives on."""
    worker = Worker("p")

    def fail() -> None:
        raise error

    failure = worker.call(fail, 5, _nobody).failure
    assert failure is not None
    assert failure.error_type == type(error).__name__
    assert failure.where.startswith("test_plugin_isolation.py:")
    assert worker.call(lambda: 1, 5, _nobody).value == 1


def test_the_place_of_a_failure_is_the_plugin_s_own_line() -> None:
    """Not that of the library which it called; what failed beyond all code of its own has none."""

    def parse() -> None:
        json.loads("{")

    failure = Worker("p").call(parse, 5, _nobody).failure
    assert failure is not None
    line = inspect.getsourcelines(parse)[1] + 1
    assert failure.where == f"test_plugin_isolation.py:{line}"
    failure = Worker("p").call(functools.partial(json.loads, "{"), 5, _nobody).failure
    assert failure is not None
    assert failure.where == ""


class Settings(pydantic.BaseModel):
    port: int = 25

    @pydantic.field_validator("port")
    @classmethod
    def _look_up(cls, port: int) -> int:
        raise KeyError(port)


def test_the_place_of_a_validator_is_its_own_line() -> None:
    """Not that of pydantic, which stands between."""
    validate = functools.partial(validated, "p", Settings, {"port": 1})
    failure = Worker("p").call(validate, 5, _nobody).failure
    assert failure is not None
    line = inspect.getsourcelines(Settings._look_up)[1] + 3
    assert failure.where == f"test_plugin_isolation.py:{line}"


def test_a_failure_s_texts_are_redacted() -> None:
    """Message and traceback, by structure and by what is known to be secret."""

    def fail() -> None:
        raise ValueError("postgresql://u:hunter2@h and sesame")

    failure = Worker("p").call(fail, 5, _nobody, secrets=lambda: ["sesame"]).failure
    assert failure is not None
    assert failure.message == "postgresql://***@h and ***"
    assert "in fail" in failure.traceback
    assert "hunter2@" not in failure.traceback


def test_an_exception_that_cannot_even_be_described_is_still_a_failure() -> None:
    """A call without a reply would be taken for one that hangs."""

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            if name == "__qualname__":
                raise RuntimeError("no")
            return super().__getattribute__(name)

    class Strange(Exception, metaclass=Meta):  # noqa: N818
        pass

    assert Failure.of(Strange()) == Failure("unknown", "an exception that cannot be described")


def test_a_call_that_is_not_back_in_time_is_abandoned() -> None:
    """The caller goes on; the thread is hanging until the call comes back, which is then told once."""
    worker, release, late = Worker("p"), threading.Event(), []
    reply = worker.call(lambda: release.wait(30), 0.1, late.append)
    assert reply.timed_out
    assert reply.value is None
    assert worker.hanging
    with pytest.raises(RuntimeError, match="has not come back"):
        worker.call(lambda: 1, 5, _nobody)
    release.set()
    wait_until(lambda: late)
    assert not worker.hanging
    assert worker.call(lambda: 1, 5, _nobody).value == 1
    assert len(late) == 1
    assert late[0] > 0


def test_a_late_failure_is_thrown_away_too() -> None:
    """An abandoned call that raises in the end does not end the thread."""
    worker, release, late = Worker("p"), threading.Event(), []

    def fail() -> None:
        release.wait(30)
        raise ValueError("too late")

    assert worker.call(fail, 0.1, late.append).timed_out
    release.set()
    wait_until(lambda: late)
    assert worker.call(lambda: 1, 5, _nobody).value == 1


def test_a_stopped_worker_ends_its_thread_and_can_start_another() -> None:
    """Nothing is left behind by a suite that was closed, and nothing is lost when it runs again."""
    worker = Worker("p")
    thread = worker.call(threading.current_thread, 5, _nobody).value
    worker.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert worker.call(threading.current_thread, 5, _nobody).value is not thread


def test_a_forgotten_worker_ends_its_thread() -> None:
    """A manager that nobody closed leaks no thread, and an idle thread holds no result."""
    worker = Worker("p")
    thread = worker.call(threading.current_thread, 5, _nobody).value
    del worker
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


def test_an_idle_thread_keeps_nothing_alive() -> None:
    """What was handed over can be freed as soon as the call is over."""
    import weakref

    class Big:
        def touch(self) -> None: ...

    worker, big = Worker("p"), Big()
    gone = weakref.ref(big)
    worker.call(big.touch, 5, _nobody)
    worker.call(lambda: None, 5, _nobody)
    del big
    wait_until(lambda: gc.collect() >= 0 and gone() is None)


def test_ctrl_c_in_the_caller_is_the_user_s_and_goes_on() -> None:
    """While a plugin works, the user's KeyboardInterrupt leaves at once and is not swallowed."""
    program = """
import os, signal, threading, time
from dqx.plugins.isolation import Worker
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    Worker("p").call(lambda: time.sleep(60), 50, lambda late_s: None)
except KeyboardInterrupt:
    print("interrupted")
"""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=40, check=True
    )
    assert done.stdout == "interrupted\n"
    assert time.monotonic() - started < 30


def test_what_is_copied_and_what_is_shared() -> None:
    """Containers are new, so that changing them reaches nobody; what is in them is the same, and so are tags."""
    key = ResultKey(KEY.yyyy_mm_dd, {"env": "test"})
    original: dict[str, Any] = {
        "list": [1, [2]],
        "dict": {"a": {"b": 1}},
        "tuple": ([1],),
        "set": {1},
        "key": key,
        "tags": key.tags,
        "none": None,
        "pairs": {("check", "assertion"): 1.0},
    }
    copied = own_copy(original)
    assert copied == original
    assert type(copied) is dict
    for name in ("list", "dict", "set"):
        assert copied[name] is not original[name]
    assert copied["list"][1] is not original["list"][1]
    assert copied["dict"]["a"] is not original["dict"]["a"]
    assert copied["tuple"][0] is not original["tuple"][0]
    assert copied["key"] is key
    assert copied["tags"] is key.tags
    assert isinstance(copied["tags"], Tags)


def test_streams_are_put_back_by_the_last_call_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two suites call plugins at once, neither takes the other's redirection away."""
    before, other = sys.stdout, open(os.devnull, "w")  # noqa: PTH123, SIM115
    monkeypatch.setattr(sys, "stdout", before)
    streams = Streams()
    with streams.kept() as outer_replaced:
        with streams.kept() as inner_replaced:
            sys.stdout = other
        assert sys.stdout is other
    assert sys.stdout is before
    assert (inner_replaced(), outer_replaced()) == (False, True)
    other.close()


@pytest.mark.parametrize(
    ("before", "in_call", "written"),
    [
        ("", "sys.stdout.close()", "first second "),
        ("", "sys.stdout.close(); sys.stdout = None", "first second "),
        ("", "sys.stdout.close(); word.startswith('f') and os.close(1)", ""),
        ("sys.stdout.close()", "", ""),  # its descriptor may be another file's by now
    ],
)
def test_a_stream_that_was_closed_in_a_call_is_opened_anew(before: str, in_call: str, written: str) -> None:
    """As often as that happens; one that was closed before is left as it is."""
    program = f"""
import os, sys
from dqx.plugins.streams import streams
{before}
for word in ("first ", "second "):
    with streams.kept():
        {in_call or "pass"}
    if not sys.stdout.closed:
        print(word, end="", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (written, "")


def test_streams_that_nobody_replaced_are_left_alone() -> None:
    """Nothing is put back, and nothing is said."""
    streams = Streams()
    with streams.kept() as replaced:
        pass
    assert not replaced()
