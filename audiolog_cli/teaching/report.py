"""What was learned, in a table for people, and what to record next in a few sentences."""

from collections.abc import Iterable, Iterator

from tabulate import tabulate

from audiolog_cli.teaching.figures import Figure

FEW = 10  # clips
WEAK = 0.5  # F1 below which to ask for more clips
LEAD = 3.0  # logits: a clip whose score for another label is so much further above the threshold than its own may be misplaced
HEADER = ("label", "clips", "AP", "F1", "taken for")


def report_lines(figures: Iterable[Figure]) -> Iterator[str]:
    """The table, then what to record next, one line each."""
    figures = list(figures)
    rows = [
        (
            figure.label,
            len(figure.clips),
            f"{figure.average_precision:.2f}",
            f"{figure.f1:.2f}",
            ", ".join(f"{label} ({share:.0%})" for label, share in figure.taken_for),
        )
        for figure in figures
    ]
    yield tabulate(rows, HEADER, disable_numparse=True, colalign=("left", "right", "right", "right", "left")) + "\n"
    advice = [line for figure in figures for line in advice_of(figure)]
    if advice:
        yield "\n"
    yield from (f"{line}\n" for line in advice)


def advice_of(figure: Figure) -> Iterator[str]:
    """What would help a label."""
    n_clips = len(figure.clips)
    if n_clips < FEW:
        yield f"{figure.label}: {n_clips} clips are few; record {FEW} to 20, of other days and distances"
    elif figure.f1 < WEAK:
        yield f"{figure.label}: hard to tell; record more, as it sounds where you will listen, unless the weights know it already"
    for first, second in figure.alike[:3]:
        yield f"{figure.label}: {first} and {second} hold the same recording; one of them teaches nothing"
    for name, rival in odd_clips(figure)[:3]:
        yield f"{figure.label}: {name} is not like the others and more like {rival}; is it in the right folder?"


def odd_clips(figure: Figure) -> list[tuple[str, str]]:
    """Clips that are less like their own label than like another, and which."""
    return [
        (name, rival)
        for name, own, (rival, other) in zip(figure.clips, figure.own, figure.rival, strict=True)
        if other - own > LEAD
    ]
