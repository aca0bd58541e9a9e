"""Small tables for the tests of logs: written as intervals, turned into rows and cells of one second."""

from collections.abc import Iterator, Mapping, Sequence

from audiolog_cli.records import CELL_COLUMNS, Cell, Row, tsv_lines
from audiolog_cli.rows import TableOptions, table

Spans = Mapping[str, Sequence[tuple[float, float]]]  # label -> intervals in whole seconds

FARM_SCENES: Spans = {"farm": [(0, 40)], "city_center": [(40, 70), (80, 95)]}
FARM_EVENTS: Spans = {
    "rooster": [(5, 7), (12, 14), (30, 32)],
    "dog_bark": [(20, 25), (44, 45), (50, 51), (55, 56), (58, 59), (61, 62)],
    "wind": [(40, 65)],
}


def cells(scenes: Spans, events: Spans, filename: str = "farm.wav", score: float = 0.9) -> Iterator[Cell]:
    """Cells of one second: a scene for each second of `scenes`, and every event that sounds in it."""
    seconds = sorted(
        (second, scene) for scene, spans in scenes.items() for onset, offset in spans for second in range(int(onset), int(offset))
    )
    for second, scene in seconds:
        yield Cell(filename, float(second), second + 1.0, "scene", scene, score)
        for event, spans in sorted(events.items()):
            if any(onset <= second < offset for onset, offset in spans):
                yield Cell(filename, float(second), second + 1.0, "event", event, 0.5 + second / 200)


def rows(scenes: Spans = FARM_SCENES, events: Spans = FARM_EVENTS) -> list[Row]:
    """The run-length encoded rows of those cells."""
    return [row for row in table(cells(scenes, events), TableOptions()) if isinstance(row, Row)]


def cells_tsv(scenes: Spans = FARM_SCENES, events: Spans = FARM_EVENTS, filename: str = "farm.wav") -> bytes:
    """Those cells as TSV."""
    return "".join(tsv_lines(cells(scenes, events, filename), CELL_COLUMNS)).encode()
