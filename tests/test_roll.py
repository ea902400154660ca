"""The roll of members and its journal, for admins; sessions seen and ended: rules on both engines, and their pages."""

import ast
import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import clock, members, secret_links
from forums.database import Database
from forums.members import AlreadyMember, ChangedMeanwhile, JournalFilter, NotYourself, browser_named
from forums.members.enrolment import NoInstitution, NotAdminAnyMore
from forums.models import AuditEvent, Draft, Member, MemberSession, SecretLink
from forums.rendering import environment
from forums.settings import ROOT, Settings
from tests.factories import NOW, a_confirmed_registration, a_forum, a_member, an_institution
from tests.site import Site

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/604.1"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
LIST = "/organisation/membres"


async def an_admin(session: AsyncSession, email: str = "admin@example.org") -> Member:
    return await a_member(session, email, "admin")


async def done(session: AsyncSession) -> list[tuple[str, str]]:
    """What the journal says, oldest first: the verb and the detail."""
    await session.flush()
    return [(each.verb, each.detail) for each in (await session.exec(select(AuditEvent).order_by(col(AuditEvent.at)))).all()]


def wanted(**asked: str) -> JournalFilter:
    return JournalFilter.model_validate(asked)


async def change(session: AsyncSession, member: Member, role: str, *institutions, by: Member, name: str = "", edition: str | None = None):
    known = await members.profile(session, member)
    return await members.change(
        session,
        member.id,
        role,
        institutions,
        name=name,
        edition=edition or known.edition,
        by=by,
        now=NOW,  # type: ignore[arg-type]
    )


# -- Adding -----------------------------------------------------------------------------------------------


async def test_an_admin_adds_an_agent_of_two_institutions_and_the_journal_says_so(session: AsyncSession) -> None:
    admin, courts, hatvp = await an_admin(session), await an_institution(session, "Cour des comptes"), await an_institution(session)

    agent = await members.add(session, "Agent@Example.org", "agent", [hatvp, courts], name="Sacha", by=admin, now=NOW)

    assert (agent.email, agent.name) == ("agent@example.org", "Sacha")
    assert await members.institutions_of(session, agent) == [courts, hatvp]
    assert await done(session) == [("add_member", "agent: cour-des-comptes, hatvp")]


async def test_the_same_member_added_twice_is_one_and_another_role_is_refused(session: AsyncSession) -> None:
    admin = await an_admin(session)
    first = await members.add(session, "a@example.org", "moderator", [], by=admin, now=NOW)

    second = await members.add(session, "A@example.org", "moderator", [], by=admin, now=NOW)

    assert first.id == second.id
    with pytest.raises(AlreadyMember):
        await members.add(session, "a@example.org", "admin", [], by=admin, now=NOW)
    assert [verb for verb, _ in await done(session)] == ["add_member"]


async def test_of_two_admins_who_add_the_same_person_at_once_neither_fails(database: Database) -> None:
    async with database.transaction() as session:
        admin = await an_admin(session)

    async def add() -> Member:
        async with database.transaction() as session:
            return await members.add(session, "a@example.org", "moderator", [], by=admin, now=NOW)

    first, second = await asyncio.gather(add(), add())

    assert first.id == second.id


async def test_an_agent_of_no_institution_is_refused(session: AsyncSession) -> None:
    admin = await an_admin(session)

    with pytest.raises(NoInstitution):
        await members.add(session, "a@example.org", "agent", [], by=admin, now=NOW)
    with pytest.raises(NoInstitution):
        await change(session, await a_member(session), "agent", by=admin)


# -- Changing ----------------------------------------------------------------------------------------------


async def test_a_changed_member_is_signed_out_and_the_journal_says_what_they_became(session: AsyncSession) -> None:
    admin, member = await an_admin(session), await a_member(session, role="organiser")
    members.open_session(session, member.id, now=NOW)
    await session.flush()

    await change(session, member, "moderator", by=admin)

    assert (member.role, (await session.exec(select(MemberSession))).all()) == ("moderator", [])
    assert await done(session) == [("change_member", "moderator")]


