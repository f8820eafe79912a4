"""What a plugin can do wrong, each in a program of its own: the verdict, the exit and the others are as without it.

A program takes two plugins from real entry points: `bad`, and after it `good`, which notes that it was called. It
ends with exit code 1, as a command line whose suite failed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.stand_ins import install

from dqx.testing import suite_run

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 1.0

GOOD = """
    class Good:
        def initialize(self, config): ...
        def process(self, results, symbols, suite_name, context):
            with open(context["note"], "a") as note:
                note.write(f"{len(results)} {len(symbols)} {context['datasets']['orders']['rows']}")
"""

PROGRAM = """
import json, logging, os, sys, threading
from dataclasses import asdict

records = []
class Keep(logging.Handler):
    def emit(self, record):
        facts = {name: fact for name, fact in vars(record).items() if name.startswith("dqx.")}
        records.append([record.levelname, record.getMessage(), facts])
keep = Keep()
logging.getLogger("dqx").addHandler(keep)
logging.getLogger("dqx").setLevel(logging.INFO)

from dqx.plugins import PluginManager
from dqx.testing import context_of, suite_run

note, report, config, leave = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4] == "leave"
run = suite_run()
stdout = sys.stdout
closed = lambda: stdout.closed and sys.stdout.fileno() == 1
manager = PluginManager(config, allow=["bad", "good"])
outcomes = manager.process_all(run.results, run.symbols, run.suite, {**context_of(run), "note": note}, config)
unharmed = (sys.stdout is stdout or closed()) and run == suite_run()
manager.close()
with open(report, "w") as file:
    json.dump({"outcomes": [asdict(o) for o in outcomes], "records": records, "unharmed": unharmed}, file)
print("the verdict", flush=True)
if leave:  # as the command line does when a plugin's own threads would hold the exit
    os._exit(1)
sys.exit(1)
"""


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what its plugins and its log said."""

    code: int
    stdout: str
    stderr: str
    duration_s: float
    note: str
    outcomes: list[dict[str, Any]]
    records: list[tuple[str, str, dict[str, str]]]
    unharmed: bool

    def of_bad(self) -> list[tuple[str, str]]:
        return [(o["phase"], o["outcome"]) for o in self.outcomes if o["plugin"] == "bad"]

    def problems(self) -> list[str]:
        return [text for level, text, _ in self.records if level in ("WARNING", "ERROR", "CRITICAL")]


def _run(folder: Path, bad: str, *, config: dict[str, Any] | None = None, leave: bool = False) -> Ended:
    install(folder, "bad-dist", "bad = bad_module:Bad", bad_module=bad)
    install(folder, "good-dist", "good = good_module:Good", good_module=GOOD)
    note, report = folder / "note", folder / "report"
    settings = {"bad": {"timeout": TIMEOUT_S, "order": -1, **(config or {})}}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DQX_", "OTEL_"))},
        "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
    }
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(note), str(report), json.dumps(settings), "leave" if leave else ""],
        capture_output=True, text=True, timeout=50, check=False, env=environment,
    )  # fmt: skip
    duration_s = time.monotonic() - started
    assert report.exists(), done.stderr
    said = json.loads(report.read_text())
    return Ended(done.returncode, done.stdout, done.stderr, duration_s, note.read_text(), **said)


