"""The evening: people found, welcomed once, added, counted; and their list on paper and as CSV."""

import asyncio
import csv
import re
from datetime import timedelta
from html import unescape
from io import BytesIO, StringIO
from typing import Any

import pytest
import typst
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pypdf import PdfReader
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import attendance_list, registrations
from forums.database import Database
from forums.models import AuditEvent, Forum, Registration
from forums.pages import page
from forums.registrations import Figures, WalkInForm
from forums.schedule import forum_by_slug
from tests.factories import NOW, a_confirmed_registration, a_forum, a_registration
from tests.site import Site

EVENING = NOW + timedelta(days=30)


def a_walk_in_form(**typed: str) -> WalkInForm:
    given = {"family_name": "Petit", "given_name": "Sacha", "organisation": "", "sending": "un-envoi"}
    return WalkInForm.model_validate(given | typed)


async def present(session: AsyncSession) -> int:
    return (await session.exec(select(Forum.present))).one()


async def found(session: AsyncSession, forum: Forum, search: str = "") -> list[str]:
    return [each.family_name for each in await registrations.arrivals(session, forum, search)]


# -- Welcome -----------------------------------------------------------------------------------------------


async def test_a_person_is_welcomed_once_and_counted_once(session: AsyncSession) -> None:
    person = await a_confirmed_registration(session, await a_forum(session))

    noted = [await registrations.check_in(session, person.id, now=EVENING + timedelta(minutes=minutes)) for minutes in (0, 5)]

    await session.refresh(person)
    assert (noted, person.checked_in_at, await present(session)) == ([True, False], EVENING, 1)


async def test_of_all_in_whom_a_short_name_is_found_those_whose_name_begins_so_come_first(session: AsyncSession) -> None:
    forum = await a_forum(session)
    for number, (first, family) in enumerate([("Lou", "Albane"), ("Sacha", "Bâ"), ("Bastien", "Robat")]):
        await a_confirmed_registration(session, forum, f"{number}@example.org", given_name=first, family_name=family)

    assert await found(session, forum, "ba") == ["Bâ", "Robat", "Albane"]
    assert await found(session, forum) == ["Albane", "Bâ", "Robat"]


@pytest.mark.parametrize(
    "facts", [{"status": "waiting", "rank": 1}, {"status": "pending"}, {"status": "given_up"}, {"attendance": "remote"}]
)
async def test_an_organiser_may_let_in_whoever_is_on_the_list(session: AsyncSession, facts: dict[str, Any]) -> None:
    person = await a_registration(session, await a_forum(session), **facts)

    assert await registrations.check_in(session, person.id, now=EVENING)
    assert await present(session) == 1


async def test_an_arrival_noted_by_mistake_is_taken_back_once(session: AsyncSession) -> None:
    forum = await a_forum(session)
    here, mistaken = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]
    for each in (here, mistaken):
        await registrations.check_in(session, each.id, now=EVENING)

    undone = [await registrations.undo_check_in(session, mistaken.id) for _ in range(2)]

    await session.refresh(mistaken)
    assert (undone, mistaken.checked_in_at, await present(session)) == ([True, False], None, 1)


async def test_three_hundred_people_at_four_desks_are_each_counted_once(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session, capacity=300)
        people = [(await a_registration(session, forum, f"p{number}@example.org", status="registered")).id for number in range(300)]

    async def desk(first: int) -> int:
        noted = 0
        for number in range(first, first + 150):  # each person is on the screen of two desks
            async with database.transaction() as session:
                noted += await registrations.check_in(session, people[number % 300], now=EVENING)
        return noted

    assert sum(await asyncio.gather(*(desk(first) for first in (0, 75, 150, 225)))) == 300
    async with database.reading() as session:
        assert await present(session) == 300


