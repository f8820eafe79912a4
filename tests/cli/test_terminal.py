"""What a person sees: colours and widths on a terminal, a progress bar while it scans, and none of it in a log."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from tests.cli.command_line import PROGRAM, environment, run, write, write_checks
from tests.cli.test_process_ending import write_endless

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = ("run", "checks.py", "--data", "orders=orders.parquet")
ENDLESS = ("run", "checks.py", "--data", "endless=endless.duckdb::endless", "--timeout", "5s")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_terminal(folder: Path, *arguments: str, columns: int = 80, **variables: str) -> tuple[int, str]:
    """Run the command line on a terminal of this width; return its exit code and all that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    settings = {
        name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES", "NO_COLOR")
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, *arguments],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**settings, "TERM": "xterm-256color", **variables},
    )
    os.close(theirs)
    written: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 65_536):
                written.append(piece)
        except OSError:  # how a terminal says that nobody is left on the other end
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with process:
        process.wait(timeout=120)
    reader.join(timeout=30)
    os.close(ours)
    return process.returncode, b"".join(written).decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 160])
def test_a_report_fits_the_terminal(orders: Path, columns: int) -> None:
    """In colours, no line too long, no name cut off."""
    path = write_checks(orders.parent, at_least=31)
    name = "a name so long that it needs more than one line at eighty columns, and still is whole"
    path.write_text(path.read_text().replace("enough orders", name))
    code, text = on_terminal(orders.parent, *ORDERS, "--db", "sqlite:///q.db", columns=columns)
    assert code == 1
    assert "\x1b[1;31mFAILURE\x1b[0m" in text
    plain = ESCAPE.sub("", text)
    assert max(cell_len(line) for line in plain.splitlines()) <= columns
    assert "…" not in plain
    assert all(word in plain for word in name.split())
    assert ("Metric" in plain) == (columns == 160)
    assert re.search(r"FAILED checks \S+: 1 failed, 1 passed in", " ".join(plain.split()))


@pytest.mark.parametrize("columns", [50, 60, 80])
def test_a_history_fits_the_terminal(orders: Path, columns: int) -> None:
    """No date, verdict or identity is cut off: a run is deleted by it."""
    write_checks(orders.parent)
    _, document, _ = run(orders.parent, *ORDERS, "--db", "sqlite:///q.db", "--format", "json")
    code, text = on_terminal(
        orders.parent, "history", "checks", "--db", "sqlite:///q.db", columns=columns, NO_COLOR="1"
    )
    plain = ESCAPE.sub("", text)
    assert code == 0
    assert max(cell_len(line) for line in plain.splitlines()) <= columns
    assert "…" not in plain
    found = json.loads(document)
    assert found["key"]["yyyy_mm_dd"] in plain
    assert "passed" in plain
    assert found["run_id"] in "".join(line.split()[-1] for line in plain.splitlines()[2:])


def test_who_wants_no_colours_gets_none(orders: Path) -> None:
    """By `NO_COLOR`, as everywhere."""
    write_checks(orders.parent)
    _, text = on_terminal(orders.parent, *ORDERS, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text)


def test_a_pipe_has_the_same_lines_whatever_the_terminal(orders: Path) -> None:
    """Nothing but text, however wide the window is in which it was started."""
    write_checks(orders.parent)
    outputs = set()
    for columns in ("40", "300"):
        _, out, _ = run(orders.parent, *ORDERS, "--date", "2024-01-01", env=environment(COLUMNS=columns))
        assert "\x1b" not in out
        outputs.add(re.sub(r"[0-9.]+ s|[0-9a-f]{32}", "#", out))
    assert len(outputs) == 1


def test_a_scan_that_takes_its_time_has_a_progress_bar(folder: Path) -> None:
    """On a terminal, gone when the report comes, and the cursor is there again."""
    write_endless(folder)
    code, text = on_terminal(folder, *ENDLESS)
    assert code == 3
    assert "scanning endless" in text
    assert text.rindex("scanning endless") < text.index("Status")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_quick_scan_has_none(orders: Path) -> None:
    """It would only flicker."""
    write_checks(orders.parent)
    assert "scanning" not in on_terminal(orders.parent, *ORDERS)[1]


def test_quiet_has_none(folder: Path) -> None:
    """Nor has a log, with anything else that moves."""
    write_endless(folder)
    assert "scanning" not in on_terminal(folder, *ENDLESS, "--quiet")[1]
    code, out, err = run(folder, *ENDLESS)
    assert code == 3
    assert "scanning" not in out + err
    assert "\r" not in out + err


def test_json_on_a_terminal_is_json(orders: Path) -> None:
    """No colours in it."""
    write_checks(orders.parent)
    _, text = on_terminal(orders.parent, *ORDERS, "--format", "json", "--quiet")
    assert json.loads(text)["verdict"] == "passed"


def test_a_name_cannot_steer_the_terminal(orders: Path) -> None:
    """An escape sequence in a name is spelled out."""
    write(
        orders.parent / "checks.py",
        r"""
        from dqx import check

        @check(name="bell \x07", datasets=["orders"])
        def orders(mp, ctx):
            ctx.assert_that(mp.num_rows()).where(name="clear \x1b[2J").is_lt(0)
        """,
    )
    _, text = on_terminal(orders.parent, *ORDERS)
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "clear \\x1b[2J" in text
