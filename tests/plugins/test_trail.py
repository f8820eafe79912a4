"""How records are appended to an audit trail: many writers at once, crashes, full disks, rotation."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from dqx.plugins import locked_file, trail
from dqx.plugins.locked_file import AuditError, LockedFile
from dqx.plugins.trail import Head, append
from dqx.plugins.trail_verify import read, verify

RECORD = {"kind": "run", "run_id": "r"}


def python(script: str, *arguments: object, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start a Python script that has `append`, `Path` and `sys` at hand."""
    code = (
        "import os, resource, signal, sys\nfrom pathlib import Path\nfrom dqx.plugins.trail import append\n"
    )
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", code + textwrap.dedent(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    """Wait for a script that must end well, and return what it printed."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.strip()


def run_ids(path: Path) -> list[str]:
    return [record["run_id"] for record in read(path) if record["kind"] == "run"]


def test_records_come_back_as_they_were_appended(tmp_path: Path) -> None:
    """Names with quotes, line breaks and emoji are on one line of ASCII, and come back the same."""
    path = tmp_path / "audit.jsonl"
    record = {"kind": "run", "suite": 'a "b"\n🛫 \u2028', "long": "é" * 10_000, "none": None}
    head = append(path, record)
    assert list(read(path)) == [{"v": 1, **record, "seq": 1, "prev": "0" * 64, "hash": head.hash}]
    assert path.read_bytes().isascii()
    assert path.read_bytes().count(b"\n") == 1


def test_a_record_with_nan_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """NaN is not JSON: a reader would stop at that line."""
    path = tmp_path / "audit.jsonl"
    with pytest.raises(ValueError, match="JSON"):
        append(path, {"kind": "run", "value": float("nan")})
    assert not path.exists()


def test_the_chain_goes_on_over_very_long_lines(tmp_path: Path) -> None:
    """The end of the file is enough to go on from, whatever the length of the line before."""
    path = tmp_path / "audit.jsonl"
    append(path, {"kind": "run", "pad": "x" * 3_000_000})
    assert append(path, RECORD).seq == 2
    assert verify([path]).ok


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_files_that_are_made_have_the_mode_that_was_asked_for(tmp_path: Path, mode: int, umask: int) -> None:
    """The umask neither widens nor narrows it; the lock file has the same, so that who may write may lock."""
    path = tmp_path / "audit.jsonl"
    before = os.umask(umask)
    try:
        append(path, RECORD, mode=mode)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode
    assert path.with_name("audit.jsonl.lock").stat().st_mode & 0o777 == mode


