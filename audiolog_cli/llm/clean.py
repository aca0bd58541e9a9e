"""A model's raw answer in, printable and checkable text out: no thoughts, no control characters, no half characters.

Thinking models put their thoughts before the answer: between `<think>` tags, before a bare closing tag (if the server's template
opened it), or in a channel of their own (gpt-oss). An answer that is all thoughts is empty.
"""

import re

TAG = r"think(?:ing)?|thoughts?|reasoning|reflection|seed:think"
THOUGHTS = (
    re.compile(rf"<({TAG})\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE),
    re.compile(rf"\A.*</(?:{TAG})\s*>", re.DOTALL | re.IGNORECASE),  # opened by the template
    re.compile(rf"<(?:{TAG})\b[^>]*>.*\Z", re.DOTALL | re.IGNORECASE),  # cut off while thinking
    re.compile(r"\[THINK\].*?(?:\[/THINK\]|\Z)", re.DOTALL),  # Mistral
)
FINAL = re.compile(r"<\|channel\|>\s*final\b[^<]*<\|message\|>", re.IGNORECASE)  # gpt-oss, harmony format
CHANNEL = re.compile(r"<\|channel\|>.*\Z", re.DOTALL)
MARKS = re.compile(r"<\|[a-z_]+\|>")  # of a chat template
ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?")  # ECMA-48
FENCED = re.compile(r"```[\w-]*\n((?:(?!```).)*)```", re.DOTALL)  # an answer that is one fenced block
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def cleaned(answer: str) -> str:
    """An answer without its thoughts, fit to be printed; "" if there were only thoughts.

    >>> cleaned("<think>A cat? No.</think>\\n\\nA bird at 0:02."), cleaned("A cat? No.</think> A bird."), cleaned("<think>A cat")
    ('A bird at 0:02.', 'A bird.', '')
    >>> cleaned("```markdown\\nA bird at 0:02.\\n```")
    'A bird at 0:02.'
    """
    text = printable(without_thoughts(answer)).strip()
    whole = FENCED.fullmatch(text)
    return whole[1].strip() if whole else text


def without_thoughts(answer: str) -> str:
    """The answer without thoughts and without the marks of a chat template.

    >>> answer = "<|start|>assistant<|channel|>final<|message|>A bird.<|return|>"
    >>> without_thoughts("<|channel|>analysis<|message|>A cat?<|end|>" + answer)
    'A bird.'
    """
    *_, final = FINAL.split(answer)
    answer = CHANNEL.sub("", final)
    for pattern in THOUGHTS:
        answer = pattern.sub("", answer)
    return MARKS.sub("", answer)


def printable(text: str) -> str:
    """Text that is harmless to a terminal: half characters joined, escape sequences and other control characters removed.

    >>> printable("A \\ud83d\\udc26 at 0:02.\\x1b[2J\\x1b]0;title\\x07\\r\\nB \\ud83d")
    'A \U0001f426 at 0:02.\\nB \ufffd'
    """
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return CONTROLS.sub("", ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
