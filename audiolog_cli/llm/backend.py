"""The language model as the rest sees it: something that answers a request, and says what that cost and what is wrong with it.

`Backend` is the protocol; `ollama_backend.py` and `openai_backend.py` are its two clients; `endpoint.py` makes one from `--llm`.
Both share what is here: the errors, retries while a server is busy, dropping parameters that a server does not know, and the
guards that tell a bad answer from a good one. A server that fails is an LLMError; a bad answer is a `Reply` with a flaw.
"""

import re
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

from audiolog_cli.errors import LLMError
from audiolog_cli.llm.clean import cleaned, printable

WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before the next try if the server does not say
LONGEST_WAIT = 60.0  # seconds; a server that asks for more is not waited for
LONGEST_TOKEN = 16  # characters per token on average, at the very most
LONGEST_ANSWER = 100_000  # characters, from a server that knows no limit, where few tokens are allowed
REPEATS = 12  # the same few characters this often in a row mean that the model is stuck in a loop
SMALLEST_CONTEXT = 256  # tokens; a server that truncates a prompt fills its context, and none has a smaller one


@dataclass(frozen=True, slots=True)
class Request:
    """One question."""

    turns: tuple[str, ...]  # of user and model in turn, the user's first
    context: int  # tokens, all turns and the answer together
    max_tokens: int  # for the answer

    @property
    def text(self) -> str:
        """All turns, for counting."""
        return "\n".join(self.turns)

    @property
    def messages(self) -> list[dict[str, str]]:
        """The turns in the form that both protocols use."""
        return [{"role": ("user", "assistant")[turn % 2], "content": text} for turn, text in enumerate(self.turns)]


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost in tokens, as far as the server says, and whether it reached its limit."""

    prompt_tokens: int | None
    answer_tokens: int | None
    cached_tokens: int = 0  # prompt tokens that the server had cached
    is_cut: bool = False


Value = TypeVar("Value")
Stream = Generator[str, None, Usage]  # pieces of text, then what they cost


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: printable text, without the model's thoughts."""

    text: str
    usage: Usage
    flaw: str = ""  # what is wrong, for a person to read; "" for an answer that ended by itself and is not empty


@dataclass(frozen=True, slots=True)
class About:
    """What a server says of its model; None where it does not say."""

    context: int | None = None  # the longest that it gives this model, in tokens
    n_parameters: int | None = None


class Backend(Protocol):
    """A language model behind some server."""

    @property
    def name(self) -> str:
        """As in --llm."""

    def answer(self, request: Request) -> Reply:
        """The model's answer. LLMError with a cause if the server gives none."""

    def count_tokens(self, request: Request) -> int | None:
        """The exact length of all turns in tokens, or None if the server does not count."""

    def about(self) -> About:
        """What the server says of the model. LLMError if it cannot be reached."""


class ContextOverflow(LLMError):
    """The prompt is longer than the context: the caller may send less."""


