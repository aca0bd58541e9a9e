"""How a server is reached: what the environment says of proxies and certificates, and why a connection failed, in words."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from audiolog_cli import terminal
from audiolog_cli.errors import LLMError, UsageError
from audiolog_cli.llm.backend import Busy, one_line

LOCAL = ("localhost", "127.0.0.1", "::1")  # hosts that are reached without a proxy


@contextmanager
def environment_errors() -> Iterator[None]:
    """UsageError for proxies, hosts and certificates in the environment that a client refuses when it is made."""
    try:
        yield
    except (ImportError, ValueError) as error:
        raise UsageError(f"a proxy (HTTP_PROXY, ALL_PROXY, ...) or OLLAMA_HOST cannot be used: {one_line(str(error))}") from None
    except OSError as error:
        raise UsageError(f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names: {terminal.reason(error)}") from None


def why(error: Exception) -> str:
    """Why a connection failed.

    >>> why(OSError("[Errno 111] Connection refused")), why(OSError())
    ('Connection refused', 'timed out')
    """
    return re.sub(r"^\[Errno -?\d+\] ", "", one_line(str(error))) or "timed out"


def through_proxy(url: str) -> str:
    """` through the proxy HOST:PORT` if the environment names one for this URL, else nothing."""
    from urllib.request import getproxies, proxy_bypass

    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or parts.hostname in LOCAL or proxy_bypass(parts.hostname or ""):
        return ""
    return f" through the proxy {proxy.rpartition('@')[2].rpartition('//')[2]}"  # without its password


@contextmanager
def http_errors(name: str, place: str, timeout: float, unreachable: Callable[[Exception], str], protocol: str) -> Iterator[None]:
    """Turn whatever httpx raises about the server at `place` into an LLMError with a cause; `unreachable` words one of them."""
    import httpx

    try:
        yield
    except (ConnectionError, httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise LLMError(f"{name}: {unreachable(error)}") from None
    except httpx.TimeoutException:
        raise LLMError(f"{name}: {place} sent nothing for {timeout:g} s; raise --timeout") from None
    except httpx.HTTPError as error:
        if "without sending a response" in str(error):  # nothing of an answer has come
            raise Busy(f"{name}: the server hung up without an answer") from None
        raise LLMError(f"{name}: the connection to {place} broke: {one_line(str(error))}") from None
    except ValueError as error:  # not JSON, or not the JSON of a chat
        raise LLMError(f"{name}: the server does not speak {protocol}: {one_line(str(error))}") from None
