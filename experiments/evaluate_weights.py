"""Measures a checkpoint on composed recordings and on sound that holds no event; prints the tables of the model card.

    audiolog mix DATA/everyday DATA/extra --split val --recordings 12 --seed 7 --out composed
    python experiments/evaluate_weights.py weights/everyday.safetensors composed [DATA/everyday DATA/extra]
    python experiments/evaluate_weights.py mn04.safetensors composed experiments/audioset_map.tsv tuning   # an AudioSet tagger

A tagger's classes are mapped to the events of the default weights, and its thresholds tuned on the recordings in `tuning`, as those were.

Seconds are counted as in the field: a reference event is active from floor(onset) to ceil(offset). Where `composed/ignore.tsv` says that
a scene may hold an event that nobody labelled, that event is not counted. With the folders of clips, false alarms on speech alone and
music alone are counted too.
"""

import csv
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from audiolog_cli.evaluation.references import read_frame_scores
from audiolog_cli.metrics.score_based import average_precision
from audiolog_cli.mixing.augment import SAMPLE_RATE, Wave, decibels, noise
from audiolog_cli.mixing.clips import of_split, read_clips
from audiolog_cli.mixing.production import read_mapping, whole_file
from audiolog_cli.mixing.vocabulary import EVENTS, SCENES
from audiolog_cli.records import Cell
from audiolog_cli.sound import audio
from audiolog_cli.tagging.hearing import heard, hearing
from audiolog_cli.tagging.options import Job, LoadOptions, TagOptions
from audiolog_cli.tagging.tagger import Tagger, load
from audiolog_cli.training.validation import Scores, curves, micro_f1, scene_accuracy, tuned_thresholds

MINUTES = 10  # of each sound without events


