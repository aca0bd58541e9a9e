"""A model behind an OpenAI-compatible endpoint: ChatGPT, ERNIE Bot (Qianfan), Spark, llama.cpp's server, vLLM, LM Studio.

One strict client on httpx. An answer counts as complete only after a `finish_reason` or `[DONE]`; a stream with neither, an empty
one and an error inside a 200 are errors with a cause. A parameter that the service refuses is omitted from then on. Keys go into
one header only and are removed from every message.
"""

import json
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from audiolog_cli.errors import LLMError
from audiolog_cli.llm.backend import (
    About,
    Busy,
    ContextOverflow,
    Reply,
    Request,
    Stream,
    Unknown,
    Usage,
    answered,
    one_line,
    overflow,
)
from audiolog_cli.llm.reaching import LOCAL, environment_errors, http_errors, through_proxy, why

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Preset:
    """What differs between the services."""

    base_url: str
    key_variable: str  # the environment variable that holds its key
    context: int | None = None  # tokens in the context of its smaller current models; None asks the server
    temperature: float | None = 0.0  # None is not sent: some models accept only their default
    max_tokens_name: str = "max_tokens"
    unsent: frozenset[str] = frozenset({"cache_prompt"})  # parameters that the service is known to refuse


PRESETS = {
    "openai": Preset("https://api.openai.com/v1", "OPENAI_API_KEY", 128_000, None, "max_completion_tokens"),
    "qianfan": Preset("https://qianfan.baidubce.com/v2", "QIANFAN_API_KEY", 8_192, 0.1),
    "spark": Preset(
        "https://spark-api-open.xf-yun.com/v1",
        "SPARK_API_PASSWORD",
        8_192,
        0.1,
        unsent=frozenset({"cache_prompt", "stream_options"}),
    ),
}
LIMITS = ("max_tokens", "max_completion_tokens")  # two names for one parameter