async def test_other_institutions_sign_an_agent_out_and_another_name_does_not(session: AsyncSession) -> None:
    admin, courts, hatvp = await an_admin(session), await an_institution(session, "Cour des comptes"), await an_institution(session)
    agent = await members.add(session, "a@example.org", "agent", [hatvp], by=admin, now=NOW)
    members.open_session(session, agent.id, now=NOW)
    await session.flush()

    await change(session, agent, "agent", hatvp, by=admin, name="Sacha")
    kept = len((await session.exec(select(MemberSession))).all())
    await change(session, agent, "agent", courts, by=admin, name="Sacha")

    assert (kept, len((await session.exec(select(MemberSession))).all())) == (1, 0)
    assert await members.institutions_of(session, agent) == [courts]


async def test_a_change_sent_twice_is_written_once(session: AsyncSession) -> None:
    admin, member = await an_admin(session), await a_member(session)
    edition = (await members.profile(session, member)).edition

    for _ in range(2):
        await change(session, member, "moderator", by=admin, edition=edition)

    assert await done(session) == [("change_member", "moderator")]


async def test_who_changes_what_another_admin_just_changed_is_told_and_overwrites_nothing(session: AsyncSession) -> None:
    admin, member = await an_admin(session), await a_member(session, role="organiser")
    old = (await members.profile(session, member)).edition
    await change(session, member, "moderator", by=admin)

    with pytest.raises(ChangedMeanwhile) as refusal:
        await change(session, member, "admin", by=admin, edition=old)

    assert (refusal.value.now_is.member.role, member.role) == ("moderator", "moderator")


async def test_an_admin_can_neither_demote_nor_remove_themselves(session: AsyncSession) -> None:
    admin = await an_admin(session)
    await an_admin(session, "autre@example.org")

    with pytest.raises(NotYourself):
        await change(session, admin, "organiser", by=admin)
    with pytest.raises(NotYourself):
        await members.remove(session, admin.id, by=admin, now=NOW)
    assert (admin.role, await done(session)) == ("admin", [])


@pytest.mark.parametrize("deed", ["demote", "remove"])
async def test_two_admins_who_undo_each_other_at_once_leave_one(database: Database, deed: str) -> None:
    async with database.transaction() as session:
        two = [await an_admin(session, f"{name}@example.org") for name in ("alix", "camille")]
        edition = (await members.profile(session, two[0])).edition

    async def undo(by: Member, other: Member) -> None:
        async with database.transaction() as session:
            if deed == "remove":
                await members.remove(session, other.id, by=by, now=NOW)
            else:
                await members.change(session, other.id, "organiser", [], edition=edition, by=by, now=NOW)

    outcomes = await asyncio.gather(undo(*two), undo(*two[::-1]), return_exceptions=True)

    async with database.reading() as session:
        admins = (await session.exec(select(Member).where(Member.role == "admin"))).all()
    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "NotAdminAnyMore"]
    assert len(admins) == 1


async def test_who_is_no_longer_admin_changes_nobody(session: AsyncSession) -> None:
    former, member = await a_member(session, "ancien@example.org", "moderator"), await a_member(session)
    former.role = "admin"  # as the page read them, before another admin changed it
    session.expunge(former)

    with pytest.raises(NotAdminAnyMore):
        await members.remove(session, member.id, by=former, now=NOW)
    with pytest.raises(NotAdminAnyMore):
        await members.unlink_identity(session, member.id, by=former, now=NOW)


# -- Removing -----------------------------------------------------------------------------------------------


