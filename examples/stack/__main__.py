"""What `make stack` runs: the servers, and a suite every minute on data that goes bad and good again."""

from __future__ import annotations

import argparse
import fcntl
import itertools
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from examples.stack.data import CYCLE, GOOD, Flights
from examples.stack.servers import DQX, PORTS, ROOT, Stack, StartError, free_addresses, read
from examples.stack.webhook import say, webhook

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKS = ROOT / "examples" / "stack" / "checks.py"

SETTINGS = """\
db = "sqlite:///quality.db"

[data]
flights = "flights.parquet"

[tags]
env = "demo"

[plugins.dqx_prometheus]
textfile = "textfiles"
"""

SHOWN = {
    "Prometheus": ("prometheus:9090", "/api/v1/alerts", "what fires"),
    "Alertmanager": ("alertmanager:9093", "/api/v2/alerts", "what it notifies of"),
    "Jaeger": ("jaeger:16686", "/api/traces?service=dqx", "each run as a trace"),
    "dqx serve": ("dqx:9464", "/metrics", "the newest run of each suite"),
    "node_exporter": ("node:9100", "/metrics", "the same numbers, by text file"),
    "Collector": ("collector:4318", "", "OTEL_EXPORTER_OTLP_ENDPOINT of what runs here"),
}
WEB_PAGES = {"Prometheus": ("/alerts", "<title>"), "Jaeger": ("/search?service=dqx", "<title>Jaeger UI")}
"""Shown instead where it has that in it: what `make servers` builds has no web page."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stack until it is interrupted; return 1 when it could not be started."""
    parser = argparse.ArgumentParser(prog="python -m examples.stack", description=__doc__)
    parser.add_argument("--every", type=float, default=60, metavar="SECONDS", help="between two runs (60)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".stack", help="for what it keeps (.stack)")
    options = parser.parse_args(arguments)
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGHUP: its terminal was closed
        if ending != signal.SIGHUP or signal.getsignal(ending) != signal.SIG_IGN:  # it is under nohup
            signal.signal(ending, _interrupt)
    folder: Path = options.folder.resolve()
    try:
        with ExitStack() as cleanup:
            _claim(folder, cleanup)
            stack = start(folder, options.every, cleanup)
            _introduce(stack, options.every)
            _keep_running(stack, options.every)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nended; what it kept is in {folder}")
    return 0


def start(folder: Path, every_s: float, cleanup: ExitStack, rules_as_shipped: bool = False) -> Stack:
    """Start everything on an empty store and one run on good data; `cleanup` ends it.

    Raises:
        StartError: When a server is not installed, or does not come up.
    """
    stack = Stack(folder, free_addresses(), max(1, round(every_s / 12)), rules_as_shipped)
    for left in folder.glob("quality.db*"):
        left.unlink()
    (folder / "dqx.toml").write_text(SETTINGS)
    flights = Flights(folder)
    flights.write()
    cleanup.enter_context(webhook(stack.addresses["webhook:9095"]))
    cleanup.callback(stack.close)
    print("starting the servers", flush=True)
    stack.start()
    said = run(stack, 0)
    if not (folder / "quality.db").exists():
        raise StartError(said)
    stack.serve(f"sqlite:///{folder / 'quality.db'}")
    return stack


def run(stack: Stack, number: int) -> str:
    """Run the suite once, by its number on good or bad data; return the line with its verdict, or why there is none."""
    Flights(stack.folder).turn(number)
    done = subprocess.run(
        [DQX, "run", CHECKS],
        cwd=stack.folder,
        env=_environment(stack),
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    return (done.stdout or done.stderr).splitlines()[-1]


def _environment(stack: Stack) -> dict[str, str]:
    """Return what compose.yaml gives to a run: traces to the Collector, numbers by `dqx serve`."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("DQX_", "OTEL_"))}
    endpoint = stack.url("collector:4318")
    return {**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRICS_EXPORTER": "none"}


def _introduce(stack: Stack, every_s: float) -> None:
    for name, (address, path, what) in SHOWN.items():
        page, title = WEB_PAGES.get(name, (path, ""))
        shown = page if title in read(stack.url(address) + page) else path
        print(f"  {name:14} {stack.url(address) + shown:48} {what}")
    taken = [str(port) for name, port in PORTS.items() if stack.addresses[name] != f"127.0.0.1:{port}"]
    if taken:
        print(f"  (taken already, so the next free one instead: {', '.join(taken)})")
    print(
        f"A suite runs every {every_s:g} s; of {len(CYCLE)} runs {sum(day != GOOD for day in CYCLE)} meet the day "
        "of the blizzard. The rules are the shipped ones,\nbut for an alert that ends when the data is good again "
        "(keep_firing_for), where production waits 10 minutes. Ctrl-C ends it.\n",
        flush=True,
    )


def _keep_running(stack: Stack, every_s: float) -> NoReturn:
    next_at = time.monotonic()
    for number in itertools.count(1):
        next_at += every_s
        time.sleep(max(0.0, next_at - time.monotonic()))
        good = CYCLE[number % len(CYCLE)] == GOOD
        say(f"run on {'good' if good else 'bad'} data: {run(stack, number)}")
    raise AssertionError


def _claim(folder: Path, cleanup: ExitStack) -> None:
    """Make the folder this process's own for as long as it lives.

    Raises:
        StartError: When another stack runs in it, or there is something in it that no stack made.
    """
    lock = folder / "lock"
    if folder.exists() and any(folder.iterdir()) and not lock.exists():
        raise StartError(f"{folder} has files in it that are not of a stack; name another --folder")
    folder.mkdir(parents=True, exist_ok=True)
    opened = cleanup.enter_context(lock.open("w"))
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StartError(
            f"a stack is running in {folder} already; end it, or name another --folder"
        ) from None


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
