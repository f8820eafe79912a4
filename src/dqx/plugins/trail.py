"""The audit trail: JSON Lines in which every line carries the hash of the line before.

A line is one JSON object. It begins with `{"v":1,` and ends with `,"seq":N,"prev":"…","hash":"…"}`: its
number, the hash of the line before (64 zeros for line 1), and the SHA-256 of all its bytes before `,"hash"`.
So the end of a file is enough to go on from, however long its lines are, and any changed byte is found by
reading it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dqx.plugins.locked_file import AuditError, LockedFile, locked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

START = b'{"v":1,'
SEALED = re.compile(rb',"seq":([1-9][0-9]{0,14}),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}')
ENDING = re.compile(SEALED.pattern + rb"\n")
ENDING_BYTES = 192
"""More than the longest ending has (172)."""

_TORN_START = START + b'"kind":"torn",'
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a chain so far: its number and its hash."""

    seq: int = 0
    hash: str = "0" * 64


def append(path: Path, record: Mapping[str, object], *, mode: int = 0o600, rotate_bytes: int = 0) -> Head:
    """Append one record to the trail, durably, and return the new head of the chain.

    A file that would grow beyond `rotate_bytes` (0: never) is first renamed to `NAME.SEQ.jsonl`, with the
    number of its last line, and the chain goes on in a new file. A last line that a crash left unfinished
    stays where it is; a line of kind `torn` after it says how many bytes they are, and their hash.

    Raises:
        AuditError: When the file cannot be opened, locked or written, or holds something else than a trail.
        ValueError: When the record holds what JSON cannot (NaN, infinity).
    """
    body = _dumps(record)  # before the lock: with 1,000 assertions this is most of the work
    with locked(path, mode) as file:
        head, torn, repair = _last(file)
        lines = repair
        if torn:
            marker = {"kind": "torn", "at": datetime.now(UTC).isoformat(), **torn}
            line, head = seal(_dumps(marker), head)
            lines += line
        elif (
            rotate_bytes and file.size and file.size + len(body) + ENDING_BYTES > rotate_bytes and not repair
        ):
            file.move_to(rotated_name(path, head.seq))
        line, head = seal(body, head)
        file.append(lines + line)
    return head


def seal(body: bytes, after: Head) -> tuple[bytes, Head]:
    """Return a record's line as it follows `after`, and the head it makes. `body` lacks its closing brace."""
    content = body + b',"seq":%d,"prev":"%s"' % (after.seq + 1, after.hash.encode())
    digest = hashlib.sha256(content).hexdigest()
    return content + b',"hash":"%s"}\n' % digest.encode(), Head(after.seq + 1, digest)


def is_torn(remains: bytes) -> bool:
    """Tell whether `remains`, what follows the last whole line, is what interrupted writes leave.

    That is the beginning of a record and no more, without a line break at its end; when the repair was
    interrupted, too, the beginning of a `torn` line follows. A power cut may leave NUL bytes at the end.
    """
    first, *repairs = remains.split(b"\n")
    return (
        not remains.endswith(b"\n")
        and _begins(first, START)
        and all(_begins(repair, _TORN_START) for repair in repairs)
        and not SEALED.search(remains)
    )


def _begins(piece: bytes, start: bytes) -> bool:
    text = piece.rstrip(b"\0")
    return text.startswith(start) or start.startswith(text)


def rotated_name(path: Path, seq: int) -> str:
    """Return the name under which a file is kept whose last line has the number `seq`."""
    return f"{path.stem}.{seq:012}{path.suffix}"


def rotated_pattern(path: Path) -> re.Pattern[str]:
    """Return what matches the names that the files of this trail are rotated to."""
    return re.compile(rf"{re.escape(path.stem)}\.([0-9]{{12}}){re.escape(path.suffix)}")


def _dumps(record: Mapping[str, object]) -> bytes:
    """Return the record as ASCII, so that a line has no line break but its own; without its closing brace."""
    text = json.dumps({"v": 1, **record}, separators=(",", ":"), allow_nan=False, default=str)
    return text[:-1].encode("ascii")


def _last(file: LockedFile) -> tuple[Head, dict[str, object] | None, bytes]:
    """Return the head of the chain, what is to be said of a torn line after it, and what to write first."""
    size = file.size
    if not size:
        return _rotated_head(file), None, b""
    tail = file.read(max(0, size - ENDING_BYTES), size)
    if whole := _ending_at(tail):
        return whole, None, b""
    if whole := _ending_at(tail + b"\n"):  # all of it is there but the line break
        return whole, None, b"\n"
    head, start = _find_ending(file)
    # Of a file that is no trail, which may be larger than memory, the beginning is enough to tell.
    remains = file.read(start, size if head or is_torn(file.read(0, len(START))) else len(START))
    joint = b"" if remains.endswith(b"\n") else b"\n"
    if is_torn(remains):
        torn = {"bytes": len(remains), "sha256": hashlib.sha256(remains).hexdigest()}
        return head or _rotated_head(file), torn, joint
    if head is None:
        raise AuditError(
            f"audit file '{file.path}': it holds something else than an audit trail; name another file",
            file.path,
        )
    return head, None, joint  # a foreign line: not ours to explain away, `dqx audit verify` names it


def _ending_at(tail: bytes) -> Head | None:
    match = ENDING.search(tail)  # a line break ends it, so there is one at most in the tail of a line
    return _head_of(match) if match and match.end() == len(tail) else None


def _head_of(match: re.Match[bytes]) -> Head:
    return Head(int(match[1]), match[3].decode())


def _find_ending(file: LockedFile) -> tuple[Head | None, int]:
    """Look backwards for the last line that is whole; return its head and where it ends."""
    end = file.size
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        matches = list(ENDING.finditer(file.read(start, end)))
        if matches:
            return _head_of(matches[-1]), start + matches[-1].end()
        end = start + ENDING_BYTES if start else 0
    return None, 0


def _rotated_head(file: LockedFile) -> Head:
    """Return the head of the newest file that this one was rotated to, or the start of a new chain."""
    pattern = rotated_pattern(file.path)
    names = [name for name in file.siblings() if pattern.fullmatch(name)]
    if not names:
        return Head()
    before = file.sibling(names[-1])
    try:
        head = _ending_at(before.read(max(0, before.size - ENDING_BYTES), before.size))
    finally:
        before.close()
    if head is None:
        raise AuditError(
            f"audit file '{before.path}': its last line is not whole, so '{file.path.name}' cannot go on "
            "from it; `dqx audit verify` says more; move it away to begin a new chain",
            before.path,
        )
    return head
