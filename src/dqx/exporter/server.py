"""The web server: waitress, bounded in connections, time and size, on a thread of its own.

Waitress, because it is plain Python without dependencies, is embedded in a few lines, needs no event loop that
a user's program might have its own ideas about, and bounds what a stranger can hold.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from dqx.common import ConfigurationError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

CONNECTIONS = 200
"""Held at once; a scraper keeps its one, and what comes beyond waits in the backlog of the socket."""

IDLE_S = 90
"""Seconds after which a connection that says nothing is closed; a scrape every minute keeps its own."""

CLEANUP_S = 30
"""Seconds between two looks for such connections."""

REQUEST_BYTES = 16_384
"""Headers of a request; a scrape has 500 bytes of them. A body is refused beyond as much."""

SEND_BYTES = 262_144
"""Buffer of a connection: what is in it stays in the processor's cache until it is read. With 1 MB, 20 scrapers of a
page of 15 MB at once waited 202 ms (median) instead of 97.
"""

_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES)


class Server:
    """Answers requests from its making until it is closed.

    Args:
        app: What answers.
        host: The address to listen on, a name or a number.
        port: The port; 0 takes a free one.

    Raises:
        ConfigurationError: When the address cannot be listened on, or the server is not installed.
    """

    def __init__(self, app: WSGIApplication, host: str, port: int) -> None:
        try:
            from waitress.server import create_server
        except ImportError:
            raise ConfigurationError(
                "to answer over HTTP takes a web server that is not installed: pip install 'dqx[serve]'",
                "http",
            ) from None
        self._socket = _listening(host, port)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)  # its connections inherit it
        self.host, self.port = self._socket.getsockname()[:2]
        # Any: for the one socket it makes a BaseWSGIServer, whose stubs lack what ends it.
        self._server: Any = create_server(
            app,
            sockets=[self._socket],
            ident=None,
            threads=4,
            connection_limit=CONNECTIONS,
            channel_timeout=IDLE_S,
            cleanup_interval=CLEANUP_S,
            max_request_header_size=REQUEST_BYTES,
            max_request_body_size=REQUEST_BYTES,
            asyncore_use_poll=True,  # select() knows no descriptor beyond 1,023
        )
        self._closing = threading.Lock()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._server.run, name="dqx-exporter", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def close(self) -> None:
        """End all connections and stop listening. May be called again."""
        with self._closing:
            if not self._woken.is_set():
                self._server.trigger.pull_trigger(self._end)
                self._woken.set()
        self._thread.join(5)

    def forget(self) -> None:
        """Close the socket in a forked child, where nobody answers on it."""
        self._socket.close()

    def _end(self) -> None:
        """Run on the server's own thread, whose loop ends when nothing is open any more.

        It may have been awake already: then it closes what `close` is about to wake it by, and somebody else may
        have that descriptor by then.
        """
        self._woken.wait(5)
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.task_dispatcher.shutdown(timeout=1)
        self._server.close()


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, OverflowError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0
        # Those below 0 are of getaddrinfo, and what create_server adds to a text is the address again.
        why = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or str(error)
        advice = (
            "name another port"
            if number in _OF_THE_PORT
            else "name an address of this machine, such as 127.0.0.1"
        )
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on ({why}); {advice}", f"{host}:{port}"
        ) from None
