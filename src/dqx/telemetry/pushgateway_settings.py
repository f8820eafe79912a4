"""Where a Pushgateway is, in a file of its own: reading settings must not load an HTTP client."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushgatewaySettings:
    """Where the Pushgateway is, and how it is talked to. `headers` go with every push."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}  # a misspelt key is told, not left out

    url: str = field(metadata={"meaning": "such as http://127.0.0.1:9091"})
    job: str = field(default="dqx", metadata={"meaning": "the label job of what is pushed"})
    username: str | None = field(default=None, metadata={"meaning": "for basic authentication"})
    password: str | None = field(default=None, repr=False, metadata={"meaning": "for basic authentication"})
    headers: dict[str, str] = field(default_factory=dict, repr=False, metadata={"meaning": "HTTP headers"})
    timeout_s: float = field(default=3.0, metadata={"meaning": "seconds for one push in all"})

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url takes the form http://HOST:PORT or https://HOST:PORT/PATH")
        if parts.username is not None:
            raise ValueError("url holds a name or password; they go into username and password")
        parts.port  # noqa: B018  # raises when it is no number, or too large
        for name, value in self.headers.items():
            # What http.client says of a wrong one has its value in it.
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(
                    f"the header {name!r} cannot be sent: HTTP takes no space in its name, and neither a line break "
                    "nor anything beyond Latin-1 in its value (not shown)"
                )
        if not self.job:
            raise ValueError("job cannot be empty")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together, and one is missing")
        if not 0 < self.timeout_s <= 3_600:
            raise ValueError(f"timeout_s is {self.timeout_s}; allowed are more than 0 and at most 3600")
