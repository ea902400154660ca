"""What `tests.full_database` says of a migration that loses something: it must see it, or it proves nothing."""

from collections import Counter

from tests.full_database import Said, of_a_step

BEFORE = {"forum": {("a",): {"id": "a", "theme": "", "seats": 1}, ("b",): {"id": "b", "theme": "Eau", "seats": None}}}


def found(after: dict[str, dict[tuple[str, ...], dict[str, object]]], said: Said | None = None) -> dict[str, int]:
    return dict(of_a_step(BEFORE, after, said or Said(), "0007", Counter()))


def test_a_step_that_only_adds_is_right() -> None:
    after = {table: {key: row | {"new": 3} for key, row in rows.items()} for table, rows in BEFORE.items()}
    after["forum"]["c",] = {"id": "c"}

    assert found(after) == {}


def test_a_row_that_is_gone_is_seen() -> None:
    assert found({"forum": {("a",): BEFORE["forum"]["a",]}}) == {"rows lost": 1}
    assert found({}) == {"rows lost": 2}


def test_a_value_that_became_another_is_seen_even_if_it_looks_the_same() -> None:
    emptied = BEFORE["forum"] | {("a",): {"id": "a", "theme": None, "seats": 1}}
    of_another_kind = BEFORE["forum"] | {("a",): {"id": "a", "theme": "", "seats": 1.0}}

    assert found({"forum": emptied}) == found({"forum": of_another_kind}) == {"values lost or changed": 1}


def test_a_column_that_is_gone_is_seen_unless_the_migration_says_so() -> None:
    after = {"forum": {key: {"id": row["id"], "theme": row["theme"]} for key, row in BEFORE["forum"].items()}}

    assert found(after) == {"values lost or changed": 2}
    assert found(after, Said(takes_away=frozenset({"forum.seats"}))) == {}


def test_what_a_migration_says_that_it_holds_is_looked_at() -> None:
    said = Said(holds={"themes in another order": lambda before, after: len(before["forum"]) - len(after)})

    assert found({"forum": BEFORE["forum"]}, said) == {"themes in another order": 1}
