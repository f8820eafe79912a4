"""Reading an audit trail back, and finding the first line of it that is wrong."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from dqx.plugins.locked_file import AuditError, wait_for_lock
from dqx.plugins.trail import ENDING, ENDING_BYTES, START, Head, is_torn
from dqx.plugins.trail_record import decode
from dqx.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CANNOT_SEE = f"""\
Not seen by this: lines that were cut from the end, and a chain that was rewritten to its end by somebody who
may write the file. The head of each run also stands on its span `process dqx_audit`, as `{names.AUDIT_HEAD}`:
give one with --anchor, and it is looked for."""

SETTLE_PATIENCE_S = 1.0
"""How long to wait for writers to be done: a write takes milliseconds."""

_UNFINISHED = "as a crash or a full disk leaves it, or a cut; the next run marks it and goes on"
_VERSION = re.compile(rb'\{"v":([0-9]{1,9}),')
_ROTATED = re.compile(r"\.[0-9]{12}(?=(\.[^.]*)?\Z)")


@dataclass(frozen=True, slots=True)
class Wrong:
    """The first line of a file that is wrong.

    `kind` is `torn` (an unfinished write at the end), `altered` (a line does not match its own hash),
    `foreign` (a line is no record, or no longer one), `missing` (records were taken out, or stand in another
    order), `replaced` (a line does not follow from the line before it) or `version` (of a later format).
    """

    line: int
    kind: Literal["torn", "altered", "foreign", "missing", "replaced", "version"]
    message: str


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was found in one file: its records, from the one after `before` to `head`, up to what is wrong.

    `anchor_at` is the number of the record that has the anchor's hash.
    """

    path: Path
    before: Head | None
    head: Head | None
    records: int
    wrong: Wrong | None
    notes: tuple[str, ...] = ()
    anchor_at: int | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in all files, in the order of their chains."""

    files: tuple[FileReport, ...]
    anchor: str | None = None

    @property
    def anchor_at(self) -> int | None:
        """Return the number of the record that has the anchor's hash, or None."""
        return next((file.anchor_at for file in self.files if file.anchor_at), None)

    @property
    def ok(self) -> bool:
        """Tell whether no line is wrong, and the anchor, if one was given, is in the chain."""
        return all(file.wrong is None for file in self.files) and (
            self.anchor is None or self.anchor_at is not None
        )


