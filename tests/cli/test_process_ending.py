"""How the process of the command line begins and ends: imports, exit codes, signals, pipes and stray threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from tests.cli.command_line import environment, run, start, write, write_checks

from dqx import __version__
from dqx.cli.ending import StopSignals
from dqx.orm import MetricDB

ORDERS = ("--data", "orders=orders.parquet")
HEAVY = ("duckdb", "sqlalchemy", "rich", "pydantic", "opentelemetry", "pandas", "pyarrow")


def write_endless(folder: Path) -> None:
    """Write a checks file on a dataset whose rows never end, and the dataset."""
    with duckdb.connect(str(folder / "endless.duckdb")) as connection:
        connection.execute(
            "CREATE VIEW endless AS SELECT a.range AS n FROM range(1000000) a, range(1000000) b, range(1000000) c"
        )
    write(
        folder / "checks.py",
        """
        from dqx import check

        @check(name="Endless", datasets=["endless"])
        def endless(mp, ctx):
            ctx.assert_that(mp.sum("n")).where(name="sum").is_gt(0)
        """,
    )


def wait_until_in_scan(folder: Path, process: subprocess.Popen[str]) -> None:
    """Return when the store holds a run that has started, and the process has computed for a while since."""
    give_up_at = time.monotonic() + 60
    started_s = None
    while time.monotonic() < give_up_at and process.poll() is None:
        if started_s is not None:
            # Of its own time, as on a busy machine any other says nothing; from there into the scan it takes 50 ms.
            if cpu_time_s(process) > started_s + 0.3:
                return
        elif (folder / "q.db").exists():
            with closing(MetricDB("sqlite:///q.db")) as store:
                if store.runs():
                    started_s = cpu_time_s(process)
        time.sleep(0.05)
    raise AssertionError(f"no run has started: {process.communicate() if process.poll() is not None else ''}")


def cpu_time_s(process: subprocess.Popen[str]) -> float:
    """Return the seconds that a process has computed, those of all its threads together."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("run", "--help"), ("db", "--help")])
