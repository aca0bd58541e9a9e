"""A Hugging Face hub of one file on this machine, which can be told to misbehave as real ones do."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


@dataclass
class Hub:
    """What the hub serves, how, and what it was asked."""

    path: str  # repo/resolve/revision/filename
    content: bytes
    endpoint: str = ""
    sent: bytes | None = None  # what goes over the wire where it is not the content
    cuts: list[int] = field(default_factory=list)  # bytes of the next answers, after which the connection breaks
    ranges: list[int] = field(default_factory=list)  # where each download began

    @property
    def etag(self) -> str:
        """The sum that the hub states."""
        return hashlib.sha256(self.content).hexdigest()


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve on a free port of the loopback interface; `hub.endpoint` is what HF_ENDPOINT should be."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            if self.path != f"/{hub.path}":
                self.send_response(404)
                if "/resolve/" in self.path:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            match = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(match[1]) if match else 0
            self.send_response(206 if match else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hub.etag}"')
            self.send_header("Accept-Ranges", "bytes")
            if match:
                self.send_header("Content-Range", f"bytes {start}-{len(hub.content) - 1}/{len(hub.content)}")
            self.send_header("Content-Length", str(len(hub.content) - start))
            self.end_headers()
            if with_body:
                hub.ranges.append(start)
                body = (hub.sent or hub.content)[start:]
                self.close_connection = bool(hub.cuts)
                self.wfile.write(body[: hub.cuts.pop(0)] if hub.cuts else body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