async def test_who_waits_is_welcomed_while_a_seat_is_given_back(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session, capacity=1)
        holder, waiting = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "ab"]

    async def welcome() -> bool:
        async with database.transaction() as session:
            return await registrations.check_in(session, waiting.id, now=EVENING)

    async with database.transaction() as session:
        await session.exec(update(Forum).where(col(Forum.id) == forum.id).values(note="verrouillé"))
        welcomed = asyncio.create_task(welcome())
        await asyncio.sleep(0.2)
        await registrations.give_up(session, holder.id, now=NOW)

    assert await welcomed
    async with database.reading() as session:
        row = (await session.exec(select(Registration).where(Registration.id == waiting.id))).one()
        assert (row.status, row.checked_in_at) == ("registered", EVENING)


# -- Who had not registered ----------------------------------------------------------------------------------


async def test_a_walk_in_is_present_at_once_without_an_address_or_a_seat(session: AsyncSession) -> None:
    forum = await a_forum(session)

    added, _ = await registrations.add_walk_in(session, forum, a_walk_in_form(), now=EVENING)

    await session.refresh(forum)
    assert (added.status, added.email, added.checked_in_at) == ("walk_in", "", EVENING)
    assert (forum.present, forum.seats_taken) == (1, 0)


async def test_the_same_form_sent_twice_at_once_adds_one_person(database: Database) -> None:
    async with database.transaction() as session:
        forum = await a_forum(session)

    async def send() -> tuple[Registration, bool]:
        async with database.transaction() as session:
            return await registrations.add_walk_in(session, forum, a_walk_in_form(), now=EVENING)

    (first, first_is_new), (second, second_is_new) = await asyncio.gather(send(), send())

    async with database.reading() as session:
        assert (first.id == second.id, first_is_new + second_is_new, await present(session)) == (True, 1, 1)


async def test_two_people_of_the_same_name_are_two(session: AsyncSession) -> None:
    forum = await a_forum(session)

    for sending in ("un", "deux", "", ""):
        await registrations.add_walk_in(session, forum, a_walk_in_form(sending=sending), now=EVENING)

    assert (await found(session, forum), await present(session)) == (["Petit"] * 4, 4)


async def test_a_walk_in_noted_by_mistake_leaves_the_list_and_can_come_back(session: AsyncSession) -> None:
    forum = await a_forum(session)
    added, _ = await registrations.add_walk_in(session, forum, a_walk_in_form(), now=EVENING)

    await registrations.undo_check_in(session, added.id)
    without = (await found(session, forum), await present(session))
    await registrations.check_in(session, added.id, now=EVENING)

    assert without == ([], 0)
    assert (await found(session, forum), await present(session)) == (["Petit"], 1)


@pytest.mark.parametrize(("typed", "field"), [({"family_name": " "}, "family_name"), ({"given_name": ""}, "given_name")])
def test_a_walk_in_needs_both_names(typed: dict[str, str], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        a_walk_in_form(**typed)

    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


# -- Find ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("elodie", ["Lœbel"]),
        ("LOEBEL", ["Lœbel"]),
        ("lœb", ["Lœbel"]),
        ("clerc jean", ["Le Clerc"]),
        ("leclerc", ["Le Clerc"]),
        ("jean-pierre", ["Le Clerc"]),
        ("jean pierre", ["Le Clerc"]),
        ("destaing", ["d'Estaing"]),
        ("d’estaing", ["d'Estaing"]),
        ("libre acces", ["d'Estaing"]),
        ("e", ["d'Estaing", "Lœbel", "Le Clerc"]),
        ("abcdefgh", ["Lœbel"]),
        ("ABCD EFGH", ["Lœbel"]),
        ("https://forums.example.fr/organisation/forums/2027-1/accueil/code/abcdefgh", ["Lœbel"]),
        ("durand", []),
        ("%", ["d'Estaing", "Le Clerc", "Lœbel"]),
    ],
)
async def test_people_are_found_by_any_part_of_a_name_or_by_their_code(session: AsyncSession, search: str, expected: list[str]) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum, "a@example.org", given_name="Élodie", family_name="Lœbel", entry_code="abcdefgh")
    await a_confirmed_registration(session, forum, "b@example.org", given_name="Jean-Pierre", family_name="Le Clerc")
    await a_confirmed_registration(session, forum, "c@example.org", family_name="d'Estaing", organisation="Libre accès")

    assert await found(session, forum, search) == expected