async def test_a_removed_member_is_signed_out_their_links_die_and_what_they_did_stays(session: AsyncSession) -> None:
    admin, member = await an_admin(session), await a_member(session, role="organiser")
    token = members.open_session(session, member.id, now=NOW)
    link = await members.link_to_sign_in(session, member, now=NOW)
    session.add(Draft(member_id=member.id, address="/organisation", saved_at=NOW))
    members.record(session, member, "announce", "forum 2027-1", now=NOW - timedelta(days=1))
    await session.flush()

    for _ in range(2):
        await members.remove(session, member.id, by=admin, now=NOW)

    assert await members.member_of_session(session, token, now=NOW) is None
    assert await members.sign_in(session, link, browser=None, now=NOW) is None
    assert [(await session.exec(select(table))).all() for table in (Draft, SecretLink, MemberSession)] == [[], [], []]
    session.expire_all()
    assert [(entry.event.verb, entry.event.actor, entry.email) for entry in (await members.journal(session))[0]] == [
        ("remove_member", "admin", "admin@example.org"),
        ("announce", "organiser", None),
    ]


# -- Sessions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (FIREFOX, "Firefox, Linux"),
        (SAFARI, "Safari, iPhone"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Edg/140.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {CHROME}", "Chrome, macOS"),
        (f"Mozilla/5.0 (Linux; Android 15) {CHROME}", "Chrome, Android"),
        ("curl/8.0", ""),
        ("", ""),
        ("<script>Firefox</script>" * 9999, "Firefox"),
    ],
)  # fmt: skip
def test_a_browser_is_named_in_two_words(said: str, named: str) -> None:
    assert browser_named(said) == named


async def test_a_member_sees_their_own_open_sessions_the_last_seen_first(session: AsyncSession) -> None:
    member, other = await a_member(session), await a_member(session, "autre@example.org")
    for minutes, named in ((70, "endormie"), (10, "Firefox, Linux"), (5, "Safari, iPhone")):
        members.open_session(session, member.id, named=named, now=NOW - timedelta(minutes=minutes))
    members.open_session(session, other.id, named="pas à lui", now=NOW)
    await session.flush()

    found = await members.sessions_of(session, member, now=NOW)

    assert [each.browser for each in found] == ["Safari, iPhone", "Firefox, Linux"]


async def test_a_member_ends_their_own_sessions_and_no_one_elses(session: AsyncSession) -> None:
    member, other = await a_member(session), await a_member(session, "autre@example.org")
    members.open_session(session, other.id, now=NOW)
    await session.flush()
    theirs = (await members.sessions_of(session, other, now=NOW))[0].code

    assert [await members.end_session(session, each, theirs) for each in (member, other, other)] == [False, True, False]


async def come_in(site: Site, agent: str) -> str:
    """Sign in as an organiser with that browser: the cookie it holds."""
    async with site.database.transaction() as session:
        member = await members.enrol(session, "organiser@example.org", "organiser", now=datetime.now(UTC))
        token = await members.link_to_sign_in(session, member, now=datetime.now(UTC))
    site.client.cookies.clear()
    await site.client.post(f"/connexion/{token}", headers={"user-agent": agent, "origin": "https://forums.example.fr"})
    return site.client.cookies["__Host-session"]


async def test_sessions_are_found_from_the_header_named_and_ended_one_by_one(site: Site) -> None:
    phone, here = await come_in(site, SAFARI), await come_in(site, FIREFOX)
    header = (await site.get("/organisation")).text
    page = unescape((await site.get("/organisation/mes-sessions")).text)
    codes = re.findall(r"/mes-sessions/(\w{8})/deconnexion", page)

    answers = [(await site.post(f"/organisation/mes-sessions/{codes[1]}/deconnexion")).headers["location"] for _ in range(2)]

    assert 'href="/organisation/mes-sessions"' in header
    assert re.findall(r'od-forum__title">([^<]*)<', page) == ["Firefox, Linux", "Safari, iPhone"]
    assert page.count("Cette session<") == 1
    assert answers == ["/organisation/mes-sessions?fait=session-terminee"] * 2
    async with site.database.reading() as session:
        still = [await members.member_of_session(session, each, now=datetime.now(UTC)) is not None for each in (phone, here)]
    assert still == [False, True]


