"""The report of a study that runs, served to this machine alone and renewed as runs finish."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bytetransfer.errors import UserError

HOST = "127.0.0.1"
_NAMES = frozenset({HOST, "localhost"})
_PATIENCE_SECONDS = 10.0
_MOST_CONNECTIONS = 32


@dataclass(frozen=True)
class Edition:
    """One state of the page, what tells it from the others, and whether the analyses are in it."""

    version: str
    page: str
    is_whole: bool = False


@contextmanager
def serving(current: Callable[[], Edition], *, port: int = 0) -> Iterator[str]:
    """Serve the current edition as long as the context lasts; its address.

    Only this machine can connect, and only by its own names: a page elsewhere whose name was made
    to point here is refused (DNS rebinding). A client that says or takes nothing for a while loses
    its connection, and so does the oldest of more than a reader's browser opens.

    Args:
        current: the edition to show now.
        port: where to listen; any free one by default.

    Raises:
        UserError: if the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE_SECONDS

        def do_GET(self) -> None:
            edition, name = current(), self.headers.get("Host", "").rsplit(":", 1)[0]
            if name not in _NAMES:
                self.send_error(HTTPStatus.FORBIDDEN)
            elif self.path == "/":
                self._answer(edition.page, "text/html")
            elif self.path == "/version":
                self._answer(edition.version, "text/plain")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _answer(self, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal belongs to the study."""

    try:
        server = _Server((HOST, port), Handler)
    except OSError as error:
        raise UserError(
            f"port {port} cannot be listened on ({error.strerror})",
            todo="give another one with --port, or none",
        ) from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Keeps a bounded number of connections, and is silent about clients that break theirs."""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: dict[socket.socket, None] = {}  # oldest first
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._open) >= _MOST_CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                with contextlib.suppress(OSError):  # its thread wakes up, and closes it
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[request] = None
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