async def test_without_a_search_the_list_is_of_those_expected_and_those_who_came(session: AsyncSession) -> None:
    forum, other = await a_forum(session), await a_forum(session, number=2)
    for number, (name, facts) in enumerate(
        {
            "Zola": {"status": "registered"},
            "Éluard": {"status": "waiting", "rank": 1},
            "Dumas": {"status": "pending"},
            "Breton": {"status": "given_up"},
            "Aragon": {"status": "given_up", "checked_in_at": EVENING},
        }.items()
    ):
        await a_registration(session, forum, f"p{number}@example.org", family_name=name, **facts)
    await a_confirmed_registration(session, other, family_name="Ailleurs")

    assert await found(session, forum) == ["Aragon", "Éluard", "Zola"]
    assert await found(session, forum, "breton") == ["Breton"]


async def test_who_is_still_to_come_is_before_who_has_arrived_each_by_name(session: AsyncSession) -> None:
    forum = await a_forum(session)
    for name, arrived in {"Zola": None, "Aragon": EVENING, "Dumas": None, "Éluard": EVENING}.items():
        await a_confirmed_registration(session, forum, f"{name.lower()[1:]}@example.org", family_name=name, checked_in_at=arrived)

    at_the_door = await registrations.arrivals(session, forum, expected_first=True)

    assert [each.family_name for each in at_the_door] == ["Dumas", "Zola", "Aragon", "Éluard"]
    assert await found(session, forum) == ["Aragon", "Dumas", "Éluard", "Zola"]


async def test_a_code_opens_the_person_of_its_own_forum_alone(session: AsyncSession) -> None:
    forum, other = await a_forum(session), await a_forum(session, number=2)
    person = await a_confirmed_registration(session, forum)
    code = person.entry_code or ""

    assert await registrations.person_of_code(session, forum, code.upper()) is person
    assert await registrations.person_of_code(session, other, code) is None
    assert await registrations.person_of_code(session, forum, "") is None


async def test_an_evening_in_figures(session: AsyncSession) -> None:
    forum = await a_forum(session, capacity=2, remote_capacity=1)
    people = [await a_confirmed_registration(session, forum, f"{name}@example.org") for name in "abc"]
    await a_confirmed_registration(session, forum, "d@example.org", attendance="remote")
    for each in people[:2]:
        await registrations.check_in(session, each.id, now=EVENING)
    await registrations.add_walk_in(session, forum, a_walk_in_form(), now=EVENING)

    assert await registrations.figures(session, forum) == Figures(on_site=2, remote=1, waiting=1, present=3, walk_ins=1)


# -- On paper --------------------------------------------------------------------------------------------------


HOSTILE = ['#eval("1")', "*gras*", "$x$", "_y_", "// rien", "= Titre", "<label>", "@renvoi", r"\u{202e}", "`code`", "Nguyễn", "Ωμέγα"]


def a_person(family_name: str, **facts: Any) -> Registration:
    given = {
        "email": "secret@example.org",
        "email_key": "k",
        "given_name": "Camille",
        "status": "registered",
        "accessibility_needs": "boucle",
    }
    return Registration(**given | {"family_name": family_name} | facts)


def a_paper_forum(**facts: Any) -> Forum:
    return Forum(**{"number": 3, "slug": "2027-3", "theme": "La commande publique", "day": EVENING.date()} | facts)


def read(paper: bytes) -> tuple[PdfReader, str]:
    reader = PdfReader(BytesIO(paper))
    return reader, " ".join(" ".join(page.extract_text() for page in reader.pages).split())


@pytest.mark.parametrize(("language", "day"), [("fr", "mercredi 3 mars 2027"), ("en", "Wednesday 3 March 2027")])
def test_the_paper_is_tagged_titled_and_in_the_language_of_the_page(language: str, day: str) -> None:
    reader, text = read(attendance_list.on_paper(a_paper_forum(), [a_person("Martin")], language=language))
    root: Any = reader.trailer["/Root"]
    xmp = root["/Metadata"].get_object().get_data().decode()

    assert (root["/MarkInfo"]["/Marked"], root["/Lang"], root["/ViewerPreferences"]["/DisplayDocTitle"]) == (True, language, True)
    assert reader.metadata is not None
    assert "3" in (reader.metadata.title or "")
    assert re.search(r"<pdfuaid:part>1</pdfuaid:part>", xmp)
    assert day in text


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_typed_is_never_markup_on_the_paper(name: str) -> None:
    _, text = read(attendance_list.on_paper(a_paper_forum(theme=name), [a_person(name, organisation=name)], language="fr"))

    assert text.count(name) == 3


