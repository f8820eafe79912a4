"""A Pushgateway: keeps what a job that has ended pushed, until the next run replaces it."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dqx.telemetry.delivery import DeliveryError
from dqx.telemetry.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dqx.telemetry.pushgateway_settings import PushgatewaySettings
    from dqx.telemetry.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Pushgateway:
    """Pushes each snapshot into a group of its own."""

    settings: PushgatewaySettings
    name: str = "pushgateway"

    def send(self, snapshot: Snapshot, *, knows_last_success: bool) -> None:
        """Replace the snapshot's group; without a known last success, only the metrics that are in the snapshot.

        Raises:
            DeliveryError: When the gateway did not take it in time.
        """
        from prometheus_client import push_to_gateway, pushadd_to_gateway

        from dqx.telemetry.families import Families, families

        push = push_to_gateway if knows_last_success else pushadd_to_gateway
        try:
            push(
                self.settings.url,
                job=self.settings.job,
                registry=Families(families(snapshot.samples)),
                # In base64 by our own hand: the library writes a space as +, which the gateway takes for a plus.
                grouping_key={"snapshot@base64": _base64(snapshot.identity.text)},
                timeout=self.settings.timeout_s,
                handler=self._handler,
            )
        except (OSError, HTTPException, ValueError) as error:
            why = redact(str(error) or type(error).__name__)
            raise DeliveryError(
                f"pushgateway: {redact(self.settings.url)} did not take the push of {snapshot.identity.text}: {why}",
                self.name,
            ) from None

    def _handler(
        self, url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        sent = {**dict(headers), **self.settings.headers}
        if self.settings.username is not None:
            sent["Authorization"] = "Basic " + _base64(f"{self.settings.username}:{self.settings.password}")
        return lambda: _request(url, method, timeout or self.settings.timeout_s, sent, data)


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _request(url: str, method: str, timeout_s: float, headers: Mapping[str, str], data: bytes) -> None:
    """Send a request, in `timeout_s` in all; raise OSError unless the answer is a success.

    The limit of a socket is for each byte: a server that answers one a second would never reach it. So the
    socket is shut down under whoever waits for it. Redirects are not followed: they would turn a PUT into a GET.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    timed_out = threading.Event()

    def give_up() -> None:
        timed_out.set()
        with suppress(OSError):  # it has just been closed
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        if timed_out.is_set():  # while there was no socket yet to shut down
            raise TimeoutError
        connection.request(method, parts.path, body=data, headers=dict(headers))
        response = connection.getresponse()
        said = response.read(200).decode(errors="replace").strip()
        if not 200 <= response.status < 300:
            raise OSError(f"it answered {response.status} {response.reason}{': ' + said if said else ''}")
    except (OSError, HTTPException) as error:
        if timed_out.is_set() or isinstance(error, TimeoutError):
            raise TimeoutError(f"no answer within {timeout_s:g} s") from None
        raise
    finally:
        timer.cancel()
        connection.close()
