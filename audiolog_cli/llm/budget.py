"""How many tokens a text has, and how many fit: the arithmetic of a model's context.

`estimate` never asks a server. On tables the usual "four characters per token" is two to four times too low, because every digit,
comma and line break is a token of its own; this count errs on the high side, so that what it lets through fits.
"""

import re
from dataclasses import dataclass
from math import ceil

from audiolog_cli.errors import UsageError

SAFETY = 1.25  # times a count that was right or too high on five vocabularies
TEMPLATE_TOKENS = 48  # that a chat template adds to one message
PIECES = re.compile(r"[A-Za-z]+|[^\w\s]|[\d_\n\t]|[^\W\d_]")  # words, then single marks, digits, breaks, other letters
FIRST_CJK = "\u2e80"  # from here on (radicals, kana, hanzi, hangul), a character may take two tokens


def estimate(text: str) -> int:
    """At most how many tokens `text` has in any common vocabulary: one per digit, mark and break, one per four letters of a word.

    >>> estimate("0\\t16\\tcity_center\\tcar\\n")
    15
    """
    count = 0
    for piece in PIECES.findall(text):
        count += ceil(len(piece) / 4) if piece < FIRST_CJK else 2
    return ceil(count * SAFETY)


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens a model can hold."""

    context: int  # prompt and answer together
    max_tokens: int  # kept free for the answer

    @property
    def room(self) -> int:
        """Tokens left for the prompt."""
        return self.context - self.max_tokens - TEMPLATE_TOKENS

    def check(self) -> None:
        """UsageError if the answer leaves no room for a prompt."""
        if self.room < 256:
            raise UsageError(
                f"--context {self.context} with --max-tokens {self.max_tokens} leaves {self.room} tokens for the table, at least "
                "256 are needed; raise --context or lower --max-tokens"
            )