def test_a_name_of_two_hundred_letters_stays_whole_in_its_cell() -> None:
    paper = attendance_list.on_paper(a_paper_forum(), [a_person("x" * 200, organisation="y" * 200)], language="fr")
    reader, text = read(paper)
    letters = re.sub(r"[\s\u200b]", "", text)

    assert (len(reader.pages), "x" * 200 in letters, "y" * 200 in letters) == (1, True, True)


def test_a_letter_that_turns_the_line_around_is_left_out() -> None:
    _, text = read(attendance_list.on_paper(a_paper_forum(), [a_person("\u202eMartin\u202c")], language="fr"))

    assert "Martin Camille" in text


def test_a_letter_no_font_has_becomes_a_question_mark_rather_than_no_list_at_all() -> None:
    paper = attendance_list.on_paper(a_paper_forum(), [a_person("A\u0378B"), a_person("Ångström")], language="fr")

    _, text = read(paper)

    assert "A?B Camille" in text
    assert "Ångström Camille" in text
    assert "remplace une lettre" in text


def test_every_letter_kept_then_has_a_glyph_whatever_the_machine() -> None:
    kept = [chr(number) for number in range(0x20, 0x3000) if attendance_list.shown(chr(number)) == chr(number) and chr(number) != "?"]
    source = b'#set document(title: "x")\n#sys.inputs.kept'

    paper = typst.compile(source, sys_inputs={"kept": " ".join(kept)}, pdf_standards=["ua-1"], ignore_system_fonts=True)

    assert len(kept) > 1400
    assert isinstance(paper, bytes)


def test_a_long_list_repeats_its_header_and_says_everyone_and_who_arrived() -> None:
    people = [a_person(f"Nom{number:03}", checked_in_at=EVENING if number % 3 == 0 else None) for number in range(300)]

    reader, text = read(attendance_list.on_paper(a_paper_forum(), people, language="fr"))

    pages = [page.extract_text() for page in reader.pages]
    assert all(["Nom et prénom" in page for page in pages])
    assert f"Page {len(pages)} sur {len(pages)}" in pages[-1]
    assert [f"Nom{number:03}" for number in range(300) if f"Nom{number:03} Camille" not in text] == []
    assert text.count("10 h") == 100
    assert "secret@" not in text
    assert "boucle" not in text


def test_the_paper_of_a_forum_nobody_registered_for_has_room_for_those_who_come() -> None:
    _, text = read(attendance_list.on_paper(a_paper_forum(day=None, theme=None), [], language="fr"))

    assert "Aucune inscription confirmée pour l'instant." in text
    assert "Personnes venues sans inscription" in text


# -- For a spreadsheet -----------------------------------------------------------------------------------------


def test_the_csv_says_who_how_and_when_without_an_address_or_a_need() -> None:
    people = [
        a_person("Martin", organisation="Regards ; citoyens", checked_in_at=EVENING),
        a_person("Petit", status="walk_in", attendance="on_site"),
        a_person("Zola", status="waiting", attendance="remote"),
    ]

    assert attendance_list.as_csv(people).decode("utf-8-sig").splitlines() == [
        "nom;prenom;organisation;participation;inscription;arrivee",
        'Martin;Camille;"Regards ; citoyens";sur place;inscription confirmée;2027-03-03T10:00:00+01:00',
        "Petit;Camille;;sur place;sans inscription;",
        "Zola;Camille;;à distance;liste d'attente;",
    ]


