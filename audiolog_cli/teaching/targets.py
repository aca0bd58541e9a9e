"""Lessons in; what is known about every step and cell of their windows out, as arrays to compare scores with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiolog_cli.teaching.lessons import Lesson
from audiolog_cli.teaching.regression import Floats

MOSTLY = 0.6  # share of a step that a sound must fill to count as heard in it


@dataclass(frozen=True, slots=True)
class Targets:
    """What is known about N windows in T parts, for L events."""

    heard: Floats  # (N, T, L) 1 where a label is heard
    known: Floats  # (N, T, L) 1 where that is known; 0 where it is not, or where a sound fills only some of a part
    clip: NDArray[np.int64]  # (N, T) the clip that is heard, -1 for none


def targets(lessons: Sequence[Lesson], n_parts: int, n_labels: int, window: float, mostly: float = MOSTLY) -> Targets:
    """The targets of windows of `window` seconds in `n_parts` equal parts."""
    heard = np.zeros((len(lessons), n_parts, n_labels), np.float32)
    known = np.ones_like(heard)
    clip = np.full((len(lessons), n_parts), -1)
    edges = np.linspace(0.0, window, n_parts + 1)
    for index, lesson in enumerate(lessons):
        if lesson.is_partial:
            known[index] = 0.0
        filled = np.zeros((n_parts, n_labels), np.float32)
        for span in lesson.spans:
            if span.label < 0:
                continue
            share = np.maximum(0.0, np.minimum(edges[1:], span.offset) - np.maximum(edges[:-1], span.onset)) * n_parts / window
            if not span.is_heard:
                known[index, share > 0, span.label] = 0.0 if span.is_heard is None else 1.0
                continue
            if 0 < share.max() <= mostly:  # shorter than a part: heard in the one that holds most of it
                share[share.argmax()] = 1.0
            filled[:, span.label] += share.astype(np.float32)
            clip[index, share > 0] = span.clip
        heard[index] = filled > mostly
        known[index] = np.where(filled > 0, heard[index], known[index])
    return Targets(heard, known, clip)
