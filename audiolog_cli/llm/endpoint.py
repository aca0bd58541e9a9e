"""From `--llm` to a back end, and to all that asking needs: which service, which model, which key, how much it holds.

    ollama:MODEL                                a local Ollama (its host in OLLAMA_HOST)
    openai:MODEL  qianfan:MODEL  spark:MODEL    the presets of `openai_backend.py`
    URL#MODEL                                   any OpenAI-compatible server
    gguf:PATH  local                            a model file, or an installed package's, on llama.cpp's server (`local_server.py`)

Keys come from the environment that the caller passes in, each for its own service; AUDIOLOG_API_KEY goes to any server that is
named, but not to one started here. Nothing is sent from here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import urlsplit

from audiolog_cli.errors import LLMError, UsageError
from audiolog_cli.llm import local_server
from audiolog_cli.llm.asking import Asking, is_small
from audiolog_cli.llm.backend import About, Backend
from audiolog_cli.llm.budget import Budget
from audiolog_cli.llm.ollama_backend import OllamaBackend
from audiolog_cli.llm.openai_backend import PRESETS, OpenAIBackend, Preset
from audiolog_cli.llm.prompts import Prompt

WAYS = "outline, local, gguf:PATH, ollama:MODEL, openai:MODEL, qianfan:MODEL, spark:MODEL or URL#MODEL"
KEY = "AUDIOLOG_API_KEY"
DEFAULT_CONTEXT = 8192  # tokens: what a local model can usually take
SMALL_CONTEXT = 4096  # tokens: assumed of a server that does not say

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Connection:
    """How to talk to a server; the defaults are those of the command."""

    timeout: float = 300.0  # seconds without a byte; a model may be loading
    keep_alive: str = ""  # Ollama: how long the model stays in memory
    parallel: int = 2  # requests at a time
    context: int = 0  # tokens that the model holds, prompt and answer; 0 asks the server
    max_tokens: int = 1024  # kept free for the answer


class AskKeywords(TypedDict, total=False):
    """The fields of `Connection`, for Python callers."""

    timeout: float
    keep_alive: str
    parallel: int
    context: int
    max_tokens: int


@contextmanager
def open_asking(
    llm: str, prompt: Prompt, connection: Connection, environ: Mapping[str, str], say: Say, offline: bool = False
) -> Iterator[Asking]:
    """Everything needed for asking `llm`; a server that it needs runs while the context is open.

    With `offline` a server that cannot be reached is no error, nor is a missing key: nothing will be asked. UsageError, LLMError
    otherwise.
    """
    with open_backend(llm, connection, environ, say, offline) as backend:
        try:
            about = backend.about()
        except LLMError as error:
            if not offline:
                raise
            say(f"{error}; sizes are estimates")
            about = About()
        budget = Budget(_context(backend, about.context, connection.context, say), connection.max_tokens)
        budget.check()
        small = is_small(backend.name, about.n_parameters)
        yield Asking(backend, small, budget, prompt, connection.parallel, None, say)


def _context(backend: Backend, most: int | None, wanted: int, say: Say) -> int:
    """The context to use: the one `wanted`, else `most`, the server's, limited to DEFAULT_CONTEXT where it costs memory."""
    if most is None:
        if not wanted:
            say(f"{backend.name} does not say how much it holds; {SMALL_CONTEXT} tokens are assumed, --context says otherwise")
        return wanted or SMALL_CONTEXT
    if wanted > most:
        raise LLMError(f"{backend.name}: --context {wanted} is more than the {most} tokens that the model holds")
    return wanted or (min(most, DEFAULT_CONTEXT) if backend.name.startswith("ollama:") else most)


@contextmanager
def open_backend(
    llm: str, connection: Connection, environ: Mapping[str, str], say: Say, offline: bool = False
) -> Iterator[Backend]:
    """The back end that `llm` names, while open. UsageError if it names none, or if its key is missing (unless `offline`) or
    invalid."""
    if llm != "local" and not llm.startswith("gguf:"):
        yield _remote(llm, connection, environ, say, offline)
        return
    model = local_server.model_file(llm)
    with local_server.serving(local_server.program(environ), model, connection.parallel, connection.context) as url:
        yield OpenAIBackend(
            f"gguf:{model}", Preset(f"{url}/v1", KEY, unsent=frozenset()), model.name, "", connection.timeout, say
        )


def _remote(llm: str, connection: Connection, environ: Mapping[str, str], say: Say, offline: bool) -> Backend:
    if "://" in llm:
        return _at_url(llm, connection, environ, say)
    service, _, model = llm.partition(":")
    if service == "ollama" and model:
        return OllamaBackend(model, environ.get("OLLAMA_HOST", ""), connection.timeout, connection.keep_alive, say)
    if service in PRESETS and model:
        preset = PRESETS[service]
        key = _key(preset.key_variable, environ) or _key(KEY, environ)
        if not key and not offline:
            raise UsageError(f"--llm {llm}: no key; put it into the environment variable {preset.key_variable}")
        return OpenAIBackend(llm, preset, model, key, connection.timeout, say)
    meant = _meant(llm)
    raise UsageError(f"--llm {llm}: expected {WAYS}{f'; did you mean {meant}?' if meant else ''}")


def _meant(llm: str) -> str:
    """What the bare name of a model probably means; "" if that is unclear.

    >>> _meant("gpt-4o-mini"), _meant("llama3.2:1b"), _meant("models/x.gguf"), _meant("ernie-4.0-8k"), _meant("what")
    ('openai:gpt-4o-mini', 'ollama:llama3.2:1b', 'gguf:models/x.gguf', 'qianfan:ernie-4.0-8k', '')
    """
    families = {
        "gguf": r".*\.gguf",
        "openai": r"(?:chat)?gpt-.+|o\d(?:-.+)?",
        "qianfan": r"ernie-.+",
        "spark": r"(?:spark-)?(?:lite|generalv3.*|4\.0Ultra|max-32k)",
        "ollama": r"(?:llama|gemma|qwen|mistral|phi|deepseek|smollm|mixtral|granite|codellama|tinyllama).*",
    }
    return next((f"{service}:{llm}" for service, names in families.items() if re.fullmatch(names, llm, re.IGNORECASE)), "")


def _at_url(llm: str, connection: Connection, environ: Mapping[str, str], say: Say) -> Backend:
    import httpx

    url, _, model = llm.partition("#")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        httpx.URL(url)  # refuses more, such as names that are not IDNA
    except (ValueError, httpx.InvalidURL) as error:
        raise UsageError(f"--llm: not a URL: {error}") from None
    if parts.username is not None or parts.query:
        raise UsageError(f"--llm: keys do not belong in a URL; put the key into the environment variable {KEY}")
    if parts.scheme not in ("http", "https") or not host or not model:
        raise UsageError(f"--llm {llm}: expected http(s)://HOST:PORT/v1#MODEL")
    base_url = url.rstrip("/") + ("" if parts.path.strip("/") else "/v1")
    return OpenAIBackend(
        f"{base_url}#{model}", Preset(base_url, KEY, unsent=frozenset()), model, _key(KEY, environ), connection.timeout, say
    )


def _key(variable: str, environ: Mapping[str, str]) -> str:
    key = environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"{variable} holds characters that no key has; set it again")
    return key