def test_the_csv_says_that_it_is_utf_8_for_the_accents_of_a_french_spreadsheet() -> None:
    assert attendance_list.as_csv([a_person("Éluard")]).startswith("\ufeffnom;prenom;".encode())


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | st.builds(
    lambda first, rest: first + rest, st.sampled_from("=+-@\t\r"), st.text("=cmd|' /C calc'!A0\",;\n", max_size=20)
)


@given(names=st.tuples(CELLS, CELLS, CELLS))
def test_no_cell_of_the_csv_is_a_formula_and_each_is_read_back_as_typed(names: tuple[str, str, str]) -> None:
    family_name, given_name, organisation = names
    text = attendance_list.as_csv([a_person(family_name, given_name=given_name, organisation=organisation)]).decode("utf-8-sig")

    cells = list(csv.reader(StringIO(text, newline=""), delimiter=";"))[1]

    assert [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")] == []
    assert [cell.removeprefix("'") for cell in cells[:3]] == [name.removeprefix("'") for name in names]


# -- The page at the door --------------------------------------------------------------------------------------


async def a_guest(site: Site, **facts: Any) -> tuple[str, Registration]:
    """The address of the next forum's welcome desk, and someone registered for it."""
    slug = (await site.examples())["slug"]
    async with site.database.transaction() as session:
        forum = await forum_by_slug(session, slug)
        assert forum is not None
        given = {"given_name": "Ève", "family_name": "Lœbel", "status": "registered", "entry_code": "abcd2345"}
        guest = await a_registration(session, forum, "eve@example.org", **given | facts)
    return f"/organisation/forums/{slug}/accueil", guest


async def seen(site: Site, guest: Registration) -> Registration:
    async with site.database.reading() as session:
        return (await session.exec(select(Registration).where(Registration.id == guest.id))).one()


async def test_someone_is_found_welcomed_and_named_above_a_search_that_is_empty_again(site: Site) -> None:
    desk, guest = await a_guest(site)
    await site.sign_in("organiser")
    sought = await site.get(desk, params={"q": "loebel"})

    noted = await site.post(f"{desk}/{guest.id}/arrivee")
    after = await site.get(noted.headers["location"])

    assert f'action="{desk}/{guest.id}/arrivee"' in sought.text
    assert "1 personne trouvée" in sought.text
    assert noted.headers["location"] == f"{desk}?personne={guest.id}"
    assert re.search(r"Arrivée notée à .*?<strong>Ève Lœbel</strong>", unescape(after.text))
    assert re.search(r'<input [^>]*name="q"[^>]* value=""[^>]* autofocus', after.text)
    assert f'action="{desk}/{guest.id}/annuler"' in after.text


async def test_who_has_already_arrived_is_said_whichever_way_they_come_again(site: Site) -> None:
    desk, guest = await a_guest(site)
    await site.sign_in("organiser")
    await site.post(f"{desk}/{guest.id}/arrivee")
    before = await seen(site, guest)

    by_code = await site.get(f"{desk}/code/abcd2345")
    in_the_list = await site.get(desk, params={"q": "ABCD 2345"})
    again = await site.get((await site.post(f"{desk}/{guest.id}/arrivee")).headers["location"])

    assert "Déjà là" in by_code.text
    assert "Noter l'arrivée" not in unescape(by_code.text)
    assert "od-steps__step--done" in in_the_list.text
    assert "Arrivée déjà notée" in again.text
    assert (await seen(site, guest)).checked_in_at == before.checked_in_at


async def test_an_arrival_is_taken_back_from_the_page(site: Site) -> None:
    desk, guest = await a_guest(site)
    await site.sign_in("organiser")
    await site.post(f"{desk}/{guest.id}/arrivee")

    for _ in range(2):
        undone = await site.post(f"{desk}/{guest.id}/annuler")

    assert "Arrivée annulée" in (await site.get(undone.headers["location"])).text
    assert (await seen(site, guest)).checked_in_at is None


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "Inscription confirmée, sur place"),
        ({"attendance": "remote"}, "Inscription à distance"),
        ({"status": "waiting", "rank": 99}, "En liste d'attente"),
        ({"status": "given_up"}, "Cette personne a renoncé à sa place"),
    ],
)
async def test_a_code_shows_the_person_their_state_and_one_button_and_notes_nothing(site: Site, facts: dict[str, Any], said: str) -> None:
    desk, guest = await a_guest(site, **facts)
    await site.sign_in("organiser")

    page = unescape((await site.get(f"{desk}/code/abcd2345")).text)

    assert '<h1 class="fr-h3">Ève Lœbel</h1>' in page
    assert said in page
    assert page.count(f'action="{desk}/') == 1
    assert (await seen(site, guest)).checked_in_at is None


