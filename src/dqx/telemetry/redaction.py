"""What every message and URL passes before it leaves: secrets taken out by structure, length bounded.

Structure, not a list of known secrets, tells what to take out: whatever stands between `scheme://` and the last
`@` of a URL, and the value of anything that is named like a secret. In doubt it takes out more than was needed.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Mapping
from typing import Final

MAX_TEXT: Final = 256
"""Characters of a message or an attribute."""

MAX_QUERY: Final = 2048
"""Characters of a query's text."""

MAX_REASON: Final = 2048
"""Characters of why something could not be evaluated: an engine's error may carry a whole line of a file."""

MASK: Final = "***"

_MAX_READ = 8_192
"""Characters that are looked at: an exception may carry a whole file, and the rest would be cut anyway."""

_EXAMPLE = "user@host/"
"""What our own messages write to show the form of a URL; it names nobody."""

_SHORTEST = 4
"""A known secret that is shorter is not looked for in texts: it would take every `a` out of them."""

_NAMES = (
    r"passw(?:or)?d|passwd|passphrase|pwd|secret|token|credential|api[_-]?key|access[_-]?key|account[_-]?key"
    r"|private[_-]?key|shared[_-]?key|encryption[_-]?key|authorization|signature|cookie|session[_-]?id|jwt"
    r"|odbc_connect"
)
_SHORT_NAMES = r"(?<![a-z])(?:auth|pass|sig|pat)(?![a-z])"
"""Names of secrets, too, but plain words where a colon follows: `it did not pass: 3 of 5`."""

