"""Search: what is found whatever the accents and the endings, what matched, and what never is."""

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, text
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import calendar_index, migrations, search, search_index, standing_index
from forums.database import Database
from forums.models import Answer, Commitment, Forum, Institution, MinutesEntry, Question
from forums.settings import Settings
from tests.factories import a_commitment, a_follow_up, a_forum, a_plan, a_question, an_institution, some_minutes
from tests.site import Site

HOSTILE = [
    '"',
    "'",
    "AND OR NOT",
    "a* -b ^c",
    "(",
    "title:x",
    "é" * 300,
    "%_",
    "\\",
    "NEAR(a b)",
    "; DROP TABLE question",
    "&|!:*<->",
    "\u202e",
]


async def kinds(session: AsyncSession, asked: str) -> list[str]:
    return [hit.kind for hit in (await search.find(session, asked)).hits]


def marked(pieces: list[search.Piece]) -> list[str]:
    return [piece.text for piece in pieces if piece.matched]


async def test_a_word_is_found_whatever_its_accents_its_case_and_its_ending(session: AsyncSession) -> None:
    await a_question(session, text="Quand les données ouvertes des marchés publics seront-elles complètes ?")

    for asked in ("données", "DONNEES", "donnée", "donnee ouverte", "marché public", "complet", "complètes publics", "œuvre données"):
        assert await kinds(session, asked) == ([] if "œuvre" in asked else ["question"]), asked


async def test_every_word_must_be_there_but_little_ones_do_not_count(session: AsyncSession) -> None:
    await a_question(session, text="Le répertoire des représentants d’intérêts est-il complet ?")

    assert await kinds(session, "le répertoire de la des") == ["question"]
    assert await kinds(session, "répertoire budget") == []
    assert await kinds(session, "   ") == []


async def test_each_kind_is_found_at_its_own_address_with_what_matched(session: AsyncSession, now: datetime) -> None:
    plan = await a_plan(session)
    commitment = await a_commitment(session, plan, 12, working_title="Zèbres et transparence", summary="Compter les zèbres.")
    forum = await a_forum(session, theme="La soirée des zèbres", now=now)
    minutes = await some_minutes(session, forum, published_at=now)
    entry = MinutesEntry(minutes_id=minutes.id, number=3, text="Le ministère a **promis** de [compter](https://example.org) ses zèbres.")
    session.add(entry)
    question = await a_question(session, text="Combien de zèbres ?")
    institution = await an_institution(session, "Ministère des Zèbres")
    session.add(Answer(question_id=question.id, institution_id=institution.id, text="Douze zèbres.", published_at=now))
    promise = await a_follow_up(session, forum, text="Publier la liste des zèbres.")
    await session.flush()

    found = await search.find(session, "zebre")

    assert {(hit.kind, hit.address) for hit in found.hits} == {
        ("administration", f"/institutions/{institution.slug}"),
        ("engagement", f"/engagements/{commitment.number}"),
        ("forum", f"/forums/{forum.slug}"),
        ("passage", f"/forums/{forum.slug}/compte-rendu#p-3"),
        ("question", f"/questions/{question.code}"),
        ("reponse", f"/questions/{question.code}"),
        ("suite", f"/suites/{promise.code}"),
    }
    passage = next(hit for hit in found.hits if hit.kind == "passage")
    assert "".join(piece.text for piece in passage.excerpt) == "Le ministère a promis de compter ses zèbres."
    assert marked(list(passage.excerpt)) == ["zèbres"]
    assert found.counts.total() == found.total == 7


@pytest.mark.parametrize("asked", ["DINUM", "dinum", "Numérique", "direction du numerique", "interministerielles dinum"])
async def test_an_institution_is_found_by_its_name_or_its_acronym(session: AsyncSession, asked: str) -> None:
    session.add(Institution(slug="dinum", name="Direction interministérielle du numérique (DINUM)"))
    session.add(Institution(slug="culture", name="Ministère de la Culture"))
    await a_question(session, text="Que fait la direction interministérielle du numérique (DINUM) ?")

    found = await search.find(session, asked)

    assert [(hit.kind, hit.address) for hit in found.hits] == [
        ("administration", "/institutions/dinum"),
        *[("question", found.hits[-1].address)],
    ]
    assert {piece.lower() for piece in marked(found.hits[0].title)} <= {"dinum", "numérique", "direction", "interministérielle"}
    assert marked(found.hits[0].title)
    assert [hit.kind for hit in (await search.find(session, asked, kind="administration")).hits] == ["administration"]


