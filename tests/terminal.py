"""A shell into which a test types what a page tells its reader to type."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.servers.processes import binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def programs(folder: Path, *names: tuple[str, str]) -> Path:
    """Return a folder with `dqx` and the programs that a reader has on PATH: the maker's name of each, and Debian's."""
    folder.mkdir()
    for name, debians in names:
        (folder / name).symlink_to(binary(name, debians))
    (folder / "dqx").write_text(f"#!{sys.executable}\nfrom dqx.cli.main import main\nmain()\n")
    (folder / "dqx").chmod(0o755)
    return folder


_DONE = "\x1d"

_VARYING = re.compile(
    r"\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d UTC)?|@\[[\d.]+\]|\d+\.\d\d s\b|(?<=sqlite:///)/\S+|─+|[ \t]+"
)


def steady(text: str) -> str:
    """Return text without what differs from run to run: identities, times, folders, and how wide a column is."""
    return "\n".join(_VARYING.sub(" ", line).strip() for line in text.strip().splitlines())


class Terminal:
    """One shell for a whole page, so that what is exported, changed or sent to the background stays so."""

    def __init__(self, shell: subprocess.Popen[str], screen: int) -> None:
        self._shell = shell
        self._screen = screen
        self._said = ""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def type(self, command: str, timeout_s: float = 60.0) -> tuple[int, str]:
        """Type a command, wait until it has ended, and return its exit code and all that was on the screen."""
        before = len(self._said)
        self._send(f"{command}\nprintf '{_DONE}%s{_DONE}' $?\n")
        ended = self.wait_for(rf"{_DONE}(\d+){_DONE}", before, timeout_s)
        if ended is None:
            pytest.fail(
                f"{command!r} takes longer than {timeout_s:g} s; on the screen:\n{self._said[before:]}"
            )
        return int(ended[1]), self._said[before:].replace(ended[0], "")

    def type_until(self, command: str, shown: str, timeout_s: float = 60.0) -> None:
        """Type a command again and again until it prints what is shown; fail when it does not in time."""
        give_up_at = time.monotonic() + timeout_s
        while steady(said := self.type(command)[1]) != steady(shown):
            if time.monotonic() > give_up_at:
                pytest.fail(f"{command!r} prints\n{said}\nand not\n{shown}\nThe whole screen:\n{self._said}")
            time.sleep(0.2)

    def wait_for(self, pattern: str, since: int = 0, timeout_s: float = 30.0) -> re.Match[str] | None:
        """Wait until a pattern is on the screen; return None when it is not in time."""
        give_up_at = time.monotonic() + timeout_s
        while (found := re.compile(pattern).search(self._said, since)) is None:
            if time.monotonic() > give_up_at or not self._thread.is_alive():
                return None
            time.sleep(0.02)
        return found

    def _send(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(text)
        self._shell.stdin.flush()

    def _listen(self) -> None:
        while piece := _read(self._screen):
            self._said += piece.decode(errors="replace").replace("\r\n", "\n")


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65_536)
    except OSError:  # nobody has the other end open any more
        return b""


@contextmanager
def terminal(folder: Path, variables: Mapping[str, str], columns: int = 100) -> Iterator[Terminal]:
    """Open a shell in a folder, on a terminal without colours, with these variables and no others.

    What it left running is ended with it.
    """
    screen, programs_side = pty.openpty()
    termios.tcsetwinsize(programs_side, (50, columns))
    shell = subprocess.Popen(
        ["bash", "--norc"],
        cwd=folder,
        # Rich takes a terminal without colours for one of 80 columns, whatever it is, but for these two variables.
        env={"TERM": "dumb", "COLUMNS": str(columns), "LINES": "50", **variables},
        text=True,
        stdin=subprocess.PIPE,
        stdout=programs_side,
        stderr=programs_side,
    )
    os.close(programs_side)
    try:
        yield Terminal(shell, screen)
    finally:
        with shell:
            assert shell.stdin is not None
            shell.stdin.write("kill $(jobs -p) 2>/dev/null\nwait\nexit\n")
            shell.stdin.flush()
            shell.wait(30)
        os.close(screen)
