"""From `--llm` to a back end: which service, which model, which key.

    ollama:MODEL                            a local Ollama (its host in OLLAMA_HOST)
    openai:MODEL  qianfan:MODEL  spark:MODEL    the presets of `openai_backend.py`
    URL#MODEL                               any OpenAI-compatible server

Keys come from the environment that the caller passes in, each to its own service; AUDIOLOG_API_KEY goes to whatever is named. Nothing
is sent from here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from audiolog_cli.errors import UsageError
from audiolog_cli.llm.backend import Backend
from audiolog_cli.llm.ollama_backend import OllamaBackend
from audiolog_cli.llm.openai_backend import PRESETS, OpenAIBackend, Preset

WAYS = "outline, ollama:MODEL, openai:MODEL, qianfan:MODEL, spark:MODEL or URL#MODEL"
KEY = "AUDIOLOG_API_KEY"


@dataclass(frozen=True, slots=True)
class Connection:
    """How to talk to a server."""

    timeout: float = 300.0  # seconds without a byte; a model may be loading
    keep_alive: str = ""  # Ollama: how long the model stays in memory


def open_backend(llm: str, connection: Connection, environ: Mapping[str, str], say: Callable[[str], None]) -> Backend:
    """The back end that `llm` names. UsageError if it names none, or its key is missing or no key."""
    if "://" in llm:
        return _at_url(llm, connection, environ, say)
    service, _, model = llm.partition(":")
    if service == "ollama" and model:
        return OllamaBackend(model, environ.get("OLLAMA_HOST", ""), connection.timeout, connection.keep_alive, 0.0, say)
    if service in PRESETS and model:
        preset = PRESETS[service]
        key = _key(preset.key_variable, environ) or _key(KEY, environ)
        if not key:
            raise UsageError(f"--llm {llm}: no key; put it into the environment variable {preset.key_variable}")
        return OpenAIBackend(llm, preset, model, key, connection.timeout, say)
    raise UsageError(f"--llm {llm}: expected {WAYS}")


def _at_url(llm: str, connection: Connection, environ: Mapping[str, str], say: Callable[[str], None]) -> Backend:
    url, _, model = llm.partition("#")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--llm: not a URL: {error}") from None
    if parts.username is not None or parts.query:
        raise UsageError(f"--llm: keys do not belong in a URL; put the key into the environment variable {KEY}")
    if parts.scheme not in ("http", "https") or not host or not model:
        raise UsageError(f"--llm {llm}: expected http(s)://HOST:PORT/v1#MODEL")
    base_url = url.rstrip("/") + ("" if parts.path.strip("/") else "/v1")
    return OpenAIBackend(f"{base_url}#{model}", Preset(base_url, KEY), model, _key(KEY, environ), connection.timeout, say)


def _key(variable: str, environ: Mapping[str, str]) -> str:
    key = environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"{variable} holds characters that no key has; set it again")
    return key