async def test_institutions_come_by_their_names_and_every_word_must_be_in_one(session: AsyncSession) -> None:
    for name, slug in (("Ministère de l’Écologie", "ecologie"), ("Ministère de la Culture", "culture"), ("Cour des comptes", "cc-2018")):
        session.add(Institution(slug=slug, name=name))
    await session.flush()

    assert [hit.address for hit in (await search.find(session, "ministères")).hits] == ["/institutions/ecologie", "/institutions/culture"]
    assert [hit.address for hit in (await search.find(session, "l'ecologie ministère")).hits] == ["/institutions/ecologie"]
    assert (await search.find(session, "ministère comptes")).total == 0
    assert [piece.text for piece in (await search.find(session, "2018")).hits[0].excerpt if piece.matched] == ["2018"]


async def test_a_title_counts_for_more_than_a_text(session: AsyncSession) -> None:
    plan = await a_plan(session)
    await a_commitment(session, plan, 1, working_title="Autre chose", summary="Il y est question d’un zèbre parmi beaucoup d’autres mots.")
    await a_commitment(session, plan, 2, working_title="Le zèbre", summary="")

    assert [hit.number for hit in (await search.find(session, "zèbre")).hits] == [2, 1]


async def test_what_is_not_public_is_never_found(session: AsyncSession, now: datetime) -> None:
    forum = await a_forum(session, theme="zèbre", status="draft", now=now)
    minutes = await some_minutes(session, forum)
    session.add(MinutesEntry(minutes_id=minutes.id, number=1, text="zèbre"))
    await a_follow_up(session, forum, text="zèbre")
    for number, status in enumerate(("unconfirmed", "pending", "declined", "unpublished")):
        await a_question(session, text="zèbre", email=f"{number}@example.org", status=status, decline_reason="Hors sujet.")
    question = await a_question(session, text="Autre chose")
    institution = await an_institution(session)
    session.add(Answer(question_id=question.id, institution_id=institution.id, text="zèbre en préparation"))
    await session.flush()

    assert await kinds(session, "zèbre") == []


async def test_a_text_that_changes_or_goes_is_found_by_what_it_says_now(session: AsyncSession) -> None:
    question = await a_question(session, text="Une girafe ?")
    await session.exec(update(Question).where(col(Question.id) == question.id).values(text="Un zèbre ?"))  # type: ignore[arg-type]

    assert (await kinds(session, "girafe"), await kinds(session, "zèbre")) == ([], ["question"])
    await session.exec(delete(Question).where(col(Question.id) == question.id))  # type: ignore[arg-type]
    assert await kinds(session, "zèbre") == []


@pytest.mark.parametrize("asked", HOSTILE)
async def test_what_means_something_to_an_engine_means_nothing_here(session: AsyncSession, asked: str) -> None:
    await a_question(session, text="Quand ?")

    assert (await search.find(session, asked)).total >= 0


