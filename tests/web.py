"""A web server on this machine that answers with pieces of files, and breaks the connection where a test wants it to."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    content: bytes | None  # of the whole file; None: there is none
    headers: dict[str, str] = field(default_factory=dict)
    breaks_at: int | None = None  # byte of the content before which the line breaks


@contextmanager
def web_server(asked: Callable[[str, str, str], Answer]) -> Iterator[str]:
    """Serve the answers of `asked(method, path, range header or "")` on a free loopback port; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._send_head(self._answer())

        def do_GET(self) -> None:
            answer = self._answer()
            start, stop = self._send_head(answer)
            if answer.content is None:
                return
            if answer.breaks_at is not None and answer.breaks_at < stop:
                stop = max(start, answer.breaks_at)
                self.close_connection = True
            self.wfile.write(answer.content[start:stop])

        def _answer(self) -> Answer:
            return asked(self.command, self.path, self.headers.get("Range", ""))

        def _send_head(self, answer: Answer) -> tuple[int, int]:
            """The bytes of the content that were asked for."""
            start, stop = 0, len(answer.content or b"")
            wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if answer.content is not None else None
            self.send_response(404 if answer.content is None else 206 if wanted else 200)
            if wanted:
                total = stop
                start, stop = int(wanted[1]), min(total, int(wanted[2] or total) + 1)
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
            for name, value in {"Accept-Ranges": "bytes", "Content-Length": str(stop - start), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            return start, stop

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