def spans(path: Path, column: str) -> Iterator[tuple[str, float, float, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            yield row["filename"], float(row["onset"]), float(row["offset"]), row[column]


def composed_scores(tagged: Tagger, folder: Path, mapping: dict[str, tuple[str, ...]]) -> Scores:
    """Every second of every recording: scores, reference, what is counted. A mapped event scores as the highest of its classes."""
    labels = list(mapping)
    columns = [[tagged.card.events.index(name) for name in names] for names in mapping.values()]
    scenes = list(SCENES)
    lists = {name: list(spans(folder / f"{name}.tsv", column)) for name, column in
             (("events", "event_label"), ("scenes", "scene_label"), ("ignore", "event_label"))}  # fmt: skip
    parts: list[tuple[np.ndarray, ...]] = []
    with tempfile.TemporaryDirectory() as scores_dir:
        how = hearing(tagged.card, TagOptions(), Path(scores_dir))
        for path in sorted(folder.glob("*.flac")):
            records = heard(tagged, how, Job(path.name), audio.decode(str(path)), print)
            cells = [record for record in records if isinstance(record, Cell)]
            named = [c.label for c in cells if c.kind == "scene" and c.label]
            tags = np.asarray(read_frame_scores(Path(scores_dir) / f"{path.stem}.tsv").scores, np.float32)
            events = np.stack([tags[:, those].max(axis=1) for those in columns], axis=1)
            reference, counted = (np.zeros(events.shape, bool) for _ in range(2))
            counted[:] = True
            for name, onset, offset, label in lists["ignore"]:
                if name == path.name:
                    counted[math.floor(onset) : math.ceil(offset), labels.index(label)] = False
            for name, onset, offset, label in lists["events"]:
                if name == path.name and label in labels:
                    reference[math.floor(onset) : math.ceil(offset), labels.index(label)] = True
            true = np.full(len(events), -1)
            for name, onset, offset, label in lists["scenes"]:
                if name == path.name:
                    true[round(onset) : round(offset)] = scenes.index(label)
            places = np.zeros((len(events), len(scenes)), np.float32)
            if named:
                places[np.arange(len(named)), [scenes.index(label) for label in named]] = 1.0
            parts.append((events, reference, counted | reference, places, true))
    return Scores(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def false_alarms(tagged: Tagger, wave: Wave, expected: tuple[str, ...] = ()) -> float:
    """Events an hour that are not expected; seconds in a row with one label are one event."""
    seconds: dict[str, list[float]] = {}
    for record in heard(tagged, hearing(tagged.card, TagOptions()), Job("x"), iter([wave]), print):
        if isinstance(record, Cell) and record.kind == "event" and record.label not in expected:
            seconds.setdefault(record.label, []).append(record.onset)
    events = sum(1 + int((np.diff(times) > 1.5).sum()) for times in seconds.values())
    return events / (len(wave) / SAMPLE_RATE / 3600)


def quiet_sounds(folders: list[Path]) -> Iterator[tuple[str, Wave, tuple[str, ...]]]:
    n_samples = MINUTES * 60 * SAMPLE_RATE
    yield "digital silence", np.zeros(n_samples, np.float32), ()
    for level in (-60, -40, -20):
        for colour in ("white", "pink"):
            rng = np.random.default_rng(level + 100)
            yield f"{colour} noise, {level} dBFS", noise(n_samples, colour, rng) * np.float32(decibels(level)), ()  # type: ignore[arg-type]
    clips = [clip for folder in folders for clip in of_split(read_clips(folder), "val") if clip.kind == "event"]
    for label, expected in (("speech", ("speech", "laughter", "children_playing")), ("music", ("music",))):
        sounds = [whole_file(clip.path) for clip in clips if clip.label == label][:80]
        if sounds:
            yield f"{label} only", np.concatenate(sounds)[:n_samples], expected


def main(weights: Path, folder: Path, others: list[Path]) -> None:
    tagged = load(LoadOptions(weights=str(weights), device="cpu", precision=os.environ.get("AUDIOLOG_TAG_PRECISION", "fp32")))
    maps = [path for path in others if path.is_file()]
    if maps:
        mapping = read_mapping(maps[0], EVENTS, tagged.card.events)
        scores, tuning = (composed_scores(tagged, place, mapping) for place in (folder, others[1]))
        print_summary(scores, tuned_thresholds(tuning))
        return
    scores, thresholds = (
        composed_scores(tagged, folder, {event: (event,) for event in tagged.card.events}),
        tagged.card.thresholds,
    )
    print_summary(scores, thresholds)
    print_events(scores, thresholds)
    print_scenes(scores)
    print("\n| sound without events | false alarms an hour |\n|---|---|")
    for name, wave, expected in quiet_sounds(others):
        print(f"| {name} | {false_alarms(tagged, wave, expected):.0f} |", flush=True)


def error_rate(scores: Scores, thresholds: Sequence[float]) -> float:
    """Segment-based error rate at 1 s: substitutions, deletions and insertions over the seconds of reference events."""
    heard = (scores.events >= np.asarray(thresholds)) & scores.counted
    missed, invented = (scores.reference & ~heard).sum(axis=1), (heard & ~scores.reference).sum(axis=1)
    return float(np.maximum(missed, invented).sum() / scores.reference.sum())


def print_summary(scores: Scores, thresholds: Sequence[float]) -> None:
    macro = np.nanmean([average_precision(curve) for curve in curves(scores)])
    best = tuned_thresholds(scores)
    print(
        "| seconds | macro AP | micro F1 | ER | micro F1, thresholds tuned here | ER | scene accuracy |\n|---|---|---|---|---|---|---|"
    )
    at_shipped, at_best = ((micro_f1(scores, chosen), error_rate(scores, chosen)) for chosen in (thresholds, best))
    figures = (macro, *at_shipped, *at_best, scene_accuracy(scores))
    print(f"| {len(scores.events)} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |\n")


def print_events(scores: Scores, thresholds: Sequence[float]) -> None:
    print("| event | AP | F1 | threshold | seconds |\n|---|---|---|---|---|")
    for k, (label, curve) in enumerate(zip(EVENTS, curves(scores), strict=True)):
        events, reference, counted = (array[:, k : k + 1] for array in (scores.events, scores.reference, scores.counted))
        f1 = micro_f1(Scores(events, reference, counted, scores.scenes, scores.scene), thresholds[k : k + 1])
        print(f"| {label} | {average_precision(curve):.2f} | {f1:.2f} | {thresholds[k]:.2f} | {int(reference.sum())} |")


def print_scenes(scores: Scores) -> None:
    print("\n| true, seconds named | " + " | ".join(SCENES) + " |\n|---|" + "---|" * len(SCENES))
    for s, label in enumerate(SCENES):
        named = scores.scenes[scores.scene == s].sum(axis=0).astype(int)
        print(f"| {label} | " + " | ".join(str(n) for n in named) + " |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(folder) for folder in sys.argv[3:]])