@pytest.mark.parametrize("button", ["this one", "everywhere"])
async def test_ending_this_session_or_all_signs_out_here_too(site: Site, button: str) -> None:
    await come_in(site, SAFARI)
    here = await come_in(site, FIREFOX)
    async with site.database.reading() as session:
        code = (await session.exec(select(MemberSession.code).where(MemberSession.token_hash == secret_links.hash_of(here)))).one()

    answer = await site.post(f"/organisation/mes-sessions/{code + '/' if button == 'this one' else ''}deconnexion")

    assert answer.headers["location"].startswith("/connexion?fait=deconnexion")
    assert (await site.get("/organisation")).status_code == 303
    assert await site.count(MemberSession) == (1 if button == "this one" else 0)


# -- The pages of the roll --------------------------------------------------------------------------------------


async def an_id(site: Site, email: str) -> str:
    async with site.database.reading() as session:
        member = await members.member_by_email(session, email)
    assert member is not None
    return str(member.id)


def edition_in(text: str) -> str:
    return re.search(r'name="edition" value="(\w+)"', text)[1]  # type: ignore[index]


async def test_an_admin_adds_changes_and_removes_a_member_by_the_pages(site: Site) -> None:
    await site.sign_in("admin")

    added = await site.post(
        f"{LIST}/nouveau", email="Sacha@Example.org", name="Sacha", role="agent", institutions=["hatvp", "cour-des-comptes"]
    )
    here = f"{LIST}/{await an_id(site, 'sacha@example.org')}"
    form = (await site.get(here)).text
    changed = await site.post(here, name="Sacha", role="moderator", edition=edition_in(form))
    confirmation = unescape((await site.get(f"{here}/retirer")).text)
    listed = (await site.get(LIST)).text
    removed = await site.post(f"{here}/retirer")

    assert [each.headers.get("location") for each in (added, changed, removed)] == [
        f"{LIST}?fait=membre-{done}" for done in ("ajoute", "modifie", "retire")
    ]
    assert len(re.findall(r'value="(hatvp|cour-des-comptes)" checked', form)) == 2
    assert "sera déconnectée aussitôt" in confirmation
    assert ("sacha@example.org" in listed, "sacha@example.org" in (await site.get(LIST)).text) == (True, False)


async def test_what_cannot_be_added_comes_back_as_it_was_typed(site: Site) -> None:
    await site.sign_in("admin")

    typed = {
        "address": {"email": "sacha", "role": "organiser"},
        "role": {"email": "s@example.org", "role": "roi"},
        "institution": {"email": "s@example.org", "role": "agent", "institutions": "inconnue"},
        "known": {"email": "admin@example.org", "role": "organiser"},
    }
    answers = {wrong: await site.post(f"{LIST}/nouveau", name="Sacha Petit", **each) for wrong, each in typed.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 422)
    assert all('value="Sacha Petit"' in answer.text and 'href="#' in answer.text for answer in answers.values())
    assert "Un agent appartient à une administration" in unescape(answers["institution"].text)
    assert "déjà celle d'un membre" in unescape(answers["known"].text)


async def test_an_old_form_is_refused_with_both_choices_and_can_be_sent_again(site: Site) -> None:
    await site.sign_in("admin")
    here = f"{LIST}/{await an_id(site, 'exemple@example.org')}"
    old = edition_in((await site.get(here)).text)
    await site.post(here, name="", role="organiser", edition=old)

    answer = await site.post(here, name="Sacha", role="admin", edition=old)
    again = await site.post(here, name="Sacha", role="admin", edition=edition_in(answer.text))

    shown = unescape(answer.text)
    assert (answer.status_code, again.status_code) == (409, 303)
    assert "Son rôle est maintenant : Organisateur." in shown.replace("\u00a0", " ")
    assert re.search(r'value="admin" checked', shown)
    assert 'value="Sacha"' in shown


