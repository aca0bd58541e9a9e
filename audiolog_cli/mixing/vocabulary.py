"""The words of the default weights: everyday events and scenes, and the events a scene may hold unlabelled.

Labels are those of the training clips, some of them merged (`joined_labels.tsv` in experiments). `PLAUSIBLE` (scene -> events) is
used twice: such an event over such a scene counts for nothing in training, and in scoring, unless it was mixed in. `AKIN` (event
-> other labels that may also describe such a sound) is for training alone. Both are in `vocabulary.toml`.
"""

import tomllib
from pathlib import Path

from audiolog_cli.weights.labels import EVERYDAY

EVENTS, SCENES = EVERYDAY.events, EVERYDAY.scenes
_TABLES: dict[str, dict[str, list[str]]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
PLAUSIBLE, AKIN = ({name: tuple(words) for name, words in _TABLES[table].items()} for table in ("plausible", "akin"))
