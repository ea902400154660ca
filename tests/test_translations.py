"""The English catalogue says everything the French site says, with the same figures in each sentence."""

import re

from forums.language import day_in_full, hour, moment_in_full
from tests.translations import english, sentences, untranslated

PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")


def test_every_sentence_of_the_code_is_in_the_catalogue_and_none_is_there_for_nothing():
    here, there = {each.id for each in sentences() if each.id}, {each.id for each in english() if each.id}

    assert here - there == set()
    assert there - here == set()


def test_every_sentence_is_translated():
    assert untranslated(english()) == []


def test_a_translation_keeps_the_figures_of_its_sentence():
    for each in english():
        ids = each.id if isinstance(each.id, tuple | list) else [each.id]
        strings = each.string if isinstance(each.string, tuple | list) else [each.string]
        wanted = set(PLACEHOLDER.findall(" ".join(ids)))
        for string in strings:
            assert set(PLACEHOLDER.findall(string)) <= wanted, each.id
        assert wanted == set(PLACEHOLDER.findall(" ".join(strings))), each.id


def test_dates_and_hours_are_said_in_full_in_both_languages():
    from datetime import UTC, date, datetime

    evening = datetime(2018, 5, 24, 16, 30, tzinfo=UTC)

    assert moment_in_full(evening) == "jeudi 24 mai 2018, 18\u00a0h\u00a030"
    assert moment_in_full(evening, "en") == "Thursday 24 May 2018, 18:30"
    assert day_in_full(date(2018, 5, 1)) == "mardi 1er mai 2018"
    assert hour(datetime(2018, 12, 12, 13, 0, tzinfo=UTC)) == "14\u00a0h"