async def test_the_pages_refuse_an_admin_who_would_lock_themselves_out(site: Site) -> None:
    await site.sign_in("admin")
    here = f"{LIST}/{await an_id(site, 'admin@example.org')}"

    demoted = await site.post(here, name="", role="organiser", edition=edition_in((await site.get(here)).text))
    removed = await site.post(f"{here}/retirer")

    assert (demoted.status_code, removed.status_code) == (422, 409)
    assert all("demandez-le à un autre administrateur" in unescape(each.text) for each in (demoted, removed))
    assert f"{here}/retirer" not in (await site.get(LIST)).text
    assert (await site.get(LIST)).status_code == 200


async def test_a_member_who_is_gone_is_not_found_and_removed_already(site: Site) -> None:
    await site.sign_in("admin")
    for gone in (str(uuid4()), "pas-un-membre"):
        statuses = [(await site.get(f"{LIST}/{gone}{path}")).status_code for path in ("", "/retirer")]
        changed = await site.post(f"{LIST}/{gone}", name="", role="organiser", edition="x")

        assert [*statuses, changed.status_code] == [404, 404, 404]
    assert (await site.post(f"{LIST}/{uuid4()}/retirer")).status_code == 303


async def test_only_admins_see_the_way_to_the_roll_and_to_the_journal(site: Site) -> None:
    ways = {}
    for role in ("admin", "organiser", "moderator"):
        await site.sign_in(role)
        text = (await site.get("/organisation")).text
        ways[role] = [f'href="{path}"' in text for path in (LIST, "/organisation/journal")]

    assert ways == {"admin": [True, True], "organiser": [False, False], "moderator": [False, False]}


# -- The journal ---------------------------------------------------------------------------------------------------


async def some_deeds(session: AsyncSession) -> Member:
    """Three deeds of a member and one of the clock, an hour apart around midnight in Paris on 2 February."""
    member = await a_member(session)
    midnight = datetime(2027, 2, 1, 23, 0, tzinfo=UTC)
    for hours, verb, subject in ((-1, "announce", "forum 2027-1"), (0, "publish", "agenda 2027-1"), (1, "publish", "question abcd2345")):
        members.record(session, member, verb, subject, now=midnight + timedelta(hours=hours))
    members.note(session, "clock", "purge", "forum 2026-1", now=midnight + timedelta(hours=2))
    await session.flush()
    return member


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["purge", "publish", "publish", "announce"]),
        ({"member": "clock"}, ["purge"]),
        ({"verb": "publish"}, ["publish", "publish"]),
        ({"verb": "publish agenda"}, ["publish"]),
        ({"verb": "publish agenda,announce,publish forum"}, ["publish", "announce"]),
        ({"kind": "forum"}, ["purge", "announce"]),
        ({"kind": "f%"}, []),
        ({"since": "2027-02-02"}, ["purge", "publish", "publish"]),
        ({"until": "2027-02-01"}, ["announce"]),
        ({"since": "2027-02-02", "until": "2027-02-02", "kind": "forum"}, ["purge"]),
        ({"member": str(uuid4())}, []),
    ],
)
async def test_the_journal_is_filtered_by_member_deed_thing_and_days_in_paris(
    session: AsyncSession, asked: dict[str, str], found: list[str]
) -> None:
    await some_deeds(session)

    entries, total = await members.journal(session, wanted(**asked))

    assert ([each.event.verb for each in entries], total) == (found, len(found))


async def test_the_journal_of_one_member_gives_their_own_address(session: AsyncSession) -> None:
    member = await some_deeds(session)

    entries, _ = await members.journal(session, wanted(member=str(member.id)))

    assert [each.email for each in entries] == ["organise@example.fr"] * 3


