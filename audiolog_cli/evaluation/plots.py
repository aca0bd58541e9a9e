"""Precision-recall curves per label and the confusion of scenes, as one picture (SVG, PDF or PNG; extra `metrics`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audiolog_cli import terminal
from audiolog_cli.errors import UsageError
from audiolog_cli.evaluation.figures import FileResult, confusion, curves
from audiolog_cli.evaluation.material import Material
from audiolog_cli.metrics.activity import Floats
from audiolog_cli.metrics.scene_based import NONE
from audiolog_cli.metrics.score_based import Curve, average_precision
from audiolog_cli.pictures import figures

FORMATS = (".svg", ".pdf", ".png")


def plot(material: Material, results: Sequence[FileResult], path: str) -> None:
    """Draw curves and confusion, as available; UsageError without matplotlib, for an unknown format, or with nothing to draw."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"--plot {path}: expected a name that ends in {', '.join(FORMATS)}")
    n_panels = bool(material.score_paths) + bool(material.scenes)
    if not n_panels:
        raise UsageError("--plot: nothing to draw; curves need --scores-dir, a confusion needs scenes on both sides")
    with figures("--plot", font_size=10) as Figure:
        figure = Figure(figsize=(6.5 * n_panels, 5.5), layout="constrained")
        panels = list(figure.subplots(1, n_panels, squeeze=False)[0])
        if material.score_paths:
            _draw_curves(panels.pop(0), dict(zip(material.labels, curves(results), strict=True)))
        if material.scenes:
            _draw_confusion(panels.pop(0), confusion(material, results), [*material.scenes, NONE])
        with terminal.refusing(path):
            figure.savefig(path, metadata={"Date": None} if suffix == ".svg" else None)


def _draw_curves(panel: Any, of_labels: Mapping[str, Curve]) -> None:
    """A step curve for each label that the reference has, with its average precision in the legend."""
    for label, curve in of_labels.items():
        if curve.n_positive:
            precision = curve.true_positives / (curve.true_positives + curve.false_positives)
            recall = curve.true_positives / curve.n_positive
            panel.step(recall, precision, where="pre", label=f"{label} ({average_precision(curve):.2f})")
    panel.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01), title="precision and recall (AP)")
    if panel.get_lines():
        panel.legend(fontsize="small")


def _draw_confusion(panel: Any, matrix: Floats, labels: Sequence[str]) -> None:
    """Rows are reference scenes; cells are shares of their row."""
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)[:-1]  # no reference is NONE
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    panel.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    panel.set_yticks(range(len(labels) - 1), labels[:-1])
    panel.set(xlabel="estimate", ylabel="reference", title="scenes, share of each row")
    for row, column in np.ndindex(shares.shape):
        color = "white" if shares[row, column] > 0.5 else "black"
        panel.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", color=color)
