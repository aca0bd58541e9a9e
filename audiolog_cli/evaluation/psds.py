"""What only sed_scores_eval computes from frame scores: PSDS1, PSDS2 and the best event-based F1 (extra `metrics`).

The library requires that events of a label do not touch and are not empty, and that every label occurs; so touching events are
merged first, and labels that the reference lacks are left out.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from audiolog_cli.evaluation.figures import scored_seconds
from audiolog_cli.evaluation.material import Material
from audiolog_cli.host import extra
from audiolog_cli.metrics import activity

COLLARS = {"onset_collar": 0.2, "offset_collar": 0.2, "offset_collar_rate": 0.5}
# The two settings of DCASE task 4A since 2021 (C. Bilen et al., ICASSP 2020).
PSDS1 = {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "alpha_ct": 0.0, "alpha_st": 1.0, "max_efpr": 100.0}
PSDS2 = {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5, "alpha_st": 1.0, "max_efpr": 100.0}


@contextmanager
def libraries(*names: str) -> Iterator[list[ModuleType]]:
    """Import libraries of the extra without their deprecation warnings, which nobody here can act on."""
    with warnings.catch_warnings(), extra("metrics", "--psds"):
        warnings.simplefilter("ignore")
        yield [import_module(name) for name in names]


class Inputs(NamedTuple):
    """What sed_scores_eval takes, by recording."""

    scores: dict[str, Any]  # data frames
    truth: dict[str, list[tuple[float, float, str]]]  # onset, offset, label
    durations: dict[str, float]  # seconds


def psds_figures(material: Material) -> tuple[dict[str, float], list[str]]:
    """PSDS1, PSDS2 (0..1, with up to 100 false alarms an hour) and the best event-based F1; and a note for each that failed.

    The library breaks on some material, such as PSDS2 of a single label: that figure is NaN, and its note says why.
    """
    with libraries("sed_scores_eval") as (library,):
        inputs = library_inputs(material, library)
        found, notes = dict.fromkeys(("psds1", "psds2", "event_best_macro_f1"), math.nan), list[str]()
        if not any(inputs.truth.values()):
            return found, notes
        for name, setting in (("psds1", PSDS1), ("psds2", PSDS2)):
            try:
                found[name] = float(library.intersection_based.psds(*inputs, **setting)[0])
            except (AssertionError, IndexError, TypeError, ValueError) as error:
                notes.append(f"sed_scores_eval could not compute {name.upper()} ({type(error).__name__}: {error})")
        best, *_ = library.collar_based.best_fscore(inputs.scores, inputs.truth, **COLLARS)
        return found | {"event_best_macro_f1": float(best["macro_average"])}, notes


def library_inputs(material: Material, library: ModuleType) -> Inputs:
    """The scores and merged events of the labels that occur; a recording without scores has one frame of zeros."""
    options, n_labels = material.options, len(material.labels)
    inputs, occurs = Inputs({}, {}, {}), np.zeros(n_labels, bool)
    frames_of, events_of = {}, {}
    for name in material.files:
        reference, frames = material.reference.events(name), material.scores(name)
        estimate = material.estimate.events(name) if material.estimate else reference
        seconds = inputs.durations[name] = scored_seconds(material, name, (reference, estimate), frames)
        n_segments = activity.count_segments(seconds, options.segment)
        occurs |= activity.target_segments(reference, n_segments, n_labels, options.segment).any(axis=0)
        silent = np.array([0.0, max(seconds, 1.0)]), np.zeros((1, n_labels))
        frames_of[name] = (frames.edges, frames.scores) if frames else silent
        events_of[name] = activity.merge_touching(reference)
    if not (columns := np.flatnonzero(occurs).tolist()):
        return inputs
    for name, (edges, scores) in frames_of.items():
        labels = [material.labels[column] for column in columns]
        inputs.scores[name] = library.base_modules.scores.create_score_dataframe(scores[:, columns], edges, labels)
        rows = zip(*(part.tolist() for part in events_of[name]), strict=True)
        inputs.truth[name] = [(onset, offset, material.labels[label]) for onset, offset, label in rows if label in columns]
    return inputs