def _in_process(body: str) -> str:
    """Return a plugin whose `process` does this."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "        ")
    return (
        "import os, signal, sys, threading, time\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "class Unprintable(Exception):\n    def __str__(self): raise RuntimeError('no')\n"
        "class Bad:\n    def initialize(self, config): ...\n"
        f"    def process(self, results, symbols, suite_name, context):\n{lines}\n"
    )


def _is_as_without_it(ended: Ended) -> None:
    """What holds whatever a plugin does."""
    run = suite_run()
    assert ended.code == 1
    assert ended.stdout == "the verdict\n"
    assert ended.unharmed
    assert ended.note == f"{len(run.results)} {len(run.symbols)} 1000"
    assert [(o["phase"], o["outcome"]) for o in ended.outcomes if o["plugin"] == "good"] == [
        ("load", "ok"), ("initialize", "ok"), ("process", "ok"),
    ]  # fmt: skip
    # The hangs below are for a minute: whoever waited for one would be seen.
    assert ended.duration_s < 30


FAULTS = {
    "raises": ("raise ValueError('boom')", "error", "ValueError: boom"),
    "raises what cannot be printed": ("raise Unprintable()", "error", "<Unprintable that cannot be printed>"),
    "raises a group": (
        "raise ExceptionGroup('both', [ValueError(1), KeyError(2)])",
        "error",
        "both (2 sub",
    ),
    "recurses": ("self.process(results, symbols, suite_name, context)", "error", "RecursionError"),
    "exits": ("sys.exit(0)", "error", "SystemExit: 0"),
    "exits with a text": ("sys.exit('token=hunter2')", "error", "SystemExit: token=***"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "error", "KeyboardInterrupt"),
    "hangs in sleep": ("time.sleep(60)", "timed_out", "it did not come back within"),
    "hangs in short slices": (
        """
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(0.0005)
        """,
        "timed_out",
        "it did not come back within",
    ),
    "hangs in a busy loop": (
        """
        until = time.monotonic() + 60
        while time.monotonic() < until:
            pass
        """,
        "timed_out",
        "it did not come back within",
    ),
    "swallows everything": (
        """
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                time.sleep(1)
            except BaseException:
                pass
        """,
        "timed_out",
        "it did not come back within",
    ),
    "breaks a hook of its own": (
        "self.finish = self.missing",
        "error",
        "AttributeError: 'Bad' object has no",
    ),
    "installs a log handler that raises": (
        """
        import logging
        class Raising(logging.Handler):
            def emit(self, record): raise RuntimeError('no')
        logging.getLogger().addHandler(Raising())
        raise ValueError('boom')
        """,
        "error",
        "ValueError: boom",
    ),
    "sets a signal handler": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "error",
        "signal only works in main thr",
    ),
    "sets an alarm": (
        "signal.alarm(0); signal.signal(signal.SIGALRM, print)",
        "error",
        "signal only works in main th",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plugin_that_fails(tmp_path: Path, fault: str) -> None:
    """One record names plugin, version and phase; verdict, exit code and the next plugin are as without it."""
    body, outcome, message = FAULTS[fault]
    ended = _run(tmp_path, _in_process(body))
    _is_as_without_it(ended)
    assert ended.of_bad() == [("load", "ok"), ("initialize", "ok"), ("process", outcome)]
    (problem,) = [record for record in ended.records if record[0] in ("WARNING", "ERROR")]
    assert problem[1].startswith("Plugin bad failed during processing: ")
    assert message in problem[1]
    assert "(process, bad-dist 1.2.3" in problem[1]
    assert {problem[2][f"dqx.plugin.{fact}"] for fact in ("name", "version", "phase")} == {
        "bad",
        "1.2.3",
        "process",
    }
    assert "hunter2" not in json.dumps([ended.records, ended.outcomes, ended.stderr])


@pytest.mark.parametrize(
    ("body", "leave"),
    [
        ("threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", False),
        ("threading.Thread(target=time.sleep, args=(60,)).start()", True),
        ("self.pool = ThreadPoolExecutor(); self.pool.submit(time.sleep, 60)", True),
    ],
)
def test_a_plugin_that_leaves_a_thread_or_a_pool_behind(tmp_path: Path, body: str, leave: bool) -> None:
    """It ended well as far as anybody can tell; a program that leaves by `os._exit` is not held by them."""
    ended = _run(tmp_path, _in_process(body), leave=leave)
    _is_as_without_it(ended)
    assert ended.of_bad()[-1] == ("process", "ok")
    assert any(
        "Plugin bad processed results in" in text and "bad-dist 1.2.3" in text for _, text, _ in ended.records
    )


def test_a_plugin_that_changes_what_it_is_given(tmp_path: Path) -> None:
    """The run, the caller's context and the next plugin see nothing of it."""
    ended = _run(
        tmp_path,
        _in_process(
            """
            results.clear()
            symbols[:] = [None] * 5
            context["datasets"]["orders"]["rows"] = 0
            context["note"] = "/nonexistent"
            del context["datasets"]
            """
        ),
    )
    _is_as_without_it(ended)
    assert ended.of_bad()[-1] == ("process", "ok")
    assert ended.problems() == []


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("sys.stdout = open(os.devnull, 'w')", "ok"),
        ("sys.stdout = sys.stderr = None", "ok"),
        ("sys.stdout = open(os.devnull, 'w'); time.sleep(60)", "timed_out"),
        ("sys.stdout.close()", "ok"),
        ("sys.stdout.close(); sys.stdout = sys.stderr = None", "ok"),
    ],
)
def test_a_plugin_that_replaces_or_closes_stdout(tmp_path: Path, body: str, outcome: str) -> None:
    """It is put back before anybody else prints, also while the plugin hangs with it; a warning says so."""
    ended = _run(tmp_path, _in_process(body))
    _is_as_without_it(ended)
    assert ended.of_bad()[-1] == ("process", outcome)
    (warning,) = [record for record in ended.records if "sys.stdout" in record[1]]
    assert warning[1] == (
        "Plugin bad replaced or closed sys.stdout or sys.stderr; they were put back (process, bad-dist 1.2.3)"
    )
    assert warning[2]["dqx.plugin.name"] == "bad"


