"""The reference cases, computed with sed_eval 0.2.1 and sed_scores_eval 0.0.4, through the command line.

Counts must be equal, rates within 1e-9. Where the reference is empty the libraries divide by machine epsilon and report a huge
number; we say that the rate is undefined. The cases are numbers in `golden/eval_cases.json`, but for the largest, which needs the
reference data.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.shell import ROOT, audiolog, sh

CASES = (
    "01_perfect",
    "02_empty_estimate",
    "03_empty_reference",
    "05_cross_border",
    "06_touch_border",
    "08_zero_length",
    "11_substitutions",
    "12_folds_micro_vs_mean",
    "14_maestro_like",
)
GOLDEN = json.loads((ROOT / "tests/golden/eval_cases.json").read_text())
COUNTS = {
    "S": "substitutions",
    "D": "deletions",
    "I": "insertions",
    "Nref": "n_reference",
    "Nsys": "n_estimated",
    "Ntp": "true_positives",
    "Nfp": "false_positives",
    "Nfn": "false_negatives",
    "Ntn": "true_negatives",
}
RATES = {"error_rate": "error_rate", "f_measure": "f1", "precision": "precision", "recall": "recall"}


def is_same(ours: float | None, theirs: float | str | None) -> bool:
    """Equal within 1e-9; the libraries' infinity and their huge error rates are our undefined."""
    if theirs is None or theirs == "inf" or (isinstance(theirs, float) and abs(theirs) > 1e12):
        return ours is None
    return ours is not None and math.isclose(ours, float(theirs), rel_tol=0, abs_tol=1e-9)


