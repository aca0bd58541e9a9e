"""A local HTTP server that answers with given bytes and remembers the requests; it stands in for any LLM service."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What the server sends back."""

    body: bytes | str | list[bytes]  # a list is sent piece by piece
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    broken: bool = False  # promise more bytes than are sent, then hang up
    hangs_up: bool = False  # without a byte


@dataclass
class Asked:
    """One request that came."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


@contextmanager
def answering(answer: Callable[[Asked], Answer]) -> Iterator[tuple[str, list[Asked]]]:
    """Serve on a free port; gives the address and the list of requests so far."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            request = Asked(self.path, json.loads(self.rfile.read(length) or b"{}"), dict(self.headers.items()))
            asked.append(request)
            self.reply(answer(request))

        do_GET = do_POST  # noqa: N815

        def reply(self, given: Answer) -> None:
            if given.hangs_up:
                return
            pieces = (
                given.body
                if isinstance(given.body, list)
                else [given.body.encode() if isinstance(given.body, str) else given.body]
            )
            self.send_response(given.status)
            self.send_header("content-type", given.content_type)
            self.send_header("content-length", str(sum(map(len, pieces)) + 1000 * given.broken))
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Nothing on stderr, which may be the command's under test: a client may hang up in the middle of an answer."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
