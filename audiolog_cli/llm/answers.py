"""Finished answers on disk, so that a long summary that failed half-way can resume where it stopped.

One file per answer, named by a hash of the whole request (model, turns, limits): the same question is never paid for twice, and
a changed one never gets an old answer. A file holds the answer's text and its cost, but no key.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from audiolog_cli.host import user_cache
from audiolog_cli.llm.backend import Reply, Request, Usage

FORMAT = 2  # part of the name: raise it when the meaning of an answer changes


def name_of(model: str, request: Request) -> str:
    """The file name for an answer of `model` to `request`."""
    asked = json.dumps([FORMAT, model, asdict(request)], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(asked.encode()).hexdigest() + ".json"


def place(folder: str) -> Path | None:
    """Where answers are kept: in the folder, in the user's cache if none is named, or nowhere with `off`."""
    if folder == "off":
        return None
    return Path(folder) if folder else user_cache("answers")


def load(folder: Path, name: str) -> Reply | None:
    """A kept answer, or None if there is no readable one."""
    try:
        kept = json.loads((folder / name).read_text(encoding="utf-8"))
        return Reply(str(kept["text"]), Usage(**kept["usage"]), str(kept["flaw"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(folder: Path, name: str, reply: Reply) -> None:
    """Write an answer completely or not at all: an interrupt leaves no partial file under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{name}.{os.getpid()}.{hashlib.sha256(reply.text.encode()).hexdigest()[:8]}"
    draft.write_text(json.dumps(asdict(reply)), encoding="utf-8")
    draft.replace(folder / name)