async def test_what_the_organisers_must_know_at_the_door_stays_said_once_the_person_has_arrived(site: Site) -> None:
    desk, guest = await a_guest(site, attendance="remote", accessibility_needs="Boucle magnétique")
    await site.sign_in("organiser")

    expected = [await site.get(f"{desk}/code/abcd2345"), await site.get(desk, params={"q": "loebel"})]
    noted = await site.post(f"{desk}/{guest.id}/arrivee")
    arrived = [await site.get(noted.headers["location"]), await site.get(desk, params={"q": "loebel"})]

    for shown in [unescape(each.text) for each in expected + arrived]:
        assert "Inscription à distance" in shown
        assert re.search(r"Besoin d'accessibilité\s:</strong> <span>Boucle magnétique</span>", shown)


async def test_each_button_names_the_person_it_is_about(site: Site) -> None:
    desk, guest = await a_guest(site)
    await site.sign_in("organiser")

    expected = unescape((await site.get(desk, params={"q": "loebel"})).text)
    await site.post(f"{desk}/{guest.id}/arrivee")
    arrived = unescape((await site.get(desk, params={"q": "loebel"})).text)

    assert 'Noter l\'arrivée<span class="fr-sr-only"> (Ève Lœbel)</span></button>' in expected
    assert 'Annuler l\'arrivée<span class="fr-sr-only"> (Ève Lœbel)</span></button>' in arrived


async def test_a_code_of_nobody_leads_back_to_the_search(site: Site) -> None:
    desk, _ = await a_guest(site)
    await site.sign_in("organiser")

    page = await site.get(f"{desk}/code/zzzzzzzz")

    assert page.status_code == 404
    assert f'href="{desk}">Chercher par le nom' in page.text


async def test_a_walk_in_is_added_once_however_often_the_form_is_sent(site: Site) -> None:
    desk, _ = await a_guest(site)
    await site.sign_in("organiser")
    sending = re.search(r'name="sending" value="([\w-]+)"', (await site.get(desk)).text)
    assert sending
    before = await site.count(Registration)

    answers = [
        await site.post(f"{desk}/sans-inscription", sending=sending[1], family_name="Petit", given_name="Sacha", organisation="")
        for _ in range(2)
    ]

    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert "Sacha Petit" in (await site.get(answers[0].headers["location"])).text
    assert await site.count(Registration) == before + 1


async def test_a_walk_in_without_a_name_is_asked_for_it_and_what_was_typed_is_kept(site: Site) -> None:
    desk, _ = await a_guest(site)
    await site.sign_in("organiser")

    page = await site.post(f"{desk}/sans-inscription", sending="un-envoi", family_name="", given_name="Sacha", organisation="")

    assert page.status_code == 422
    assert "Indiquez le nom de la personne" in page.text
    assert 'value="Sacha"' in page.text
    assert 'value="un-envoi"' in page.text


async def test_nobody_is_welcomed_to_a_forum_they_are_not_on_the_list_of(site: Site) -> None:
    _, guest = await a_guest(site)
    await site.sign_in("organiser")

    for deed in ("arrivee", "annuler"):
        assert (await site.post(f"/organisation/forums/demonstration-1/accueil/{guest.id}/{deed}")).status_code == 404
    assert (await site.get(f"/organisation/forums/demonstration-1/accueil?personne={guest.id}")).text.count("Lœbel") == 0
    assert (await seen(site, guest)).checked_in_at is None


