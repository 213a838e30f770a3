"""The report of a study that runs, served to this machine alone and renewed as runs finish."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bytetransfer.errors import UserError

HOST = "127.0.0.1"
_NAMES = frozenset({HOST, "localhost"})


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
    to point here is refused (DNS rebinding).

    Args:
        current: the edition to show now.
        port: where to listen; any free one by default.

    Raises:
        UserError: if the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
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
        server = ThreadingHTTPServer((HOST, port), Handler)
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
