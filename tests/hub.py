"""A Hugging Face hub with one file, on this machine; it can misbehave as real ones do."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.web import Answer, web_server

COMMIT = "a" * 40


@dataclass
class Hub:
    """What the hub serves, how, and what it was asked."""

    path: str  # repo/resolve/revision/filename
    content: bytes
    endpoint: str = ""
    sent: bytes | None = None  # what goes over the wire instead of the content
    cuts: list[int] = field(default_factory=list)  # bytes of the next answers, after which the connection breaks
    ranges: list[int] = field(default_factory=list)  # where each download began

    @property
    def etag(self) -> str:
        """The checksum that the hub states."""
        return hashlib.sha256(self.content).hexdigest()

    def asked(self, method: str, path: str, wanted: str) -> Answer:
        if path != f"/{self.path}":
            return Answer(None, {"X-Error-Code": "EntryNotFound"} if "/resolve/" in path else {})
        answer = Answer(self.sent or self.content, {"X-Repo-Commit": COMMIT, "ETag": f'"{self.etag}"'})
        if method == "GET":
            start = int(match[1]) if (match := re.match(r"bytes=(\d+)", wanted)) else 0
            self.ranges.append(start)
            answer.breaks_at = start + self.cuts.pop(0) if self.cuts else None
        return answer


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve the hub; `hub.endpoint` is what HF_ENDPOINT should be."""
    with web_server(hub.asked) as hub.endpoint:
        yield hub
