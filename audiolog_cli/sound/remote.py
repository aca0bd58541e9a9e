"""Names that are URLs (`s3://bucket/rec.flac`, `https://...`, `memory://...`): opened, listed and written to through fsspec.

In: a name; out: a seekable binary file, or what identifies a version of a file. If a package that a scheme needs
beyond fsspec (s3fs, gcsfs, adlfs, aiohttp) is missing, the error names it. Nothing here is reached unless a name holds `://`, and
the content is handed on as bytes: nothing in a recording can make us open another URL.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from audiolog_cli.errors import AudioError, AudiologError, InputError, UsageError

URL = re.compile(r"(?:[a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]+://")  # fsspec chains names: simplecache::s3://...
CHANGES = ("ETag", "mtime", "LastModified", "last_modified", "updated", "created")  # names that file systems give it, best first


def is_url(name: str) -> bool:
    """Whether a name is a URL and not a path.

    >>> is_url("s3://bucket/a.wav"), is_url("C:\\\\a.wav"), is_url("nights/a.wav")
    (True, False, False)
    """
    return URL.match(name) is not None


def inside(name: str) -> str:
    """The name without the archive that the file is in.

    >>> inside("zip://nights/a.wav::s3://bucket/season.zip"), inside("s3://bucket/a.wav"), inside("nights/a::b.wav")
    ('zip://nights/a.wav', 's3://bucket/a.wav', 'nights/a::b.wav')
    """
    return name.partition("::")[0] if is_url(name) else name


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL (or a local path), and its name there.

    UsageError if the scheme is unknown, or needs a package that is not installed; InputError if it cannot be reached, such as an
    archive that is none.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise UsageError(f"{url}: {str(error).rstrip('.')}") from None
    except ValueError as error:
        raise UsageError(f"{url}: {str(error).rstrip('.').lower()}; expected a path or a URL such as s3://bucket/name") from None
    except Exception as error:  # each file system has its own: botocore's, aiohttp's, ... many are not OSErrors
        raise InputError(f"{url}: {reason(error)}") from None
    return system, str(path)


def open_url(url: str) -> BinaryIO:
    """Open a URL for reading; AudioError if that fails."""
    system, path = file_system(url)
    try:
        size = system.info(path)["size"]
        if size == 0:
            raise AudioError(f"{url}: empty file")
        # A server that does not tell the size sends a stream, which can be read only once, as a pipe.
        return cast(BinaryIO, io.BufferedReader(_Guarded(system.open(path, "rb"), url, system, size is not None), 1 << 18))
    except AudioError:
        raise
    except Exception as error:  # as above
        raise AudioError(f"{url}: {reason(error)}") from None


def version(name: str) -> str:
    """What changes when the file at a path or URL does: its size, and its modification time or entity tag.

    InputError where there is no such file.
    """
    if not is_url(name):
        try:
            found = os.stat(name)
        except OSError as error:
            raise InputError(f"{name}: {reason(error)}") from None
        return f"{found.st_size}\0{found.st_mtime_ns}"
    system, path = file_system(name)
    try:
        information = system.info(path)
    except Exception as error:  # as above
        raise InputError(f"{name}: {reason(error)}") from None
    return f"{information['size']}\0{next((information[key] for key in CHANGES if information.get(key)), '')}"


@contextmanager
def writing(url: str) -> Iterator[None]:
    """Turn a remote file system's refusal into a UsageError that names the URL; OSErrors and our own errors pass unchanged.

    Every file system has errors of its own (botocore's, aiohttp's, ...), many of which are not OSErrors.
    """
    try:
        yield
    except AudiologError:
        raise
    except OSError as error:
        error.filename = error.filename or f"--out {url}"
        raise
    except Exception as error:
        if not is_url(url):
            raise
        raise UsageError(f"--out {url}: cannot be written to: {reason(error)}") from error


def files_below(url: str) -> list[str]:
    """The URLs of all files in a remote folder and below it, by name; InputError if it cannot be read."""
    system, path = file_system(url)
    try:
        names = sorted(system.find(path))  # of a folder that cannot be listed it finds nothing
        if not names:
            system.ls(path)
        archive = url.removeprefix(inside(url)) if "://" in inside(url) else ""
        return [f"{system.unstrip_protocol(name)}{archive}" for name in names]
    except Exception as error:  # as above
        raise InputError(f"{url}: {reason(error)}") from None


class _Guarded(io.RawIOBase):
    """A remote file whose failures name it: a connection that breaks costs this recording, not the run."""

    def __init__(self, file: BinaryIO, url: str, system: Any, is_seekable: bool) -> None:
        self._file = file
        self._url = url
        self._system = system  # an archive closes when nobody holds it any more
        self._is_seekable = is_seekable

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except Exception as error:  # as above
            raise AudioError(f"{self._url}: reading it broke off: {reason(error)}") from None
        buffer[: len(data)] = data
        return len(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._is_seekable

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, FileNotFoundError):
        cause = error.__cause__  # HTTP calls a server that is not there, or refuses, a missing file
        if not isinstance(cause, Exception) or getattr(cause, "status", 404) == 404 and not isinstance(cause, OSError):
            return "no such file"
        error = cause
    if isinstance(error, PermissionError):
        return "permission denied"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