def test_what_needs_nothing_heavy_imports_nothing_heavy(folder: Path, arguments: tuple[str, ...]) -> None:
    """A shell that completes, or a person who asks, need not wait for an engine."""
    program = f"""
import sys
sys.argv = ["dqx", *{arguments!r}]
from dqx.cli.main import dqx
try:
    dqx()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    out = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=folder, env=environment())
    assert out.splitlines()[-1] == "[]"


def test_a_run_without_settings_does_not_import_pydantic(orders: Path) -> None:
    """It costs 70 to 100 ms; a settings file needs it."""
    path = write_checks(orders.parent)
    path.write_text(
        path.read_text() + "\nimport atexit, sys\natexit.register(lambda: print('pydantic' in sys.modules))\n"
    )
    assert run(orders.parent, "run", "checks.py", *ORDERS)[1].splitlines()[-1] == "False"
    (orders.parent / "dqx.toml").write_text("fail_on = 'P1'\n")
    assert run(orders.parent, "run", "checks.py", *ORDERS)[1].splitlines()[-1] == "True"


def test_the_version_is_said(folder: Path) -> None:
    """On stdout, alone."""
    assert run(folder, "--version") == (0, f"dqx {__version__}\n", "")


def test_the_installed_script_is_this_command_line() -> None:
    """The entry point of the distribution."""
    script = Path(sys.executable).with_name("dqx")
    if not script.exists():
        pytest.skip("dqx is not installed in this environment; pip install -e .")
    assert subprocess.check_output([script, "--version"], text=True) == f"dqx {__version__}\n"


@pytest.mark.parametrize(
    ("at_least", "arguments", "code"),
    [
        (1, ORDERS, 0),
        (31, ORDERS, 1),
        (1, ("--data", "orders"), 2),
        (1, (), 2),
        (1, ("--data", "orders=missing.parquet"), 3),
    ],
)
def test_exit_codes_of_a_process(orders: Path, at_least: int, arguments: tuple[str, ...], code: int) -> None:
    """Passed, failed, wrong usage, wrong configuration, no verdict."""
    write_checks(orders.parent, at_least)
    assert run(orders.parent, "run", "checks.py", *arguments)[0] == code


def test_an_unexpected_error_ends_with_70(orders: Path) -> None:
    """One message, no traceback, no secret."""
    path = write_checks(orders.parent)
    path.write_text(
        path.read_text()
        + "\nimport dqx.api\ndef broken(*a): raise KeyError('postgresql://u:hunter2@h/d')\ndqx.api.make_plan = broken\n"
    )
    code, out, err = run(orders.parent, "run", "checks.py", *ORDERS, "-q")
    assert (code, out) == (70, "")
    assert err.startswith("Error: unexpected error inside DQX: KeyError: ")
    assert "Traceback" not in err
    assert "hunter2" not in err
    _, _, err = run(orders.parent, "run", "checks.py", *ORDERS, "-q", "-v")
    assert "in broken" in err
    assert "hunter2" not in err


@pytest.mark.parametrize("status", ["", "0", "1", "'no orders today'"])
def test_a_check_that_exits_is_not_taken_for_a_verdict(orders: Path, status: str) -> None:
    """Exit code 0 is for a suite that passed."""
    path = write_checks(orders.parent)
    path.write_text(f"{path.read_text()}\n    import sys; sys.exit({status})\n")
    code, out, _ = run(orders.parent, "run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")
    assert code == 3
    assert "the check raised SystemExit" in out


def test_a_child_of_a_check_that_exits_is_no_error(orders: Path) -> None:
    """It was forked to do something beside the check, and ends as it wants to."""
    path = write_checks(orders.parent)
    path.write_text(
        path.read_text()
        + """
    import os, sys
    if os.fork() == 0:
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
"""
    )
    code, out, err = run(orders.parent, "run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")
    assert (code, err) == (0, "")
    assert out.count("PASSED") == 1


def test_what_is_no_exception_ends_with_70(orders: Path) -> None:
    """As a test's `skip`; not with 1, which is a failed assertion's, and without a secret."""
    path = write_checks(orders.parent)
    path.write_text(path.read_text() + "\n    raise BaseException('postgresql://u:hunter2@h/d')\n")
    code, out, err = run(orders.parent, "run", "checks.py", *ORDERS, "-q")
    assert (code, out) == (70, "")
    assert err.startswith("Error: unexpected error inside DQX: BaseException: postgresql://***@h/d")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see what a process computes")
@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_a_scan_and_the_run_stays_as_started(
    folder: Path, number: signal.Signals, code: int, word: str
) -> None:
    """One line on stderr, nothing on stdout; the store shows that it never finished."""
    write_endless(folder)
    arguments = ("run", "checks.py", "--data", "endless=endless.duckdb::endless", "--db", "sqlite:///q.db")
    with start(folder, *arguments) as process:
        wait_until_in_scan(folder, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert (
        err
        == f"dqx: {word}; suite 'checks' did not finish; what its run stored stays in sqlite:///{folder}/q.db\n"
    )
    with closing(MetricDB("sqlite:///q.db")) as store:
        assert [(run.verdict, run.finished_at) for run in store.runs()] == [(None, None)]


def test_a_signal_in_the_checks_file_ends_it_too(folder: Path) -> None:
    """Before there is any run."""
    write(folder / "checks.py", "import sys, time\nprint('ready', flush=True)\ntime.sleep(600)\n")
    with start(folder, "run", "checks.py") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "dqx: terminated\n")


def test_a_second_signal_ends_what_holds_up_the_first(folder: Path) -> None:
    """As code of the user's that catches everything."""
    write(
        folder / "checks.py",
        """
        import time
        try:
            print("ready", flush=True)
            time.sleep(600)
        except BaseException:
            print("caught", flush=True)
            time.sleep(600)
        """,
    )
    with start(folder, "run", "checks.py") as process:
        assert process.stdout is not None
        for line in ("ready\n", "caught\n"):
            assert process.stdout.readline() == line
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_an_end_that_takes_too_long_is_cut_off(folder: Path) -> None:
    """Whatever closes, or does not; with the same line and exit code."""
    program = """
import os, time
from dqx.cli.ending import StopSignals
signals = StopSignals(unwind_s=0.2)
with signals.heard(), signals.during("it did not finish", lambda: print("interrupted", flush=True)):
    told = False
    while True:
        try:
            if not told:
                told = True
                # Unbuffered, and in here, where the signal that follows it is swallowed.
                os.write(1, b"ready\\n")
            time.sleep(600)
        except BaseException:
            pass
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "dqx: terminated; it did not finish\n")
    assert out.startswith("interrupted\n")


def test_no_exception_is_raised_into_an_extension_that_is_imported(folder: Path) -> None:
    """Many abort at one, as DuckDB does: the process ends where it is."""
    program = """