async def test_every_line_is_on_one_page_and_only_one(session: AsyncSession) -> None:
    member = await a_member(session)
    for number in range(7):
        members.record(session, member, "announce", f"forum 2027-{number}", now=NOW)
    await session.flush()

    pages = [await members.journal(session, page=number, per_page=3) for number in (1, 2, 3, 4)]

    assert [len(entries) for entries, _ in pages] == [3, 3, 1, 0]
    assert {total for _, total in pages} == {7}
    assert len({each.event.id for entries, _ in pages for each in entries}) == 7


async def test_the_journal_is_kept_when_peoples_data_is_purged(
    session: AsyncSession, database: Database, engine_settings: Settings
) -> None:
    forum = await a_forum(session)
    await a_confirmed_registration(session, forum)
    await some_deeds(session)
    await session.commit()

    await clock.upkeep(database, engine_settings, now=NOW + timedelta(days=400))

    async with database.reading() as after:
        verbs = [each.event.verb for each in (await members.journal(after))[0]]
    assert [verb for verb in verbs if verb != "purge"] == ["publish", "publish", "announce"]


async def test_the_page_shows_plain_french_the_members_own_address_and_no_other(site: Site) -> None:
    await site.sign_in("organiser")
    slug = (await site.examples())["slug"]
    await site.get(f"/organisation/forums/{slug}/inscriptions")
    await site.sign_in("admin")
    await site.post(f"{LIST}/nouveau", email="agent.hatvp@example.org", name="", role="agent", institutions="hatvp")

    page = unescape((await site.get("/organisation/journal")).text)
    shown = page[page.index("<tbody>") : page.index("</tbody>")]
    words = re.sub(r"<[^>]*>|\S+@\S+", " ", shown)

    assert ("Inscriptions consultées" in shown, "Membre ajouté" in shown, "Agent d'une administration" in shown) == (True, True, True)
    assert set(re.findall(r"[\w.]+@example\.org", shown)) == {"organiser@example.org", "admin@example.org", "agent.hatvp@example.org"}
    assert re.findall(r"(?:read_registrations|add_member|admin|agent|organiser|hatvp)", words) == []


async def test_the_page_is_filtered_paginated_and_says_when_nothing_is_found(site: Site) -> None:
    await site.sign_in("admin")
    async with site.database.transaction() as session:
        member = await members.member_by_email(session, "admin@example.org")
        assert member is not None
        for number in range(60):
            members.record(session, member, "announce", f"forum 2031-{number}", now=datetime.now(UTC))

    first = await site.get("/organisation/journal", params={"membre": str(member.id), "action": "announce", "objet": "forum"})
    second = await site.get("/organisation/journal", params={"membre": str(member.id), "action": "announce", "page": "2"})
    nothing = await site.get("/organisation/journal", params={"du": "2031-01-01"})
    wrong = await site.get("/organisation/journal", params={"du": "hier", "au": date.max.isoformat()})

    assert (first.text.count("<tr>"), second.text.count("<tr>")) == (51, 11)
    assert f"membre={member.id}&amp;action=announce" in first.text
    assert "Rien dans le journal ne répond" in unescape(nothing.text)
    assert (wrong.status_code, wrong.text.count('fr-message--error"')) == (422, 2)


@pytest.mark.parametrize("language", ["", "/en"])
async def test_each_deed_is_offered_once_and_all_that_is_said_in_those_words_is_found(site: Site, language: str) -> None:
    await site.sign_in("admin")
    async with site.database.transaction() as session:
        for subject in ("agenda 2031-1", "forum 2031-2", "question abcd2345"):
            members.note(session, "server", "publish", subject, now=datetime.now(UTC))

    answer = await site.get(f"{language}/organisation/journal")
    choices = re.search(r'<select[^>]*name="action">(.*?)</select>', answer.text, re.S)[1]  # type: ignore[index]
    offered = dict(re.findall(r'value="([^"]+)">([^<]+)<', choices))
    both = next(value for value in offered if "publish agenda" in value)
    found = await site.get(f"{language}/organisation/journal", params={"action": both, "membre": "server"})

    assert len(offered) > 50
    assert len(set(offered.values())) == len(offered)
    assert ("2031-1" in found.text, "2031-2" in found.text, "abcd2345" in found.text) == (True, True, False)
    assert f'<option value="{both}" selected>' in found.text


