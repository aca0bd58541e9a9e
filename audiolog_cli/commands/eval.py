"""`audiolog eval`: estimates against references, scored by the field's standard metrics."""

from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Exit, Option

from audiolog_cli import terminal
from audiolog_cli.commands.inputs import thresholds_in
from audiolog_cli.commands.needs import Heading, needs
from audiolog_cli.commands.options import Quiet, Thresholds
from audiolog_cli.errors import UsageError
from audiolog_cli.records import composed

if TYPE_CHECKING:
    from audiolog_cli.evaluation.figures import FileResult
    from audiolog_cli.evaluation.material import Material, Options


ON_SCORES = needs("--scores-dir", why="in cells it is decided which events are active")


def eval(
    files: Annotated[
        list[str] | None,
        Argument(metavar="[FILE|-]...", help="Estimates: cells, rows, a DCASE list, a list of scenes; - is stdin."),
    ] = None,
    reference: Annotated[
        list[str] | None,
        Option(
            metavar="PATH", help="The truth, in the same formats, Imoto's lists or a folder of MAESTRO soft labels; repeatable."
        ),
        Heading("Truth and estimates"),
    ] = None,
    scores_dir: Annotated[
        str,
        Option(metavar="DIR", help="Scores, one TSV per recording, as `tag --scores-dir` writes; alone, they are the estimates."),
    ] = "",
    durations: Annotated[str, Option(metavar="FILE", help="TSV filename, duration: all recordings, and when each ends.")] = "",
    labels: Annotated[str, Option(metavar="FILE", help="The event labels to score, one per line; others are ignored.")] = "",
    folds: Annotated[
        str,
        Option(
            metavar="PATH", help="TSV filename, fold, or MAESTRO's folder of test lists: adds each fold and the mean of folds."
        ),
    ] = "",
    allow_unknown_labels: Annotated[
        bool, Option("--allow-unknown-labels", help="Ignore estimated labels that the reference does not have.")
    ] = False,
    allow_unknown_files: Annotated[
        bool, Option("--allow-unknown-files", help="Ignore estimated recordings that the reference does not have.")
    ] = False,
    segment: Annotated[float, Option(min=0.001, help="Seconds of a segment."), Heading("Comparison")] = 1.0,
    decode: Annotated[
        Literal["any", "mean", "baseline"],
        Option(help="A segment is active if any part of it is, if its mean is, or by the rule of DCASE 2023 task 4B's baseline."),
    ] = "any",
    threshold: Annotated[float, Option(min=0.0, max=1.0, help="Scores strictly above it are active."), ON_SCORES] = 0.5,
    thresholds: Annotated[Thresholds, ON_SCORES] = "",
    scene_unit: Annotated[
        Literal["auto", "second", "file"],
        Option(help="Compare scenes by second or by file; auto: by file where both sides give whole files."),
    ] = "auto",
    by_class: Annotated[
        bool, Option("--by-class", help="Add a line per label and scene, and the confusion of scenes."), Heading("Output")
    ] = False,
    by_file: Annotated[bool, Option("--by-file", help="Add a line per recording.")] = False,
    confidence: Annotated[
        bool, Option("--confidence", help="95 % intervals of error rate, F1 and accuracy, by resampling recordings.")
    ] = False,
    psds: Annotated[
        bool, Option("--psds", help="Also PSDS1, PSDS2 and the best event-based F1, by sed_scores_eval."), needs("--scores-dir")
    ] = False,
    plot: Annotated[
        str, Option(metavar="FILE", help="Draw precision-recall curves and scene confusion (.svg, .png, .pdf).")
    ] = "",
    tune: Annotated[
        str,
        Option(metavar="FILE", help="Write to FILE the thresholds that together give the highest F1, for `tag --thresholds`."),
        needs("--scores-dir"),
    ] = "",
    format: Annotated[
        Literal["tsv", "json", "github"], Option(help="tsv: one figure per line; json: everything; github: Markdown tables.")
    ] = "tsv",
    quiet: Quiet = False,
) -> None:
    """Score estimates against references: the figures that papers print, computed as the field's libraries do.

    Segment-based and event-based error rate and F1, scene accuracy, and from scores average precision, AUROC and the best F1.
    stderr says what was compared.

    Example: audiolog tag data/*.wav | audiolog eval --reference ref.tsv --format github
    """
    from audiolog_cli.evaluation import formats
    from audiolog_cli.evaluation.figures import file_result
    from audiolog_cli.evaluation.material import Options
    from audiolog_cli.evaluation.report import report, summary
    from audiolog_cli.evaluation.tables import read_labels

    if not reference:
        raise UsageError("eval needs the truth: --reference PATH")
    own = {composed(label): score for label, score in thresholds_in(thresholds).items()}
    scored = tuple(read_labels(labels)) if labels else ()
    options = Options(segment, decode, threshold, own, scored, scene_unit, allow_unknown_labels, allow_unknown_files)
    material = _material(files or [], reference, scores_dir, durations, folds, options)
    results = [file_result(material, name) for name in material.files]
    parts = report(material, results, by_class, by_file, confidence)
    if psds:
        from audiolog_cli.evaluation.psds import psds_figures

        parts["pooled"]["library"], notes = psds_figures(material)
        for note in notes:
            terminal.say(note)
    if plot:
        from audiolog_cli.evaluation.plots import plot as draw

        draw(material, results, plot)
    for line in summary(parts, material):
        terminal.say(line)
    write = {"tsv": formats.tsv_lines, "json": formats.json_lines, "github": formats.github_lines}[format]
    terminal.write_lines(write(parts))
    if tune:  # after the figures, because this file may be impossible to write
        _write_thresholds(tune, material, results)
    if parts["compared"]["failed"]:
        raise Exit(3)


def _material(files: list[str], reference: list[str], scores: str, durations: str, folds: str, options: "Options") -> "Material":
    """Read all inputs; without files, stdin is the estimate unless there are scores."""
    from audiolog_cli.evaluation import tables
    from audiolog_cli.evaluation.material import prepare
    from audiolog_cli.evaluation.references import read_annotations

    return prepare(
        read_annotations(reference),
        read_annotations(files or ["-"]) if files or not scores else None,
        tables.score_files(scores) if scores else {},
        tables.read_durations(durations) if durations else {},
        tables.read_folds(folds) if folds else {},
        options,
    )


def _write_thresholds(path: str, material: "Material", results: "list[FileResult]") -> None:
    """Write the file that `tag --thresholds` reads, without labels that the reference lacks."""
    from audiolog_cli.evaluation.report import tuned_thresholds

    tuned = tuned_thresholds(material, results)
    with open(path, "w", encoding="utf-8") as file:
        file.write("label\tthreshold\n")
        file.writelines(f"{label}\t{threshold!r}\n" for label, threshold in tuned.items())
    left_out = [label for label in material.labels if label not in tuned]
    if left_out:
        terminal.say(f"{path}: no threshold for labels without reference events: {', '.join(left_out)}")