def test_the_mode_of_a_file_that_was_there_stays(tmp_path: Path) -> None:
    """An administrator who made the file decided who may read it."""
    path = tmp_path / "audit.jsonl"
    path.touch(mode=0o644)
    path.chmod(0o644)
    append(path, RECORD)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_record_is_on_the_disk_when_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is synced after it is written; the folder, too, when the file is new in it."""
    synced = []

    def fsync(fd: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{fd}").readlink()), os.fstat(fd).st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    first = path.stat().st_size
    append(path, RECORD)
    assert [name for name, _ in synced] == [str(path), str(tmp_path), str(path)]
    assert [size for name, size in synced if name == str(path)] == [first, path.stat().st_size]


def test_a_record_is_appended_in_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a kill finds it whole or not begun, as far as the kernel grants it."""
    written = []
    write = os.write

    def counted(fd: int, data: bytes) -> int:
        written.append(len(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", counted)
    path = tmp_path / "audit.jsonl"
    append(path, {**RECORD, "pad": "x" * 1_000_000})
    path.write_bytes(path.read_bytes() + b'{"v":1')
    append(path, RECORD)
    assert len(written) == 2


# Many writers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writers", [2, 8])
def test_processes_share_a_trail(tmp_path: Path, writers: int) -> None:
    """Every record of every process is there once, in the order of its process, in one chain."""
    path = tmp_path / "audit.jsonl"
    script = """
        for n in range(20):
            append(Path(sys.argv[1]), {"kind": "run", "run_id": f"{sys.argv[2]}:{n}", "pad": "x" * 5_000})
    """
    for process in [python(script, path, writer) for writer in range(writers)]:
        output(process)
    assert verify([path]).ok
    ids = run_ids(path)
    for writer in range(writers):
        mine = [run_id for run_id in ids if run_id.startswith(f"{writer}:")]
        assert mine == [f"{writer}:{n}" for n in range(20)]
    assert len(ids) == writers * 20


def test_processes_share_a_trail_that_rotates(tmp_path: Path) -> None:
    """Rotation by one process loses no record of another, and the chain holds over all files."""
    path = tmp_path / "audit.jsonl"
    script = """
        for n in range(20):
            record = {"kind": "run", "run_id": f"{sys.argv[2]}:{n}", "pad": "x" * 500}
            append(Path(sys.argv[1]), record, rotate_bytes=4_096)
    """
    for process in [python(script, path, writer) for writer in range(4)]:
        output(process)
    files = sorted(tmp_path.glob("audit*.jsonl"))
    assert len(files) > 5
    assert verify(files).ok
    assert Counter(run_id for file in files for run_id in run_ids(file)) == {
        f"{writer}:{n}": 1 for writer in range(4) for n in range(20)
    }


def test_threads_share_a_trail(tmp_path: Path) -> None:
    """The lock tells threads of one process apart, too."""
    path = tmp_path / "audit.jsonl"
    threads = [
        threading.Thread(
            target=lambda t=t: [append(path, {**RECORD, "run_id": f"{t}:{n}"}) for n in range(10)]
        )
        for t in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify([path]).ok
    assert sorted(run_ids(path)) == sorted(f"{t}:{n}" for t in range(8) for n in range(10))


def test_a_fork_in_the_middle_of_a_write_holds_no_lock_and_writes_nothing_twice(tmp_path: Path) -> None:
    """A child that was forked while its parent held the lock is no obstacle, and can append itself."""
    script = """
        from dqx.plugins.locked_file import locked
        path = Path(sys.argv[1])
        read_end, write_end = os.pipe()
        with locked(path):
            child = os.fork()
            if child == 0:  # lives on with a copy of everything until its parent has appended
                os.read(read_end, 1)
                append(path, {"kind": "run", "run_id": "child"})
                os._exit(0)
        append(path, {"kind": "run", "run_id": "parent"})
        os.write(write_end, b"!")
        _, status = os.waitpid(child, 0)
        append(path, {"kind": "run", "run_id": "parent again"})
        print(status)
    """
    path = tmp_path / "audit.jsonl"
    assert output(python(script, path)) == "0"
    assert run_ids(path) == ["parent", "child", "parent again"]
    assert verify([path]).ok


def test_a_lock_that_others_hold_too_long_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that hangs with the lock costs the others a bounded time."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    monkeypatch.setattr(locked_file, "LOCK_PATIENCE_S", 0.05)
    with path.with_name("audit.jsonl.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(
            AuditError, match=r"'audit\.jsonl\.lock' beside it has been locked by another process"
        ):
            append(path, RECORD)
    append(path, RECORD)
    assert len(run_ids(path)) == 2


def test_a_lock_file_that_was_removed_and_made_anew_is_the_one_that_counts(tmp_path: Path) -> None:
    """Who waited for a lock on a file that is gone must not write beside who holds the new one."""
    path = tmp_path / "audit.jsonl"
    lock = tmp_path / "audit.jsonl.lock"
    with lock.open("w") as old:
        fcntl.flock(old, fcntl.LOCK_EX)
        waiting = threading.Thread(target=append, args=(path, RECORD))
        waiting.start()
        time.sleep(0.1)
        lock.unlink()
        with lock.open("w") as new:
            fcntl.flock(new, fcntl.LOCK_EX)
            fcntl.flock(old, fcntl.LOCK_UN)
            time.sleep(0.1)
            assert not path.exists()
        waiting.join()
    assert len(run_ids(path)) == 1


# Crashes -----------------------------------------------------------------------------------------------


def test_a_process_killed_in_the_middle_of_a_write_leaves_a_torn_line_that_the_next_run_marks(
    tmp_path: Path,
) -> None:
    """The kernel takes half of a line and then kills the process; nothing that was durable before is lost."""
    path = tmp_path / "audit.jsonl"
    append(path, {**RECORD, "run_id": "before"})
    script = """
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it; by default it kills
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, resource.RLIM_INFINITY))
        append(Path(sys.argv[1]), {"kind": "run", "run_id": "killed", "pad": "x" * 50_000})
    """
    process = python(script, path)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGXFSZ
    assert path.stat().st_size == 8_192

    wrong = verify([path]).files[0].wrong
    assert wrong is not None
    assert (wrong.line, wrong.kind) == (2, "torn")

    append(path, {**RECORD, "run_id": "after"})
    verification = verify([path])
    assert verification.ok
    assert "line 2: an unfinished write" in verification.files[0].notes[0]
    assert run_ids(path) == ["before", "after"]


def test_processes_killed_at_any_moment_lose_no_record_that_was_durable(tmp_path: Path) -> None:
    """Whatever `append` returned for is there after kill -9, and whoever comes next goes on."""
    path = tmp_path / "audit.jsonl"
    script = """
        for n in range(100_000):
            append(Path(sys.argv[1]), {"kind": "run", "run_id": f"{sys.argv[2]}:{n}", "pad": "x" * 200_000})
            print(n, flush=True)
    """
    durable = []
    for round_ in range(5):
        process = python(script, path, round_)
        assert process.stdout
        durable += [f"{round_}:{process.stdout.readline().strip()}" for _ in range(3 + round_)]
        process.kill()
        process.communicate()
    append(path, {**RECORD, "run_id": "last"})
    assert verify([path]).ok
    assert set(durable) <= set(run_ids(path))


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Return a trail with a torn line at its end, and what the next append added to it."""
    path = tmp_path_factory.mktemp("torn") / "audit.jsonl"
    append(path, RECORD)
    append(path, RECORD)
    start = path.read_bytes()[:-50]
    path.write_bytes(start)
    append(path, RECORD)
    return start, path.read_bytes()[len(start) :]


def test_a_crash_in_the_middle_of_the_repair_is_repaired_by_the_next(
    tmp_path: Path, torn: tuple[bytes, bytes]
) -> None:
    """Wherever the repair of a torn line is cut, the next append marks all of it."""
    start, repair = torn
    path = tmp_path / "audit.jsonl"
    for cut in range(2, len(repair)):
        path.write_bytes(start + repair[:cut])
        append(path, RECORD)
        assert verify([path]).ok, cut


@pytest.mark.parametrize("length", range(1, 30))
def test_the_shortest_beginnings_of_a_first_record_are_torn_lines_too(tmp_path: Path, length: int) -> None:
    """A crash in the very first write leaves a file that goes on as a trail."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    path.write_bytes(path.read_bytes()[:length])
    assert append(path, RECORD).seq == 2  # number 1 is the mark
    assert verify([path]).ok


def test_a_line_that_lacks_its_line_break_alone_is_completed(tmp_path: Path) -> None:
    """All of the record is there, so it stays a record."""
    path = tmp_path / "audit.jsonl"
    append(path, {**RECORD, "run_id": "a"})
    path.write_bytes(path.read_bytes()[:-1])
    append(path, {**RECORD, "run_id": "b"})
    assert run_ids(path) == ["a", "b"]
    assert verify([path]).ok


def test_a_foreign_line_is_not_explained_away(tmp_path: Path) -> None:
    """The chain goes on after it, and verify names it for ever."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    for text in ("hello\n", "hello"):
        path.write_bytes(path.read_bytes() + text.encode())
        append(path, RECORD)
    wrong = verify([path]).files[0].wrong
    assert wrong is not None
    assert (wrong.line, wrong.kind) == (2, "foreign")
    assert len(run_ids(path)) == 3


def test_a_last_line_whose_line_break_was_altered_is_not_taken_for_a_crash(tmp_path: Path) -> None:
    """All of a record and something after it is no unfinished write, and does not become one by the next."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    append(path, RECORD)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    append(path, RECORD)
    wrong = verify([path]).files[0].wrong
    assert wrong is not None
    assert (wrong.line, wrong.kind) == (2, "foreign")


@pytest.mark.parametrize("block", range(193, 800, 37))
def test_the_last_whole_line_is_found_wherever_the_blocks_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Looking backwards past a torn line, no end of a line is missed between two blocks."""
    monkeypatch.setattr(trail, "_BLOCK_BYTES", block)
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    append(path, {**RECORD, "pad": "x" * 1_000})
    path.write_bytes(path.read_bytes()[:-300])
    assert append(path, RECORD).seq == 3  # number 2 is the mark
    assert verify([path]).ok


@pytest.mark.parametrize("content", [b"2024-01-01 INFO started\n", b"a,b\n1,2", b"\n", b"{}\n"])
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """A slip in a path must not mix an audit trail into somebody's log."""
    path = tmp_path / "app.log"
    path.write_bytes(content)
    with pytest.raises(AuditError, match="holds something else than an audit trail; name another file"):
        append(path, RECORD)
    assert path.read_bytes() == content


def test_a_file_that_holds_something_else_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large it is: it is looked through in blocks."""
    path = tmp_path / "app.log"
    path.write_bytes(b"2024-01-01 INFO started\n" * 200_000)
    sizes = []
    read = LockedFile.read
    monkeypatch.setattr(
        LockedFile, "read", lambda file, start, end: sizes.append(end - start) or read(file, start, end)
    )
    with pytest.raises(AuditError, match="holds something else"):
        append(path, RECORD)
    assert max(sizes) <= 1 << 20


# Full disks --------------------------------------------------------------------------------------------


def test_a_write_that_does_not_fit_is_taken_back_and_raised(tmp_path: Path) -> None:
    """A short write leaves nothing behind, and the next that fits goes on as if it had not been."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(AuditError, match="File too large") as caught:
            append(path, RECORD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.path == path
    assert path.stat().st_size == size
    assert append(path, RECORD).seq == 2
    assert verify([path]).ok
    assert not verify([path]).files[0].notes


SMALL_DISK = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=64k none "$0" && exec "$@"')


@pytest.fixture
def small_disk(tmp_path: Path) -> tuple[str, ...]:
    """Return what to put before a command so that `tmp_path` is a disk of 64 KiB for it."""
    prefix = (*SMALL_DISK, str(tmp_path))
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("needs unshare (apt-get install util-linux) and the right to mount in a user namespace")
    return prefix


def test_a_full_disk_is_raised_and_what_fitted_is_a_whole_trail(
    tmp_path: Path, small_disk: tuple[str, ...]
) -> None:
    """On a disk that fills up every record is either there or raised; when there is room again it goes on."""
    script = """
        from dqx.plugins.locked_file import AuditError
        from dqx.plugins.trail_verify import verify
        path, ballast = Path(sys.argv[1], "audit.jsonl"), Path(sys.argv[1], "ballast")
        ballast.write_bytes(b"x" * 20_000)
        written = failed = 0
        for n in range(20):
            try:
                append(path, {"kind": "run", "run_id": str(n), "pad": "x" * 5_000})
                written += 1
            except AuditError as error:
                assert "No space left on device" in str(error), error
                failed += 1
        full = verify([path])
        ballast.unlink()
        append(path, {"kind": "run", "run_id": "after"})
        report = verify([path])
        print(full.ok, written == full.files[0].records, failed > 5, report.ok, report.files[0].notes)
    """
    assert output(python(script, tmp_path, prefix=small_disk)) == "True True True True ()"


# Rotation ----------------------------------------------------------------------------------------------


def test_a_full_file_is_renamed_by_its_last_record_and_the_chain_goes_on(tmp_path: Path) -> None:
    """Names sort in the order of the chain, and no file is larger than it may be."""
    path = tmp_path / "audit.jsonl"
    for n in range(7):
        append(path, {"kind": "run", "run_id": str(n), "pad": "x" * 200}, rotate_bytes=1_500)
    names = [file.name for file in sorted(tmp_path.glob("audit*.jsonl"))]
    assert names == ["audit.000000000003.jsonl", "audit.000000000006.jsonl", "audit.jsonl"]
    assert all(file.stat().st_size <= 1_500 for file in tmp_path.glob("audit*.jsonl"))
    assert json.loads(path.read_text())["seq"] == 7


def test_a_record_larger_than_a_file_may_be_has_one_of_its_own(tmp_path: Path) -> None:
    """A limit on files is none on records."""
    path = tmp_path / "audit.jsonl"
    for n in range(3):
        append(path, {"kind": "run", "run_id": str(n), "pad": "x" * 5_000}, rotate_bytes=4_096)
    assert [run_ids(file) for file in sorted(tmp_path.glob("audit*.jsonl"))] == [["0"], ["1"], ["2"]]


@pytest.mark.parametrize("leftover", [None, b""])
def test_a_crash_between_renaming_and_writing_is_gone_on_from(tmp_path: Path, leftover: bytes | None) -> None:
    """With the new file missing or empty, the newest of the old ones says where the chain is."""
    path = tmp_path / "audit.jsonl"
    for _ in range(7):
        append(path, {**RECORD, "pad": "x" * 200}, rotate_bytes=1_500)
    path.unlink()
    if leftover is not None:
        path.write_bytes(leftover)
    assert append(path, RECORD).seq == 7
    assert verify(sorted(tmp_path.glob("audit*.jsonl"))).ok


def test_rotation_overwrites_no_file(tmp_path: Path) -> None:
    """A name that is in use is an error that says so; nothing is lost."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    (tmp_path / "audit.000000000001.jsonl").write_text("precious")
    with pytest.raises(AuditError, match=r"'audit\.000000000001\.jsonl', is in use"):
        append(path, RECORD, rotate_bytes=200)
    assert (tmp_path / "audit.000000000001.jsonl").read_text() == "precious"
    assert run_ids(path) == ["r"]


def test_a_chain_does_not_go_on_from_a_rotated_file_that_is_not_whole(tmp_path: Path) -> None:
    """It is named, and what to do about it."""
    (tmp_path / "audit.000000000009.jsonl").write_bytes(b"hello\n")
    with pytest.raises(AuditError, match=r"audit\.000000000009\.jsonl.*move it away to begin a new chain"):
        append(tmp_path / "audit.jsonl", RECORD)


def test_a_torn_line_is_marked_in_its_own_file_before_rotation(tmp_path: Path) -> None:
    """The mark stands beside what it marks."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    path.write_bytes(path.read_bytes() + b'{"v":1,"kind"')
    append(path, RECORD, rotate_bytes=200)
    append(path, RECORD, rotate_bytes=200)
    assert [len(run_ids(file)) for file in sorted(tmp_path.glob("audit*.jsonl"))] == [2, 1]
    assert verify(sorted(tmp_path.glob("audit*.jsonl"))).ok


def test_a_crash_in_the_first_line_after_a_rotation_breaks_no_chain(tmp_path: Path) -> None:
    """The mark of a torn first line follows the file before."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    append(path, RECORD, rotate_bytes=200)
    path.write_bytes(path.read_bytes()[:20])
    append(path, RECORD)
    files = sorted(tmp_path.glob("audit*.jsonl"))
    assert len(files) == 2
    assert verify(files).ok
    assert not any("begins" in note for report in verify(files).files for note in report.notes)


def test_a_line_that_lacks_its_line_break_is_completed_before_rotation(tmp_path: Path) -> None:
    """The line break goes to the end of the old file, not to the beginning of the new one."""
    path = tmp_path / "audit.jsonl"
    append(path, RECORD)
    path.write_bytes(path.read_bytes()[:-1])
    append(path, RECORD, rotate_bytes=200)
    append(path, RECORD, rotate_bytes=200)
    assert verify(sorted(tmp_path.glob("audit*.jsonl"))).ok


def test_a_new_chain_begins_with_number_one(tmp_path: Path) -> None:
    """The head of a chain without records is number 0 and zeros."""
    assert Head() == Head(0, "0" * 64)
    assert append(tmp_path / "audit.jsonl", RECORD).seq == 1
