"""The clips whose stated licence allows commercial use: folders of clips in, the `clips.tsv` of one folder out.

    python experiments/open_clips.py build/open/data/clips DATA/everyday DATA/extra DATA/world

The table names the audio where it lies. `make weights DATA=build/open/data` then learns from nothing else (docs/experiments.md).
"""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

OPEN = re.compile(
    r"^(?!.*(NC|not stated|SA|originals|all sounds from|Freesound, per|research|personal|Pixabay|per file|sounds per CREDITS"
    r"|Sampling|Mixkit|fee|see ))"
    r"(CC BY|CC0|[Pp]ublic domain|US National Park|Apache|BSD|MIT|GPL|LGPL|MPL|README: MIT|repo |repository: )"
)  # as stated; what is also said to be of unknown, mixed or non-commercial origin is left out


def open_rows(folder: Path) -> Iterator[dict[str, str]]:
    """The lines of `folder/clips.tsv` whose licence is open, each `path` absolute."""
    with (folder / "clips.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if OPEN.search(row["licence"]):
                yield row | {"path": str((folder / row["path"]).absolute())}


def main(out: Path, folders: list[Path]) -> None:
    columns = ("path", "source_id", "kind", "label", "raw_label", "onset", "offset", "duration", "split", "licence")
    out.mkdir(parents=True, exist_ok=True)
    with (out / "clips.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", quoting=csv.QUOTE_NONE, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for folder in folders for row in open_rows(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
