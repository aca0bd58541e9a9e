"""One self-contained HTML file from recordings, their sound and their logs. It asks the network for nothing.

The parts are in `assets/`: the page, its style, and the scripts, which are joined into one `<script>`. A
content security policy with the script's digest forbids every other script and every request. All text from files is escaped:
in HTML by `html.escape`, in the JSON by writing `<`, `>` and `&` as `\\u....`.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

from audiolog_cli import __version__
from audiolog_cli.report import log, summary
from audiolog_cli.report.packing import pack
from audiolog_cli.report.timeline import LabelTrack, Timeline, headings

SCRIPTS = ("data.js", "time.js", "view.js", "draw.js", "lists.js", "timeline.js", "input.js", "main.js")

N_BANDS = 64  # of a spectrogram


@dataclass(frozen=True, slots=True)
class Strip:
    """Loudness, and the spectrogram of a short recording, as bytes for the page."""

    step: float  # milliseconds of one level
    levels: bytes  # RMS in half decibels above -100 dBFS
    picture_step: float  # milliseconds of one column
    picture: bytes  # (columns, N_BANDS), the lowest band first; 255 is the loudest point, 0 is 70 dB below; b"" for a long one
    duration: float  # seconds of sound


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording's sound: its picture, and where it is played from."""

    strip: Strip
    source: str  # a URL: relative to the page, or `data:` with the sound itself


@dataclass(frozen=True, slots=True)
class Part:
    """What the page shows of one recording."""

    recording: Timeline
    sound: Sound | None = None
    log: str = ""  # as text


def page(parts: Sequence[Part]) -> str:
    """The whole page. `parts` are the recordings in the order of the selector."""
    script = "\n".join(asset(name) for name in SCRIPTS)
    names = headings([part.recording.filename for part in parts])
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    return Template(asset("page.html")).substitute(
        title=f"{summary.shown(names[0])}{more}",
        digest=b64encode(sha256(script.encode()).digest()).decode(),
        style=asset("page.css"),
        selector=selector(names) if len(parts) > 1 else "",
        sections="\n".join(section(index, part, name) for index, (part, name) in enumerate(zip(parts, names, strict=True))),
        script=script,
        version=__version__,
    )


def asset(name: str) -> str:
    """The text of a file that comes with the package."""
    return (files("audiolog_cli.report") / "assets" / name).read_text(encoding="utf-8")


def selector(names: Sequence[str]) -> str:
    """The drop-down list of recordings."""
    options = "".join(f'<option value="recording-{index}">{summary.shown(name)}</option>' for index, name in enumerate(names))
    return f'<label class="selector">Recording <select id="selector" autocomplete="off">{options}</select></label>'


def section(index: int, part: Part, heading: str) -> str:
    """One recording: its heading, a place for the timeline, its sound, its log and its tables."""
    recording = part.recording
    path = "" if heading == recording.filename else f' title="{summary.shown(recording.filename)}"'
    failure = f'<p class="failure">Not finished: {summary.shown(recording.failure)}</p>' if recording.failure else ""
    sound = f'<audio controls preload="metadata" src="{part.sound.source}"></audio>' if part.sound else ""
    written = f'<aside class="log" aria-label="Log"><h3>Log</h3>{log.as_html(part.log, recording)}</aside>' if part.log else ""
    tables = (
        "<p>The table has no cells of it.</p>"
        if recording.is_empty
        else summary.hours_table(recording) + summary.totals_table(recording)
    )
    heard = json_text(data(part)) if not recording.is_empty else "null"
    return (
        f'<section class="recording" id="recording-{index}" aria-labelledby="name-{index}">'
        f'<header><h1 id="name-{index}"{path}>{summary.shown(heading)}</h1>'
        f'<p class="facts">{summary.facts(recording)}</p>{failure}</header>'
        f'<div class="beside"><div class="place">{sound}</div>{written}'
        f'<div class="tables">{tables}</div></div>'
        f'<script type="application/json" class="data">{heard}</script></section>'
    )


def data(part: Part) -> dict[str, Any]:
    """What the scripts draw; times in milliseconds, see `packing.py` for the tracks."""
    recording = part.recording
    return {
        "duration": recording.duration,
        "cell": recording.cell,
        "clock": [[point.onset, point.wall, point.zone] for point in recording.clock],
        "scenes": [_track(track, recording) for track in recording.scenes],
        "events": [_track(track, recording) for track in recording.events],
        "strip": _strip(part.sound.strip) if part.sound else None,
    }


def _track(track: LabelTrack, recording: Timeline) -> dict[str, str]:
    label = summary.readable(track.label) or summary.NO_SCENE
    return {"kind": track.kind, "label": label, "cells": pack(track, recording.cell)}


def _strip(strip: Strip) -> dict[str, Any]:
    return {
        "step": strip.step,
        "levels": b64encode(strip.levels).decode("ascii"),
        "pictureStep": strip.picture_step,
        "bands": N_BANDS,
        "picture": b64encode(strip.picture).decode("ascii"),
    }


def json_text(value: Any) -> str:
    """JSON that is safe inside a `<script>`: nothing in it ends the element or begins a comment.

    >>> json_text("</script><!--")
    '"\\\\u003c/script\\\\u003e\\\\u003c!--"'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
