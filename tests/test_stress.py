"""The whole site under a small crowd, and what the judges of `make stress` and `make kills` would see go wrong."""

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import PostgresUrl
from tests.crew import Program
from tests.kills import sent_again
from tests.kills_relay import Taken
from tests.race import settings_for
from tests.stress import of_messages, of_words, stress
from tests.witness import Change, Replay, due, replay


@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_a_crowd_over_four_servers_gets_each_seat_once_in_order_and_one_message_for_each_fact(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fresh: PostgresUrl = (
        request.getfixturevalue("postgres_url") if engine == "postgresql" else lambda: f"sqlite:///{tmp_path / 'forums.db'}"
    )

    found = stress(settings_for(fresh()), tmp_path, people=150, seats=12, processes=4)

    assert [str(each) for each in found if each.broken] == []
    assert {each.words: each.figure for each in found}["seats taken / registered / capacity"] == "12/12/12"


# -- What the judges see ---------------------------------------------------------------------------------------

IN_ORDER = [
    Change("a", "pending", "registered"),
    Change("b", "pending", "waiting", 1),
    Change("c", "pending", "waiting", 2),
    Change("a", "registered", "given_up"),
    Change("b", "waiting", "registered", 1),
]


def test_a_seat_passed_on_in_order_is_no_fault() -> None:
    assert replay(IN_ORDER, capacity=1) == Replay(oversold=0, overtaken=0, out_of_rank=0)


def test_a_seat_sold_twice_for_an_instant_is_seen_though_the_end_is_right() -> None:
    too_soon = [*IN_ORDER[:3], IN_ORDER[4], IN_ORDER[3]]

    assert replay(too_soon, capacity=1) == Replay(oversold=1, overtaken=0, out_of_rank=0)


def test_a_promotion_over_an_earlier_rank_is_seen_though_that_person_gets_a_seat_later() -> None:
    overtaking = [*IN_ORDER[:4], Change("c", "waiting", "registered", 2), Change("c", "registered", "given_up"), IN_ORDER[4]]

    assert replay(overtaking, capacity=1) == Replay(oversold=0, overtaken=1, out_of_rank=0)


def test_a_rank_given_twice_is_seen() -> None:
    assert replay([*IN_ORDER, Change("d", "pending", "waiting", 2)], capacity=1).out_of_rank == 1


def test_a_word_that_was_answered_and_not_kept_is_seen_and_so_is_a_deed_nobody_asked_for() -> None:
    said = Counter({("confirmer", "a"): 1, ("confirmer", "b"): 1, ("confirmer", "c"): 1, ("confirmer", "d"): 1})

    found = {each.words: each.figure for each in of_words(said, Counter(), IN_ORDER) if each.broken}

    assert found == {"acknowledged confirmations lost": 1, "done twice, or unasked": 1}


def test_what_was_left_unsettled_may_be_done_or_not() -> None:
    said = Counter({("confirmer", "a"): 1, ("confirmer", "b"): 1, ("confirmer", "c"): 1})
    unsettled = Counter({("renoncer", "a"): 1, ("confirmer", "d"): 1})

    assert [each for each in of_words(said, unsettled, IN_ORDER) if each.broken] == []


def test_a_fact_untold_and_a_message_twice_are_seen() -> None:
    promised = due(IN_ORDER) - Counter([("a", "given_up", "CANCEL")]) + Counter([("b", "promoted", "REQUEST")])

    found = {each.words: each.figure for each in of_messages(due(IN_ORDER), promised) if each.broken}

    assert found == {"facts without their message": 1, "messages twice, or without their fact": 1}


def test_of_a_message_taken_twice_the_first_time_did_not_count() -> None:
    worker = Program([], {}, Path())
    first, other, second = (Taken(identifier, "a@example.org", number, worker, 1) for number, identifier in enumerate(("m", "n", "m")))

    assert sent_again([first, other, second]) == [first]
