"""What verifying an audit trail finds, what it calls it, and what it cannot see."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.plugins import trail_verify
from dqx.plugins.locked_file import AuditError, locked
from dqx.plugins.trail import Head, append, seal
from dqx.plugins.trail_verify import FileReport, read, verify


def grow(path: Path, records: int, rotate_bytes: int = 0) -> Head:
    """Append some records and return the head."""
    return [
        append(path, {"kind": "run", "run_id": f"r{n}", "pad": "x" * 200}, rotate_bytes=rotate_bytes)
        for n in range(records)
    ][-1]


def trail(folder: Path, records: int = 5) -> Path:
    path = folder / "audit.jsonl"
    grow(path, records)
    return path


def found(path: Path) -> tuple[int, str] | None:
    """Return line and kind of the first wrong line of a file."""
    wrong = verify([path]).files[0].wrong
    return (wrong.line, wrong.kind) if wrong else None


def rewrite(path: Path, *lines: bytes) -> None:
    path.write_bytes(b"".join(lines))


def test_an_untouched_trail_is_ok(tmp_path: Path) -> None:
    """Every record is counted and the head is that of the last append."""
    path = tmp_path / "audit.jsonl"
    head = grow(path, 5)
    assert verify([path]).ok
    assert verify([path]).files == (FileReport(path, Head(), head, 5, None),)


def test_each_line_is_json_with_the_hash_of_the_line_before(tmp_path: Path) -> None:
    """The chain can be followed with nothing but a JSON reader and SHA-256."""
    before = "0" * 64
    for number, line in enumerate(trail(tmp_path).read_bytes().splitlines(), 1):
        fields = json.loads(line)
        assert (fields["v"], fields["seq"], fields["prev"]) == (1, number, before)
        before = hashlib.sha256(line[: line.rindex(b',"hash":"')]).hexdigest()
        assert fields["hash"] == before


with TemporaryDirectory() as folder:
    UNTOUCHED = trail(Path(folder)).read_bytes()


@given(st.integers(0, len(UNTOUCHED) - 1), st.integers(1, 255))
def test_any_flipped_byte_is_found(position: int, flip: int) -> None:
    """Whatever byte changes, to whatever, the file is not ok, and it is the right line or the next that is named."""
    changed = bytearray(UNTOUCHED)
    changed[position] ^= flip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        path.write_bytes(changed)
        where = found(path)
    line = UNTOUCHED[:position].count(b"\n") + 1
    assert where is not None
    assert where[0] in (line, line + 1)


@given(st.integers(0, len(UNTOUCHED) - 1))
def test_a_cut_is_a_torn_last_line_or_between_two_lines(end: int) -> None:
    """A file that ends in the middle of a line is torn; one that ends after a line is what nobody can tell."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        path.write_bytes(UNTOUCHED[:end])
        whole = end == 0 or UNTOUCHED[end - 1 : end] == b"\n"
        assert found(path) == (None if whole else (UNTOUCHED[:end].count(b"\n") + 1, "torn"))


