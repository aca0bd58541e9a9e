"""A model served by Ollama, through the `ollama` package and Ollama's own API.

The package leaves three things to us. Its client cannot send `truncate: false` and `shift: false`, without which Ollama silently
truncates a long prompt, so a transport adds them to each chat. It sends OLLAMA_API_KEY to any host, so the transport removes it
unless the host is ollama.com. And HTTP 200 does not mean success: how the answer ended is read from its last record.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audiolog_cli.errors import LLMError
from audiolog_cli.llm.backend import About, Busy, Reply, Request, Stream, Unknown, Usage, answered, one_line, overflow
from audiolog_cli.llm.reaching import environment_errors, http_errors, why

if TYPE_CHECKING:
    import httpx
    import ollama

CLOUD = "ollama.com"


@dataclass(frozen=True, slots=True)
class OllamaBackend:
    """A model of an Ollama server."""

    model: str
    host: str  # as in OLLAMA_HOST; "" is Ollama's own default
    timeout: float  # seconds without a byte
    keep_alive: str  # how long the model stays loaded, as Ollama writes it ("5m"); "" leaves it to the server
    say: Callable[[str], None]  # for a person to read
    refused: set[str] = field(default_factory=set, compare=False)  # parameters that this server or model does not know

    @property
    def name(self) -> str:
        """As in --llm."""
        return f"ollama:{self.model}"

    def answer(self, request: Request) -> Reply:
        """See Backend."""
        return answered(self._chat, request, self.name, self.say)

    def count_tokens(self, request: Request) -> int | None:
        """None: Ollama does not count without answering."""
        return None

    def about(self) -> About:
        """The model's own maximum and size, from /api/show."""
        with self._errors():
            model_info = self._client().show(self.model).modelinfo or {}
        numbers = {key: value for key, value in model_info.items() if type(value) is int and value > 0}
        context = next((value for key, value in numbers.items() if key.endswith(".context_length")), None)
        return About(context, numbers.get("general.parameter_count"))

    def _chat(self, request: Request) -> Stream:
        options: dict[str, Any] = {"num_ctx": request.context, "num_predict": request.max_tokens, "temperature": 0.0}
        last: ollama.ChatResponse | None = None
        with self._errors():
            for part in self._client().chat(
                self.model,
                request.messages,
                stream=True,
                think=None if "think" in self.refused else False,
                options=options,
                keep_alive=self.keep_alive or None,
            ):
                last = part
                yield part.message.content or ""
        return self._end(last)

    def _end(self, last: "ollama.ChatResponse | None") -> Usage:
        """The cost, from the last record; LLMError unless that says that the model finished or reached its limit."""
        if last is None:
            raise LLMError(f"{self.name}: the server sent an empty answer")
        if last.done_reason == "length":
            return Usage(last.prompt_eval_count, last.eval_count, is_cut=True)
        if not last.done:
            raise LLMError(
                f"{self.name}: the answer broke off before its end (done: false); the model may have run out of context "
                "or crashed"
            )
        if last.done_reason not in ("stop", None):
            raise LLMError(f"{self.name}: the server ended without an answer (done_reason: {last.done_reason})")
        return Usage(last.prompt_eval_count, last.eval_count)

    def _client(self) -> "ollama.Client":
        import httpx

        timeout = httpx.Timeout(self.timeout, connect=min(10.0, self.timeout))
        with environment_errors():
            import ollama  # makes a client of its own, for the host and the proxies in the environment

            return ollama.Client(self.host or None, timeout=timeout, transport=_transport(), follow_redirects=False)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn whatever the package raises into an LLMError with a cause."""
        with environment_errors():
            import ollama

        place = self.host or "127.0.0.1:11434"

        def unreachable(error: Exception) -> str:
            cause = "" if isinstance(error, ConnectionError) else f" ({why(error)})"  # the package's own says no more
            return f"no Ollama server at {place}{cause}; start it with `ollama serve`, or name its host in OLLAMA_HOST"

        try:
            with http_errors(self.name, place, self.timeout, unreachable, "Ollama's protocol"):
                yield
        except ollama.ResponseError as error:
            raise self._refusal(error) from None
        except (AttributeError, TypeError) as error:  # the package reads each line as an object without looking
            raise LLMError(f"{self.name}: the server does not speak Ollama's protocol: {one_line(str(error))}") from None

    def _refusal(self, error: "ollama.ResponseError") -> LLMError:
        message: Any = error.error
        with suppress(ValueError, KeyError, TypeError):
            message = json.loads(str(message))["error"]  # llama.cpp's error inside a string
        if too_long := overflow(self.name, message):
            return too_long
        said = one_line(str(message.get("message", message) if isinstance(message, dict) else message))
        if error.status_code == 404 and "not found" in said:
            return LLMError(f"{self.name}: this Ollama has no such model; get it with `ollama pull {self.model}`")
        if error.status_code == 400 and "think" in said and "think" not in self.refused:
            self.refused.add("think")
            return Unknown(f"{self.name}: the server refused (400: {said})", frozenset({"think"}))
        if error.status_code in range(300, 400):
            return LLMError(
                f"{self.name}: the server redirects ({error.status_code}), which is not followed; name the right host"
            )
        if error.status_code == 503:
            return Busy(f"{self.name}: the server is busy (503: {said})")
        if error.status_code == -1:
            return LLMError(f"{self.name}: the server failed in the middle of the answer: {said}")
        return LLMError(f"{self.name}: the server refused ({error.status_code}: {said})")


HALVES = re.compile(rb"(\\\\|\\u[dD][89aAbB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2})|\\u[dD][89a-fA-F][\da-fA-F]{2}")


def _transport() -> "httpx.BaseTransport":
    """HTTP that asks Ollama not to truncate, withholds its API key from other hosts, and mends half characters in its answers.

    The package refuses text with half a surrogate pair, which a server may send if a model writes an emoji in two pieces.
    """
    import httpx

    class Mended(httpx.SyncByteStream):
        def __init__(self, stream: httpx.SyncByteStream) -> None:
            self.stream = stream

        def __iter__(self) -> Iterator[bytes]:
            begun = b""
            for chunk in self.stream:
                lines, newline, rest = (begun + chunk).rpartition(b"\n")
                begun = rest
                yield HALVES.sub(lambda match: match[1] or b"\\ufffd", lines + newline)
            yield HALVES.sub(lambda match: match[1] or b"\\ufffd", begun)

        def close(self) -> None:
            self.stream.close()

    class StrictTransport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.host != CLOUD and not request.url.host.endswith("." + CLOUD):
                request.headers.pop("authorization", None)
            if not request.url.path.endswith("/api/chat"):
                return super().handle_request(request)
            body = json.loads(request.read()) | {"truncate": False, "shift": False}
            headers = {name: value for name, value in request.headers.items() if name != "content-length"}
            request = httpx.Request(request.method, request.url, headers=headers, json=body, extensions=request.extensions)
            response = super().handle_request(request)
            assert isinstance(response.stream, httpx.SyncByteStream)
            response.stream = Mended(response.stream)
            return response

    return StrictTransport()
