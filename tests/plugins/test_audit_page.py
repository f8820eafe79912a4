"""The page on auditing: its examples run as they stand there, and its tables name all that there is."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_type_hints

from tests.page import page, typed

from dqx.plugins.audit import AuditSettings
from dqx.plugins.trail_record import outcomes_record, run_record
from dqx.plugins.trail_verify import Wrong
from dqx.testing import STARTED_AT, assertion_result, context_of, suite_run

if TYPE_CHECKING:
    import pytest

PAGE = page("docs/audit.md")
VARYING = re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def same(text: str) -> str:
    """Return text without what differs from run to run."""
    return VARYING.sub("…", text).strip()


def test_every_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written, commands and Python run from top to bottom in one folder, and print what stands there."""
    command = tmp_path / "bin" / "dqx"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom dqx.cli.main import main\nmain()\n")
    command.chmod(0o755)
    for variable in [name for name in os.environ if name.startswith("DQX_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert "checks" not in sys.modules
    monkeypatch.setattr(logging.getLogger("dqx.plugins.audit"), "handlers", [])
    namespace: dict[str, object] = {"__name__": "page"}
    printed = ""
    for language, name, content, _ in PAGE.blocks:
        if name:
            Path(name).write_text(content)
        elif language == "console":
            for line, expected in typed(content):
                done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
                assert same(done.stdout) == same(expected) or not expected, line
                assert done.returncode in (0, 1), done.stderr
        elif language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(content, namespace)
            printed = output.getvalue()
        else:
            assert language == "text"
            assert same(printed) == same(content)
    del sys.modules["checks"]


def named(text: str) -> set[str]:
    return set(re.findall(r"`\"?([\w.]+)\"?`", text))


def test_every_setting_is_on_the_page() -> None:
    """With its default and what it means."""
    assert set(AuditSettings.__dataclass_fields__) <= named(PAGE.text)


def test_every_field_of_a_record_is_on_the_page() -> None:
    """Whoever reads the trail with a tool of their own finds what is there."""
    run = suite_run()
    record = run_record(
        run.results, "x", context_of(run), at=STARTED_AT, trace_id="", plugins=[], dqx_version=""
    )
    assertions = record["assertions"]
    assert isinstance(assertions, list)
    outcomes = outcomes_record("r", "x", [], at=STARTED_AT, trace_id="")
    assert {*record, *assertions[0], *outcomes, "v", "seq", "prev", "hash"} <= named(PAGE.text)


def test_every_kind_of_wrong_line_is_on_the_page() -> None:
    """Each with its meaning."""
    kinds = get_args(get_type_hints(Wrong)["kind"])
    assert len(kinds) == 6
    assert set(kinds) <= named(PAGE.text)


def test_every_field_of_a_log_record_is_on_the_page() -> None:
    """By its full name, or by its last part after one of the same group."""
    from dqx.plugins.audit_log import log_records

    run = suite_run([assertion_result("FAILURE", thresholds={"lower": 0, "upper": 1})])
    for _, _, fields in log_records(run.results, "x", context_of(run), "failed"):
        for field in fields:
            assert f"`{field}`" in PAGE.text or f"`.{field.rpartition('.')[2]}`" in PAGE.text, field
