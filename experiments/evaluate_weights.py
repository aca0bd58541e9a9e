"""Measures a checkpoint on composed recordings and on sound that holds no event; prints the tables of the model card.

    audiolog mix DATA/everyday DATA/extra --split val --recordings 12 --seed 7 --out composed
    python experiments/evaluate_weights.py weights/everyday.safetensors composed [DATA/everyday DATA/extra]
    python experiments/evaluate_weights.py mn04.safetensors composed experiments/audioset_map.tsv tuning   # an AudioSet tagger

A tagger's classes are mapped to the events of the default weights, and its thresholds tuned on the recordings in `tuning`, as
those of the default weights were.

A reference event is active from floor(onset) to ceil(offset). Where `composed/ignore.tsv` says that a scene may hold an
unlabelled event, that event is not counted. With the folders of clips, false alarms on speech alone and music alone are counted
too.
"""

import csv
import math
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from calibration import bins, calibration_error, named_shares, reliability
from numpy.typing import NDArray

from audiolog_cli.cells import named
from audiolog_cli.metrics.score_based import average_precision
from audiolog_cli.mixing.augment import SAMPLE_RATE, Wave, amplitude, noise
from audiolog_cli.mixing.clips import read_clips
from audiolog_cli.mixing.production import read_mapping
from audiolog_cli.mixing.vocabulary import EVENTS, SCENES
from audiolog_cli.model.checkpoint import Card
from audiolog_cli.records import Cell
from audiolog_cli.sound import audio
from audiolog_cli.tagging.hearing import Notes, labels_of, resolved, score_samples, tag_samples
from audiolog_cli.tagging.options import CellOptions, Job, LoadOptions, TagOptions
from audiolog_cli.tagging.tagger import Tagger, load
from audiolog_cli.training.validation import Scores, curves, micro_f1, scene_accuracy, tuned_thresholds

MINUTES = int(os.environ.get("MINUTES", "10"))  # of each sound without events