def verify(paths: Sequence[Path], anchor: str | None = None) -> Verification:
    """Check the lines of audit files, and that files one was rotated to follow each other without a gap.

    Args:
        paths: The files, in any order; of files rotated by DQX, give all.
        anchor: A hash that must be in the chain: a head that was kept elsewhere, as on the run's span.

    Raises:
        AuditError: When a file is missing, is not a regular file, or cannot be read.
    """
    reports = [_verify_file(path, anchor) for path in dict.fromkeys(paths)]
    reports.sort(key=lambda report: (_family(report.path), report.before.seq if report.before else 0))
    heads = {report.head for report in reports if not report.wrong}
    linked: list[FileReport] = []
    for report in reports:
        same = linked and _family(linked[-1].path) == _family(report.path)
        linked.append(_linked(report, linked[-1] if same else None, heads))
    return Verification(tuple(linked), anchor)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of one file, exact values decoded; lines that are no records are passed over.

    Nothing is verified. Each record has its `seq`, `prev` and `hash`.

    Raises:
        AuditError: When the file is missing, is not a regular file, or cannot be read.
    """
    for line in _lines(path):
        if line.startswith(START) and ENDING.search(line[-ENDING_BYTES:]):
            with suppress(ValueError, TypeError, ArithmeticError, RecursionError):
                record = json.loads(line, object_pairs_hook=decode)
                if isinstance(record, dict):
                    yield record


def _verify_file(path: Path, anchor: str | None) -> FileReport:
    """Check one file up to its first wrong line."""
    before = head = wrong = anchor_at = None
    notes: list[str] = []
    records = remains_at = 0
    remains = b""  # of lines that are no records, since the last that is one
    for number, line in enumerate(_lines(path), 1):
        joint = b"" if line.endswith(b"\n") else b"\n"
        ending = ENDING.search(line[-ENDING_BYTES:] + joint)
        if ending is None or not _VERSION.match(line):
            remains_at = remains_at or number
            remains += line
            if not is_torn(remains.removesuffix(b"\n")):
                break  # nothing that follows makes it a record
            continue
        if remains:
            torn = remains[:-1]  # the line break at its end belongs to the repair
            if not _is_marked(torn, line):
                break
            notes.append(
                f"line {remains_at}: an unfinished write of {len(torn):,} bytes, marked by line {number}"
            )
            remains, remains_at = b"", 0
        found, prev = Head(int(ending[1]), ending[3].decode()), ending[2].decode()
        wrong = _wrong_line(line, number, found, prev, head)
        if not wrong and joint:
            wrong = Wrong(number, "torn", f"the last line is torn: its line break is missing, {_UNFINISHED}")
        if wrong:
            break
        before = before or Head(found.seq - 1, prev)
        head = found
        records += 1
        if head.hash == anchor:
            anchor_at = head.seq
    if remains:
        wrong = _wrong_remains(remains, remains_at)
    return FileReport(path, before, head, records, wrong, tuple(notes), anchor_at)


def _wrong_line(line: bytes, number: int, found: Head, prev: str, head: Head | None) -> Wrong | None:
    """Say what is wrong with a line that looks like a record, if anything is."""
    if hashlib.sha256(line[: line.rindex(b',"hash":"')]).hexdigest() != found.hash:
        return Wrong(number, "altered", "its content does not match its own hash: it was altered or damaged")
    if not line.startswith(START):
        return Wrong(number, "version", "it is of a later format than this DQX reads (v 1); use a newer DQX")
    due = head.seq + 1 if head else found.seq
    if found.seq > due:
        return Wrong(
            number, "missing", f"it is record {found.seq}, where {due} was due: {found.seq - due} are missing"
        )
    if found.seq < due:
        return Wrong(
            number, "missing", f"it is record {found.seq}, where {due} was due: it is repeated or was moved"
        )
    if (head and prev != head.hash) or (found.seq == 1) != (prev == Head().hash):
        return Wrong(
            number, "replaced", "it does not follow from the line before it: one of the two was replaced"
        )
    return None


def _wrong_remains(remains: bytes, number: int) -> Wrong:
    """Say what lines are that are no records."""
    if is_torn(remains):
        return Wrong(
            number, "torn", f"the last line is torn: {len(remains):,} bytes of a record, {_UNFINISHED}"
        )
    return Wrong(number, "foreign", "it is not an audit record: it was altered, or something else wrote it")


def _is_marked(torn: bytes, line: bytes) -> bool:
    """Tell whether `line` is a `torn` record that declares just these bytes as an unfinished write."""
    with suppress(ValueError):
        marker = json.loads(line)
        return bool(
            marker.get("kind") == "torn"
            and is_torn(torn)
            and marker.get("bytes") == len(torn)
            and marker.get("sha256") == hashlib.sha256(torn).hexdigest()
        )
    return False


def _linked(report: FileReport, previous: FileReport | None, heads: set[Head | None]) -> FileReport:
    """Check that a file goes on where another ends; `previous` is the one before it of the same name."""
    before = report.before
    if before is None or before in heads or (before == Head() and not previous):
        return report
    if previous is None or previous.head is None:
        note = f"begins after record {before.seq}; what stands before it is not in the files given"
        return replace(report, notes=(note, *report.notes))
    if previous.wrong:
        return report
    message = (
        f"it follows record {before.seq} ({before.hash[:8]}…), but the file before it, '{previous.path}', "
        f"ends with record {previous.head.seq} ({previous.head.hash[:8]}…): a file is missing or was replaced"
    )
    return replace(report, wrong=Wrong(1, "missing", message))


def _family(path: Path) -> str:
    """Return what all files of one trail have in common: the path without its rotation number."""
    return str(path.absolute().with_name(_ROTATED.sub("", path.name)))


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines that stood in the file when no write was under way."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise AuditError(f"audit file '{path}': it is not a regular file", path)
            left = _settled_size(path, file.fileno())
            while left > 0 and (line := file.readline(left)):
                left -= len(line)
                yield line
    except OSError as error:
        raise AuditError(f"audit file '{path}': {error.strerror}", path) from error


def _settled_size(path: Path, fd: int) -> int:
    """Return the size at a moment when nobody writes, where the lock can be had: lines never change after."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # a copy elsewhere, or not ours to lock
        return os.fstat(fd).st_size
    try:
        wait_for_lock(lock, fcntl.LOCK_SH, SETTLE_PATIENCE_S)
        return os.fstat(fd).st_size
    finally:
        os.close(lock)
