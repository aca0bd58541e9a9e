"""The report as text: TSV with one figure a line, JSON as a whole, or Markdown tables.

TSV columns: scope (pooled, mean_of_folds, fold, class, scene, file), name (of the fold, label, scene or file), metric, value,
rule, and with confidence intervals low and high. Undefined figures are `nan` in TSV, null in JSON, empty in Markdown.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audiolog_cli.evaluation.report import Results
from audiolog_cli.records import check_text
from audiolog_cli.terminal import visible
from audiolog_cli.wording import plain

HEADLINES = {
    "segment": ("error_rate", "f1", "precision", "recall", "macro_f1"),
    "event": ("f1", "macro_f1", "error_rate"),
    "scene": ("accuracy", "overall_accuracy"),
    "score": ("average_precision", "auroc", "d_prime", "best_macro_f1"),
    "library": ("psds1", "psds2", "event_best_macro_f1"),
}


def lines_of(parts: Results) -> Iterator[tuple[str, str, str, str, float]]:
    """Scope, name, group, metric and value of every figure of a report, in the order in which they are printed."""
    scopes = [(scope, "", parts.get(scope, {})) for scope in ("pooled", "mean_of_folds")]
    for scope, key in (("fold", "folds"), ("class", "by_class"), ("file", "by_file")):
        scopes += [(scope, name, groups) for name, groups in parts.get(key, {}).items()]
    scopes += [("scene", name, {"scene": named}) for name, named in parts.get("by_scene", {}).items()]
    for scope, name, groups in scopes:
        for group, named in groups.items():
            if isinstance(named, Mapping):
                yield from ((scope, name, group, metric, value) for metric, value in named.items())


def tsv_lines(parts: Results) -> Iterator[str]:
    """One figure a line."""
    intervals = parts.get("confidence")
    yield "\t".join(["scope", "name", "metric", "value", "rule", *(["low", "high"] if intervals else [])]) + "\n"
    for scope, name, group, metric, value in lines_of(parts):
        fields = [scope, check_text(name, "name"), f"{group}_{metric}", _exact(value), parts["rules"].get(group, "")]
        if intervals:
            known = intervals.get(group, {}).get(metric) if scope == "pooled" else None
            fields += [_exact(bound) for bound in known] if known else ["", ""]
        yield "\t".join(fields) + "\n"


def _exact(value: float) -> str:
    """All digits, so that figures can be compared exactly."""
    return str(value) if isinstance(value, int) else repr(float(value))


def json_lines(parts: Results) -> Iterator[str]:
    """The whole report, indented; undefined and infinite figures are null (JSON has neither)."""
    yield json.dumps(_finite(parts), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def github_lines(parts: Results) -> Iterator[str]:
    """Markdown tables: the headline figures, then one table per request with a row per fold, label, scene or file."""
    yield from _table(*_headline_table(parts))
    if folds := parts.get("folds"):
        yield from _wide("fold", folds | {"mean of folds": parts["mean_of_folds"], "pooled": parts["pooled"]}, HEADLINES)
    by_class = {"segment": ("f1", "precision", "recall", "error_rate", "n_reference", "n_estimated"), "event": ("f1",)}
    scores = {"score": ("average_precision", "auroc", "best_f1", "best_threshold")}
    if "by_class" in parts:
        yield from _wide("label", parts["by_class"], by_class | scores)
    if "by_scene" in parts:
        yield from _wide(
            "scene", {name: {"scene": row} for name, row in parts["by_scene"].items()}, {"scene": ("accuracy", "n_reference")}
        )
        yield from _confusion_table(parts["confusion"])
    if "by_file" in parts:
        yield from _wide("file", parts["by_file"], {group: HEADLINES[group][:2] for group in ("segment", "event", "scene")})


def _headline_table(parts: Results) -> tuple[list[str], list[list[str]]]:
    intervals = parts.get("confidence")
    rows = []
    for group, metrics in HEADLINES.items():
        for metric in metrics:
            if metric not in parts["pooled"].get(group, {}):
                continue
            row = [f"{group} {metric.replace('_', ' ')}", _short(parts["pooled"][group][metric])]
            if intervals:
                low_high = intervals.get(group, {}).get(metric)
                row.append(" to ".join(map(_short, low_high)) if low_high else "")
            rows.append([*row, parts["rules"].get(group, "")])
    return ["metric", "value", *(["95 % interval"] if intervals else []), "rule"], rows


def _wide(what: str, rows: Mapping[str, Any], wanted: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """A table with one row per name and one column per wanted figure that any row has."""
    columns = [
        (group, metric)
        for group, metrics in wanted.items()
        for metric in metrics
        if any(metric in row.get(group, {}) for row in rows.values())
    ]
    header = [what, *(f"{group} {metric.replace('_', ' ')}" for group, metric in columns)]
    yield "\n"
    yield from _table(
        header, [[name, *(_short(row.get(g, {}).get(m, math.nan)) for g, m in columns)] for name, row in rows.items()]
    )


def _confusion_table(confusion: Mapping[str, Any]) -> Iterator[str]:
    yield "\n"
    rows = [
        [label, *(plain(value) for value in row)]
        for label, row in zip(confusion["labels"], confusion["rows_are_reference"], strict=True)
    ]
    yield from _table(["reference \\ estimate", *confusion["labels"]], rows)


def _table(header: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    cells = [[visible(text).replace("|", "\\|") for text in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        yield "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |\n"


def _short(value: float) -> str:
    if isinstance(value, int) or float(value).is_integer() and abs(value) > 1:
        return str(int(value))
    return "" if math.isnan(value) else f"{value:.3f}"
