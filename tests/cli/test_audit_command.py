"""`dqx audit`: what a person sees of an audit trail, and the exit codes that a script sees."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from dqx.cli.main import dqx
from dqx.common import PluginOutcome
from dqx.plugins.audit import AuditPlugin
from dqx.plugins.trail import append
from dqx.plugins.trail_verify import read
from dqx.telemetry import names
from dqx.testing import assertion_result, context_of, suite_run

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Result:
    """What a command wrote, and its exit code."""

    exit_code: object
    stdout: str
    stderr: str


def dqx_audit(*arguments: object) -> Result:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        dqx.main(["audit", *map(str, arguments)], prog_name="dqx")
    return Result(ended.value.code, out.getvalue(), err.getvalue())


def record(path: Path, *results: Any, at: datetime = NOON, outcome: str = "ok", **changes: Any) -> None:
    """Let the plugin record a run of these results."""
    run = replace(suite_run(results), **changes)
    plugin = AuditPlugin(now=lambda: at)
    plugin.initialize({"jsonl_file": str(path)})
    plugin.process(list(run.results), list(run.symbols), run.suite, context_of(run))
    plugin.finish([PluginOutcome("mail", "process", outcome)])


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """Return a trail with two runs, the second of which failed; four lines."""
    path = tmp_path / "audit.jsonl"
    record(path, assertion_result(), run_id="good")
    record(
        path, assertion_result("FAILURE"), assertion_result("ERROR"), assertion_result("SKIPPED"),
        run_id="bad", at=NOON + timedelta(days=1), outcome="timed_out",
    )  # fmt: skip
    return path


# verify ------------------------------------------------------------------------------------------------


def test_a_good_trail_is_exit_code_0_and_its_head(trail: Path) -> None:
    """The head is what to keep elsewhere; what verifying cannot see is said every time."""
    *_, last = read(trail)
    result = dqx_audit("verify", trail)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == f"{trail}: ok: records 1 to 4, head {last['hash']}"
    assert "Not seen by this: lines that were cut from the end" in result.stdout
    assert names.AUDIT_HEAD in result.stdout


def test_the_first_wrong_line_is_named_with_exit_code_1(trail: Path) -> None:
    """What is wrong with it, and how far the trail is good."""
    trail.write_bytes(trail.read_bytes().replace(b'"verdict":"failed"', b'"verdict":"passed"'))
    result = dqx_audit("verify", trail)
    assert result.exit_code == 1
    assert f"{trail}: WRONG at line 3 (altered): its content does not match its own hash" in result.stdout
    assert "good before it: records 1 to 2, head " in result.stdout


def test_a_torn_last_line_is_told_from_a_forged_one(trail: Path) -> None:
    """A crash is called a crash, until the next run has marked it: then it is a note."""
    trail.write_bytes(trail.read_bytes()[:-10])
    result = dqx_audit("verify", trail)
    assert result.exit_code == 1
    assert "WRONG at line 4 (torn): the last line is torn" in result.stdout
    append(trail, {"kind": "run"})
    result = dqx_audit("verify", trail)
    assert result.exit_code == 0
    assert "note: line 4: an unfinished write of" in result.stdout


def test_a_first_line_that_is_wrong_has_nothing_good_before_it(tmp_path: Path) -> None:
    """A file of something else has no record at all."""
    path = tmp_path / "a.log"
    path.write_text("hello\n")
    result = dqx_audit("verify", path)
    assert result.exit_code == 1
    assert "line 1 (foreign)" in result.stdout
    assert "good before it: no record" in result.stdout


def test_an_anchor_is_looked_for(trail: Path) -> None:
    """With a head from a trace a cut tail shows."""
    *_, last = read(trail)
    result = dqx_audit("verify", trail, "--anchor", last["hash"].upper())
    assert result.exit_code == 0
    assert "the anchor is record 4" in result.stdout
    trail.write_bytes(b"".join(trail.read_bytes().splitlines(keepends=True)[:-1]))
    result = dqx_audit("verify", trail, "--anchor", last["hash"])
    assert result.exit_code == 1
    assert "WRONG: the anchor is in none of these files" in result.stdout


def test_several_files_are_reported_in_the_order_of_their_chain(tmp_path: Path) -> None:
    """A rotated trail is given with all its files; one that is missing in between is found."""
    path = tmp_path / "audit.jsonl"
    for _ in range(9):
        append(path, {"kind": "run", "pad": "x" * 300}, rotate_bytes=1_500)
    files = sorted(tmp_path.glob("audit*.jsonl"))
    assert len(files) == 3
    result = dqx_audit("verify", *files[::-1])
    assert result.exit_code == 0
    assert [line.split(":")[0] for line in result.stdout.splitlines()[:3]] == [str(file) for file in files]
    result = dqx_audit("verify", files[0], files[2])
    assert result.exit_code == 1
    assert "a file is missing or was replaced" in result.stdout


@pytest.mark.parametrize("command", ["verify", "show"])
@pytest.mark.parametrize("what", ["nothing", "missing", "folder", "fifo"])
def test_a_file_that_cannot_be_read_is_exit_code_2(tmp_path: Path, command: str, what: str) -> None:
    """Wrong usage is told from a wrong file."""
    path = tmp_path / "audit.jsonl"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    result = dqx_audit(command, *([] if what == "nothing" else [path]))
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "--anchor", "abc"), "'abc' is no hash of a line"),
        (
            ("show", "--since", "monday"),
            "'monday' is no time; 2024-01-31 and 2024-01-31T06:00 are (UTC), and 7d",
        ),
        (("show", "--since", "9999999d"), "'9999999d' is no time"),
        (("show", "--since", "9999-12-31T23:00-12:00"), "'9999-12-31T23:00-12:00' is no time"),
    ],
)
def test_a_wrong_option_is_exit_code_2(trail: Path, arguments: tuple[str, ...], message: str) -> None:
    """The message says what was found and what is allowed."""
    result = dqx_audit(*arguments, trail)
    assert result.exit_code == 2
    assert message in result.stderr


# show --------------------------------------------------------------------------------------------------


def rows(result: Result) -> list[dict[str, str]]:
    """Return the rows of a table by the titles of its columns."""
    assert result.exit_code == 0, result.stderr
    head, _, *lines = result.stdout.splitlines() or ["", ""]
    titles = list(re.finditer(r"\S+(?: \S+)*", head))
    ends = [title.start() for title in titles[1:]] + [None]
    return [
        {title[0]: line[title.start() : end].strip() for title, end in zip(titles, ends, strict=True)}
        for line in lines
    ]


def test_a_run_is_one_row(trail: Path) -> None:
    """When, what, the verdict, counts by status, and what became of the plugins."""
    assert rows(dqx_audit("show", trail)) == [
        {
            "Recorded (UTC)": "2024-01-31 12:00:00",
            "Suite": "orders",
            "Date": "2024-01-31",
            "Tags": "env=test",
            "Verdict": "passed",
            "Assertions": "1 passed",
            "Plugins": "ok",
            "Run": "good",
        },
        {
            "Recorded (UTC)": "2024-02-01 12:00:00",
            "Suite": "orders",
            "Date": "2024-01-31",
            "Tags": "env=test",
            "Verdict": "failed",
            "Assertions": "1 failed, 1 not evaluated, 1 skipped",
            "Plugins": "mail timed_out",
            "Run": "bad",
        },
    ]


def test_failed_shows_each_assertion_that_failed_or_could_not_be_evaluated(trail: Path) -> None:
    """With the value, the bounds it was compared with, and the reason."""
    failed, errored = rows(dqx_audit("show", trail, "--failed"))
    assert failed == {
        "Recorded (UTC)": "2024-02-01 12:00:00",
        "Suite": "orders",
        "Date": "2024-01-31",
        "Severity": "P1",
        "Check": "Orders are complete",
        "Assertion": "few prices are missing",
        "Status": "FAILURE",
        "Value": "0.25",
        "Bounds": "from 0",
        "Reason": "0.25 is not below 0.05",
    }
    assert (errored["Status"], errored["Value"]) == ("ERROR", "")
    assert errored["Reason"] == "dataset 'orders' has no column 'stock'"


@pytest.mark.parametrize(
    ("thresholds", "shown"),
    [
        ({}, ""),
        ({"lower": 0}, "from 0"),
        ({"upper": Decimal("0.10")}, "up to 0.10"),
        ({"lower": 1, "upper": 2**60}, f"1 to {2**60}"),
        ({"lower": 0, "upper": 0}, "0"),
        ({"excluded_lower": 1, "excluded_upper": 2}, "not 1 to 2"),
    ],
)
def test_bounds_are_shown_as_a_person_writes_them(tmp_path: Path, thresholds: Any, shown: str) -> None:
    """Exact values, without the form they have in the file."""
    path = tmp_path / "audit.jsonl"
    record(path, assertion_result("FAILURE", thresholds=thresholds))
    assert rows(dqx_audit("show", path, "--failed"))[0]["Bounds"] == shown


@pytest.mark.parametrize(
    ("since", "runs"),
    [
        ("2024-01-31", ["good", "bad"]),
        ("2024-02-01", ["bad"]),
        ("2024-02-01T12:00", ["bad"]),
        ("2024-02-01T13:30+02:00", ["bad"]),
        ("2024-02-01T12:00:01", []),
    ],
)
def test_since_leaves_out_what_was_recorded_before(trail: Path, since: str, runs: list[str]) -> None:
    """A date is its midnight, and a time without a zone is UTC."""
    assert [row["Run"] for row in rows(dqx_audit("show", trail, "--since", since))] == runs


def test_since_a_duration_ago(tmp_path: Path) -> None:
    """`7d` is seven days before now."""
    path = tmp_path / "audit.jsonl"
    for hours in (30, 20):
        record(path, assertion_result(), run_id=str(hours), at=datetime.now(UTC) - timedelta(hours=hours))
    assert [row["Run"] for row in rows(dqx_audit("show", path, "--since", "1d"))] == ["20"]


def test_an_empty_trail_says_so(tmp_path: Path) -> None:
    """Nothing to show is no error."""
    path = tmp_path / "audit.jsonl"
    path.touch()
    result = dqx_audit("show", path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{path}: no run to show\n")


def test_a_trail_that_is_wrong_is_shown_with_a_warning(trail: Path) -> None:
    """What can be read is shown; the warning goes to stderr and out of the way of a pipe."""
    trail.write_bytes(trail.read_bytes().replace(b'"verdict":"failed"', b'"verdict":"passed"'))
    result = dqx_audit("show", trail)
    assert len(rows(result)) == 2
    assert "Warning" not in result.stdout
    assert f"Warning: {trail}: line 3: its content does not match" in result.stderr


def test_names_from_the_trail_do_not_reach_the_terminal_as_commands(tmp_path: Path) -> None:
    """Neither escape sequences nor markup; a name of 10 kB breaks nothing, and emoji are shown."""
    path = tmp_path / "audit.jsonl"
    record(path, assertion_result("FAILURE", check="\x1b[2J[red]x[/red]\n🛫", assertion="y" * 10_000))
    result = dqx_audit("show", path, "--failed")
    assert "\x1b" not in result.stdout
    assert r"\x1b[2J[red]x[/red]\n🛫" in result.stdout


def test_a_run_whose_outcomes_were_not_recorded_says_so(tmp_path: Path) -> None:
    """The process may have been killed between the two lines."""
    path = tmp_path / "audit.jsonl"
    append(path, {"kind": "run", "at": NOON.isoformat(), "suite": "x", "run_id": "r1"})
    assert rows(dqx_audit("show", path))[0]["Plugins"] == "not recorded"


@pytest.mark.parametrize(
    "odd",
    [
        {"assertions": 5},
        {"assertions": [5]},
        {"assertions": [{"status": "FAILURE", "thresholds": 5}]},
        {"tags": "env"},
        {"assertions": [{"status": []}]},
        {"kind": "outcomes", "outcomes": [5]},
        {"kind": []},
    ],
)
@pytest.mark.parametrize("options", [[], ["--failed"]])
def test_a_record_that_dqx_did_not_write_hides_no_other(
    tmp_path: Path, odd: dict[str, object], options: list[str]
) -> None:
    """Whoever may write the file may append one; it is named, or has nothing to show."""
    path = tmp_path / "audit.jsonl"
    record(path, assertion_result("FAILURE"))
    append(path, {"kind": "run", "at": NOON.isoformat(), "run_id": ["r"], **odd})
    result = dqx_audit("show", path, *options)
    assert result.exit_code == 0
    assert len([line for line in rows(result) if line["Suite"] == "orders"]) == 1
    assert result.stderr in ("", "Warning: record 3 is not as DQX writes it; left out\n")


@pytest.mark.parametrize("command", [[], ["verify"], ["show"]])
def test_the_help_has_examples(command: list[str]) -> None:
    """Nobody has to read the manual for the common case."""
    result = dqx_audit(*command, "--help")
    assert result.exit_code == 0
    assert not command or f"dqx audit {command[0]} audit.jsonl" in result.stdout