import _imp, importlib.machinery, os, signal, types
from dqx.cli.ending import StopSignals
_imp.exec_dynamic = lambda module: os.kill(os.getpid(), signal.SIGTERM)
signals = StopSignals()
with signals.heard(), signals.during("it did not finish", lambda: None):
    try:
        importlib.machinery.ExtensionFileLoader("it", "it.so").exec_module(types.ModuleType("it"))
    finally:
        print("raised", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], text=True, capture_output=True, env=environment(), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "dqx: terminated; it did not finish\n")


def test_signals_are_as_they_were_afterwards() -> None:
    """A program that calls the command line keeps its own handlers."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals().heard():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_forked_child_is_ended_by_itself(orders: Path) -> None:
    """A signal to it, as a pool sends to its workers, neither ends the command nor is taken for the command's."""
    path = write_checks(orders.parent)
    path.write_text(
        path.read_text()
        + """
import os, signal, time
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(9)
time.sleep(0.3)
os.kill(child, signal.SIGTERM)
assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
time.sleep(0.3)
"""
    )
    code, out, _ = run(orders.parent, "run", "checks.py", *ORDERS)
    assert (code, "PASSED checks" in out) == (0, True)


def test_a_forked_child_does_not_hold_the_exit(orders: Path) -> None:
    """One that lives on, as a daemon that a check starts, is none of ours to wait for."""
    path = write_checks(orders.parent)
    path.write_text(
        path.read_text()
        + """
import os, time
child = os.fork()
if not child:
    os.close(1), os.close(2)
    time.sleep(60)
    os._exit(0)
open("child", "w").write(str(child))
"""
    )
    code, _, _ = run(orders.parent, "run", "checks.py", *ORDERS)
    os.kill(int((orders.parent / "child").read_text()), signal.SIGKILL)
    assert code == 0


