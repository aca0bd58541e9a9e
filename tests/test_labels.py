"""The label lists: their sizes, order and spelling, and lists of one's own."""

import json
from pathlib import Path

import pytest

from audiolog_cli.errors import RecordError
from audiolog_cli.weights import labels
from audiolog_cli.weights.find import find, read_header
from audiolog_cli.weights.labels import LabelList


def test_audioset_has_527_classes_in_the_order_of_the_published_taggers(shared: Path) -> None:
    assert list(labels.audioset()) == (shared / "data" / "teacher" / "labels.txt").read_text().splitlines()


def test_some_classes_of_audioset_by_number() -> None:
    classes = labels.audioset()
    assert classes[:2] == ("Speech", "Male speech, man speaking")  # display names contain commas
    assert (classes[74], classes[526]) == ("Dog", "Field recording")
    assert len(set(classes)) == 527


@pytest.mark.parametrize(
    ("name", "n_scenes", "n_events"),
    [("audioset", 0, 527), ("maestro", 5, 11), ("maestro-soft", 5, 17), ("tut", 4, 25), ("everyday", 12, 60)],
)
def test_a_list_is_found_by_its_sizes(name: str, n_scenes: int, n_events: int) -> None:
    entry = labels.lists()[name]
    assert (len(entry.scenes), len(entry.events)) == (n_scenes, n_events)
    assert labels.for_counts(n_scenes, n_events) == entry
    assert len(set(entry.scenes)) == n_scenes and len(set(entry.events)) == n_events


def test_no_list_is_guessed() -> None:
    assert labels.for_counts(5, 12) is None


def test_the_evaluated_events_of_maestro_are_in_their_published_order() -> None:
    assert labels.MAESTRO.events == (
        "birds_singing", "car", "people talking", "footsteps", "children voices", "wind_blowing", "brakes_squeaking",
        "large_vehicle", "cutlery and dishes", "metro approaching", "metro leaving",
    )  # fmt: skip
    assert set(labels.MAESTRO.events) < set(labels.MAESTRO_SOFT.events)


def test_the_default_weights_score_the_everyday_list() -> None:
    metadata = read_header(find("everyday")).metadata
    assert json.loads(metadata["scenes"]) == list(labels.EVERYDAY.scenes)
    assert json.loads(metadata["events"]) == list(labels.EVERYDAY.events)
    assert json.loads(metadata["groups"]) == {name: list(scenes) for name, scenes in labels.EVERYDAY.groups.items()}


def test_every_scene_is_in_a_group_and_groups_are_nested_or_apart() -> None:
    groups = [set(scenes) for scenes in labels.EVERYDAY.groups.values()]
    assert set.union(*groups) == set(labels.EVERYDAY.scenes)
    assert all(not one & other or one <= other or other <= one for one in groups for other in groups)


def test_a_list_of_ones_own() -> None:
    lines = ["kind\tlabel\n", "scene\thome\n", "event\tdog, barking\n", "event\twater tap running \n"]
    assert labels.read_labels(lines, "my.tsv") == LabelList(("home",), ("dog, barking", "water tap running"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sound\tdog", "my.tsv:2: expected scene or event, a tab and a label, found 'sound\\tdog'"),
        ("event dog", "my.tsv:2: expected scene or event, a tab and a label, found 'event dog'"),
        ("event\t ", "my.tsv:2: expected scene or event, a tab and a label, found 'event'"),
        ("event\tcar", "my.tsv:2: event 'car' is in the list twice"),
    ],
)
def test_a_line_that_is_not_a_label(line: str, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        labels.read_labels(["event\tcar", line], "my.tsv")
    assert str(caught.value) == message