def spans(path: Path, column: str) -> Iterator[tuple[str, float, float, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            yield row["filename"], float(row["onset"]), float(row["offset"]), row[column]


def composed_scores(tagged: Tagger, folder: Path, mapping: dict[str, tuple[str, ...]]) -> list[Scores]:
    """Every second of each recording: scores, reference, what is counted. A mapped event scores as the highest of its classes."""
    labels = list(mapping)
    columns = [[tagged.card.events.index(name) for name in names] for names in mapping.values()]
    lists = {name: list(spans(folder / f"{name}.tsv", column)) for name, column in
             (("events", "event_label"), ("scenes", "scene_label"), ("ignore", "event_label"))}  # fmt: skip
    parts, plan = [], resolved(tagged.card, TagOptions())
    for path in sorted(folder.glob("*.flac")):
        cells = list(score_samples(tagged, plan, Job(path.name), audio.decode(str(path)), Notes(print)))
        events = np.stack([np.stack([cell.events[those].max() for those in columns]) for cell in cells])
        own = {name: [entry[1:] for entry in entries if entry[0] == path.name] for name, entries in lists.items()}
        reference, ignored = (active(own[name], labels, len(cells)) for name in ("events", "ignore"))
        true = np.full(len(cells), -1)
        for onset, offset, label in own["scenes"]:
            true[round(onset) : round(offset)] = SCENES.index(label)
        parts.append(Scores(events, reference, reference | ~ignored, np.stack([cell.scene for cell in cells]), true))
    return parts


def active(entries: list[tuple[float, float, str]], labels: list[str], n_seconds: int) -> NDArray[np.bool_]:
    """(n_seconds, n_labels): from floor(onset) to ceil(offset)."""
    seconds = np.zeros((n_seconds, len(labels)), bool)
    for onset, offset, label in entries:
        if label in labels:
            seconds[math.floor(onset) : math.ceil(offset), labels.index(label)] = True
    return seconds


def joined_scores(parts: list[Scores]) -> Scores:
    """The seconds of all recordings, one after the other."""
    return Scores(*(np.concatenate(column) for column in zip(*map(arrays, parts), strict=True)))


def arrays(scores: Scores) -> tuple[NDArray[Any], ...]:
    return scores.events, scores.reference, scores.counted, scores.scenes, scores.scene


def false_alarms(tagged: Tagger, wave: Wave, expected: tuple[str, ...], sure: bool) -> tuple[float, float]:
    """Events an hour that are not expected (seconds in a row with one label are one event), and the share of seconds with a
    place.
    """
    seconds: dict[str, list[float]] = {}
    n_named = n_cells = 0
    plan = resolved(tagged.card, TagOptions(cells=CellOptions(sure=sure)))
    for record in tag_samples(tagged, plan, Job("x"), iter([wave]), Notes(print)):
        if isinstance(record, Cell) and record.kind == "event" and record.label not in expected:
            seconds.setdefault(record.label, []).append(record.onset)
        elif isinstance(record, Cell) and record.kind == "scene":
            n_named, n_cells = n_named + bool(record.label), n_cells + 1
    events = sum(1 + int((np.diff(times) > 1.5).sum()) for times in seconds.values())
    return events / (len(wave) / SAMPLE_RATE / 3600), n_named / max(1, n_cells)


def quiet_sounds(folders: list[Path]) -> Iterator[tuple[str, Wave, tuple[str, ...]]]:
    n_samples = MINUTES * 60 * SAMPLE_RATE
    yield "digital silence", np.zeros(n_samples, np.float32), ()
    for level in (-60, -40, -20):
        for colour in ("white", "pink", "brown"):
            rng = np.random.default_rng(level + 100)
            yield f"{colour} noise, {level} dBFS", noise(n_samples, colour, rng) * np.float32(amplitude(level)), ()  # type: ignore[arg-type]
    for base in (50, 60):
        times = np.arange(n_samples) / SAMPLE_RATE
        mains = sum(np.sin(2 * np.pi * base * harmonic * times) / harmonic for harmonic in (1, 2, 3, 5, 7))
        yield f"mains hum, {base} Hz", (0.02 * mains).astype(np.float32), ()
    clips = [clip for folder in folders for clip in read_clips(folder) if (clip.split, clip.kind) == ("val", "event")]
    for label, expected in (("speech", ("speech", "laughter", "children_playing")), ("music", ("music",))):
        sounds = [audio.whole(clip.path) for clip in clips if clip.label == label][:80]
        if sounds:
            yield f"{label} only", np.concatenate(sounds)[:n_samples], expected


def main(weights: Path, folder: Path, others: list[Path]) -> None:
    tagged = load(LoadOptions(weights=str(weights), device="cpu", precision=os.environ.get("AUDIOLOG_PRECISION", "fp32")))
    maps = [path for path in others if path.is_file()]
    if maps:
        mapping = read_mapping(maps[0], EVENTS, tagged.card.events)
        scores, tuning = (joined_scores(composed_scores(tagged, place, mapping)) for place in (folder, others[1]))
        print_summary(scores, tuned_thresholds(tuning))
        return
    card = tagged.card
    parts = composed_scores(tagged, folder, {event: (event,) for event in card.events})
    scores = joined_scores(parts)
    print_summary(scores, card.thresholds)
    print_naming(scores, card)
    if card.scenes:
        print_doubt(stretches(parts), card)
    print_events(scores, card)
    if card.scenes:
        print_scenes(scores, card)
    if others:
        print("\n| sound without events | false alarms an hour | with --sure | seconds with a place |\n|---|---|---|---|")
    for name, wave, expected in quiet_sounds(others) if others else ():
        (usual, named), (sure, _) = (false_alarms(tagged, wave, expected, sure) for sure in (False, bool(card.sure_thresholds)))
        print(f"| {name} | {usual:.0f} | {sure:.0f} | {named:.2f} |", flush=True)


def print_naming(scores: Scores, card: Card) -> None:
    """How often places are named, and correctly; what --sure gives; calibration, drawn into reliability.svg here."""
    rows = (
        [(name, f"{value:.3f}") for name, value in named_shares(scores, SCENES, labels_of(card, CellOptions())).items()]
        if card.scenes
        else []
    )
    for name, thresholds in (("events", card.thresholds), ("--sure", card.sure_thresholds)):
        if thresholds:
            found_now = (scores.events >= np.asarray(thresholds)) & scores.counted
            found = (found_now & scores.reference).sum()
            rows += [
                (f"{name}: precision", f"{found / max(1, found_now.sum()):.3f}"),
                (f"{name}: recall", f"{found / scores.reference.sum():.3f}"),
            ]
    known = scores.scene >= 0
    promises, right = scores.events[scores.counted], scores.reference[scores.counted]
    best = scores.scenes[known].max(axis=1), scores.scenes[known].argmax(axis=1) == scores.scene[known]
    curves = {"scenes": bins(*best), "events": bins(promises, right), "events from 0.1 on": bins(promises, right, 0.1)}
    rows += [(f"calibration error, {name}", f"{calibration_error(curve):.3f}") for name, curve in curves.items()]
    print("| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows) + "\n")
    Path("reliability.svg").write_text(reliability(curves), encoding="utf-8")


def error_rate(scores: Scores, thresholds: Sequence[float]) -> float:
    """Segment-based error rate at 1 s: substitutions, deletions and insertions over the seconds of reference events."""
    found_now = (scores.events >= np.asarray(thresholds)) & scores.counted
    missed, invented = (scores.reference & ~found_now).sum(axis=1), (found_now & ~scores.reference).sum(axis=1)
    return float(np.maximum(missed, invented).sum() / scores.reference.sum())


def print_summary(scores: Scores, thresholds: Sequence[float]) -> None:
    macro = np.nanmean([average_precision(curve) for curve in curves(scores)])
    best = tuned_thresholds(scores)
    print(
        "| seconds | macro AP | micro F1 | ER | micro F1, thresholds tuned here | ER | scene accuracy "
        "|\n|---|---|---|---|---|---|---|"
    )
    at_shipped, at_best = ((micro_f1(scores, chosen), error_rate(scores, chosen)) for chosen in (thresholds, best))
    figures = (macro, *at_shipped, *at_best, scene_accuracy(scores) if scores.scenes.shape[1] else math.nan)
    print(f"| {len(scores.events)} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |\n")


def stretches(parts: list[Scores]) -> list[Scores]:
    """The recordings, cut where the place changes: mostly one source of a scene each."""
    found = []
    for part in parts:
        bounds = [0, *(np.flatnonzero(np.diff(part.scene)) + 1), len(part.scene)]
        found += [Scores(*(values[onset:offset] for values in arrays(part))) for onset, offset in pairwise(bounds)]
    return found


def print_doubt(each: list[Scores], card: Card) -> None:
    """Between which values figures lie when stretches of one place are drawn anew (bootstrap, 90 of 100 draws); and the
    calibration error of scenes that a perfectly calibrated network would show, whose stretches are right as often as it promises.
    """
    rng, labels = np.random.default_rng(0), labels_of(card, CellOptions())

    def figures(scores: Scores) -> dict[str, float]:
        place = scores.scene >= 0
        best = scores.scenes[place].max(axis=1), scores.scenes[place].argmax(axis=1) == scores.scene[place]
        return {
            "macro AP": float(np.nanmean([average_precision(curve) for curve in curves(scores)])),
            "micro F1": micro_f1(scores, card.thresholds),
            "scene accuracy": scene_accuracy(scores),
            **named_shares(scores, SCENES, labels),
            "calibration error, scenes": calibration_error(bins(*best)),
        }

    draws = [figures(joined_scores([each[i] for i in rng.integers(0, len(each), len(each))])) for _ in range(200)]
    print(f"| {len(each)} stretches | of 100 draws 90 lie between | and |\n|---|---|---|")
    for name in draws[0]:
        low, high = np.percentile([draw[name] for draw in draws], [5, 95])
        print(f"| {name} | {low:.3f} | {high:.3f} |")
    promises = [part.scenes[part.scene >= 0].max(axis=1) for part in each]
    errors = []
    for _ in range(1000):
        right = np.concatenate([np.full(len(promise), rng.random() < promise.mean()) for promise in promises if len(promise)])
        errors.append(calibration_error(bins(np.concatenate(promises), right)))
    low, high = np.percentile(errors, [5, 95])
    print(f"| calibration error if calibrated ({np.mean(errors):.3f} in the mean) | {low:.3f} | {high:.3f} |\n")


def print_events(scores: Scores, card: Card) -> None:
    print("| event | AP | F1 | seconds |\n|---|---|---|---|")
    for k, (label, curve) in enumerate(zip(card.events, curves(scores), strict=True)):
        events, reference, counted = (array[:, k : k + 1] for array in (scores.events, scores.reference, scores.counted))
        f1 = micro_f1(Scores(events, reference, counted, scores.scenes, scores.scene), card.thresholds[k : k + 1])
        print(f"| {label} | {average_precision(curve):.2f} | {f1:.2f} | {int(reference.sum())} |")


def print_scenes(scores: Scores, card: Card) -> None:
    """Seconds by true scene and by what `tag` names: a scene, else a group, else nothing."""
    labels = labels_of(card, CellOptions())
    groups = sorted(
        ((name, [SCENES.index(s) for s in members]) for name, members in labels.groups.items()), key=lambda g: len(g[1])
    )
    others = [name for name, _ in groups] + ["not named"]
    print("\n| true, seconds | " + " | ".join([*SCENES, *others]) + " |\n|---|" + "---|" * (len(SCENES) + len(others)))
    for s, label in enumerate(SCENES):
        said = [named(p, labels, groups)[0] or "not named" for p in scores.scenes[scores.scene == s]]
        print(f"| {label} | " + " | ".join(str(said.count(name)) for name in [*SCENES, *others]) + " |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(folder) for folder in sys.argv[3:]])
