"""Scene metrics: pairs of reference and estimated scene in, a confusion matrix and accuracies out.

Scenes are compared either once per file or second by second, where each stretch with one reference scene and one estimated scene
is weighted by its length. The two give different figures, so a figure must always say which it is.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from audiolog_cli.metrics.activity import Floats

Stretch = tuple[float, float, str]  # onset and offset in seconds, scene
NONE = "(none)"  # stands for a missing estimate


def confusion_matrix(pairs: Iterable[tuple[str, str, float]], labels: list[str]) -> Floats:
    """(n, n) summed weights of (reference, estimate, weight) triples; rows are references, columns estimates.

    >>> confusion_matrix([("home", "home", 2.0), ("home", "city", 1.0)], ["city", "home"])
    array([[0., 0.],
           [1., 2.]])
    """
    index = {label: i for i, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)))
    for reference, estimate, weight in pairs:
        matrix[index[reference], index[estimate]] += weight
    return matrix


def accuracy_per_class(confusion: Floats) -> Floats:
    """(n,) the share of each reference class that was recognised; NaN for a class not in the reference.

    >>> accuracy_per_class(np.array([[0., 0.], [1., 3.]]))
    array([ nan, 0.75])
    """
    n_reference = confusion.sum(axis=1)
    return np.where(n_reference > 0, np.diag(confusion) / np.where(n_reference > 0, n_reference, 1), math.nan)


def mean_class_accuracy(confusion: Floats) -> float:
    """ACC: mean of the class-wise accuracies over the classes of the reference (scikit-learn's balanced accuracy).

    sed_eval also counts listed classes that the reference lacks, with accuracy 0; we do not.

    >>> mean_class_accuracy(np.array([[1., 0.], [1., 1.]]))
    0.75
    """
    defined = [accuracy for accuracy in accuracy_per_class(confusion).tolist() if not math.isnan(accuracy)]
    return float(np.mean(defined)) if defined else math.nan


def overall_accuracy(confusion: Floats) -> float:
    """The share of all files, or of all time, whose scene was recognised.

    >>> overall_accuracy(np.array([[1., 0.], [2., 1.]]))
    0.5
    """
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else math.nan


def overlaps(reference: list[Stretch], estimate: list[Stretch], end: float) -> Iterator[tuple[str, str, float]]:
    """(reference scene, estimated scene, seconds) of every stretch of [0, end) that has a reference scene.

    Each list is sorted and free of overlaps. Time without an estimate has the scene `NONE`.

    >>> list(overlaps([(0, 10, "home")], [(0, 4, "home"), (4, 7, "city")], end=8))
    [('home', 'home', 4), ('home', 'city', 3), ('home', '(none)', 1)]
    """
    i = 0
    for onset, offset, scene in reference:
        position, stop = onset, min(offset, end)
        while i < len(estimate) and estimate[i][1] <= position:
            i += 1
        k = i
        while position < stop:
            start, finish, label = estimate[k] if k < len(estimate) else (stop, stop, NONE)
            if start > position:
                yield scene, NONE, min(start, stop) - position
                position = start
            if finish > position and position < stop:
                yield scene, label, min(finish, stop) - position
            position = max(position, finish)
            k += 1


def whole_file(stretches: Iterable[Stretch]) -> str:
    """A file's single scene: the one that lasts longest, of equals the first; `NONE` if there is none.

    >>> whole_file([(0, 3, "home"), (3, 7, "city"), (7, 9, "home")])
    'home'
    """
    seconds: dict[str, float] = {}
    for onset, offset, scene in stretches:
        seconds[scene] = seconds.get(scene, 0.0) + offset - onset
    return max(seconds, key=seconds.__getitem__, default=NONE)