@dataclass(frozen=True, slots=True)
class OpenAIBackend:
    """A model of an OpenAI-compatible service."""

    name: str  # as in --llm
    preset: Preset
    model: str
    key: str = field(repr=False)  # "" sends none
    timeout: float  # seconds without a byte
    say: Callable[[str], None]  # for a person to read
    refused: set[str] = field(default_factory=set, compare=False)  # parameters that this service does not know

    def answer(self, request: Request) -> Reply:
        """See Backend."""
        return answered(self._chat, request, self.name, self.say)

    def count_tokens(self, request: Request) -> int | None:
        """The count of llama.cpp's server; None from the others, which do not count."""
        if self.preset.context is not None or not _counts(self):
            return None
        return self.counted(request.messages)

    def counted(self, messages: list[dict[str, str]]) -> int | None:
        """The length of these messages in tokens, as the server counts it; None if it does not."""
        body = {"model": self.model, "messages": messages}
        return _count(self._ask("POST", self.preset.base_url + "/chat/completions/input_tokens", body), "input_tokens")

    def about(self) -> About:
        """From the preset, or llama.cpp's /props and the list of models, llama.cpp's or vLLM's."""
        if self.preset.context is not None:
            return About(self.preset.context)
        props = self._ask("GET", self.preset.base_url.removesuffix("/v1") + "/props")
        models = self._ask("GET", self.preset.base_url + "/models").get("data")
        with self._errors():
            found = _count(_mapping(props.get("default_generation_settings"), "default_generation_settings"), "n_ctx")
            known = [model for model in (models if isinstance(models, list) else []) if isinstance(model, dict)]
            # llama.cpp's server has one model, whatever name it is asked for
            model = next((each for each in known if each.get("id") == self.model), known[0] if found and known else {})
            size = _count(_mapping(model.get("meta"), "meta"), "n_params")
        return About(found or _count(model, "max_model_len") or None, size)

    def _chat(self, request: Request) -> Stream:
        with self._errors(), self._client().stream("POST", "/chat/completions", json=self._body(request)) as response:
            if response.status_code != 200:
                response.read()
                raise self._refusal(response, self._body(request).keys() - NEEDED)
            return (yield from self._answer(_chunks(response)))

    def _body(self, request: Request) -> dict[str, Any]:
        limit = next((name for name in (self.preset.max_tokens_name, *LIMITS) if name not in self.refused), "")
        optional: dict[str, Any] = {
            limit: request.max_tokens,
            "temperature": self.preset.temperature,
            "stream_options": {"include_usage": True},
            "cache_prompt": True,  # llama.cpp: the part in common with the last prompt is not read again
        }
        unsent = self.preset.unsent | self.refused | {""}
        known = {name: value for name, value in optional.items() if name not in unsent and value is not None}
        return {"model": self.model, "messages": request.messages, "stream": True, **known}

    def _answer(self, chunks: Iterator[Any]) -> Stream:
        """The text of the chunks; finish_reason or [DONE] must mark the end."""
        finish, seen, usage = "", False, dict[str, Any]()
        for chunk in chunks:
            if chunk is DONE:
                finish = finish or "done"
                break
            seen = True
            error = chunk.get("error") or (chunk if chunk.get("code") not in (None, 0, "0") else None)
            if error:
                said = LLMError(f"{self.name}: the service answered with an error: {self._said(error)}")
                raise overflow(self.name, error) or said
            usage |= _mapping(chunk.get("usage"), "usage")
            choices = chunk.get("choices")
            choice = _mapping(choices[0] if isinstance(choices, list) and choices else choices, "choices")
            finish = choice.get("finish_reason") or finish
            yield _text(_mapping(choice.get("delta") or choice.get("message"), "delta").get("content"))
        if finish == "content_filter":
            raise LLMError(f"{self.name}: the service's content filter stopped the answer")
        if not seen:
            raise ContextOverflow(
                f"{self.name}: the answer is empty, as some servers do when the prompt is longer than their context"
            )
        if not finish:
            raise LLMError(f"{self.name}: the answer broke off before its end (neither finish_reason nor [DONE])")
        cached = _count(_mapping(usage.get("prompt_tokens_details"), "prompt_tokens_details"), "cached_tokens") or 0
        return Usage(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"), cached, finish == "length")

    def _refusal(self, response: "httpx.Response", optional: Set[str] = frozenset()) -> LLMError:
        """The error for a status that is not 200; Unknown if it names one of the `optional` parameters of the request."""
        try:
            body = response.json()
            error = body.get("error") or body
        except (ValueError, AttributeError):
            error = {"message": response.text or response.reason_phrase}
        if too_long := overflow(self.name, error):
            return too_long
        status, said = response.status_code, self._said(error)
        if response.is_redirect:
            to = self._said(response.headers["location"])
            return LLMError(f"{self.name}: the server redirects to {to} ({status}), which is not followed; name that address")
        if status in (401, 403):
            where = f"set {self.preset.key_variable}" if not self.key else f"look at {self.preset.key_variable}"
            return LLMError(f"{self.name}: the key was refused ({status}: {said}); {where}")
        if status == 429 and "insufficient_quota" in (_field(error, "code"), _field(error, "type")):
            return LLMError(f"{self.name}: the account's quota is used up (429: {said})")
        if status == 429 or status >= 500:
            return Busy(f"{self.name}: the service is busy ({status}: {said})", _retry_after(response))
        named = frozenset(name for name in optional if name in response.text)
        if status in (400, 422) and named:
            self.refused.update(named)
            return Unknown(f"{self.name}: the service refused ({status}: {said})", named)
        if status == 404:
            return LLMError(f"{self.name}: no such address or model (404: {said}); look at the URL and the model's name")
        return LLMError(f"{self.name}: the service refused ({status}: {said})")

    def _said(self, error: Any) -> str:
        text = str(_field(error, "message") or error)
        code = _field(error, "code")
        text = f"{text} (code {code})" if code not in (None, "") else text
        return one_line(text.replace(self.key, "***") if self.key else text)

    def _ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object at `url`; an empty one if the server has none there."""
        with self._errors():
            response = self._client().request(method, url, json=body)
            if response.status_code in (404, 405, 501):
                return {}
            if response.status_code != 200:
                raise self._refusal(response)
            answer = response.json()
        return answer if isinstance(answer, dict) else {}

    def _client(self) -> "httpx.Client":
        return client_for(self.preset.base_url, self.key, self.timeout)

    def _errors(self) -> AbstractContextManager[None]:
        """An LLMError with a cause for whatever httpx raises."""
        place = self.preset.base_url

        def unreachable(error: Exception) -> str:
            return f"no server answers at {place}{through_proxy(place)}: {why(error)}; is it running, is the address right?"

        return http_errors(self.name, place, self.timeout, unreachable, "OpenAI's protocol")


@cache
def _counts(backend: OpenAIBackend) -> bool:
    """Whether a server counts tokens; asked once. False also if it cannot be reached: the question itself will say so."""
    try:
        return backend.counted([{"role": "user", "content": ""}]) is not None
    except LLMError:
        return False


@cache
def client_for(base_url: str, key: str, timeout: float) -> "httpx.Client":
    """The client of one service: made once, since it loads the machine's certificates, and shared by all threads."""
    import httpx

    with environment_errors():
        return httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)),
            trust_env=httpx.URL(base_url).host not in LOCAL,  # no proxy for a local server
        )


