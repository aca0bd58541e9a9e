"""What a language model is asked: the table, the paper's general prompt, and a question (AudioLog, section 3.3.2 and Table 3).

A question is a Markdown file with a front matter of `key: value` lines. The paper's three are such files in `prompt_files/`, word
for word; a user's own file or `--ask` replaces the question, never the table or the general prompt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from audiolog_cli.errors import UsageError

GENERAL = (
    "The above table provides a description of acoustic events and scenes from an audio clip, along with their start and "
    "end times in seconds."
)
BUILT_IN = Path(__file__).parent / "prompt_files"
KEYS = ("name", "description", "language")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question about a recording."""

    name: str
    question: str
    description: str = ""
    language: str = ""  # of the answer, in words such as German; "" leaves it to the model


def own_folder(environ: Mapping[str, str]) -> Path:
    """The folder in which a user's own prompts are looked up by name."""
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "audiolog" / "prompts"


def find(name: str, folder: Path, language: str = "") -> Prompt:
    """The prompt `name`: a built-in one, one of `folder` (`NAME.md`, or one that calls itself so), or the file with that path.

    `language`, that of the answer, overrides the prompt's own. UsageError if there is no such prompt, or the file is not one.
    """
    for path in (BUILT_IN / f"{name}.md", folder / f"{name}.md", Path(name)):
        if path.is_file():
            prompt = parse(_text(path), str(path))
            return replace(prompt, language=language or prompt.language)
    known = listed(folder, lambda _: None)
    for prompt in known:
        if prompt.name == name:
            return replace(prompt, language=language or prompt.language)
    names = ", ".join(prompt.name for prompt in known)
    raise UsageError(f"--prompt {name}: no such prompt or file; there is {names}, or write a Markdown file and give its path")


def listed(folder: Path, report: Callable[[str], None]) -> list[Prompt]:
    """The built-in prompts, then those of `folder`; files that are none go to `report` and cost no other."""
    prompts = []
    for path in [BUILT_IN / f"{name}.md" for name in ("overview", "timing", "brief")] + sorted(folder.glob("*.md")):
        try:
            prompts.append(parse(_text(path), str(path)))
        except UsageError as error:
            report(str(error))
    return prompts


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: a prompt is a text file in UTF-8, this is not") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None


def parse(text: str, path: str) -> Prompt:
    """A prompt from Markdown: `key: value` lines between two lines of `---` (both may be missing), then the question.

    >>> parse("---\\nname: dogs\\n---\\nWhen did dogs bark?\\n", "dogs.md")
    Prompt(name='dogs', question='When did dogs bark?', description='', language='')
    """
    lines = text.splitlines()
    fields = {"name": Path(path).stem}
    if lines and lines[0].strip() == "---":
        end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
        if end is None:
            raise UsageError(f"{path}:1: the front matter is opened with --- and never closed")
        for number, line in enumerate(lines[1:end], 2):
            key, colon, value = (part.strip() for part in line.partition(":"))
            if not colon or key not in KEYS:
                raise UsageError(f"{path}:{number}: expected `key: value` with a key of {', '.join(KEYS)}, got {line!r}")
            fields[key] = value
        lines = lines[end + 1 :]
    question = "\n".join(lines).strip()
    if not question:
        raise UsageError(f"{path}: the prompt asks nothing; write the question after the front matter")
    return Prompt(question=question, **fields)


def compose(table: str, prompt: Prompt) -> str:
    """The whole message: table, general prompt, question, and the language of the answer if one is named."""
    language = f" Write the answer in {prompt.language}." if prompt.language else ""
    return f"{table}\n\n{GENERAL}\n\n{prompt.question}{language}"
