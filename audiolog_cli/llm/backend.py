"""What a language model is to the rest: something that answers a request with a stream of text and says what it cost.

`Backend` is the protocol; `ollama_backend.py` and `openai_backend.py` are its two clients, `endpoint.py` makes one from `--llm`. Here is
what both share: the errors, retries while a server is busy, and the guards that turn a bad answer into an error with a cause. An
answer that did not end by itself is never passed off as one.
"""

import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from audiolog_cli.errors import LLMError

WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before the next try when the server does not say
LONGEST_WAIT = 60.0  # seconds; who asks for more is not waited for
REPEATS = 12  # the same few characters so often in a row are a model that has lost its way


@dataclass(frozen=True, slots=True)
class Request:
    """One question."""

    prompt: str  # table, general prompt and question: one user message
    context: int  # tokens, prompt and answer together
    max_tokens: int  # for the answer
    schema: dict[str, Any] | None = None  # the answer is to be JSON of this schema


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in tokens, as far as the server says."""

    prompt_tokens: int | None
    answer_tokens: int | None


Stream = Generator[str, None, Usage]  # pieces of text, then what they cost


class Backend(Protocol):
    """A language model behind some server."""

    @property
    def name(self) -> str:
        """As in --llm."""

    def stream(self, request: Request) -> Stream:
        """The answer in pieces as they arrive. LLMError with a cause if it does not come, or not whole."""

    def count_tokens(self, prompt: str) -> int | None:
        """The exact length of the message `prompt` in tokens, or None where the server does not count."""

    def max_context(self) -> int | None:
        """The longest context that the server gives this model, or None where it does not say."""


class ContextOverflow(LLMError):
    """The prompt is longer than the context: the caller may send less."""


class Busy(LLMError):
    """The server asks to come back later."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class Broken(LLMError):
    """The answer came, and is not whole or not sane."""


def retried(start: Callable[[], Stream], say: Callable[[str], None]) -> Stream:
    """The stream of `start`, begun again after a while when the server is busy; text that has come is never asked for twice."""
    for wait in WAITS:
        try:
            return (yield from start())
        except Busy as busy:
            seconds = wait if busy.retry_after is None else busy.retry_after
            if seconds > LONGEST_WAIT:
                raise LLMError(f"{busy}; it asks to wait {seconds:.0f} s, try again then") from None
            say(f"{busy}; trying again in {seconds:g} s")
            time.sleep(seconds)
    return (yield from start())


def guarded(stream: Stream, request: Request, name: str) -> Stream:
    """`stream`, with Broken raised for an endless repetition or an empty answer, ContextOverflow for a prompt cut in silence."""
    text = ""
    pieces = iter(stream)
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            usage: Usage = end.value
            break
        text = (text + piece)[-4000:]
        if is_repeating(text):
            stream.close()
            raise Broken(
                f"{name}: the model repeats itself without end ({text[-12:]!r}); try another model or a lower --max-tokens"
            )
        yield piece
    if not text.strip():
        raise Broken(f"{name}: the answer is empty; a thinking model may need a higher --max-tokens than {request.max_tokens}")
    if usage.prompt_tokens is not None and 0 < usage.prompt_tokens < fewest_tokens(request.prompt):
        raise ContextOverflow(
            f"{name}: the server cut the prompt in silence: it read {usage.prompt_tokens} tokens of at least {fewest_tokens(request.prompt)}; "
            "raise the server's context, or lower --context to what it really has"
        )
    return usage


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
    """A length in tokens that no vocabulary goes below: a token per word, and one for every three digits in a row."""
    return len(re.findall(r"[^\W\d_]+|\d{1,3}", prompt)) * 9 // 10


def cut_off(name: str, request: Request) -> Broken:
    """The error for an answer that reached its length limit."""
    return Broken(f"{name}: the answer was cut off at {request.max_tokens} tokens; raise --max-tokens")


def one_line(text: str) -> str:
    """A server's message, fit for one line of stderr."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:300] + "…"


def read_overflow(error: object) -> tuple[int | None, int | None] | None:
    """(prompt tokens, context) from an error object of llama.cpp, Ollama or OpenAI, or None if it is about something else.

    The numbers are None where the server does not name them.
    """
    if not isinstance(error, dict):
        return (None, None) if "context length" in str(error) and "longer than" in str(error) else None
    kinds = (error.get("type"), error.get("code"))
    if "exceed_context_size_error" in kinds:
        return error.get("n_prompt_tokens"), error.get("n_ctx")
    if "context_length_exceeded" in kinds:
        numbers = [int(number) for number in re.findall(r"\d+", str(error.get("message")))]
        return (numbers[1], numbers[0]) if len(numbers) > 1 else (None, None)
    return None


def overflow(name: str, found: tuple[int | None, int | None]) -> ContextOverflow:
    """The error for a prompt that the server refused as too long."""
    n_prompt, n_context = found
    size = (
        f" is {n_prompt} tokens, the model holds {n_context}" if n_prompt and n_context else " is longer than the model's context"
    )
    return ContextOverflow(f"{name}: the prompt{size}; give the model a larger context, or a shorter table")