def differences(pairs: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    return {name: pair for name, pair in pairs.items() if not is_same(*pair)}


@pytest.fixture
def case(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The folder of a case: its lists, its scores, and what the libraries say."""
    if name not in GOLDEN:
        return Path(request.getfixturevalue("shared")) / "metrics" / name
    numbers, folder = GOLDEN[name], tmp_path / "case"
    (folder / "scores").mkdir(parents=True)
    write(folder / "durations.tsv", ("filename", "duration"), numbers["durations"].items())
    for side in ("reference", "estimated"):
        write(folder / f"{side}.tsv", ("filename", "onset", "offset", "event_label"), numbers[side])
        write(folder / f"scenes_{side}.tsv", ("filename", "scene_label"), numbers[f"scenes_{side}"].items())
    for stem, rows in numbers["scores"].items():
        write(folder / "scores" / f"{stem}.tsv", ("onset", "offset", *numbers["score_labels"]), rows)
    (folder / "case.json").write_text(json.dumps({"labels": numbers["labels"], "folds": numbers["folds"]}))
    (folder / "expected.json").write_text(json.dumps(numbers["expected"]))
    return folder


def write(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in (columns, *rows)))


REPORTS: dict[str, dict[str, Any]] = {}  # by the case's name


@pytest.fixture
def report(name: str, case: Path, tmp_path: Path) -> dict[str, Any]:
    """What `audiolog eval` says about a case, run once for all tests."""
    if name not in REPORTS:
        REPORTS[name] = evaluate(case, tmp_path)
    return REPORTS[name]


def evaluate(case: Path, folder: Path, options: str = "--durations {case}/durations.tsv", run: Any = audiolog) -> dict[str, Any]:
    """What `audiolog eval` says about a case."""
    about = json.loads((case / "case.json").read_text())
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in about["labels"]))
    if about["folds"]:
        folds = "".join(f"{name}\t{fold}\n" for name, fold in about["folds"].items())
        (folder / "folds.tsv").write_text("filename\tfold\n" + folds)
        options += " --folds folds.tsv"
    files = (
        "{case}/estimated.tsv {case}/scenes_estimated.tsv --reference {case}/reference.tsv --reference "
        "{case}/scenes_reference.tsv"
    )
    line = f"eval {files} --scores-dir {{case}}/scores --labels labels.txt --by-class --format json {options}"
    done = run(line.replace("{case}", str(case)), folder)
    assert done.code == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def expected(case: Path) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((case / "expected.json").read_text())
    return answers


def check_segments(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Counts and rates over all labels."""
    assert {name: ours[own] for name, own in COUNTS.items()} == theirs["counts"]
    average = theirs["class_wise_average_nanmean"]
    pairs = {own: (ours[own], theirs["overall"][name]) for name, own in RATES.items()}
    pairs["macro_f1"] = (ours["macro_f1"], theirs["macro_f1_nan_as_zero"])
    for name in ("f_measure", "precision", "recall"):
        pairs[f"macro {name}"] = (ours[f"macro_{RATES[name]}_defined"], average[name])
    return pairs


def check_classes(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Counts and rates of each label; a label without reference and estimate has error rate 0 there, none here."""
    pairs = {}
    for label, row in theirs["class_wise"].items():
        own = ours[label]["segment"]
        counts = (row["Nref"], row["Nsys"], row["Ntp"])
        assert (own["n_reference"], own["n_estimated"], own["true_positives"]) == counts, label
        for name, own_name in RATES.items():
            answer = None if name == "error_rate" and not row["Nref"] else row[name]
            pairs[f"{label} {name}"] = (own[own_name], answer)
    return pairs


@pytest.mark.parametrize("name", CASES)
def test_segments_of_a_given_duration(case: Path, report: dict[str, Any]) -> None:
    answers = expected(case)["segment"]["with_length"]
    pairs = check_segments(report["pooled"]["segment"], answers) | check_classes(report["by_class"], answers)
    pairs["seconds"] = (report["compared"]["seconds"], answers["evaluated_length_seconds"])
    assert not differences(pairs)
    assert report["compared"]["files"] == answers["evaluated_files"]


@pytest.mark.parametrize("name", CASES)
def test_segments_up_to_the_last_event(case: Path, tmp_path: Path) -> None:
    about = json.loads((case / "case.json").read_text())
    (tmp_path / "labels.txt").write_text("".join(f"{label}\n" for label in about["labels"]))
    # Without --durations the reference must name every recording: here the list of scenes does.
    references = f"--reference {case}/reference.tsv --reference {case}/scenes_reference.tsv"
    done = audiolog(f"eval {case}/estimated.tsv {references} --labels labels.txt --by-class --format json", tmp_path)
    assert done.code == 0, done.stderr
    report, answers = json.loads(done.stdout), expected(case)["segment"]["no_length"]
    pairs = check_segments(report["pooled"]["segment"], answers) | check_classes(report["by_class"], answers)
    assert not differences(pairs)


@pytest.mark.parametrize("name", CASES)
def test_events_with_a_collar_of_200_ms(case: Path, report: dict[str, Any]) -> None:
    ours, answers = report["pooled"]["event"], expected(case)["event_200ms"]
    n_reference = ours["n_reference"]
    pairs = {own: (ours[own], answers["overall"][theirs]) for theirs, own in RATES.items()}
    for theirs, own in (("substitution_rate", "substitutions"), ("deletion_rate", "deletions"), ("insertion_rate", "insertions")):
        pairs[own] = (ours[own] / n_reference if n_reference else None, answers["overall"][theirs] if n_reference else None)
    for theirs in ("f_measure", "precision", "recall"):
        pairs[f"macro {theirs}"] = (ours[f"macro_{RATES[theirs]}_defined"], answers["class_wise_average_nanmean"][theirs])
    assert not differences(pairs)


@pytest.mark.parametrize("name", CASES)
def test_scenes_by_file(case: Path, report: dict[str, Any]) -> None:
    answers = expected(case)["scene"]
    assert report["rules"]["scene"] == "per file"
    pairs = {
        "overall": (report["pooled"]["scene"]["overall_accuracy"], answers["sed_eval"]["overall_accuracy"]),
        "mean": (report["pooled"]["scene"]["accuracy"], answers["sklearn"]["balanced_accuracy"]),
    }
    for scene, row in report["by_scene"].items():
        if row["n_reference"]:  # sed_eval gives 0 to a scene that the reference lacks
            pairs[scene] = (row["accuracy"], answers["sed_eval"]["class_wise"][scene])
    assert not differences(pairs)


@pytest.mark.parametrize("name", CASES)
def test_figures_from_scores(case: Path, report: dict[str, Any]) -> None:
    answers = expected(case)["scores"]
    pooled, rows = report["pooled"]["score"], {label: row["score"] for label, row in report["by_class"].items()}
    assert [label for label in report["compared"]["labels"] if rows[label]["auroc"] is not None] == answers["classes_scored"]
    if not answers["classes_scored"]:
        return
    area, best = answers["segment_auroc_dprime"], answers["segment_best_f1"]
    pairs = {
        "AP": (pooled["average_precision"], answers["segment_average_precision"]["mean"]),
        "AUROC": (pooled["auroc"], area["auroc"]["mean"]),
        "d'": (pooled["d_prime"], area["d_prime"]["mean"]),
        "F1_MO": (pooled["best_macro_f1"], best["f"]["macro_average"]),
        "best micro F1": (pooled["best_f1"], best["f"]["micro_average"]),
    }
    for label in answers["classes_scored"]:
        pairs[f"{label} AP"] = (rows[label]["average_precision"], answers["segment_average_precision"][label])
        pairs[f"{label} AUROC"] = (rows[label]["auroc"], area["auroc"][label])
        pairs[f"{label} d'"] = (rows[label]["d_prime"], area["d_prime"][label])
        pairs[f"{label} best F1"] = (rows[label]["best_f1"], best["f"][label])
        pairs[f"{label} precision"] = (rows[label]["best_precision"], best["p"][label])
        pairs[f"{label} recall"] = (rows[label]["best_recall"], best["r"][label])
        pairs[f"{label} threshold"] = (rows[label]["best_threshold"], best["threshold"][label])
    assert not differences(pairs)


@pytest.mark.parametrize("name", [name for name in CASES if name != "03_empty_reference"])  # sed_scores_eval has no answer to it
def test_scores_decoded_at_one_half(case: Path, tmp_path: Path) -> None:
    """Without other estimates the scores are the estimate: a segment is active where any frame is above 0.5."""
    answers = expected(case)["scores"]
    (tmp_path / "labels.txt").write_text("".join(f"{label}\n" for label in answers["classes_scored"]))
    (tmp_path / "reference.tsv").write_text(without_zero_length((case / "reference.tsv").read_text()))
    options = f"--scores-dir {case}/scores --durations {case}/durations.tsv --labels labels.txt --by-class --format json"
    done = audiolog(f"eval --reference reference.tsv {options}", tmp_path)
    assert done.code == 0, done.stderr
    report, answer = json.loads(done.stdout), answers["segment_f1_at_0.5"]
    rates = answers["segment_error_rate_at_0.5_classwise"]
    pairs = {
        "micro": (report["pooled"]["segment"]["f1"], answer["micro_average"]),
        "macro": (report["pooled"]["segment"]["macro_f1"], answer["macro_average"]),
    }
    for label in answers["classes_scored"]:
        row = report["by_class"][label]["segment"]
        pairs[label] = (row["f1"] or 0.0, answer[label])  # nothing above 0.5: undefined here, 0 there
        pairs[f"{label} ER"] = (row["error_rate"], rates[label])
    assert not differences(pairs)


def without_zero_length(table: str) -> str:
    """sed_scores_eval takes no events of zero length."""
    header, *lines = table.splitlines()
    return "\n".join([header, *(line for line in lines if line.split("\t")[1] != line.split("\t")[2])]) + "\n"


@pytest.mark.parametrize("name", ["12_folds_micro_vs_mean", "14_maestro_like"])
def test_pooled_over_folds_is_not_the_mean_of_folds(case: Path, report: dict[str, Any]) -> None:
    answers = expected(case)
    assert report["folds"].keys() == answers["folds"].keys()
    for fold, figures in report["folds"].items():
        assert not differences(check_segments(figures["segment"], answers["folds"][fold]))
    mean, pooled = report["mean_of_folds"]["segment"], report["pooled"]["segment"]
    pairs = {
        own: (mean[own], answers["mean_over_folds"][name]) for name, own in RATES.items() if name in answers["mean_over_folds"]
    }
    assert not differences(pairs)
    assert mean["f1"] != pooled["f1"]


def library(line: str, folder: Path) -> Any:
    """In a process of its own: the library warns."""
    return sh(f"audiolog {line}", folder)


@pytest.mark.parametrize("name", CASES)
def test_psds_is_that_of_the_case(case: Path, tmp_path: Path) -> None:
    pytest.importorskip("sed_scores_eval", reason="the extra `metrics` is not installed")
    answers = expected(case)["scores"]
    ours = evaluate(case, tmp_path, "--durations {case}/durations.tsv --psds", library)["pooled"]["library"]
    if not answers["classes_scored"]:
        return
    pairs = {
        "psds1": (ours["psds1"], answers["psds1"]),
        "event best": (ours["event_best_macro_f1"], answers["collar_best_f1"]["macro_average"]),
    }
    pairs["psds2"] = (ours["psds2"], None if len(answers["classes_scored"]) == 1 else answers["psds2"])
    assert not differences(pairs)


def test_soft_labels_are_cut_strictly_above_one_half(shared: Path, tmp_path: Path) -> None:
    case = shared / "metrics/14_maestro_like"
    tables = [
        sh(f"audiolog eval {case}/estimated.tsv --reference {case}/{name} -q | grep segment_", tmp_path).stdout
        for name in ("reference.tsv", "soft.tsv")
    ]
    assert tables[0] == tables[1]
    assert "segment_n_reference" in tables[0]
