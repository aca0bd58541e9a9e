"""Servers on this machine for remote files: S3 (moto's server), and HTTP with ranges."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from time import monotonic, sleep

import httpx
import pytest

from tests.web import Answer, web_server


class Bucket:
    """A new bucket on an S3 server, through Amazon's own client; `settings` is the environment in which others find it."""

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
    """A web server of files in memory that records the ranges it was asked for."""

    files: dict[str, bytes]
    url: str = ""
    breaks_at: int | None = None  # byte of a file before which the line breaks
    ranges: list[str] = field(default_factory=list)

    def asked(self, method: str, path: str, wanted: str) -> Answer:
        if wanted:
            self.ranges.append(wanted)
        return Answer(self.files.get(path.lstrip("/")), breaks_at=self.breaks_at)


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve the files; `site.url` is where."""
    with web_server(site.asked) as site.url:
        yield site
