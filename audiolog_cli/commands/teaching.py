"""`audiolog train --extend`: a folder of sounds in; out, a checkpoint that knows them, or what to listen to next."""

from pathlib import Path

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import AUDIO_SUFFIXES
from audiolog_cli.errors import UsageError


def extend_weights(
    folder: Path, weights: str, out: Path | None, suggest: int, recording: Path | None, *, only: bool, replace: bool, device: str
) -> None:
    """Learn the folder's labels in addition to those of the weights; prints the table, or with `suggest` a label track."""
    if out is None and not suggest:
        raise UsageError("train --extend needs --out FILE, where the checkpoint goes, or --suggest N RECORDING")
    if suggest and recording is None:
        raise UsageError(f"--suggest {suggest}: needs a recording to look into: audiolog train {folder} RECORDING --extend ...")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageError(f"--out {out}: expected a file to write, as mine.safetensors, in a folder that is there")
    from audiolog_cli.model import checkpoint
    from audiolog_cli.teaching.learning import TeachOptions, teach
    from audiolog_cli.teaching.material import read_material
    from audiolog_cli.teaching.report import report_lines
    from audiolog_cli.teaching.suggest import suggestions, track_lines
    from audiolog_cli.weights.find import find

    material = read_material(folder, lambda name: Path(name).suffix.lower() in AUDIO_SUFFIXES)
    if suggest and not material.events:
        raise UsageError(f"--suggest: {folder} holds places only; it is sounds that are asked about")
    taught = teach(find(weights), material, TeachOptions(only, replace, device), terminal.say)
    for remark in taught.remarks:
        terminal.say(remark)
    if out is not None:
        checkpoint.save(out, taught.network, taught.card)
        terminal.say(f"{out}: {len(taught.card.scenes)} scenes, {len(taught.card.events)} events; audiolog tag --weights {out}")
    if recording is not None:
        found = suggestions(taught.tagger, str(recording), material.events, suggest, terminal.say)
        terminal.write_lines(track_lines(found))
        return
    terminal.write_lines(report_lines(taught.figures))