@pytest.mark.parametrize("hook", ["process", "finish", "shutdown"])
@pytest.mark.parametrize("body", ["raise ValueError('boom')", "sys.exit(3)", "time.sleep(60)"])
def test_a_hook_that_is_a_property(tmp_path: Path, hook: str, body: str) -> None:
    """To ask for it is a call into the plugin, too: it is made on its thread, and what it raises is its outcome."""
    methods = {"process": "results, symbols, suite_name, context", "finish": "outcomes", "shutdown": ""}
    others = [
        f"    def {name}(self, {arguments}): ..." for name, arguments in methods.items() if name != hook
    ]
    ended = _run(
        tmp_path,
        "\n".join(
            [
                "import sys, time",
                "class Bad:",
                "    asked = 0",
                "    def initialize(self, config): ...",
                "    @property",
                f"    def {hook}(self):",
                "        self.asked += 1",
                f"        if self.asked > 2: {body}",  # asked when it is loaded and when it is initialized
                f"        return lambda {methods[hook]}: None" if hook != "process" else
                f"        if self.asked > 1: {body}\n        return lambda {methods[hook]}: None",
                *others,
            ]
        ),
    )  # fmt: skip
    _is_as_without_it(ended)
    (problem,) = [record for record in ended.records if record[0] in ("WARNING", "ERROR")]
    assert problem[2]["dqx.plugin.phase"] == hook


@pytest.mark.parametrize(
    "body",
    [
        "os.fork()",
        "os.fork() or sys.exit(3)",
        "if os.fork() == 0: raise ValueError('in the child')",
        "context['pid'] = os.fork(); print('', end='')",
    ],
)
def test_a_plugin_that_forks(tmp_path: Path, body: str) -> None:
    """The child ends where it comes back: it prints nothing twice, and does not hold the standard output."""
    ended = _run(tmp_path, _in_process(body))
    _is_as_without_it(ended)
    assert ended.of_bad() == [("load", "ok"), ("initialize", "ok"), ("process", "ok")]


@pytest.mark.parametrize("phase", ["initialize", "finish", "shutdown"])
@pytest.mark.parametrize(
    ("body", "outcome"), [("raise ValueError('boom')", "error"), ("time.sleep(60)", "timed_out")]
)
def test_the_other_phases_fail_alike(tmp_path: Path, phase: str, body: str, outcome: str) -> None:
    """Whichever call it is: an outcome, one record that names the phase, and no more."""
    hooks = {
        "initialize": "(self, config)", "process": "(self, results, symbols, suite_name, context)",
        "finish": "(self, outcomes)", "shutdown": "(self)",
    }  # fmt: skip
    methods = [
        f"    def {name}{arguments}: {body if name == phase else '...'}" for name, arguments in hooks.items()
    ]
    ended = _run(tmp_path, "\n".join(["import time", "class Bad:", *methods]))
    _is_as_without_it(ended)
    if phase != "shutdown":
        assert (phase, outcome) in ended.of_bad()
    (problem,) = [record for record in ended.records if record[0] in ("WARNING", "ERROR")]
    assert problem[2]["dqx.plugin.phase"] == phase
    assert f"({phase}, bad-dist 1.2.3" in problem[1]


