"""What the mixers write: recordings as FLAC, and lists of spans in DCASE's format."""

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from audiolog_cli.mixing.augment import SAMPLE_RATE, Wave
from audiolog_cli.mixing.cache import as_int16
from audiolog_cli.mixing.windows import Span
from audiolog_cli.records import check_text

BLOCK = 4096  # samples of a FLAC frame


def write_flac(wave: Wave, path: Path) -> None:
    """Mono, 16 bit, 32 kHz; samples beyond +-1 are clipped."""
    samples = np.ascontiguousarray(as_int16(wave)[None])
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono", options={"compression_level": "12"})
        for start in range(0, samples.shape[1], BLOCK):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, start : start + BLOCK]), format="s16", layout="mono"
            )
            frame.sample_rate = SAMPLE_RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def span_lines(filename: str, spans: Iterable[Span]) -> list[str]:
    """Lines of a DCASE list, without its header.

    >>> span_lines("a.flac", [Span(0.5, 1.25, "dog_bark")])
    ['a.flac\\t0.500\\t1.250\\tdog_bark\\n']
    """
    name = check_text(filename, "file name")
    return [f"{name}\t{onset:.3f}\t{offset:.3f}\t{check_text(label, 'label')}\n" for onset, offset, label in spans]


def write_list(lines: Iterable[str], column: str, path: Path) -> None:
    """A DCASE list with its header; `column` is event_label or scene_label."""
    path.write_text(f"filename\tonset\toffset\t{column}\n" + "".join(lines), encoding="utf-8")
