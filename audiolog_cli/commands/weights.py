"""`audiolog weights`: which checkpoints there are, where they are, how to get more, and whether one is valid."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from audiolog_cli import terminal
from audiolog_cli.commands.options import Quiet, complete_published, complete_weights
from audiolog_cli.errors import InputError, UsageError, WeightsError
from audiolog_cli.tally import Tally

if TYPE_CHECKING:
    from audiolog_cli.model.checkpoint import Card, Network
    from audiolog_cli.weights.labels import LabelList
    from audiolog_cli.weights.pull import Published

COLUMNS = ("name", "here", "bytes", "knows", "licence", "source")

Labels = Annotated[
    str,
    Option(
        metavar="FILE|NAME",
        help="What the outputs mean: a TSV with the columns kind, label, or audioset, everyday, maestro, maestro-soft, tut.",
    ),
]

Offline = Annotated[bool, Option("--offline", help="Use only what is on this machine, including the hub's cache.")]


def list_weights(quiet: Quiet = False) -> None:
    """List the checkpoints that have a name: those on this machine, then published ones.

    One line each: name, here (yes, or how to get it), size in bytes (- if unknown), what it knows, licence, source.

    Example: audiolog weights list
    """
    from audiolog_cli.weights.find import present
    from audiolog_cli.weights.pull import published

    here = present()
    known = published()
    terminal.write_lines(["\t".join(COLUMNS) + "\n"])
    terminal.write_lines("\t".join([name, *_described(path)]) + "\n" for name, path in here.items())
    terminal.write_lines(
        "\t".join([name, "pull" if entry.repo else "by hand", "-", entry.knows, entry.licence, entry.source]) + "\n"
        for name, entry in known.items()
        if name not in here
    )


def path(
    name: Annotated[
        str,
        Argument(metavar="NAME", help="A name that `audiolog weights list` shows, or a path.", autocompletion=complete_weights),
    ] = "everyday",
    quiet: Quiet = False,
) -> None:
    """Print the path of a checkpoint.

    Example: cp "$(audiolog weights path everyday)" /media/stick
    """
    from audiolog_cli.weights.find import find

    terminal.write_lines([f"{find(name)}\n"])


def labels(
    name: Annotated[
        str, Argument(metavar="FILE|NAME", help="A checkpoint of audiolog's own format.", autocompletion=complete_weights)
    ] = "everyday",
    quiet: Quiet = False,
) -> None:
    """Print what a checkpoint can name: scenes, groups of scenes (the kind of place, where no scene is sure) and events.

    One line each: kind, label, threshold (the score from which it is named), sure (the same with `tag --sure`), and the scenes
    of a group.

    Example: audiolog weights labels | grep dog
    """
    from audiolog_cli.model import checkpoint
    from audiolog_cli.weights.find import find, read_header

    file = find(name)
    card = checkpoint.card_of(file, read_header(file))
    lines: list[tuple[object, ...]] = [("kind", "label", "threshold", "sure", "scenes")]
    lines += [("scene", scene, card.scene_bar, card.scene_bar, "") for scene in card.scenes]
    lines += [("group", group, card.group_bar, card.group_bar, ";".join(scenes)) for group, scenes in card.groups.items()]
    sure = card.sure_thresholds or card.thresholds
    lines += [("event", *event, "") for event in zip(card.events, card.thresholds, sure, strict=True)]
    terminal.write_lines("\t".join(map(str, line)) + "\n" for line in lines)


def pull(
    name: Annotated[
        str, Argument(metavar="NAME", help="A name that `audiolog weights list` shows.", autocompletion=complete_published)
    ],
    offline: Offline = False,
    labels: Labels = "",
    quiet: Quiet = False,
) -> None:
    """Download a published checkpoint, check its bytes and make it available as --weights NAME.

    HF_ENDPOINT and HF_HOME are honoured; an interrupted download continues where it stopped. The result is kept in
    audiolog/weights in XDG_CACHE_HOME; the published file itself is not. Prints the path.

    Example: audiolog weights pull clap-htsat-unfused
    """
    from audiolog_cli.host import user_cache
    from audiolog_cli.weights.find import SUFFIX
    from audiolog_cli.weights.pull import SHA256, by_name, download, sha256_of

    entry, label_list = by_name(name), _label_list(labels)
    target = user_cache("weights") / f"{name}{SUFFIX}"
    if not target.exists():
        file = download(entry, offline, terminal.progress_wanted())
        if entry.sha256 and len(entry.sha256) < SHA256:
            terminal.say(
                f"{name}: only the first {len(entry.sha256)} digits of its SHA-256 are pinned, and match: the file is complete, "
                f"but it could be forged (SHA-256 {sha256_of(file)})"
            )
        if not entry.sha256:
            terminal.say(
                f"{name}: nobody has pinned this file; its bytes are those that the hub states (SHA-256 {sha256_of(file)})"
            )
        _adopt(file, target, entry, label_list)
        if file.parent == user_cache("downloads"):
            file.unlink()
    terminal.write_lines([f"{target}\n"])


def _adopt(file: Path, target: Path, entry: "Published", labels: "LabelList | None") -> None:
    """Write a published file as a checkpoint in our own format that says where it came from."""
    from audiolog_cli.model import checkpoint, layouts  # after the download: a failed one should not wait for torch
    from audiolog_cli.weights.pull import origin_of

    network, card = layouts.read(file, labels)
    with terminal.refusing(f"{target.parent}: cannot be made", WeightsError, "; set XDG_CACHE_HOME"):
        target.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(target, network, replace(card, provenance=card.provenance | origin_of(file, entry)))


def convert(
    file: Annotated[Path, Argument(metavar="FILE", help="Another project's checkpoint: .ckpt, .pth, .pt, .bin, .safetensors.")],
    out: Annotated[Path, Option(metavar="FILE", help="Where the new checkpoint goes.")],
    labels: Labels = "",
    quiet: Quiet = False,
) -> None:
    """Convert another project's checkpoint to audiolog's own format.

    Known are HTS-AT, AudioLog, EfficientAT (mnXX), and the sound networks of LAION-CLAP, msclap and transformers' CLAP, which
    have no labels and serve as a start for `audiolog train --init`. Files are read without running anything that they contain.

    Example: audiolog weights convert mn04_as_mAP_432.pt --out mn04.safetensors
    """
    from audiolog_cli.model import checkpoint, layouts
    from audiolog_cli.weights.pull import origin_of

    network, card = layouts.read(file, _label_list(labels))
    checkpoint.save(out, network, replace(card, provenance=card.provenance | origin_of(file)))
    terminal.say(f"{out}: {_summary(network, card)}")
    if not card.events:
        terminal.say("it has no labels: it can start a training (`audiolog train --init`), not tag")


def check(
    files: Annotated[
        list[str], Argument(metavar="FILE|NAME...", help="Checkpoints of audiolog's own format.", autocompletion=complete_weights)
    ],
    quiet: Quiet = False,
) -> None:
    """Check checkpoints: tensors, labels and thresholds complete and valid, one window scored.

    Prints a line for each that is valid. Exit code 2 for one that is not; of several, 3 if some are valid and 1 if none is.

    Example: audiolog weights check everyday
    """
    from audiolog_cli.weights.find import find

    tally = Tally()
    for name in files:
        try:
            terminal.write_lines([f"{name}: {_checked(find(name))}\n"])
            tally.done += 1
        except WeightsError as error:
            if len(files) == 1:
                raise
            tally.fail(str(error))
    tally.end()


def words(
    name: Annotated[
        str,
        Argument(
            metavar="NAME|FOLDER",
            help="A CLAP in transformers' format: one that can be pulled, or a folder.",
            autocompletion=complete_published,
        ),
    ],
    labels: Annotated[list[str], Argument(metavar="WORDS...", help="What to listen for, a few words each, in quotes.")],
    out: Annotated[Path, Option(metavar="FILE", help="Where the new checkpoint goes.")],
    contrast: Annotated[
        list[str] | None,
        Option(metavar="WORDS", help="What a word competes with, instead of silence, wind, speech, ...; repeatable."),
    ] = None,
    span: Annotated[
        float, Option(min=0.0, help="Seconds covered by a score; 0 is the whole window of 10 s, as CLAP was trained.")
    ] = 0.0,
    calibrate: Annotated[
        list[str] | None,
        Option(metavar="RECORDING", help="A recording with few of these sounds: thresholds are set above its scores."),
    ] = None,
    offline: Offline = False,
    quiet: Quiet = False,
) -> None:
    """Make a checkpoint whose events are words of yours, with a CLAP's text tower (needs the extra `clap`; `tag` does not).

    Example: audiolog weights words clap-htsat-unfused "chainsaw" "rifle shot" --calibrate night.flac --out forest.safetensors
    """
    from audiolog_cli.model import checkpoint
    from audiolog_cli.tagging.options import LoadOptions
    from audiolog_cli.tagging.tagger import load
    from audiolog_cli.teaching.words import CONTRASTS, WordOptions, calibrated, make
    from audiolog_cli.weights.pull import folder_of

    folder = Path(name) if Path(name).is_dir() else folder_of(name, offline, terminal.progress_wanted())
    network, card = make(folder, WordOptions(tuple(labels), tuple(contrast or CONTRASTS), span))
    checkpoint.save(out, network, card)
    if calibrate:
        card = replace(card, thresholds=calibrated(load(LoadOptions(weights=str(out.absolute()))), calibrate, terminal.say))
        checkpoint.save(out, network, card)
    terminal.say(f"{out}: {_summary(network, card)}")


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_weights, "labels": labels, "path": path, "pull": pull, "convert": convert, "check": check, "words": words,
}  # fmt: skip


def _described(file: Path) -> list[str]:
    """The columns of `list` after the name, for a file on this machine; the line of a damaged file says so."""
    from audiolog_cli.weights.find import read_header

    try:
        header = read_header(file)
        scenes, events, provenance = (json.loads(header.metadata[key]) for key in ("scenes", "events", "provenance"))
        knows = f"{len(scenes)} scenes, {len(events)} events" if events or scenes else "backbone"
        origin = [str(provenance.get("licence", "-")), str(provenance.get("source", "-"))]
    except (WeightsError, KeyError, ValueError, AttributeError, TypeError):
        return ["damaged", str(file.stat().st_size), "-", "-", str(file)]
    return ["yes", str(file.stat().st_size), knows, *(" ".join(text.split()) for text in origin)]


def _checked(file: Path) -> str:
    from audiolog_cli.model import checkpoint

    network, card = checkpoint.load(file)
    checkpoint.check_scores(file, network, card)
    return f"valid; {_summary(network, card)}"


def _summary(network: "Network", card: "Card") -> str:
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    return (
        f"{card.architecture}, {n_parameters / 1e6:.2f} million parameters, {card.front_end.sample_rate} Hz,"
        f" {len(card.scenes)} scenes, {len(card.events)} events"
    )


def _label_list(name: str) -> "LabelList | None":
    from audiolog_cli.weights.labels import find_labels

    try:
        return find_labels(name)
    except InputError as error:
        raise UsageError(f"--labels {error}") from None