@pytest.mark.parametrize(
    ("module", "outcome", "message"),
    [
        ("import nothing_of_this_name", "error", "No module named 'nothing_of_this_name'"),
        ("class Bad(:", "error", "invalid syntax"),
        ("import sys; sys.exit(0)", "error", "SystemExit: 0"),
        ("import time; time.sleep(60)", "timed_out", "it did not come back within 1 s"),
        ("class Bad:\n    def __init__(self): raise ValueError('boom')", "error", "ValueError: boom"),
        ("class Bad:\n    def initialize(self): ...", "error", "initialize() lacks the argument 'config'"),
    ],
)
def test_a_plugin_that_cannot_be_loaded(tmp_path: Path, module: str, outcome: str, message: str) -> None:
    """Import error, syntax error, exit, hang, constructor, wrong signature: reported once, the others load."""
    ended = _run(tmp_path, module)
    _is_as_without_it(ended)
    assert ended.of_bad() == [("load", outcome)]
    (problem,) = ended.problems()
    assert problem.startswith("Failed to load plugin bad: ")
    assert message in problem
    assert "(load, bad-dist 1.2.3" in problem


DECLARED = """
    from dataclasses import dataclass
    @dataclass
    class Options:
        port: int = 25
        password: str = ""
    class Bad:
        Settings = Options
        def initialize(self, config):
            raise ValueError(f"cannot log in with {config['password']}")
        def process(self, results, symbols, suite_name, context): ...
"""


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"port": "many"}, "plugin 'bad': port is 'many': Input should be a valid integer"),
        ({"prot": 25}, "plugin 'bad': it has no setting 'prot'; did you mean 'port'?"),
        ({"pasword": "hunter2"}, "plugin 'bad': it has no setting 'pasword'; did you mean 'password'?"),
        (
            {"password": ["hunter2"]},
            "plugin 'bad': password is (a secret, not shown): Input should be a valid string",
        ),
        ({"password": "hunter2"}, "cannot log in with ***"),
    ],
)
def test_a_wrong_configuration(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    """A wrong type, an unknown key, a secret: that plugin's outcome, and the secret is nowhere."""
    ended = _run(tmp_path, DECLARED, config=config)
    _is_as_without_it(ended)
    assert ended.of_bad() == [("load", "ok"), ("initialize", "error")]
    (problem,) = ended.problems()
    assert message in problem
    assert "(initialize, bad-dist 1.2.3" in problem
    assert "hunter2" not in json.dumps([ended.records, ended.outcomes, ended.stderr, ended.stdout])


def test_three_that_hang_before_a_good_one(tmp_path: Path) -> None:
    """With the built-in times it would be 10, 10 and 5 seconds; the good one has its turn."""
    bad = _in_process("time.sleep(60)")
    install(tmp_path, "more-bad", "bad2 = more_bad:Bad\nbad3 = more_bad:Bad", more_bad=bad)
    program = PROGRAM.replace('["bad", "good"]', '["bad", "bad2", "bad3", "good"], total_timeout=4')
    install(tmp_path, "bad-dist", "bad = bad_module:Bad", bad_module=bad)
    install(tmp_path, "good-dist", "zz_good = good_module:Good", good_module=GOOD)
    note, report = tmp_path / "note", tmp_path / "report"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program.replace('"good"]', '"zz_good"]'), str(note), str(report), "{}", ""],
        capture_output=True, text=True, timeout=50, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert time.monotonic() - started < 30
    outcomes = json.loads(report.read_text())["outcomes"]
    processed = [(o["plugin"], o["outcome"]) for o in outcomes if o["phase"] == "process"]
    assert processed == [
        ("bad", "timed_out"),
        ("bad2", "timed_out"),
        ("bad3", "timed_out"),
        ("zz_good", "ok"),
    ]
    assert note.exists()
