"""Take the pictures of the documentation again, from the real thing: `make pictures`.

The run on a terminal needs nothing. The other two are taken with Chromium, of the web pages of Jaeger and of
Prometheus, while the stack of `make stack` runs on data that is bad. Variables say where what they need is, and
without them the pictures stay as they are:

CHROMIUM: the browser's program; the one on PATH unless set.
JAEGER_UI: the folder of Jaeger's web page: `packages/jaeger-ui/build` of github.com/jaegertracing/jaeger-ui at v2.14.0
    after `npm ci && npm run build`, with Node 24.
PROMETHEUS_UI: the folder `web/ui` of github.com/prometheus/prometheus at v3.14.0, in which `static/mantine-ui` is after
    `pnpm install && bash build_ui.sh --build-module && bash build_ui.sh --mantine-ui`.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import ExitStack, contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from examples.flights.demo import write_flights
from examples.stack.__main__ import run, start
from examples.stack.servers import DQX, ROOT, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

PICTURES = Path(__file__).resolve().parent
FLIGHTS = ROOT / "examples" / "flights"
DAYS = ("2013-02-06", "2013-02-07", "2013-02-08")
COLUMNS = 120
"""The width of the terminal: from 120 columns, the table shows what each assertion looks at."""
SCALE = 1.25
"""Pixels of a picture for one of the page: sharp on a good screen, and well below 300 kB."""


def main() -> int:
    """Take what can be taken here, and say what was left as it is."""
    with tempfile.TemporaryDirectory(prefix="dqx-pictures-") as folder:
        take_run(Path(folder))
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    takers = {"JAEGER_UI": take_trace, "PROMETHEUS_UI": take_alert}
    wanted = [taker for variable, taker in takers.items() if chromium and os.environ.get(variable)]
    if wanted:
        with tempfile.TemporaryDirectory(prefix="dqx-pictures-") as folder, ExitStack() as cleanup:
            stack = start(Path(folder), every_s=12, cleanup=cleanup, rules_as_shipped=True)
            run(stack, 1)
            wait_until_it_fires(stack)
            page = cleanup.enter_context(browser_page(str(chromium)))
            for take in wanted:
                take(page, stack)
    if len(wanted) < len(takers):
        print(f"left as they were: those that need {', '.join(takers)} or CHROMIUM, which are not set")
    return 0


def take_run(folder: Path) -> None:
    """Take run.svg: what the third day of `make demo` prints."""
    from rich.console import Console
    from rich.text import Text

    write_flights(folder)
    for file in ("checks.py", "dqx.toml"):
        shutil.copy(FLIGHTS / file, folder)
    (folder / "metrics").mkdir()
    for day in DAYS[:-1]:
        subprocess.run([DQX, "run", "checks.py", "--date", day, "--quiet"], cwd=folder, check=True)
    command = ["dqx", "run", "checks.py", "--date", DAYS[-1]]
    printed = on_terminal([DQX, *command[1:]], folder).replace(str(folder), "/home/me")
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text(f"$ {shlex.join(command)}"))
    console.print(Text.from_ansi(printed))
    svg = console.export_svg(title="dqx", unique_id="run")
    # Fonts from elsewhere are not loaded where a page shows an SVG as a picture; the fallback, monospace, is.
    svg = re.sub(r"\s*@font-face \{.*?\n\s*\}", "", svg, flags=re.DOTALL)
    save("run.svg", svg.encode())


def take_trace(page: Page, stack: Stack) -> None:
    """Take trace.png: the newest run as a waterfall in Jaeger, the span of what failed opened."""
    query = f"{stack.url('jaeger:16686')}/api/traces?service=dqx&limit=20"
    traces = wait_for(lambda: get(query)["data"], "a trace in Jaeger")
    newest = max(traces, key=lambda trace: min(span["startTime"] for span in trace["spans"]))
    page.goto(f"{stack.url('jaeger:16686')}/trace/{newest['traceID']}")
    failed = page.locator(".span-row").filter(has=page.locator(".SpanBarRow--errorIcon")).last
    failed.locator(".span-name").click()
    page.get_by_text("Tags:").click()
    page.get_by_text("dqx.assertion.threshold.upper").wait_for()
    save("trace.png", page.screenshot(full_page=True))


def take_alert(page: Page, stack: Stack) -> None:
    """Take alert.png: Prometheus's page of alerts, the one on the failed assertion opened."""
    page.goto(f"{stack.url('prometheus:9090')}/alerts")
    page.get_by_text("DQXAssertionFailed").first.click()
    page.get_by_text("Active Since").wait_for()
    page.wait_for_timeout(1_000)  # it unfolds slowly, and the page is measured before the picture is taken
    save("alert.png", page.screenshot(full_page=True))


def wait_until_it_fires(stack: Stack) -> None:
    """Return when the failed assertion's alert has fired for a while, as one does that somebody looks at."""
    query = f"{stack.url('prometheus:9090')}/api/v1/alerts"

    def firing() -> list[dict[str, Any]]:
        alerts = get(query)["data"]["alerts"]
        return [alert for alert in alerts if alert["labels"]["alertname"] == "DQXAssertionFailed"]

    wait_for(firing, "the alert in Prometheus")


def wait_for(found: Callable[[], list[dict[str, Any]]], what: str) -> list[dict[str, Any]]:
    """Return what `found` finds, once it finds something."""
    give_up_at = time.monotonic() + 60
    while not (there := found()):
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"waited a minute for {what}")
        time.sleep(0.2)
    return there


def get(url: str) -> Any:
    """Return the JSON that a URL answers with."""
    with urlopen(url, timeout=10) as answer:
        return json.load(answer)


@contextmanager
def browser_page(chromium: str) -> Iterator[Page]:
    """Open a page in a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's sandbox refuses root, and what it opens here are servers of our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1300, "height": 700}, device_scale_factor=SCALE)
        browser.close()


def on_terminal(command: list[str | Path], folder: Path) -> str:
    """Return what a command prints on a terminal, with its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    printed = b""
    with suppress(OSError):  # EIO: the last who had the terminal has closed it
        while part := os.read(ours, 65_536):
            printed += part
    os.close(ours)
    if process.wait() != 1:
        raise RuntimeError(f"the demo's last day ended with exit code {process.returncode}, not 1")
    return printed.decode().replace("\r\n", "\n")


def save(name: str, picture: bytes) -> None:
    """Write a picture, and say so."""
    (PICTURES / name).write_bytes(picture)
    print(f"docs/pictures/{name}: {len(picture) / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
