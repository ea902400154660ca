"""Members: sign in by a mailed link, once, from the browser that asked; roles; sessions that end; the journal."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel import select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import members, secret_links
from forums.database import Database
from forums.members import ADMINS, IDLE, LINKS_A_DAY, MEMBERS, MODERATORS, ORGANISERS, SESSION_LASTS
from forums.models import AuditEvent, Member, MemberSession, SecretLink
from forums.secret_links import SIGN_IN_LASTS
from tests.factories import NOW, a_member, an_institution, promised, told
from tests.site import Site, links_in

BROWSER = "le secret du navigateur qui a demandé"


async def a_link(session: AsyncSession, member: Member) -> str:
    return await members.link_to_sign_in(session, member, browser=BROWSER, now=NOW)


async def signed_in(session: AsyncSession, member: Member) -> str:
    token = await members.sign_in(session, await a_link(session, member), browser=BROWSER, now=NOW)
    assert token is not None
    await session.flush()
    return token


async def sessions(session: AsyncSession) -> int:
    return len((await session.exec(select(MemberSession))).all())


# -- The link ------------------------------------------------------------------------------------------


async def test_a_member_who_asks_is_mailed_a_link_that_signs_them_in(session: AsyncSession) -> None:
    member = await a_member(session, "organise@example.fr")
    await members.ask_for_link(session, "Organise@Example.fr", browser=BROWSER, now=NOW)
    message = (await promised(session))[0]

    token = await members.sign_in(session, message.facts["token"], browser=BROWSER, now=NOW)

    assert (message.kind, message.recipient) == ("sign_in", "organise@example.fr")
    found = await members.member_of_session(session, token or "", now=NOW)
    assert found is not None
    assert found[0] is member


async def test_nothing_is_promised_to_an_address_that_is_no_members(session: AsyncSession) -> None:
    await members.ask_for_link(session, "inconnu@example.org", browser=BROWSER, now=NOW)

    assert await promised(session) == []
    assert (await session.exec(select(SecretLink))).all() == []


async def test_a_member_is_mailed_at_most_one_link_a_minute(session: AsyncSession) -> None:
    await a_member(session)

    for seconds in (0, 1, 59, 60):
        await members.ask_for_link(session, "organise@example.fr", browser=BROWSER, now=NOW + timedelta(seconds=seconds))

    assert await told(session, "sign_in") == ["organise@example.fr"] * 2


async def test_a_link_is_kept_only_as_a_hash(session: AsyncSession) -> None:
    token = await a_link(session, await a_member(session))
    await session.flush()

    link = (await session.exec(select(SecretLink))).one()
    assert link.token_hash == secret_links.hash_of(token)
    assert token not in repr(link)
    assert BROWSER not in repr(link)


async def test_of_a_hundred_uses_at_once_one_signs_in(database: Database) -> None:
    async with database.transaction() as session:
        token = await a_link(session, await a_member(session))

    async def use() -> str | None:
        async with database.transaction() as session:
            return await members.sign_in(session, token, browser=BROWSER, now=NOW)

    opened = await asyncio.gather(*(use() for _ in range(100)))

    async with database.reading() as session:
        assert (sum(each is not None for each in opened), await sessions(session)) == (1, 1)


async def test_a_link_used_once_is_refused_afterwards(session: AsyncSession) -> None:
    token = await a_link(session, await a_member(session))
    await members.sign_in(session, token, browser=BROWSER, now=NOW)

    assert await members.sign_in(session, token, browser=BROWSER, now=NOW) is None


@pytest.mark.parametrize("browser", ["un autre navigateur", "", None])
async def test_another_browser_is_refused_and_does_not_spend_the_link(session: AsyncSession, browser: str | None) -> None:
    token = await a_link(session, await a_member(session))

    refused = await members.sign_in(session, token, browser=browser, now=NOW)

    assert refused is None
    assert await members.sign_in(session, token, browser=BROWSER, now=NOW) is not None


async def test_a_link_given_by_the_command_line_works_from_any_browser(session: AsyncSession) -> None:
    token = await members.link_to_sign_in(session, await a_member(session), now=NOW)

    assert await members.sign_in(session, token, browser=None, now=NOW) is not None


async def test_a_link_lasts_ten_minutes(session: AsyncSession) -> None:
    member = await a_member(session)
    early, late = await a_link(session, member), await a_link(session, member)
    assert timedelta(minutes=10) == SIGN_IN_LASTS

    assert await members.sign_in(session, early, browser=BROWSER, now=NOW + timedelta(minutes=9, seconds=59)) is not None
    assert await members.sign_in(session, late, browser=BROWSER, now=NOW + timedelta(minutes=10)) is None


async def test_reading_a_link_a_thousand_times_does_not_spend_it(session: AsyncSession) -> None:
    token = await a_link(session, await a_member(session))

    for _ in range(1000):
        assert await secret_links.find(session, token, "sign_in", now=NOW) is not None

    assert await members.sign_in(session, token, browser=BROWSER, now=NOW) is not None


@pytest.mark.parametrize("token", ["", "inventé", "é\ud800", "x" * 10_000])
async def test_an_invented_link_signs_nobody_in(session: AsyncSession, token: str) -> None:
    await a_link(session, await a_member(session))

    assert await members.sign_in(session, token, browser=BROWSER, now=NOW) is None


async def test_a_link_for_another_purpose_signs_nobody_in(session: AsyncSession) -> None:
    token = await a_link(session, await a_member(session))
    await session.flush()

    assert await secret_links.use(session, token, "registration", now=NOW) is None
    assert await secret_links.use(session, token, "question", now=NOW) is None


async def test_spent_links_are_forgotten_a_day_after_they_expire(session: AsyncSession) -> None:
    await a_link(session, await a_member(session))
    await session.flush()

    kept = await secret_links.forget_expired(session, now=NOW + timedelta(days=1))
    gone = await secret_links.forget_expired(session, now=NOW + timedelta(days=1, minutes=11))

    assert (kept, gone) == (0, 1)


async def test_whoever_types_it_a_members_address_gets_so_many_links_a_day(session: AsyncSession) -> None:
    await a_member(session, "organise@example.fr")
    morning = NOW.replace(hour=0, minute=0)

    for number in range(60):
        await members.ask_for_link(session, "organise@example.fr", browser=BROWSER, now=morning + number * timedelta(minutes=20))

    assert len(await told(session, "sign_in")) == LINKS_A_DAY.most


async def test_who_wanted_a_page_before_signing_in_is_brought_to_it_and_nowhere_else(site: Site) -> None:
    page = "/organisation/forums/demonstration-3/accueil/code/abcd2345"
    for wanted, brought in ((page, page), ("https://evil.example", "/organisation"), ("//evil.example", "/organisation")):
        await site.sign_in("organiser")
        site.client.cookies.clear()
        async with site.database.transaction() as session:
            await session.exec(update(Member).values(link_mailed_at=None))
        await site.post("/connexion", email="organiser@example.org", suite=wanted)
        link = next(path for path in links_in((await site.mailed("organiser@example.org"))[-1]) if path.startswith("/connexion/"))

        answer = await site.post(link)

        assert (answer.status_code, answer.headers["location"]) == (303, brought)


# -- The session ----------------------------------------------------------------------------------------


async def test_a_session_ends_after_an_hour_without_a_visit(session: AsyncSession) -> None:
    token = await signed_in(session, await a_member(session))

    assert await members.member_of_session(session, token, now=NOW + IDLE - timedelta(seconds=1)) is not None
    assert await members.member_of_session(session, token, now=NOW + IDLE) is None


async def test_a_visit_keeps_a_session_awake_but_twelve_hours_end_it(session: AsyncSession) -> None:
    token = await signed_in(session, await a_member(session))

    awake = NOW
    while (found := await members.member_of_session(session, token, now=awake)) is not None:
        await members.seen(session, found[1], now=awake)
        awake += timedelta(minutes=59)

    assert SESSION_LASTS <= awake - NOW < SESSION_LASTS + timedelta(minutes=59)


async def test_signing_out_ends_this_session_alone(session: AsyncSession) -> None:
    member = await a_member(session)
    here, there = await signed_in(session, member), await signed_in(session, member)

    await members.sign_out(session, here)

    assert await members.member_of_session(session, here, now=NOW) is None
    assert await members.member_of_session(session, there, now=NOW) is not None


async def test_a_session_is_known_by_the_hash_of_its_token_alone(session: AsyncSession) -> None:
    token = await signed_in(session, await a_member(session))

    kept = (await session.exec(select(MemberSession))).one()
    assert kept.token_hash == secret_links.hash_of(token)
    assert await members.member_of_session(session, kept.token_hash, now=NOW) is None


async def test_sessions_that_ended_are_forgotten(session: AsyncSession) -> None:
    member = await a_member(session)
    for _ in range(2):
        await signed_in(session, member)

    gone = [await members.forget_old_sessions(session, now=NOW + timedelta(minutes=minutes)) for minutes in (59, 60)]

    assert gone == [0, 2]


# -- Roles and the journal -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "may_enter"), [("admin", "AOMm"), ("organiser", "OMm"), ("moderator", "Mm"), ("agent", "m"), ("inconnu", "")]
)
def test_each_role_may_do_what_the_next_one_may_and_more(role: str, may_enter: str) -> None:
    doors = {"A": ADMINS, "O": ORGANISERS, "M": MODERATORS, "m": MEMBERS}

    assert "".join(letter for letter, allowed in doors.items() if role in allowed) == may_enter


async def test_a_member_is_enrolled_once_whatever_the_case_of_their_address(session: AsyncSession) -> None:
    first = await members.enrol(session, "Organise@Example.fr", "organiser", now=NOW)
    second = await members.enrol(session, "organise@example.fr", "organiser", now=NOW)

    assert first is second
    assert [member.email for member in await members.everyone(session)] == ["organise@example.fr"]


async def test_a_change_of_role_ends_every_session_and_the_same_role_again_ends_none(session: AsyncSession) -> None:
    member = await a_member(session, role="organiser")
    for _ in range(2):
        await signed_in(session, member)

    await members.enrol(session, member.email, "organiser", now=NOW)
    kept = await sessions(session)
    await members.enrol(session, member.email, "moderator", now=NOW)

    assert (kept, await sessions(session), member.role) == (2, 0, "moderator")


async def test_an_agent_belongs_to_an_institution(session: AsyncSession) -> None:
    institution = await an_institution(session)

    agent = await members.enrol(session, "agent@hatvp.example", "agent", [institution], now=NOW)

    assert await members.institutions_of(session, agent) == [institution]


async def test_the_journal_says_who_did_what_by_role_the_newest_first(session: AsyncSession) -> None:
    member = await a_member(session)

    members.record(session, member, "announce", "forum 2027-1", now=NOW)
    members.record(session, member, "move", "forum 2027-1", "2027-03-25", now=NOW + timedelta(minutes=1))
    await session.flush()

    assert [(event.actor, event.verb, event.subject, event.detail) for event, _ in (await members.journal(session))[0]] == [
        ("organiser", "move", "forum 2027-1", "2027-03-25"),
        ("organiser", "announce", "forum 2027-1", ""),
    ]


async def test_a_deed_that_is_undone_leaves_no_trace_in_the_journal(database: Database) -> None:
    with pytest.raises(RuntimeError, match="panne"):
        await _a_deed_that_fails(database)

    async with database.reading() as session:
        assert (await session.exec(select(AuditEvent))).all() == []


async def _a_deed_that_fails(database: Database) -> None:
    async with database.transaction() as session:
        members.record(session, await a_member(session), "announce", "forum 2027-1", now=NOW)
        raise RuntimeError("panne")