async def test_a_moderator_welcomes_nobody(site: Site) -> None:
    desk, guest = await a_guest(site)
    await site.sign_in("moderator")

    assert (await site.post(f"{desk}/{guest.id}/arrivee")).status_code == 403
    assert (await seen(site, guest)).checked_in_at is None


async def test_a_long_list_is_cut_short_says_so_and_can_be_shown_whole(site: Site) -> None:
    desk, guest = await a_guest(site)
    async with site.database.transaction() as session:
        forum = await session.get(Forum, guest.forum_id)
        assert forum is not None
        for number in range(60):
            await a_registration(session, forum, f"p{number}@example.org", status="registered")
    await site.sign_in("organiser")

    short, whole = await site.get(desk), await site.get(f"{desk}?tout=1")

    assert short.text.count("od-guest") == 50
    assert "Afficher toute la liste" in short.text
    assert whole.text.count("od-guest") > 60


@pytest.mark.parametrize(("kind", "media_type"), [("pdf", "application/pdf"), ("csv", "text/csv; charset=utf-8")])
async def test_each_list_taken_along_is_noted_in_the_journal(site: Site, kind: str, media_type: str) -> None:
    desk, _ = await a_guest(site)
    await site.sign_in("organiser")

    file = await site.get(desk.replace("accueil", f"presence.{kind}"))

    assert (file.status_code, file.headers["content-type"]) == (200, media_type)
    assert re.search(rf'filename="presence-[\w-]+\.{kind}"', file.headers["content-disposition"])
    assert (read(file.content)[1] if kind == "pdf" else file.text).count("Lœbel") == 1
    async with site.database.reading() as session:
        event = (await session.exec(select(AuditEvent).order_by(col(AuditEvent.at).desc()))).first()
    assert event is not None
    assert (event.verb, event.detail) == ("read_attendance_list", kind.upper())
    await site.sign_in("admin")
    assert "Liste de présence téléchargée" in (await site.get("/organisation/journal")).text


# -- The journal of the evening --------------------------------------------------------------------------------


async def told(site: Site) -> list[tuple[str, str, str]]:
    """What the journal says, oldest first."""
    async with site.database.reading() as session:
        events = (await session.exec(select(AuditEvent).where(AuditEvent.actor == "organiser").order_by(col(AuditEvent.at)))).all()
    return [(each.verb, each.subject, each.detail) for each in events]


async def test_the_journal_says_once_an_hour_for_each_forum_that_its_list_was_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, _ = await a_guest(site)
    other = "/organisation/forums/demonstration-1/accueil"
    hour = page.now().replace(minute=5)
    monkeypatch.setattr(page, "now", lambda: hour)
    await site.sign_in("organiser")
    before = len(await told(site))

    for address in (desk, f"{desk}?q=loebel", other, desk):
        await site.get(address)
    first_hour = (await told(site))[before:]
    monkeypatch.setattr(page, "now", lambda: hour + timedelta(minutes=56))
    await site.get(desk)

    slug = desk.split("/")[3]
    read = ("read_registrations", f"forum {slug}", "")
    assert sorted(first_hour) == [("read_registrations", "forum demonstration-1", ""), read]  # at one instant, in no order
    assert (await told(site))[before:] == [*first_hour, read]


async def test_the_journal_says_each_arrival_noted_undone_or_added_once_and_never_whose(site: Site) -> None:
    desk, guest = await a_guest(site)
    await site.sign_in("organiser")
    before = len(await told(site))

    for deed in ("arrivee", "arrivee", "annuler", "annuler"):
        await site.post(f"{desk}/{guest.id}/{deed}")
    for _ in range(2):
        await site.post(f"{desk}/sans-inscription", sending="un-envoi", family_name="Petit", given_name="Sacha", organisation="")

    subject = f"forum {desk.split('/')[3]}"
    assert (await told(site))[before:] == [(verb, subject, "") for verb in ("check_in", "undo_check_in", "add_walk_in")]
    await site.sign_in("admin")
    journal = unescape((await site.get("/organisation/journal")).text)
    assert [each for each in ("Arrivée notée", "Arrivée annulée", "Personne ajoutée sans inscription") if each not in journal] == []
    assert "Petit" not in journal