def test_an_ignored_signal_stays_ignored(orders: Path) -> None:
    """As of a job that was started with nohup, or in a shell's background."""
    path = write_checks(orders.parent)
    path.write_text(path.read_text() + "\nimport os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    ignoring = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731  # what Popen takes
    assert run(orders.parent, "run", "checks.py", *ORDERS, preexec_fn=ignoring)[0] == 0


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize(("at_least", "code"), [(1, 0), (31, 1)])
def test_a_reader_that_leaves_changes_nothing_else(orders: Path, form: str, at_least: int, code: int) -> None:
    """`| head` is quiet, and the exit code is the verdict's."""
    write_checks(orders.parent, at_least)
    read, written = os.pipe()
    os.close(read)
    try:
        got, _, err = run(
            orders.parent,
            "run",
            "checks.py",
            *ORDERS,
            "--format",
            form,
            "--db",
            "sqlite:///q.db",
            stdout=written,
        )
    finally:
        os.close(written)
    assert (got, err) == (code, "")


def test_a_head_reads_what_it_wants_of_a_long_history(orders: Path) -> None:
    """And nothing is said about the rest."""
    write_checks(orders.parent)
    run(orders.parent, "run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")
    read, written = os.pipe()
    os.close(read)
    try:
        assert run(orders.parent, "history", "checks", "--db", "sqlite:///q.db", stdout=written)[::2] == (
            0,
            "",
        )
    finally:
        os.close(written)


@pytest.mark.parametrize(("at_least", "code"), [(1, 4), (31, 1)])
def test_results_that_cannot_be_written_are_not_called_passed(orders: Path, at_least: int, code: int) -> None:
    """A full disk below a redirected stdout."""
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is not there: this is no Linux")
    write_checks(orders.parent, at_least)
    with Path("/dev/full").open("w") as full:
        got, _, err = run(orders.parent, "run", "checks.py", *ORDERS, "--db", "sqlite:///q.db", stdout=full)
    assert got == code
    assert err == "Error: the results could not be written: No space left on device\n"


@pytest.mark.parametrize(
    "arguments", ["history checks --db sqlite:///q.db", "plugins", "alerts export", "-h"]
)
def test_whatever_cannot_be_written_is_said(orders: Path, arguments: str) -> None:
    """It is no defect of DQX."""
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is not there: this is no Linux")
    write_checks(orders.parent)
    assert run(orders.parent, "run", "checks.py", *ORDERS, "--db", "sqlite:///q.db")[0] == 0
    with Path("/dev/full").open("w") as full:
        code, _, err = run(orders.parent, *arguments.split(), stdout=full)
    assert (code, err) == (4, "Error: the results could not be written: No space left on device\n")


def test_a_closed_stdout_is_no_error(orders: Path) -> None:
    """As of a job whose caller does not want to know (`>&-`)."""
    write_checks(orders.parent)
    code, _, err = run(
        orders.parent, "run", "checks.py", *ORDERS, "--db", "sqlite:///q.db", preexec_fn=lambda: os.close(1)
    )
    assert (code, err) == (0, "")


def test_a_name_that_the_encoding_of_stdout_lacks_does_not_cost_the_verdict(orders: Path) -> None:
    """It is spelled out."""
    path = write_checks(orders.parent, at_least=31)
    path.write_text(path.read_text().replace("enough orders", "enough 🛫"), encoding="utf-8")
    code, out, _ = run(
        orders.parent, "run", "checks.py", *ORDERS, env=environment(PYTHONIOENCODING="latin-1")
    )
    assert code == 1
    assert "enough \\U0001f6eb" in out


@pytest.mark.parametrize("daemon", [True, False])
@pytest.mark.parametrize(("at_least", "code"), [(1, 0), (31, 1)])
def test_a_thread_of_others_does_not_hold_the_exit(
    orders: Path, daemon: bool, at_least: int, code: int
) -> None:
    """Neither a pool that still works nor one that never ends; what was written is complete."""
    path = write_checks(orders.parent, at_least)
    path.write_text(
        path.read_text()
        + f"\nimport threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon={daemon}).start()\n"
        "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor().submit(time.sleep, 600)\n"
    )
    got, out, _ = run(orders.parent, "run", "checks.py", *ORDERS, "--format", "json")
    assert got == code
    assert json.loads(out)["exit_code"] == code


@pytest.mark.parametrize("at_least", [1, 31])
def test_exit_functions_are_called_although_threads_live(orders: Path, at_least: int) -> None:
    """An SDK that a checks file sets up has a thread, and sends its last spans from such a function."""
    path = write_checks(orders.parent, at_least)
    path.write_text(
        path.read_text()
        + "\nimport atexit, threading, time\natexit.register(print, 'last spans sent')\n"
        + "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    code, out, _ = run(orders.parent, "run", "checks.py", *ORDERS)
    assert (code, out.splitlines()[-1]) == (int(at_least > 1), "last spans sent")


@pytest.mark.parametrize(
    "left_behind",
    [
        "threading.Thread(target=taken.acquire, daemon=True).start(); atexit.register(taken.acquire)",
        "atexit.register(taken.acquire)",
        "get_context('fork').Process(target=time.sleep, args=(10,)).start()",
    ],
)
def test_an_exit_function_that_does_not_end_is_cut_off(folder: Path, left_behind: str) -> None:
    """The exit code is the verdict's, what was printed is there, and what did not end is said."""
    program = f"""
        import atexit, threading, time
        from multiprocessing import get_context
        from dqx.cli.ending import leave
        taken = threading.Lock()
        taken.acquire()
        {left_behind}
        print("3 passed")
        leave(4, exit_functions_s=0.2)
        """
    write(folder / "program.py", program)
    ended = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (4, "3 passed\n")
    assert ended.stderr == "dqx: what was registered with atexit has not ended within 0.2 s\n"


def test_where_there_is_no_stderr_nothing_is_said(folder: Path) -> None:
    """Its descriptor is that of the next file to be opened, which may be the store's."""
    program = """
        import atexit, time
        from dqx.cli.ending import leave
        store = open("store", "w")
        assert store.fileno() == 2
        atexit.register(time.sleep, 600)
        leave(4, exit_functions_s=0.2)
        """
    write(folder / "program.py", program)
    ended = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env=environment(),
        preexec_fn=lambda: os.close(2),
        timeout=60,
        check=False,
    )
    assert ended.returncode == 4
    assert (folder / "store").read_bytes() == b""


def test_json_to_a_pipe_is_one_document_and_nothing_else(orders: Path) -> None:
    """What a check prints goes to stderr, and DuckDB's own progress bar is not drawn."""
    checks = write_checks(orders.parent)
    said = checks.read_text().replace("ctx.assert_that", "print('checked'); ctx.assert_that", 1)
    checks.write_text(f"{said}\nprint('imported')\n")
    code, out, err = run(
        orders.parent, "run", "checks.py", *ORDERS, "--format", "json", "--db", "sqlite:///q.db"
    )
    assert (code, err) == (0, "imported\nchecked\n")
    assert json.loads(out)["verdict"] == "passed"