def test_a_changed_value_is_an_altered_line(tmp_path: Path) -> None:
    """A verdict that was made better does not match the hash of its line."""
    path = trail(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"run_id":"r2"', b'"run_id":"r9"'))
    assert found(path) == (3, "altered")


def test_a_changed_last_line_is_altered_and_not_torn(tmp_path: Path) -> None:
    """The last line has no successor, but it has its own hash."""
    path = trail(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"run_id":"r4"', b'"run_id":"r9"'))
    assert found(path) == (5, "altered")


def test_a_line_that_was_altered_and_cut_is_altered(tmp_path: Path) -> None:
    """Taking the line break away does not pass a forged line off as an unfinished write."""
    path = trail(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"run_id":"r4"', b'"run_id":"r9"')[:-1])
    assert found(path) == (5, "altered")


def test_a_line_rewritten_with_a_hash_of_its_own_breaks_the_chain(tmp_path: Path) -> None:
    """Whoever rewrites a line must rewrite all that follow, too."""
    path = trail(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    forged, _ = seal(b'{"v":1,"kind":"run","run_id":"forged"', Head(2, json.loads(lines[1])["hash"]))
    rewrite(path, *lines[:2], forged, *lines[3:])
    assert found(path) == (4, "replaced")


@pytest.mark.parametrize(
    ("order", "line"),
    [([0, 2, 3, 4], 2), ([0, 1, 1, 2, 3, 4], 3), ([0, 2, 1, 3, 4], 2), ([1, 0], 2), ([0, 1, 2, 0], 4)],
)
def test_lines_taken_out_repeated_or_moved_are_missing(tmp_path: Path, order: list[int], line: int) -> None:
    """Each line says its number, so any other order shows at the first line that is out of it."""
    path = trail(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    rewrite(path, *(lines[n] for n in order))
    assert found(path) == (line, "missing")


@pytest.mark.parametrize("foreign", [b"hello\n", b"\n", b"{}\n", b'{"v":1,"kind":"run"}\n', b"\xff\xfe\n"])
@pytest.mark.parametrize("at", [0, 2, 5])
def test_a_line_that_is_no_record_is_foreign(tmp_path: Path, foreign: bytes, at: int) -> None:
    """Text from elsewhere is named where it stands, at the end of the file too."""
    path = trail(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    rewrite(path, *lines[:at], foreign, *lines[at:])
    assert found(path) == (at + 1, "foreign")


def test_what_is_no_trail_is_told_by_its_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file that was named by mistake is not read to its end."""
    path = tmp_path / "data.csv"
    rewrite(path, b"a,b\n", b"1,2\n" * 10_000)
    looked_at = []
    lines = trail_verify._lines
    monkeypatch.setattr(
        trail_verify, "_lines", lambda file: (looked_at.append(line) or line for line in lines(file))
    )
    assert found(path) == (1, "foreign")
    assert looked_at == [b"a,b\n"]


def test_text_without_a_line_break_at_the_end_is_foreign_unless_it_begins_a_record(tmp_path: Path) -> None:
    """Only the beginning of a record is taken for an unfinished write."""
    path = trail(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b"hello")
    assert found(path) == (6, "foreign")
    path.write_bytes(whole + b'{"v":1,"kind":"ru')
    assert found(path) == (6, "torn")
    path.write_bytes(whole + b"\0" * 4096)  # what a power cut may leave of a write
    assert found(path) == (6, "torn")


def test_a_later_format_is_named_as_such(tmp_path: Path) -> None:
    """An older DQX says that it is too old, not that the file was forged."""
    path = trail(tmp_path, 1)
    line, _ = seal(b'{"v":2,"kind":"run"', Head(1, json.loads(path.read_bytes())["hash"]))
    path.write_bytes(path.read_bytes() + line)
    assert found(path) == (2, "version")


def test_a_first_line_must_be_number_one_or_follow_something(tmp_path: Path) -> None:
    """A chain that begins at number 1 begins with zeros, and only there."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(seal(b'{"v":1,"kind":"run"', Head(0, "a" * 64))[0])
    assert found(path) == (1, "replaced")
    path.write_bytes(seal(b'{"v":1,"kind":"run"', Head(7, "0" * 64))[0])
    assert found(path) == (1, "replaced")


def test_a_torn_line_that_a_later_run_marked_is_a_note(tmp_path: Path) -> None:
    """A crash that was recorded is not a forgery: the file is ok, and the crash is told."""
    path = trail(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    grow(path, 1)
    report = verify([path]).files[0]
    assert report.wrong is None
    assert report.records == 6  # four whole, the mark, and the new one
    assert "line 5: an unfinished write of" in report.notes[0]
    assert "marked by line 6" in report.notes[0]


def test_a_marked_torn_line_must_stay_as_it_was_marked(tmp_path: Path) -> None:
    """The mark has the hash of what it marks, so nothing can be slipped in there afterwards."""
    path = trail(tmp_path)
    torn = path.read_bytes()[:-40]
    path.write_bytes(torn)
    grow(path, 1)
    marked = bytearray(path.read_bytes())
    marked[len(torn) - 5] ^= 1
    path.write_bytes(marked)
    assert found(path) == (5, "foreign")


def test_a_mark_excuses_nothing_but_an_unfinished_write(tmp_path: Path) -> None:
    """A line of something else stays foreign, whatever a mark after it declares."""
    path = trail(tmp_path, 1)
    head = Head(1, json.loads(path.read_bytes())["hash"])
    declared = f'"bytes":5,"sha256":"{hashlib.sha256(b"hello").hexdigest()}"'
    mark, _ = seal(b'{"v":1,"kind":"torn",' + declared.encode(), head)
    path.write_bytes(path.read_bytes() + b"hello\n" + mark)
    assert found(path) == (2, "foreign")


def test_a_mark_that_was_taken_out_leaves_its_line_unexplained(tmp_path: Path) -> None:
    """An unfinished write in the middle of a file is only good with its mark."""
    path = trail(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    grow(path, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    rewrite(path, *lines[:5], *lines[6:])
    assert found(path) == (5, "foreign")


def test_a_cut_tail_is_seen_with_an_anchor_alone(tmp_path: Path) -> None:
    """A file that lost its last lines is whole in itself; a head kept elsewhere is not in it any more."""
    path = tmp_path / "audit.jsonl"
    head = grow(path, 5)
    assert verify([path], head.hash).anchor_at == 5
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert verify([path]).ok
    assert not verify([path], head.hash).ok


def test_a_chain_rewritten_from_some_line_on_is_seen_with_an_anchor_alone(tmp_path: Path) -> None:
    """Somebody who may write the file can make another chain of it, but not one with the old head."""
    path = tmp_path / "audit.jsonl"
    anchor = grow(path, 3).hash
    path.unlink()
    append(path, {"kind": "run", "run_id": "forged"})
    grow(path, 2)
    assert verify([path]).ok
    assert not verify([path], anchor).ok


def rotated(folder: Path) -> list[Path]:
    grow(folder / "audit.jsonl", 12, rotate_bytes=1_500)
    files = sorted(folder.glob("audit*.jsonl"))
    assert len(files) == 4
    return files


def test_rotated_files_are_one_chain_in_any_order(tmp_path: Path) -> None:
    """Given all files of a trail, from first to last record nothing is missing."""
    files = rotated(tmp_path)
    verification = verify(files[::-1])
    assert verification.ok
    assert [report.records for report in verification.files] == [3, 3, 3, 3]
    assert not any(report.notes for report in verification.files)


def test_a_rotated_file_that_is_missing_in_between_is_wrong(tmp_path: Path) -> None:
    """The file after the gap does not follow from the one before it."""
    files = rotated(tmp_path)
    reports = verify([*files[:1], *files[2:]]).files
    assert [report.wrong and report.wrong.kind for report in reports] == [None, "missing", None]


def test_a_rotated_file_that_was_cut_shows_in_the_next(tmp_path: Path) -> None:
    """Its own tail is missed by the file that follows."""
    first, second, *_ = rotated(tmp_path)
    first.write_bytes(b"".join(first.read_bytes().splitlines(keepends=True)[:-1]))
    reports = verify([first, second]).files
    assert [report.wrong and report.wrong.kind for report in reports] == [None, "missing"]


def test_a_rotated_file_that_is_wrong_does_not_make_the_next_wrong(tmp_path: Path) -> None:
    """Whether the next follows cannot be told, and it is not accused."""
    first, second, *_ = rotated(tmp_path)
    first.write_bytes(first.read_bytes().replace(b'"run_id":"r1"', b'"run_id":"r9"'))
    reports = verify([first, second]).files
    assert [report.wrong and report.wrong.kind for report in reports] == ["altered", None]


def test_a_trail_begun_anew_beside_its_rotated_files_is_wrong(tmp_path: Path) -> None:
    """Replacing the newest file by a fresh chain does not go unnoticed beside the older ones."""
    files = rotated(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    files[-1].write_bytes(trail(other).read_bytes())
    assert not verify(files).ok


def test_only_the_newest_file_is_ok_with_a_note(tmp_path: Path) -> None:
    """Older files may have been archived; what was not looked at is said."""
    *_, newest = rotated(tmp_path)
    report = verify([newest]).files[0]
    assert report.wrong is None
    assert report.notes == ("begins after record 9; what stands before it is not in the files given",)


def test_rotated_files_moved_to_an_archive_still_link(tmp_path: Path) -> None:
    """Where a file lies does not matter, as long as the one it follows is given."""
    *older, newest = rotated(tmp_path)
    archive = tmp_path / "archive"
    archive.mkdir()
    moved = [file.rename(archive / file.name) for file in older]
    verification = verify([newest, *moved])
    assert verification.ok
    assert not any(report.notes for report in verification.files)


def test_unrelated_trails_are_checked_each_for_itself(tmp_path: Path) -> None:
    """Two trails in one call are two chains."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert verify([trail(tmp_path / "a"), trail(tmp_path / "b", 2)]).ok


def test_an_empty_file_holds_no_record(tmp_path: Path) -> None:
    """Nothing in it is wrong; that something was there once only an anchor can tell."""
    path = tmp_path / "audit.jsonl"
    path.touch()
    assert verify([path]).ok
    assert verify([path]).files[0].head is None
    assert not verify([path], "a" * 64).ok


@pytest.mark.parametrize("what", ["missing", "folder", "fifo"])
def test_what_is_no_regular_file_is_an_error(tmp_path: Path, what: str) -> None:
    """It is named, and nothing is waited for."""
    path = tmp_path / "audit.jsonl"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    with pytest.raises(AuditError, match=r"audit\.jsonl") as caught:
        verify([path])
    assert caught.value.path == path


def test_a_write_that_is_under_way_is_not_a_torn_line(tmp_path: Path) -> None:
    """Verifying waits for the writer, for a moment, and looks at what stood there then."""
    path = trail(tmp_path, 1)
    second, _ = seal(b'{"v":1,"kind":"run"', Head(1, json.loads(path.read_bytes())["hash"]))
    results = []
    reader = threading.Thread(target=lambda: results.append(verify([path])))
    with locked(path) as file:
        file.append(second[:30])
        reader.start()
        time.sleep(0.1)
        file.append(second[30:])
    reader.join()
    assert results[0].ok
    assert results[0].files[0].records == 2


def test_a_writer_that_hangs_does_not_hang_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the file is verified without the lock then."""
    monkeypatch.setattr(trail_verify, "SETTLE_PATIENCE_S", 0.05)
    path = trail(tmp_path)
    with locked(path):
        assert verify([path]).ok


def test_reading_gives_the_records_and_passes_over_the_rest(tmp_path: Path) -> None:
    """A torn or foreign line does not cost the records around it."""
    path = trail(tmp_path, 2)
    path.write_bytes(path.read_bytes() + b'hello\n{"v":1,"kind":"run","broken')
    append(path, {"kind": "run", "run_id": "r2"})
    assert [record["run_id"] for record in read(path)] == ["r0", "r1", "r2"]
    assert [record["seq"] for record in read(path)] == [1, 2, 3]


@given(st.integers(0, len(UNTOUCHED) - 1), st.integers(1, 255))
def test_reading_a_damaged_file_raises_nothing(position: int, flip: int) -> None:
    """A flipped byte costs one line, two at the line break between them."""
    changed = bytearray(UNTOUCHED)
    changed[position] ^= flip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        path.write_bytes(changed)
        assert 3 <= len(list(read(path))) <= 5
