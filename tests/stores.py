"""Servers of this machine that speak what remote files are read and written through: S3 (moto's server), and HTTP with ranges."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from time import monotonic, sleep

import httpx
import pytest


class Bucket:
    """A new bucket of an S3 server, through Amazon's own client; `settings` are the environment that leads others there."""

    def __init__(self, endpoint: str, name: str) -> None:
        import boto3

        self.name = name
        self.settings = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        access = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        self._client = boto3.client("s3", endpoint_url=endpoint, **access)
        self._client.create_bucket(Bucket=name)

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def objects(self, prefix: str) -> dict[str, tuple[str, object]]:
        """Key: entity tag and time of change."""
        found = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])
        return {each["Key"]: (each["ETag"], each["LastModified"]) for each in found}


@contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server in a process of its own; its endpoint. The test is skipped where moto or s3fs is missing."""
    missing = [name for name in ("moto", "flask", "s3fs") if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'audiolog[dev]'")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        endpoint = ""
        for line in server.stderr:
            if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                endpoint = found[1]
                break
        threading.Thread(target=server.stderr.read, daemon=True).start()  # its log must not fill the pipe
        try:
            _wait(endpoint)
            yield endpoint
        finally:
            server.terminate()


def _wait(endpoint: str, seconds: float = 60) -> None:
    until = monotonic() + seconds
    while True:
        try:
            httpx.get(endpoint)
            return
        except httpx.TransportError:
            assert monotonic() < until, f"no server at {endpoint!r}"
            sleep(0.1)


@dataclass
class Site:
    """A web server of files in memory that keeps account of what it was asked."""

    files: dict[str, bytes]
    url: str = ""
    breaks_after: int | None = None  # bytes of an answer, after which the line breaks
    ranges: list[str] = field(default_factory=list)


@contextmanager
def web_server(site: Site) -> Iterator[Site]:
    """Serve on a free port of the loopback interface, byte ranges too; `site.url` is where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            content = site.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start, stop = 0, len(content)
            if wanted:
                site.ranges.append(wanted[0])
                start, stop = int(wanted[1]), min(len(content), int(wanted[2] or len(content)) + 1)
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            if not with_body:
                return
            if site.breaks_after is not None and stop > site.breaks_after:
                self.wfile.write(content[start : max(start, site.breaks_after)])
                self.connection.close()
                self.close_connection = True
            else:
                self.wfile.write(content[start:stop])

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield site
        finally:
            server.shutdown()