async def test_long_lists_come_in_pages_by_kind_and_say_when_they_are_cut(session: AsyncSession, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(25):
        await a_question(session, text=f"Un zèbre, numéro {number} ?", email=f"{number}@example.org")

    first, second = await search.find(session, "zèbre"), await search.find(session, "zèbre", page=2)
    other = await search.find(session, "zèbre", kind="forum")

    assert (len(first.hits), len(second.hits), first.total, first.capped) == (20, 5, 25, False)
    assert not {hit.address for hit in first.hits} & {hit.address for hit in second.hits}
    assert (other.total, other.counts["question"]) == (0, 25)


async def test_a_search_makes_as_many_statements_whatever_it_finds(database: Database) -> None:
    statements: list[str] = []
    event.listen(database.reader.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    counted = []
    for more in (1, 60):
        async with database.transaction() as session:
            for number in range(more):
                await a_question(session, text="Un zèbre ?", email=f"{more}-{number}@example.org")
        statements.clear()
        async with database.reading() as session:
            await search.find(session, "zèbre")
        counted.append(len(statements))

    assert counted[0] == counted[1] <= 10


def test_after_every_migration_the_index_is_whole(settings: Settings) -> None:
    import sqlite3
    from contextlib import closing

    migrations.migrate(settings)

    with closing(sqlite3.connect(settings.sqlite_path)) as connection:
        kept = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    assert kept == {*search_index.triggers(), *standing_index.triggers(), *calendar_index.triggers()}


async def test_an_index_made_anew_finds_what_was_there(database: Database, owner: Database) -> None:
    async with database.transaction() as session:
        await a_question(session, text="Un zèbre ?")
    async with owner.writer.begin() as connection:
        await connection.run_sync(search_index.create)

    async with database.reading() as session:
        assert await kinds(session, "zèbre") == ["question"]


async def test_both_engines_search_through_their_index_and_sqlite_in_its_order(session: AsyncSession) -> None:
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        statement = search._on_sqlite(None).params(asked="a").compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        said = [row[-1] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
        assert next(line for line in said if line.startswith("SCAN")).startswith("SCAN search_words VIRTUAL TABLE INDEX")
        assert sum("ORDER BY" in line for line in said) == 1  # that of what is looked at, and not of all that matches
        return
    await connection.execute(text("SET LOCAL enable_seqscan = off"))
    for source in search_index.SOURCES:
        asked = f"SELECT id FROM {source.table} WHERE search_vector @@ (SELECT to_tsquery('french', 'zebre'))"
        plan = await connection.execute(text(f"EXPLAIN {asked}"))
        assert f"ix_search_{source.table}" in " ".join(row[0] for row in plan)


async def test_of_a_word_that_is_everywhere_so_many_are_looked_at_and_the_page_says_so(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    monkeypatch.setattr(search, "MOST", 30)
    search._on_sqlite.cache_clear(), search._on_postgresql.cache_clear()
    plan = await a_plan(session)
    await a_commitment(session, plan, 1, working_title="Les zèbres")
    await a_forum(session, theme="La soirée des zèbres", now=now)
    for number in range(40):
        await a_question(session, text=f"Un zèbre, numéro {number} ?", email=f"{number}@example.org")
    await a_question(session, text="Un zèbre et une girafe ?", email="g@example.org")

    every, last = await search.find(session, "zèbre"), await search.find(session, "zèbre", page=2)
    questions, forums = await search.find(session, "zèbre", kind="question"), await search.find(session, "zèbre", kind="forum")
    precise = await search.find(session, "zèbre girafe")
    search._on_sqlite.cache_clear(), search._on_postgresql.cache_clear()

    assert (every.total, every.capped, every.partly, len(every.hits), len(last.hits)) == (30, True, True, 20, 10)
    assert (every.counts["engagement"], every.counts["forum"]) == (1, 1)
    assert (questions.total, questions.capped) == (30, True)
    assert (forums.total, forums.capped, forums.partly) == (1, False, True)
    assert (precise.total, precise.capped, precise.partly) == (1, False, False)


async def test_what_is_not_public_takes_no_place_among_those_that_are_looked_at(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST", 5)
    search._on_sqlite.cache_clear(), search._on_postgresql.cache_clear()
    for number in range(20):
        status = "published" if number < 5 else "pending"
        await a_question(session, text="Un zèbre ?", email=f"{number}@example.org", status=status)

    found = await search.find(session, "zèbre")
    search._on_sqlite.cache_clear(), search._on_postgresql.cache_clear()

    assert (found.total, found.capped) == (5, False)


async def test_made_anew_sqlites_index_keeps_the_few_first_and_the_newest_next(database: Database, now: datetime) -> None:
    async with database.transaction() as session:
        await a_commitment(session, await a_plan(session), 1, working_title="Les zèbres")
        new = await a_question(session, text="Un zèbre ?", created_at=now)
        old = await a_question(session, text="Un zèbre ?", email="x@example.org", created_at=now - timedelta(days=9))
        if not database.is_sqlite:
            return
    async with database.writer.begin() as connection:
        await connection.run_sync(search_index.create)
        read = await connection.execute(
            text("SELECT object_id FROM search_words, search_entry WHERE number = search_words.rowid ORDER BY number")
        )
        order = [row[0] for row in read]

    assert order[:2] == [old.id.hex, new.id.hex]
    assert len(order) == 3


async def test_the_page_marks_what_matched_and_keeps_what_was_typed(site: Site) -> None:
    response = await site.get("/recherche", params={"q": "marché public"})

    assert response.status_code == 200
    assert 'value="marché public"' in response.text
    assert "<mark>" in response.text
    assert "Rien n’a été trouvé" in (await site.get("/recherche", params={"q": "xylophone <b>"})).text
    assert "<b>" not in (await site.get("/recherche", params={"q": "<b>"})).text
    ministries = await site.get("/recherche", params={"q": "MINISTERE interieur", "quoi": "administration"})
    assert re.search(r'href="/institutions/[a-z-]+"[^>]*><mark>Ministère</mark>', ministries.text)


async def test_the_demonstration_is_found_in_every_kind(site: Site) -> None:
    async with site.database.reading() as session:
        assert (await session.exec(select(Forum))).first()
        assert (await session.exec(select(Commitment))).first()
        counts = (await search.find(session, "donnees")).counts + (await search.find(session, "publier")).counts

    assert set(counts) >= {"engagement", "question", "passage", "forum"}
