"""The timeline as one picture, SVG or PNG, for papers and e-mail; drawn by matplotlib (extra `metrics`).

One panel per recording: the scenes as a band, one lane per event label, the score as opacity.
"""

import io
from collections.abc import Sequence
from typing import Any

from audiolog_cli.pictures import figures
from audiolog_cli.report.summary import NO_SCENE, moment, readable, shares, wall
from audiolog_cli.report.timeline import LabelTrack, Timeline, headings, round_step

WIDTH = 9.0  # inches
LANE = 0.24  # inches
MARGINS = 1.3  # inches, for title, axis and legend
MOST_SHAPES = 20_000  # with more cells than these, each lane is an image: an SVG would take tens of megabytes
COLUMNS = 1500  # of such an image
EVENT_COLOUR = "#0e6f77"
SCENE_COLOURS = ("#a9cfa4", "#f0cf8e", "#a9c6e8", "#e3b3a6", "#c9bce3", "#b9d9d6", "#d9d3a4", "#cfd5d8")
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)  # seconds
MOST_TICKS = 10


def picture(recordings: Sequence[Timeline], format: str) -> bytes:
    """The bytes of the picture; `format` is svg or png. UsageError without matplotlib."""
    heights = [MARGINS + LANE * (2 + len(recording.events)) for recording in recordings]
    file = io.BytesIO()
    with figures(f"--format {format}", font_size=9) as Figure:
        figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
        panels = figure.subplots(len(recordings), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        names = headings([recording.filename for recording in recordings])
        for panel, recording, name in zip(panels, recordings, names, strict=True):
            _draw(panel, recording, name)
        figure.savefig(file, format=format, dpi=200, metadata={"Date": None} if format == "svg" else None)
    return file.getvalue()


def _draw(panel: Any, recording: Timeline, heading: str) -> None:
    """The scenes in the top lane, the events below it, the one heard longest first."""
    is_long = sum(len(track.onsets) for track in [*recording.scenes, *recording.events]) > MOST_SHAPES
    draw = _image if is_long else _shapes
    for index, scene in enumerate(recording.scenes):
        colour = SCENE_COLOURS[index % len(SCENE_COLOURS)]
        draw(panel, scene, 0, colour, recording.duration)
        panel.barh(0, 0, color=colour, label=readable(scene.label) or NO_SCENE)
    for index, event in enumerate(recording.events, 1):
        draw(panel, event, index, EVENT_COLOUR, recording.duration)
    names = ["scene", *(readable(event.label) for event in recording.events)]
    panel.set_yticks(range(len(names)), names)
    panel.set(xlim=(0, recording.duration / 1000), ylim=(len(names) - 0.4, -0.6))
    positions = recording.round_positions(round_step(recording.duration, [1000 * step for step in STEPS], MOST_TICKS))
    panel.set_xticks([position / 1000 for position in positions], _told(recording, positions))
    panel.set_title(readable(heading), loc="left")
    panel.grid(axis="x", color="#e2e7e8", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)
    if recording.scenes:
        panel.legend(loc="upper left", bbox_to_anchor=(0, -0.35 / (LANE * (len(names) + 1))), ncols=5, frameon=False, borderpad=0)


def _shapes(panel: Any, track: LabelTrack, lane: int, colour: str, duration: int) -> None:
    """A rectangle for each cell."""
    from matplotlib.colors import to_rgb

    spans = [(onset / 1000, (offset - onset) / 1000) for onset, offset in zip(track.onsets, track.offsets, strict=True)]
    colours = [(*to_rgb(colour), opacity(score)) for score in track.scores]
    panel.broken_barh(spans, (lane - 0.36, 0.72), facecolors=colours, linewidth=0)


def _image(panel: Any, track: LabelTrack, lane: int, colour: str, duration: int) -> None:
    """COLUMNS columns of pixels; the shade also shows how much of a column is covered, so that short cells stay visible."""
    import numpy as np
    from matplotlib.colors import to_rgb

    edges = [duration * column // COLUMNS for column in range(COLUMNS + 1)]
    heard = np.minimum(1, shares(track, edges))
    first = np.searchsorted(edges, track.onsets, side="right") - 1
    last = np.searchsorted(edges, track.offsets, side="left")
    n_each = last - first  # columns that a cell touches
    touched = np.repeat(last - n_each.cumsum(), n_each) + np.arange(n_each.sum())
    peaks = np.zeros(COLUMNS)
    np.maximum.at(peaks, touched, np.repeat(list(track.scores), n_each))
    pixels = np.empty((1, COLUMNS, 4))
    pixels[0, :, :3] = to_rgb(colour)
    pixels[0, :, 3] = np.where(heard > 0, opacity(peaks) * (0.3 + 0.7 * heard), 0)
    panel.imshow(pixels, extent=(0, duration / 1000, lane + 0.36, lane - 0.36), aspect="auto", interpolation="nearest")


def opacity(score: Any) -> Any:
    """The opacity of a cell with this score in hundredths, as on the page."""
    return 0.12 + 0.0088 * score


def _told(recording: Timeline, positions: Sequence[int]) -> list[str]:
    """The labels of the ticks; without seconds if those are all zero."""
    if recording.clock and all(wall(recording, position).second == 0 for position in positions):
        return [f"{wall(recording, position):%H:%M}" for position in positions]
    return [moment(recording, position) for position in positions]