_NAME = re.compile(f"{_NAMES}|{_SHORT_NAMES}", re.IGNORECASE)
_URL = re.compile(r"[a-z][a-z0-9+.\-]{0,40}:/{2,4}(?P<rest>\S*)", re.IGNORECASE)
_PORT = re.compile(r"\d*(?:[/?#,;)\]}>'\"`]|$)")
_LATER_AT = re.compile(r"[^\n@]{0,200}@")
_PAIR = re.compile(
    rf"(?P<name>(?:(?:{_NAMES})[\w.%-]{{0,60}}[\"']?\s{{0,3}}(?:=>|[=:])"
    rf"|{_SHORT_NAMES}(?:[\"']\s{{0,3}}:|[\"']?\s{{0,3}}=>?))\s{{0,3}})"
    r"(?:\{[^}\n]*\}|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?:(?:bearer|basic|digest|token)\s+)?[^\s&]+)",
    re.IGNORECASE,
)
_FLAG = re.compile(
    rf"(?P<name>(?<![\w-])--[\w-]{{0,60}}(?:{_NAMES})[\w-]{{0,60}}[\"']?,?\s{{1,3}}[\"']?)[^\s\"']+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<name>\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def redact(text: str, limit: int = MAX_TEXT, secrets: Iterable[str] = ()) -> str:
    """Return `text` without secrets and control characters, at most `limit` characters long.

    Args:
        text: Any text: a message, a URL, a name.
        limit: The longest result, in characters; what is cut ends in `…`.
        secrets: Values that are known to be secret (see `secrets_in`), wherever they stand.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    if len(text) > _MAX_READ:
        text = _without_half_url(text[:_MAX_READ])
    if ":" in text or "=" in text:  # most texts are names without either; 1 µs instead of 30
        text = _PAIR.sub(rf"\g<name>{MASK}", _without_userinfo(text))
    if "--" in text:
        text = _FLAG.sub(rf"\g<name>{MASK}", text)
    if "earer" in text or "EARER" in text:
        text = _BEARER.sub(rf"\g<name>{MASK}", text)
    if not text.isprintable():
        text = _UNPRINTABLE.sub(" ", text)
    return cut(text, limit)


def redact_exception(error: BaseException, limit: int = MAX_TEXT, secrets: Iterable[str] = ()) -> str:
    """Return an exception's message on one line, through `redact`; where it has none, its type's name."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  # whatever a stranger's __str__ raises is no reason to fail
        return f"<{type(error).__name__[:80]} that cannot be printed>"
    return redact(text, limit, secrets).replace("\n", " ") or type(error).__name__[:80]


def redact_traceback(error: BaseException, limit: int = _MAX_READ, secrets: Iterable[str] = ()) -> str:
    """Return an exception's traceback through `redact`, for a log."""
    return redact("".join(traceback.format_exception(error)), limit, secrets)


def error_type(error: BaseException) -> str:
    """Return the class of an exception as `error.type`: with its module unless it is a builtin."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return cut(name, MAX_TEXT)


def cut(text: str, limit: int) -> str:
    """Return `text`, at most `limit` characters long; what is cut ends in `…`."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_secret_name(name: str) -> bool:
    """Tell whether a setting of this name holds a secret, as far as its name says."""
    return _NAME.search(name) is not None


def secrets_in(value: object, *, named_secret: bool = False) -> frozenset[str]:
    """Return the secrets in a configuration: values under secret-looking names, and passwords of URLs.

    They are what `redact` takes as `secrets`: a plugin may well put its password into an exception's text.
    """
    match value:
        case bool():
            return frozenset()
        case int() if named_secret:
            return secrets_in(str(value), named_secret=True)
        case bytes():
            return secrets_in(value.decode(errors="backslashreplace"), named_secret=named_secret)
        case str():
            found = {value} if named_secret else set(_passwords(value))
            found |= {repr(secret)[1:-1] for secret in found}  # as an exception shows a key of several lines
            return frozenset(secret for secret in found if len(secret) >= _SHORTEST)
        case Mapping():
            parts = [
                secrets_in(item, named_secret=named_secret or is_secret_name(str(key)))
                for key, item in value.items()
            ]
        case list() | tuple() | set() | frozenset():
            parts = [secrets_in(item, named_secret=named_secret) for item in value]
        case _:
            reveal = getattr(value, "get_secret_value", None)
            return secrets_in(reveal(), named_secret=True) if callable(reveal) else frozenset()
    return frozenset().union(*parts)


def _without_half_url(text: str) -> str:
    """Drop a URL at the end: cut before its `@`, it no longer looks as if it held a password."""
    word = text.rsplit(None, 1)[-1] if text.strip() else ""
    return text.removesuffix(word) if "://" in word else text


def _without_userinfo(text: str) -> str:
    pieces = []
    position = 0
    while match := _URL.search(text, position):
        end = _end_of_userinfo(text, match)
        pieces.append(text[position : match.start("rest")])
        if end > match.start("rest"):
            pieces.append(MASK + "@")
        position = max(end, match.start("rest"))
    return "".join(pieces) + text[position:] if pieces else text


def _end_of_userinfo(text: str, url: re.Match[str]) -> int:
    """Return where the part of a URL before its host ends, or where it starts when it has none.

    A password is not always escaped as it should be: it may hold `/`, `?`, `#`, quotes, `@`, even spaces. So it
    ends at the last `@` before a space; and where `name:` is followed by what is no port, at a later `@`.
    """
    rest = url["rest"]
    start = url.start("rest")
    at = rest.rfind("@")
    if rest.startswith(_EXAMPLE) and at < len(_EXAMPLE):
        return start
    if at >= 0:
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        if "@" in authority or ":" in rest[:at]:
            return start + at + 1
        return start
    name, colon, port = rest.partition(":")
    if colon and not rest.startswith("[") and "/" not in name and not _PORT.match(port):
        later = _LATER_AT.match(text, url.end())
        if later:
            return later.end()
    return start


def _passwords(text: str) -> list[str]:
    found = []
    for match in _URL.finditer(text):
        userinfo, at, _ = match["rest"].rpartition("@")
        if at:
            name, colon, password = userinfo.partition(":")
            found.append(password if colon else name)
    return found
