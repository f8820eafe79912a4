"""The example package: installed as a user would, run for real, and broken on purpose."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "dqx-plugin-example"

# A user's program: a run goes to a server of its own, spans are kept; what came of it is printed as JSON.
PROGRAM = """
import json, sys, threading
from dataclasses import asdict
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer

posts = []
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args): ...
server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()

from dqx.plugins import PluginManager
from dqx.telemetry import tracing
from dqx.testing import captured_logs, captured_spans, context_of, suite_run

own = json.loads(sys.argv[1])
config = {"webhook": {"url": f"http://127.0.0.1:{server.server_port}", "timeout": 2, **own}}
run = suite_run()
with captured_spans() as spans, captured_logs() as records:
    manager = PluginManager(config, allow=["webhook"])
    with tracing.run_suite(run.suite, run.run_id, date(2024, 1, 31)) as span:
        outcomes = manager.process_all(run.results, run.symbols, run.suite, context_of(run), config)
        tracing.end_run(span, run)
    manager.close()
names = {span.context.span_id: span.name for span in spans}
print(json.dumps({
    "posts": posts,
    "outcomes": [asdict(outcome) for outcome in outcomes if outcome.plugin == "webhook"],
    "spans": [
        [span.name, names.get(span.parent.span_id) if span.parent else None]
        for span in spans if "dqx_" not in span.name
    ],
    "problems": [record.getMessage() for record in records if record.levelname in ("WARNING", "ERROR")],
}))
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package with pip into a folder, from a copy, so that nothing is built in the checkout."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("the example is built with hatchling: pip install hatchling")
    source = tmp_path_factory.mktemp("source") / "example"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--no-index", "--target", str(target), str(source)],
        check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return target


def _python(site: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DQX_", "OTEL_"))
    }
    environment |= {"PYTHONPATH": os.pathsep.join([str(site), *sys.path]), "no_proxy": "127.0.0.1"}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
        cwd=cwd,
    )


def _run(site: Path, **own: Any) -> dict[str, Any]:
    done = _python(site, "-W", "error", "-c", PROGRAM, json.dumps(own))
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_it_is_found_and_does_its_work(installed: Path) -> None:
    """Distribution and version are known, what failed arrives, its own span is below the call."""
    said = _run(installed)
    assert [(o["phase"], o["outcome"]) for o in said["outcomes"]] == [
        ("load", "ok"), ("initialize", "ok"), ("process", "ok"), ("finish", "ok"),
    ]  # fmt: skip
    assert {(o["distribution"], o["version"]) for o in said["outcomes"]} == {("dqx-plugin-example", "1.0.0")}
    assert [post["suite"] for post in said["posts"]] == ["orders"]
    assert said["problems"] == []
    assert said["spans"] == [
        ["load webhook", None],
        ["initialize webhook", "run_suite"],
        ["POST", "process webhook"],
        ["process webhook", "run_suite"],
        ["finish webhook", "run_suite"],
        ["run_suite", None],
        ["shutdown webhook", "run_suite"],
    ]


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    """Whoever copies it begins with tests that are green."""
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    done = _python(
        installed, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("before", "after", "ending", "message"),
    [
        ("import json", "import jason", ("load", "error"), "No module named 'jason'"),
        ("import json", "import json(", ("load", "error"), "invalid syntax"),
        ("class WebhookPlugin", "class WebhooksPlugin", ("load", "error"), "has no attribute 'WebhookPlugin'"),
        ("suite_name: str,\n        context", "context", ("load", "error"), "process() has 'context' as argument 3"),
        ("    timeout_s: float", "    timeout: float", ("load", "error"), "its Settings have 'timeout', which"),
        ("self._posted = 0", "self._posted = nothing", ("initialize", "error"), "name 'nothing' is not defined"),
        ("json.dumps(posted)", "json.dumps(self)", ("process", "error"), "not JSON serializable"),
        ("json.dumps(posted)", "exit()", ("process", "error"), "SystemExit: None"),
        ("        with tracer", "        import time; time.sleep(60)\n        with tracer",
         ("process", "timed_out"), "it did not come back within"),
        ("for outcome in outcomes:", "raise KeyError(outcomes[0].plugin)\n        for outcome in outcomes:",
         ("finish", "error"), "KeyError: 'webhook'"),
    ],
)  # fmt: skip
def test_broken_on_purpose(
    installed: Path, tmp_path: Path, before: str, after: str, ending: tuple[str, str], message: str
) -> None:
    """One log record says which plugin of which distribution failed in which call, and why."""
    site = tmp_path / "site"
    shutil.copytree(installed, site, ignore=shutil.ignore_patterns("__pycache__"))
    module = site / "dqx_plugin_example" / "__init__.py"
    source = module.read_text()
    assert before in source
    module.write_text(source.replace(before, after, 1))
    said = _run(site)
    last = said["outcomes"][-1] if ending[0] != "process" else said["outcomes"][2]
    assert (last["phase"], last["outcome"]) == ending
    (problem,) = said["problems"]
    assert message in problem
    assert f"({ending[0]}, dqx-plugin-example 1.0.0" in problem


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"url": "nowhere"}, "plugin 'webhook': url is 'nowhere': Input should be a valid URL"),
        ({"severity": "P9"}, "plugin 'webhook': severity is 'P9': Input should be 'P0', 'P1', 'P2' or 'P3'"),
        ({"tokn": "hunter2"}, "plugin 'webhook': it has no setting 'tokn'; did you mean 'token'?"),
        (
            {"token": ["hunter2"]},
            "plugin 'webhook': token is (a secret, not shown): Input should be a valid string",
        ),
    ],
)
def test_configured_wrongly(installed: Path, own: dict[str, Any], message: str) -> None:
    """Plugin, key, value and what is allowed; the secret is nowhere."""
    said = _run(installed, **own)
    assert said["outcomes"][-1]["message"].startswith(message)
    assert "hunter2" not in json.dumps(said)