def test_every_deed_the_code_records_has_its_french_words() -> None:
    template = environment("fr").loader.get_source(environment("fr"), "members/journal.html")[0]  # type: ignore[union-attr]
    verbs = re.search(r"set verbs = \{(.*?)\} %\}", template, re.S)[1]  # type: ignore[index]
    kinds = re.search(r"set kinds = \{(.*?)\} %\}", template, re.S)[1]  # type: ignore[index]
    said = [deed for path in ROOT.glob("forums/**/*.py") for deed in deeds_in(path.read_text())]

    assert len(said) > 15
    assert [pair for pair in said if f'"{pair[0]}": ' not in verbs and f'"{pair[0]} {pair[1]}": ' not in verbs] == []
    assert [pair for pair in said if f'"{pair[1]}": ' not in kinds] == []


def deeds_in(source: str) -> list[tuple[str, str]]:
    """Each deed a module records, as its verb and the kind of thing it is done to."""
    tree = ast.parse(source)
    own = next(
        (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == "_record"), None
    )
    kind_of_own = next((_begins(each) for each in ast.walk(own) if isinstance(each, ast.JoinedStr)), "") if own else ""
    found = []
    for call in ast.walk(tree):
        name = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
        if name in ("record", "record_change", "note", "_record") and isinstance(call, ast.Call):
            words = [each.value for each in call.args if isinstance(each, ast.Constant)]
            things = [kind_of_own] if name == "_record" else [_begins(each) for each in call.args if isinstance(each, ast.JoinedStr)]
            if words:
                found.append((str(words[-1] if name == "note" else words[0]), next(filter(None, things), "forum")))
    return found


def _begins(text: ast.JoinedStr) -> str:
    first = text.values[0]
    return str(first.value).strip() if isinstance(first, ast.Constant) else ""


async def test_what_a_removed_member_did_keeps_their_name_and_never_their_address(site: Site) -> None:
    async with site.database.transaction() as session:
        admin = await members.enrol(session, "chef@example.org", "admin", now=NOW)
        for email, name in (("sacha@example.org", "Sacha Martin"), ("adresse@example.org", "adresse@example.org")):
            member = await members.add(session, email, "moderator", [], name=name, by=admin, now=NOW)
            members.record(session, member, "publish", "question abcd2345", now=NOW)
            await session.flush()
            await members.remove(session, member.id, by=admin, now=NOW)
    await site.sign_in("admin")

    async with site.database.reading() as session:
        actors = set((await session.exec(select(AuditEvent.actor).where(AuditEvent.subject == "question abcd2345"))).all())
    page = unescape((await site.get("/organisation/journal")).text)

    assert actors == {"moderator: Sacha Martin", "moderator"}
    assert re.search(r"Sacha Martin</span><br><span class=\"fr-text--sm\">Modérateur \(retiré depuis\)", page)
    assert "sacha@example.org" not in page


async def test_a_new_member_is_written_to_once_with_what_their_role_may_do_and_where_to_sign_in(site: Site) -> None:
    await site.sign_in("admin")

    for _ in range(2):
        await site.post(f"{LIST}/nouveau", email="Neuf@Example.org", name="", role="agent", institutions=["hatvp"])

    (text,) = await site.mailed("neuf@example.org")
    assert "agent d'une administration" in text
    assert "(HATVP)" in text
    assert "https://forums.example.fr/connexion>" in text
