"""What decides the rows of a run: noted in the run's folder, and compared by a run that continues there.

In: the options of a run, every field of which counts, and the network. Out: `parameters.json` in a journal's folder or in that of
`--out`, a path or a URL; or a refusal that names what differs. An option that is off equals one that an earlier version did not
have. A lock keeps a second run out of a local folder.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audiolog_cli import __version__, terminal
from audiolog_cli.errors import UsageError
from audiolog_cli.side_files import alone, intact
from audiolog_cli.sound.remote import file_system
from audiolog_cli.tagging.options import OutputOptions, TagOptions
from audiolog_cli.weights.pull import sha256_of

Parameters = dict[str, Any]


def of_windows(weights: Path, device: str, precision: str, options: TagOptions) -> Parameters:
    """What decides the probabilities of windows, which a journal keeps."""
    network = {"version": __version__, "weights": sha256_of(weights), "device": device, "precision": precision}
    return network | asdict(options.windows) | asdict(options.sound)


def of_rows(windows: Parameters, options: TagOptions, output: OutputOptions) -> Parameters:
    """What decides the rows in the files of `--out`: all that decides the windows, and how rows are made from them."""
    own = {"scores": bool(output.scores_dir), "format": output.format}
    return windows | asdict(options.cells) | asdict(options.times) | own


def agree(folder: str, option: str, parameters: Parameters) -> None:
    """Note the parameters in a new folder; UsageError if those in an existing one differ or cannot be read."""
    system, place = file_system(folder)
    path = f"{place}/parameters.json"
    now = json.loads(json.dumps(parameters))
    if not system.exists(path):
        unfinished = f"{path}.unfinished"
        system.pipe_file(unfinished, json.dumps(now, indent=1).encode() + b"\n")
        system.mv(unfinished, path)
        return
    with intact(f"{folder}/parameters.json", "a run's parameters", "name another folder"):
        changed = changes(json.loads(system.cat_file(path)), now)
    if changed:
        raise UsageError(f"{option} {folder}: made with other parameters: {changed}; name another folder")


def changes(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which parameters differ, in words; empty if none does. Off and absent are the same.

    >>> changes({"hop": 10.0, "channel": "mix"}, {"hop": 5.0, "channel": "mix", "labels": []})
    'hop was 10.0, is 5.0'
    """
    return "; ".join(
        f"{name} was {earlier.get(name)!r}, is {now.get(name)!r}"
        for name in dict.fromkeys([*earlier, *now])
        if (earlier.get(name) or None) != (now.get(name) or None)
    )


@contextmanager
def locked(folder: Path, option: str) -> Iterator[None]:
    """Keep a second run out of a folder; UsageError while another run has it. The lock is released however a process ends."""
    busy = f"{option} {folder}: another run is using it; wait for it, or name another folder"
    path = folder / "lock"
    with terminal.refusing(f"{option} {folder}", UsageError):
        path.touch()
    with alone(path, busy):
        if not path.exists():  # its holder has just removed it
            raise UsageError(busy)
        yield
        path.unlink()
