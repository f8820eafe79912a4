"""`docs/plugins.md`: its code runs, its signatures are the code's, and what it lists is all there is."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
from tests.page import page
from tests.plugins.stand_ins import install

import dqx.testing
from dqx.common import PluginOutcome
from dqx.plugins import ResultProcessor
from dqx.plugins.hooks import HOOKS, Closing, Finishing
from dqx.plugins.settings import MANAGERS_OWN
from dqx.testing import context_of, suite_run

if TYPE_CHECKING:
    from pathlib import Path

PAGE = page("docs/plugins.md")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The page's plugin, installed as its entry point says."""
    module = next(block for block in PAGE.code("python") if block.startswith("# my_package.py"))
    (point,) = tomllib.loads(PAGE.code("toml")[0])["project"]["entry-points"]["dqx.plugins"].items()
    install(tmp_path / "site", "my-package", " = ".join(point), version="1.0", my_package=module)
    return tmp_path / "site"


def _python(site: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DQX_", "OTEL_"))
    }
    environment |= {"PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True, text=True, check=False, timeout=60, env=environment, cwd=site.parent,
    )  # fmt: skip


def test_its_python_runs(site: Path) -> None:
    """All of it, from top to bottom, in a folder of its own."""
    programs = [
        block for block in PAGE.code("python") if not block.startswith(("# my_package.py", "def initialize("))
    ]
    done = _python(site, "\n".join(programs))
    assert done.returncode == 0, done.stderr
    assert "price is positive" in (site.parent / "failed.txt").read_text()
    assert len(programs) >= 6


def test_its_settings_are_toml() -> None:
    """And name the plugin that the page is about."""
    assert tomllib.loads(PAGE.code("toml")[1])["plugins"]["failures"]["severity"] == "P0"


def test_its_commands_print_what_it_shows(site: Path) -> None:
    """Each line that is shown stands in what the command prints, but for rulers and what else is installed."""
    program = "import sys; from dqx.cli.main import main; main()"
    (console,) = PAGE.code("console")
    command = None
    for line in console.splitlines():
        if line.startswith("$ dqx "):
            done = _python(site, program, *line.removeprefix("$ dqx ").split())
            printed = [" ".join(each.split()) for each in done.stdout.splitlines()]
            command = line
            assert done.returncode == 0, done.stderr
        else:
            shown = " ".join(line.split())
            assert any(each.startswith(shown) for each in printed), (command, shown, printed)


def test_its_messages_are_those_of_the_code(site: Path) -> None:
    """The wrong setting and the log record that it shows."""
    program = """
from dqx.plugins import PluginManager
from dqx.testing import captured_logs, context_of, suite_run
run = suite_run()
for own in ({"sevrity": "P1"}, {"file": "/nowhere/failures.txt"}):
    with captured_logs(logger="dqx") as records:
        PluginManager({"failures": own}, allow=["failures"]).process_all(
            run.results, run.symbols, run.suite, context_of(run))
    print(records[-1].getMessage())
"""
    done = _python(site, program)
    wrong, failed = done.stdout.splitlines()
    shown_wrong, shown_failed = (block.strip() for block in PAGE.code("text"))
    assert shown_wrong in wrong
    assert shown_failed == failed


def test_every_hook_has_the_signature_of_the_code() -> None:
    """Names and types, in the order in which they are given."""
    (source,) = [block for block in PAGE.code("python") if block.startswith("def initialize(")]
    shown = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    assert list(shown) == list(HOOKS)
    protocols = {
        "initialize": ResultProcessor,
        "process": ResultProcessor,
        "finish": Finishing,
        "shutdown": Closing,
    }
    for name, node in shown.items():
        parameters = list(inspect.signature(getattr(protocols[name], name)).parameters.values())
        given = [
            (argument.arg, argument.annotation and ast.unparse(argument.annotation))
            for argument in node.args.args
        ]
        assert given[1:] == [(parameter.name, parameter.annotation) for parameter in parameters[1:]]
        assert tuple(name for name, _ in given) == ("self", *HOOKS[name])


def test_every_key_of_the_context_is_listed_and_no_other() -> None:
    """In the table of what a plugin is given."""
    table = PAGE.section("What a plugin is given")
    listed = [
        key for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall("`(.+?)`", row)
    ]
    assert sorted(listed) == sorted(context_of(suite_run()))


def test_the_manager_s_keys_and_the_fields_of_an_outcome_are_listed() -> None:
    """All of them."""
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE.section("Configure"), re.MULTILINE)) == tuple(
        key for key in ("enabled", "timeout", "order", "required")
    )
    assert set(MANAGERS_OWN) == {"enabled", "timeout", "order", "required"}
    for field in PluginOutcome.__slots__:
        assert f"`{field}`" in PAGE.section("The hooks")


def test_what_is_there_for_tests_is_listed() -> None:
    """Every public name of `dqx.testing`."""
    for name in dqx.testing.__all__:
        assert f"`{name}(" in PAGE.section("Test")