NEEDED = {"model", "messages", "stream"}  # parameters without which there is no question
DONE = object()  # stands for the chunk `data: [DONE]`


def _chunks(response: "httpx.Response") -> Iterator[Any]:
    """The JSON objects of a server-sent event stream, or of a body that is one JSON object (servers that do not stream).

    ValueError for a body that is neither.
    """
    if response.headers.get("content-type", "").startswith("application/json"):
        response.read()
        if response.content.strip():
            yield _object(response.text)
            yield DONE
        return
    for data in events(response.iter_lines()):
        yield DONE if data == "[DONE]" else _object(data)


def _mapping(value: Any, what: str) -> dict[str, Any]:
    """A JSON object, an empty one in place of none; ValueError for anything else."""
    if value and not isinstance(value, dict):
        raise ValueError(f"expected {what} to be an object, got {json.dumps(value)[:60]}")
    return value or {}


def _count(fields: dict[str, Any], key: str) -> int | None:
    """The whole number under a key; None if there is none."""
    value = fields.get(key)
    return value if type(value) is int else None


def _object(text: str) -> dict[str, Any]:
    chunk = json.loads(text)
    if not isinstance(chunk, dict):
        raise ValueError(f"expected a JSON object, got {text[:60]!r}")
    return chunk


def events(lines: Iterator[str]) -> Iterator[str]:
    """The data of server-sent events (WHATWG HTML, 9.2): `data` lines up to an empty line, joined; all else is skipped.

    ValueError for a line of HTML, such as the page of a proxy.

    >>> list(events(iter(["data: a", "", ": ping", "data: b", "data: c", ""])))
    ['a', 'b\\nc']
    """
    data: list[str] = []
    for line in lines:
        field_name, _, value = line.partition(":")
        if field_name in ("data", "error") and line:
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
        elif line.lstrip().startswith("<"):
            raise ValueError(f"expected server-sent events, got {line.strip()[:60]!r}")
    if data:  # a stream may end without its last empty line
        yield "\n".join(data)


def _text(content: Any) -> str:
    """The text of an answer's content: a string, or a list of parts, of which texts count and thoughts do not."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict) and part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _field(error: Any, name: str) -> Any:
    return error.get(name) if isinstance(error, dict) else None


def _retry_after(response: "httpx.Response") -> float | None:
    """Seconds from a Retry-After header, which holds a number or a date; None without one that says something."""
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
        return seconds if seconds >= 0 else None
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