class Busy(LLMError):
    """The server asks to come back later."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class Unknown(LLMError):
    """The server refuses parameters of the request."""

    def __init__(self, message: str, parameters: frozenset[str]) -> None:
        super().__init__(message)
        self.parameters = parameters


def answered(chat: Callable[[Request], Stream], request: Request, name: str, say: Callable[[str], None]) -> Reply:
    """The reply to `request`: complete, sane and printable, or with its flaw.

    ContextOverflow for a prompt that the server silently truncated. If a server counts only the tokens that it had not cached,
    the prompt is sent again, with a new beginning and for one token of answer: then every token is read and counted.
    """
    reply = _collected(lambda: chat(request), request, name, say)
    fewest = fewest_tokens(request.text)
    if _looks_cut(reply.usage, fewest):
        first, *rest = request.turns
        anew = replace(request, turns=(f"({uuid4()})\n{first}", *rest), max_tokens=1)
        usage = _collected(lambda: chat(anew), anew, name, say).usage
        if _looks_cut(usage, fewest):
            raise ContextOverflow(
                f"{name}: the server cut the prompt in silence: it read {usage.prompt_tokens} tokens of at least {fewest}; "
                "raise the server's context, or lower --context to what it really has"
            )
    return reply


def _looks_cut(usage: Usage, fewest: int) -> bool:
    return usage.prompt_tokens is not None and SMALLEST_CONTEXT <= usage.prompt_tokens + usage.cached_tokens < fewest


@dataclass(slots=True)
class Pieces(Generic[Value]):
    """The pieces of a text as they come and, after the last, the `value` that their generator returned."""

    generator: Generator[str, None, Value]
    value: Value = field(init=False)

    def __iter__(self) -> Iterator[str]:
        self.value = yield from self.generator


def _collected(start: Callable[[], Stream], request: Request, name: str, say: Callable[[str], None]) -> Reply:
    """All of a stream, abandoned if it does not come to an end."""
    text = ""
    stream = Pieces(retried(start, say))
    for piece in stream:
        text += piece
        is_boundless = len(text) > max(LONGEST_ANSWER, LONGEST_TOKEN * request.max_tokens)
        if is_boundless or is_repeating(text[-4000:]):
            stream.generator.close()
            what = f"repeats itself without end ({printable(text[-12:])!r})"
            if is_boundless:
                what, text = f"goes on and on, far beyond the {request.max_tokens} tokens it may answer", ""
            return Reply(cleaned(text), Usage(None, None), f"{name}: the model {what}; try another one or a lower --max-tokens")
    text, usage = cleaned(text), stream.value
    if usage.is_cut:
        return Reply(text, usage, f"{name}: the answer was cut off at {request.max_tokens} tokens; raise --max-tokens")
    empty = f"{name}: the answer is empty; a thinking model may need a higher --max-tokens than {request.max_tokens}"
    return Reply(text, usage, "" if text else empty)


def retried(start: Callable[[], Stream], say: Callable[[str], None]) -> Stream:
    """The stream of `start`, retried after a wait while the server is busy, and at once without parameters that it refuses."""
    waits = iter(WAITS)
    refused: set[str] = set()
    while True:
        try:
            return (yield from start())
        except Unknown as unknown:
            if unknown.parameters <= refused:
                raise
            refused |= unknown.parameters
        except Busy as busy:
            wait = next(waits, None)
            if wait is None:
                raise
            seconds = wait if busy.retry_after is None else busy.retry_after
            if seconds > LONGEST_WAIT:
                raise LLMError(f"{busy}; it asks to wait {seconds:.0f} s, try again then") from None
            say(f"{busy}; trying again in {seconds:g} s")
            time.sleep(seconds)


def is_repeating(text: str) -> bool:
    """Whether `text` ends in REPEATS copies of the same unit and at least 240 characters of them.

    >>> is_repeating("a dog barks. " * 20), is_repeating("0:05 dog, 0:07 dog, " * 2), is_repeating("-" * 80)
    (True, False, False)
    """
    for size in (1, 2, 3, 4, 5, 6, 8, 12, *range(13, 200)):
        copies = max(REPEATS, -(-240 // size))
        if len(text) >= size * copies and text.endswith(text[-size:] * copies):
            return True
    return False


def fewest_tokens(prompt: str) -> int:
    """A lower bound of the length in tokens for any vocabulary: one per word, and one for every three digits in a row."""
    return len(re.findall(r"[^\W\d_]+|\d{1,3}", prompt)) * 9 // 10


def one_line(text: str) -> str:
    """A server's message, fit for one line of stderr."""
    line = " ".join(printable(text).split())
    return line if len(line) <= 300 else line[:300] + "…"


# Error messages of servers

OVERFLOWS = re.compile(  # Ollama, llama-cpp-python, vLLM, SGLang, LM Studio, TGI
    r"context[ _](?:length|window|size)|context the overflows|maximum context|n_ctx|(?:prompt|input) is too "
    r"long|max_new_tokens`? must be",
    re.IGNORECASE,
)
BOTH_LENGTHS = (  # (context, prompt) and (prompt, context)
    (re.compile(r"context length (?:is|of)(?: only)? (\d+) tokens\D+(\d+)"), 1, 2),
    (re.compile(r"(\d+)(?: input)? tokens\)? (?:is|are|exceeds?) (?:longer|greater|the|context)\D+(\d+)"), 2, 1),
    (re.compile(r"n_keep: (\d+)\s*>= n_ctx: (\d+)"), 2, 1),
)


def overflow(name: str, error: object) -> ContextOverflow | None:
    """What to raise if a server's error says that the prompt is too long; None for any other error."""
    known: dict[str, Any] = error if isinstance(error, dict) else {}
    message = str(known.get("message") or error)
    n_prompt, n_context = known.get("n_prompt_tokens"), known.get("n_ctx")
    if "exceed_context_size_error" not in (known.get("type"), known.get("code")):
        if known.get("code") != "context_length_exceeded" and not OVERFLOWS.search(message):
            return None
        said = ((pattern.search(message), context, prompt) for pattern, context, prompt in BOTH_LENGTHS)
        n_prompt, n_context = next(((found[prompt], found[context]) for found, context, prompt in said if found), (None, None))
    size = f"{n_prompt} tokens, the model holds {n_context}" if n_prompt and n_context else "longer than the model's context"
    return ContextOverflow(f"{name}: the prompt is {size}; give the model a larger context, or a shorter table")
