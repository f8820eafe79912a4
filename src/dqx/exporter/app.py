"""The web application of the exporter: four addresses to read from, and nothing else."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from prometheus_client.exposition import gzip_accepted

from dqx import __version__
from dqx.common import DQXError
from dqx.exporter.page import CONTENT_TYPES, format_for

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from dqx.exporter.page import Page

_PLAIN = "text/plain; charset=utf-8"
_INDEX = f"""<!doctype html>
<html lang="en">
<title>DQX exporter</title>
<h1>DQX {__version__}</h1>
<p>What data quality suites found, for Prometheus.</p>
<ul>
<li><a href="/metrics">/metrics</a>: the newest run of each suite, as text or OpenMetrics</li>
<li><a href="/healthz">/healthz</a>: whether the exporter lives</li>
<li><a href="/readyz">/readyz</a>: whether it can read what it answers from</li>
</ul>
</html>
""".encode()


class UnavailableError(DQXError):
    """There is nothing to answer from. The message is safe to show."""


class Source(Protocol):
    """Where pages come from."""

    def page(self) -> Page:
        """Return the page as it is now; raise UnavailableError when it cannot be known."""
        ...


class ExporterApp:
    """A WSGI application that answers from a source."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status, headers, body = self._answer(environ)
        headers["Content-Length"] = str(len(body))
        headers["X-Content-Type-Options"] = "nosniff"
        start_response(status, list(headers.items()))
        if environ["REQUEST_METHOD"] == "HEAD":
            return []
        # A body of 20 MB is sent in pieces from where it is, not copied into the server's buffer first.
        wrapper = environ.get("wsgi.file_wrapper")
        return wrapper(BytesIO(body)) if wrapper else [body]

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, dict[str, str], bytes]:
        path = environ.get("PATH_INFO", "/")
        if path not in ("/", "/metrics", "/healthz", "/readyz"):
            return _text("404 Not Found", "there are /metrics, /healthz, /readyz and /")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, headers, body = _text("405 Method Not Allowed", "there is only GET and HEAD")
            return status, {**headers, "Allow": "GET, HEAD"}, body
        if path == "/":
            return "200 OK", {"Content-Type": "text/html; charset=utf-8"}, _INDEX
        if path == "/healthz":
            return _text("200 OK", "ok")
        try:
            page = self._source.page()
        except UnavailableError as error:
            return _text("503 Service Unavailable", str(error))
        return _text("200 OK", "ok") if path == "/readyz" else _metrics(environ, page)


def _metrics(environ: WSGIEnvironment, page: Page) -> tuple[str, dict[str, str], bytes]:
    form = format_for(environ.get("HTTP_ACCEPT", ""))
    compressed = gzip_accepted(environ.get("HTTP_ACCEPT_ENCODING", ""))
    headers = {"Content-Type": CONTENT_TYPES[form], "Vary": "Accept, Accept-Encoding"}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return "200 OK", headers, page.body(form, compressed=compressed)


def _text(status: str, message: str) -> tuple[str, dict[str, str], bytes]:
    return status, {"Content-Type": _PLAIN}, f"{message}\n".encode()
