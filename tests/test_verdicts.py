"""A section's text sentence by sentence: which are wrong, why, and what none of them mentions."""

from audiolog_cli.check.verdicts import section_table, sentence_claims, unspoken
from audiolog_cli.records import Row
from tests.log_tables import rows

PARK = [  # the second scene of a recording; its times are those of the recording
    Row("walk.wav", 60.0, 65.0, "park", ("bird",)),
    Row("walk.wav", 65.0, 70.0, "park", ("bird", "dog_bark")),
    Row("walk.wav", 70.0, 100.0, "park", ()),
    Row("walk.wav", 100.0, 101.0, "park", ("car",)),
    Row("walk.wav", 101.0, 120.0, "park", ()),
]


def reasons(text: str) -> list[tuple[str, list[str]]]:
    return [(sentence.text, sentence.reasons) for sentence in sentence_claims(text, section_table(PARK))]


def test_each_sentence_has_its_own_reasons() -> None:
    assert reasons("In the park, birds sing from 1:00 to 1:10. A dog barks at 1:40. A siren wails!") == [
        ("In the park, birds sing from 1:00 to 1:10.", []),
        ("A dog barks at 1:40.", ['"dog barks at 1:40": not at that time; dog bark is there at 1:05–1:10.']),
        ("A siren wails!", ['"siren": not in the table.']),
    ]


def test_a_section_has_nothing_before_its_first_row() -> None:
    text = "A dog barks at 0:15. A dog barks at 2:30."
    assert [reason for _, why in reasons(text) for reason in why] == [
        '"dog barks at 0:15": before the beginning of the section, 1:00; dog bark is there at 1:05–1:10.',
        '"dog barks at 2:30": past the end of the section, 2:00; dog bark is there at 1:05–1:10.',
    ]


def test_lines_of_a_list_are_sentences_and_numbers_end_none() -> None:
    text = "1. Birds (1:00-1:10)\n2. A dog, approx. at 1:06\n\n- a car: 1:40"
    assert [sentence.text for sentence in sentence_claims(text, section_table(PARK))] == [
        "1. Birds (1:00-1:10)",
        "2. A dog, approx. at 1:06",
        "- a car: 1:40",
    ]
    assert all(not why for _, why in reasons(text))


def test_a_number_or_a_unit_may_end_a_sentence() -> None:
    text = "Birds sing between 60 and 70. A dog is heard at 66 s. A car at 100 seconds."
    assert [why for _, why in reasons(text)] == [[], [], []]


def test_a_sentence_without_claims_has_none() -> None:
    (sentence,) = sentence_claims("What a lovely day it was.", section_table(PARK))
    assert (sentence.claims, sentence.reasons) == ([], [])
    assert sentence_claims(" \n… ", section_table(PARK)) == []


def test_what_no_right_sentence_speaks_of_is_left_over() -> None:
    table = section_table(PARK)
    assert unspoken([], table) == ["park", "bird", "car", "dog_bark"]
    assert unspoken(sentence_claims("Birds sing in the park. A dog barks at 1:40.", table), table) == ["car", "dog_bark"]
    assert unspoken(sentence_claims("Birds sing in the park. No dog barks at 1:30.", table), table) == ["car", "dog_bark"]
    assert unspoken(sentence_claims("Birds sing in the park.", table), table) == ["car", "dog_bark"]


def test_a_hypernym_speaks_of_a_label_only_where_it_can_mean_no_other() -> None:
    table = section_table(rows({"street": [(0, 60)]}, {"car": [(0, 5)], "bus": [(10, 15)]}))
    assert unspoken(sentence_claims("Vehicles pass in the street.", table), table) == ["bus", "car"]
    table = section_table(PARK)
    assert unspoken(sentence_claims("A vehicle passes in the park.", table), table) == ["bird", "dog_bark"]
