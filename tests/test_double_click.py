"""A double click on every button: what was done once is not done twice.

Two sites start from copies of the same database and live the same story, button after button. On one each
form is sent once; on the other, twice at the same instant. After each button both have as many rows in every
table, and at the end the rows say the same, but for what is drawn at random. A new button must be added here.
"""

import asyncio
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel, col, select, update

import forums.agenda
from forums import members, schedule, secret_links, subscriptions
from forums.app import ADDRESSES
from forums.models import (
    Comment,
    Commitment,
    CommitmentInstitution,
    Document,
    FollowUp,
    Forum,
    Institution,
    Member,
    MemberSession,
    Minutes,
    OutboxMessage,
    Question,
    Season,
)
from forums.settings import Settings
from tests.factories import SECRET_KEY, a_forum, a_question, for_service, opened
from tests.site import OURS, Site, filled, links_in, running
from tests.test_forms import Found, Reader

# What a click may well do each time: begin a sign-in at the identity provider (each its own secrets), show without writing.
NOT_WRITES = {"/connexion/proconnect", "/organisation/apercu", "/organisation/coller", "/questions/proches"}
# A link that signs in serves once; the page says so, and how to ask for another.
ONCE = {"/connexion/{token}"}

RANDOM = {"code", "token_hash", "content", "email_key", "author_key", "text_hash", "uid", "entry_code", "facts", "browser_hash"}
NOT_COMPARED = {"rate_count"}  # every form sent is counted, that is its purpose
DRAWN = re.compile(
    r"datetime\.datetime\([^)]*\)|[0-9a-f]{8}-[0-9a-f-]{27}|(?<![\w-])[2-9a-hjkmnp-z]{8}(?![\w-])|[0-9a-f]{32,}|[\w-]{43}|\d\d:\d\d"
)

NOT_SAID = (UUID, bytes)

Lookup = Callable[[Site], Awaitable[str]]


async def counted(site: Site) -> dict[str, int]:
    """How many rows each table has."""
    tables = [table for table in SQLModel.metadata.sorted_tables if table.name not in NOT_COMPARED]
    counts = sa.select(*(sa.select(sa.func.count()).select_from(table).scalar_subquery().label(table.name) for table in tables))
    async with site.database.reading() as session:
        return dict((await (await session.connection()).execute(counts)).one()._mapping)


async def said_by(site: Site) -> dict[str, Counter[str]]:
    """Each table with its rows as text, without what is drawn at random or read from a clock."""
    found: dict[str, Counter[str]] = {}
    async with site.database.reading() as session:
        for table in SQLModel.metadata.sorted_tables:
            kept = [column for column in table.c if column.name not in RANDOM and column.type.python_type not in NOT_SAID]
            if table.name not in NOT_COMPARED:
                rows = (await (await session.connection()).execute(sa.select(sa.literal(1), *kept).select_from(table))).all()
                found[table.name] = Counter(DRAWN.sub("…", repr(tuple(row))) for row in rows)
    return found


def latest(column: Any, **facts: Any) -> Lookup:
    """The value of a column of the row with these facts that was made last."""
    table = column.class_

    async def look_up(site: Site) -> str:
        async with site.database.reading() as session:
            query = select(column).where(*(getattr(table, name) == value for name, value in facts.items()))
            newest = query.order_by(col(table.created_at).desc()) if hasattr(table, "created_at") else query
            return str((await session.exec(newest)).first())

    return look_up


def mailed(email: str, within: str) -> Lookup:
    """The secret of the last link of that sort sent to an address."""

    async def look_up(site: Site) -> str:
        for text in reversed(await site.mailed(email)):
            for link in links_in(text):
                if found := re.search(rf"/{within}/([\w-]{{43}})", link):
                    return found[1]
        raise AssertionError(f"no link to {within} was sent to {email}")

    return look_up


@dataclass
class Twins:
    """Two sites that live the same story: one click on the first, two at once on the second."""

    once: Site
    twice: Site
    examples: dict[str, str]
    pressed: set[str] = field(default_factory=set)
    answers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)

    async def both(self, do: Callable[[Site], Awaitable[object]]) -> None:
        await do(self.once)
        await do(self.twice)

    async def press(self, line: str, page: str, *, more: dict[str, str] | None = None, files: Any = None, **typed: Any) -> None:
        """The button of that line of the table, on that page, with what is typed; `more` are parameters of both addresses."""
        codes = []
        for site, clicks in ((self.once, 1), (self.twice, 2)):
            try:
                form = await self._form(site, line, page, more or {})
            except AssertionError as error:
                self.wrong.append(f"{line}: cannot be pressed, {error}")
                return
            values = form.fields | {name: await value(site) if callable(value) else value for name, value in typed.items()}
            answers = await asyncio.gather(*(site.client.post(form.action, data=values, files=files, headers=OURS) for _ in range(clicks)))
            codes += [each.status_code for each in answers]
        await self._judge(line, codes)

    async def _judge(self, line: str, codes: list[int]) -> None:
        self.pressed.add(line)
        self.answers[line] = tuple(codes)
        if codes[0] not in (200, 303):
            self.wrong.append(f"{line}: the form is not valid, {codes}")
        # A browser shows the answer to the last click: it says the same as the first, whichever was served first.
        if max(codes) >= 400 and line not in ONCE:
            self.wrong.append(f"{line}: frightens whoever clicked twice, {codes}")
        one, two = await counted(self.once), await counted(self.twice)
        more = {table: two[table] - one[table] for table in one if two[table] != one[table]}
        if more != self.more:
            self.wrong.append(f"{line}: rows too many, {more}, after {self.more}")
        self.more = more

    async def send(self, line: str, **typed: str) -> None:
        """What a script of ours sends, without a button."""
        codes = []
        for site, clicks in ((self.once, 1), (self.twice, 2)):
            sent = await asyncio.gather(*(site.post(line, **typed) for _ in range(clicks)))
            codes += [each.status_code for each in sent]
        await self._judge(line, codes)

    async def compare(self) -> None:
        """What the rows say, at the end of a chapter."""
        one, two = await said_by(self.once), await said_by(self.twice)
        for table in one:
            missing, added = one[table] - two[table], two[table] - one[table]
            if missing or added:
                self.wrong.append(f"{table}: once {list(missing)[:4]}, twice {list(added)[:4]}")

    async def _form(self, site: Site, line: str, page: str, more: dict[str, Any]) -> Found:
        values = dict(self.examples)
        for name, value in more.items():
            values[name] = await value(site) if callable(value) else value
        action, path = filled(line, values | _kept(more, values)), filled(page, values | _kept(more, values))
        response = await site.get(path)
        assert response.status_code == 200, (line, path, response.status_code)
        reader = Reader(path)
        reader.feed(response.text)
        forms = [form for form in reader.forms if form.method == "post" and form.action.split("?")[0] == action]
        assert forms, f"{path} has no form for {action}: {sorted({form.action for form in reader.forms})}"
        return forms[0]


def _kept(more: dict[str, Any], values: dict[str, str]) -> dict[str, str]:
    """`filled` chooses examples of its own for some addresses: what a step names itself is for all of them."""
    same = {
        "code": ("pending", "asked", "promise", "document", "comment", "pending_comment", "indicator", "measured", "report"),
        "slug": ("written",),
    }
    return {each: values[name] for name in more for each in same.get(name, ())}


# -- Two sites ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
async def twins(request: pytest.FixtureRequest, settings: Settings, sqlite_with_demo: Path, tmp_path: Path) -> AsyncIterator[Twins]:
    """Two copies of the demonstration, without limits for one connection: the same one sends everything."""
    settings = replace(settings, client_limit=0, forum_limit=0)
    if request.param == "sqlite":
        pair = [replace(settings, database_url=f"sqlite:///{tmp_path / name}.db") for name in ("once", "twice")]
        for each in pair:
            shutil.copy(sqlite_with_demo, each.sqlite_path)
    else:
        pair = await _copies_on_postgresql(request, settings, sqlite_with_demo)
    async with running(pair[0]) as once, running(pair[1]) as twice:
        yield Twins(once, twice, await once.examples())


async def as_admin(site: Site) -> None:
    await site.sign_in("admin")


async def set_rows(site: Site, *statements: Any) -> None:
    """What time or the relay would have done."""
    async with site.database.transaction() as session:
        for statement in statements:
            await session.exec(statement)


# -- The story ------------------------------------------------------------------------------------------------------


async def test_a_double_click_on_any_button_does_no_more_than_one(twins: Twins):
    everything = (participants, moderation, season, minutes, promises, agenda, the_evening_at_the_door, answers)
    everything += (followers, comments, measures, progress, evaluations, the_house)
    # Where two could truly write at the same instant, what is decided, published, erased and taken off is most at risk.
    chapters = everything
    for chapter in chapters:
        await chapter(twins)
    await twins.compare()

    assert not twins.wrong, "\n".join(twins.wrong)
    if chapters == everything:
        assert twins.pressed | NOT_WRITES == {each.path for each in ADDRESSES if each.method == "POST"}


async def participants(twins: Twins) -> None:
    """Without an account: everything is done from a form or a mailed link."""
    slug = "/forums/{slug}"
    await twins.press(f"{slug}/inscription", f"{slug}/inscription", **PERSON, attendance="on_site")
    await twins.press(f"{slug}/inscription/lien", f"{slug}/inscription/lien", email="double@example.org")
    mine = {"token": mailed("double@example.org", "inscriptions")}
    await twins.press("/inscriptions/{token}/confirmer", "/inscriptions/{token}", more=mine)
    await twins.press("/inscriptions/{token}/modifier", "/inscriptions/{token}/modifier", more=mine, organisation="Deux fois")
    await twins.press("/inscriptions/{token}/renoncer", "/inscriptions/{token}", more=mine)
    await twins.press("/inscriptions/{token}/effacer", "/inscriptions/{token}/effacer", more=mine)

    asked = {"kind": "question", "email": "double@example.org"}
    await twins.press(f"{slug}/questions", f"{slug}/questions", text="Les haies bocagères sont-elles cartographiées ?", **asked)
    await twins.press("/questions/poser", "/questions/poser", text="Qui entretient les phares de l'Atlantique ?", **asked)
    for token in await question_tokens(twins):
        await twins.press("/questions/confirmer/{token}", "/questions/confirmer/{token}", more={"token": token})
    await twins.press("/questions/{code}/soutenir", "/questions/{code}/soutenir", email="double@example.org", wants_news="1")
    support = {"token": mailed("double@example.org", "questions/soutiens")}
    await twins.press("/questions/soutiens/{token}/confirmer", "/questions/soutiens/{token}", more=support)
    await twins.press("/questions/soutiens/{token}/retirer", "/questions/soutiens/{token}", more=support)

    await twins.both(follow_everything)
    await twins.press("/abonnements/{token}/fin", "/abonnements/{token}", more={"token": known_token("abonnements")})
    await twins.both(lambda site: an_enrolled(site, "signe@example.org", "moderator"))
    await twins.press("/connexion", "/connexion", email="signe@example.org")
    await twins.press("/connexion/{token}", "/connexion/{token}", more={"token": mailed("signe@example.org", "connexion")})


async def question_tokens(twins: Twins) -> list[Lookup]:
    """The links of both questions."""

    def nth(number: int) -> Lookup:
        async def look_up(site: Site) -> str:
            texts = "\n".join(await site.mailed("double@example.org"))
            return list(dict.fromkeys(re.findall(r"/questions/confirmer/([\w-]{43})", texts)))[number]

        return look_up

    return [nth(0), nth(1)]


PERSON = {"family_name": "Double", "given_name": "Clic", "email": "double@example.org"}
KNOWN = {"abonnements": "a" * 43}


def known_token(of: str) -> Lookup:
    async def look_up(site: Site) -> str:
        return KNOWN[of]

    return look_up


async def follow_everything(site: Site) -> None:
    now = datetime.now(UTC)
    async with site.database.transaction() as session:
        key = secret_links.person_key(SECRET_KEY, "double@example.org")
        await subscriptions.subscribe(session, "double@example.org", key, "fr", now=now)
        found = await subscriptions.subscription_of(session, key)
        assert found
        _, link = secret_links.link_for(found, now=now)
        link.token_hash = secret_links.hash_of(KNOWN["abonnements"])
        session.add(link)


async def an_enrolled(site: Site, email: str, role: str) -> None:
    async with site.database.transaction() as session:
        await members.enrol(session, email, role, now=datetime.now(UTC))  # type: ignore[arg-type]


async def moderation(twins: Twins) -> None:
    """Of the two questions asked above and those of the demonstration that wait."""
    await twins.both(as_admin)
    page = "/organisation/questions/{code}"
    hedges = {"code": latest(Question.code, text="Les haies bocagères sont-elles cartographiées ?")}
    lights = {"code": latest(Question.code, text="Qui entretient les phares de l'Atlantique ?")}
    await twins.press(f"{page}/administrations", f"{page}/administrations", more=lights, institutions=["hatvp"])
    await twins.press(f"{page}/corriger", page, more=hedges, text="Les haies sont-elles cartographiées ?", context="")
    hedges = {"code": latest(Question.code, text="Les haies sont-elles cartographiées ?")}
    await twins.press(f"{page}/publier", page, more=hedges)
    await twins.press(f"{page}/reunir", page, more=lights, into=f"/questions/{twins.examples['code']}")
    await twins.both(lambda site: an_item_made_from(site, twins.examples["slug"], "Les haies sont-elles cartographiées ?"))
    await twins.press(f"{page}/retirer", page, more=hedges, reason="Elle nommait quelqu'un.")
    await twins.press(f"{page}/titres", page, more=hedges)
    await twins.press(f"{page}/refuser", page, reason="Sans rapport.")


async def an_item_made_from(site: Site, slug: str, text: str) -> None:
    async with site.database.transaction() as session:
        forum = await schedule.forum_by_slug(session, slug)
        question = (await session.exec(select(Question).where(Question.text == text))).one()
        assert forum
        await forums.agenda.take_up(session, forum, question, now=datetime.now(UTC))


async def season(twins: Twins) -> None:
    page = "/organisation/forums/{slug}"
    dates = {"day-1": "2031-03-06", "day-2": "2031-05-08"}
    for number in (1, 2):
        dates |= {f"starts-{number}": "18:30", f"ends-{number}": "20:30"}
        dates |= {f"{name}-{number}": "" for name in ("theme", "commitments", "proposed")}
    planned = {"title": "Saison double", "first_day": "2031-01-01", "count": "2", "accepter": "1"}
    await twins.press("/organisation/saisons/nouvelle", "/organisation/saisons/nouvelle", **planned, **dates)
    made = {"season": latest(Season.slug, title="Saison double"), "slug": draft_of("Saison double", 1)}
    await twins.press("/organisation/saisons/{season}", "/organisation/saisons/{season}", more=made, theme_days="25", agents_publish="1")
    await twins.press("/organisation/saisons/{season}/forums", "/organisation/saisons/{season}", more=made)
    await twins.press(f"{page}/modifier", f"{page}/modifier", more=made, theme="Le double clic", place="Ici", capacity="12")
    await twins.press(f"{page}/annoncer", page, more=made)
    await twins.press(f"{page}/echeances", f"{page}/echeances", more=made, theme="2031-02-01")
    await twins.press(f"{page}/deplacer", f"{page}/deplacer", more=made, day="2031-03-13")
    await twins.press(f"{page}/annuler", f"{page}/annuler", more=made, reason="Il n'aura pas lieu.")
    await twins.press(f"{page}/effacer", page, more={"slug": draft_of("Saison double", 2)})


def draft_of(title: str, number: int) -> Lookup:
    async def look_up(site: Site) -> str:
        async with site.database.reading() as session:
            query = select(Forum.slug).join(Season, col(Season.id) == col(Forum.season_id))
            return (await session.exec(query.where(Season.title == title, Forum.number == number))).one()

    return look_up


async def agenda(twins: Twins) -> None:
    page = "/organisation/forums/{slug}/ordre-du-jour"
    await twins.press(f"{page}/{{item}}", f"{page}/{{item}}", title="Point changé", length="20", shift="1")
    await twins.press(f"{page}/{{item}}/ordre", page)
    await twins.both(lambda site: an_asked(site, twins.examples["slug"], "Combien de sentiers sont balisés ?"))
    await twins.press(f"{page}/questions/{{code}}", page, more={"code": latest(Question.code, text="Combien de sentiers sont balisés ?")})
    await twins.press(page, page, title="Point ajouté", kind="plenary")
    paper = {"file": ("note.txt", b"Une note.", "text/plain")}
    await twins.press(f"{page}/{{item}}/documents", f"{page}/{{item}}", files=paper, doc_title="Note de travail")
    note = {"code": latest(Document.code, title="Note de travail")}
    await twins.press(f"{page}/{{item}}/documents/{{code}}/retirer", f"{page}/{{item}}", more=note)
    await twins.press(f"{page}/publier", page, comment="Un point de plus.")
    await twins.press(f"{page}/{{item}}/retirer", f"{page}/{{item}}")


async def an_asked(site: Site, slug: str, text: str) -> None:
    """A question published for the forum to come, known by its text."""
    async with site.database.transaction() as session:
        forum = await schedule.forum_by_slug(session, slug)
        await a_question(session, forum, text=text, text_hash=text, email="quelquun@example.org")


async def answers(twins: Twins) -> None:
    """Once the evening has come, for the demonstration's past forum."""
    page = "/organisation/reponses/{code}/{institution}"
    await twins.press(page, page, outcome="answered", text="Voici la réponse.", reason="", deferred_to="")
    await twins.both(lambda site: set_rows(site, update(Question).values(forum_id=None)))
    await twins.press(f"{page}/publier", page)


async def minutes(twins: Twins) -> None:
    """Of a forum that has none yet: brought in, written, published; then amended and tied."""
    page = "/organisation/forums/{slug}/compte-rendu"
    await twins.both(lambda site: a_past_forum(site, twins.examples["slug"]))
    past = {"slug": "demonstration-9"}
    paper = {"document": ("notes.md", b"# Accueil\n\nOn accueille.\n\n# Suites\n\nOn suivra l'E2.\n", "text/markdown")}
    await twins.press(f"{page}/importer", f"{page}/importer", more=past, files=paper)
    await twins.press(page, page, more=past, title="Encore", text="Un passage de plus, sur l'E2.")
    last = past | {"number": "3"}
    await twins.press(f"{page}/{{number:int}}/lier", page, more=last)
    await twins.press(f"{page}/{{number:int}}/effacer", f"{page}/{{number:int}}", more=last)
    await twins.press(f"{page}/publier", page, more=past)
    await twins.press(f"{page}/{{number:int}}", f"{page}/{{number:int}}", more=past, text="On accueille mieux.", comment="Précisé.")
    await twins.press(f"{page}/donnees-personnelles", f"{page}/donnees-personnelles", more=past, words="On accueille", sure="1")
    kept = {"brouillon": "/organisation/forums/demonstration-9/compte-rendu/1", "text": "En cours.", "edition": "1"}
    await twins.send("/organisation/brouillons", **kept)
    await twins.press("/organisation/brouillons/effacer", f"{page}/{{number:int}}", more=past)


async def a_past_forum(site: Site, slug: str) -> None:
    async with site.database.transaction() as session:
        known = await schedule.forum_by_slug(session, slug)
        assert known
        season = await session.get(Season, known.season_id)
        assert season
        await a_forum(session, season=season, number=9, now=datetime.now(UTC), day=(datetime.now(UTC) - timedelta(days=5)).date())


async def promises(twins: Twins) -> None:
    page, one = "/organisation/forums/{slug}/suites", "/organisation/suites/{code}"
    past = {"slug": "demonstration-9"}
    await twins.press(page, page, more=past, kind="promise", text="Publier deux fois.", owner="Etalab", passage="1")
    promise = {"code": latest(FollowUp.code, text="Publier deux fois.")}
    await twins.press(f"{one}/modifier", f"{one}/modifier", more=promise, text="Publier une fois.")
    promise = {"code": latest(FollowUp.code, text="Publier une fois.")}
    await twins.press(f"{page}/reprendre", page, everything="1")
    await twins.press(f"{page}/{{code}}", f"{page}/{{code}}", more=promise, said="C'est en bonne voie.", passage="")
    await twins.press(f"{page}/{{code}}", f"{page}/{{code}}", more=promise, said="", passage="")
    await twins.press(f"{page}/{{code}}/retirer", page, more=promise)
    await twins.press(f"{one}/tenue", one, more=promise, evidence="La voici.")
    await twins.press(f"{one}/rouvrir", one, more=promise, reopen_reason="Elle a disparu.")
    await twins.press(f"{one}/abandon", one, more=promise, drop_reason="Plus personne ne la porte.")
    await twins.press(page, page, more=past, kind="promise", text="À effacer.", owner="Etalab", passage="1")
    mistake = {"code": latest(FollowUp.code, text="À effacer.")}
    await twins.both(lambda site: set_rows(site, unpublish_those_of("demonstration-9")))
    await twins.press(f"{one}/effacer", f"{one}/modifier", more=mistake)


def unpublish_those_of(slug: str) -> Any:
    forum = select(Forum.id).where(Forum.slug == slug).scalar_subquery()
    return update(Minutes).where(col(Minutes.forum_id) == forum).values(published_at=None)


async def the_evening_at_the_door(twins: Twins) -> None:
    page = "/organisation/forums/{slug}/accueil"
    await twins.press(f"{page}/sans-inscription", page, family_name="Venue", given_name="Sans")
    await twins.press(f"{page}/{{registration}}/arrivee", f"{page}?tout=1")
    await twins.press(f"{page}/{{registration}}/annuler", f"{page}?tout=1")


async def the_house(twins: Twins) -> None:
    """Members, their sessions, the outbox; signing out comes last."""
    page = "/organisation/membres/{member}"
    new = "/organisation/membres/nouveau"
    await twins.press(new, new, email="neuf@example.org", name="Neuf", role="moderator")
    them = {"member": latest(Member.id, email="neuf@example.org")}
    await twins.press(page, page, more=them, role="organiser")
    await twins.both(lambda site: set_rows(site, update(Member).where(col(Member.email) == "neuf@example.org").values(oidc_subject="x")))
    await twins.press(f"{page}/delier", page, more=them)
    await twins.press(f"{page}/retirer", f"{page}/retirer", more=them)
    failed = update(OutboxMessage).where(col(OutboxMessage.recipient) == "signe@example.org").values(status="failed", content=b"kept")
    await twins.both(lambda site: set_rows(site, failed))
    await twins.press("/organisation/messages/{message}/renvoyer", "/organisation/messages/{message}", more={"message": a_failed_message})
    await twins.both(lambda site: an_agent_of_the_promise(site, twins.examples["promise"]))
    await twins.press("/organisation/suites/{code}/nouvelle", "/organisation/suites/{code}", news="C'est fait.")
    for line in ("/organisation/mes-sessions/{session}/deconnexion", "/organisation/mes-sessions/deconnexion", "/deconnexion"):
        await twins.both(as_admin)
        await twins.both(another_browser)
        await twins.press(line, "/organisation/mes-sessions", more={"session": the_other_session})


async def a_failed_message(site: Site) -> str:
    async with site.database.reading() as session:
        return str((await session.exec(select(OutboxMessage.id).where(OutboxMessage.status == "failed"))).first())


async def an_agent_of_the_promise(site: Site, code: str) -> None:
    """Of the institution that made the promise of `examples`."""
    async with site.database.reading() as session:
        query = select(Institution.slug).join(FollowUp, col(FollowUp.institution_id) == col(Institution.id))
        slug = (await session.exec(query.where(FollowUp.code == code))).one()
    await site.sign_in("agent", slug)


async def another_browser(site: Site) -> None:
    async with site.database.transaction() as session:
        member = await members.member_by_email(session, "admin@example.org")
        assert member
        members.open_session(session, member.id, named="Un autre navigateur", now=datetime.now(UTC))


async def the_other_session(site: Site) -> str:
    async with site.database.reading() as session:
        query = select(MemberSession.code).where(MemberSession.browser == "Un autre navigateur")
        return (await session.exec(query)).first() or ""


# -- Accountability -------------------------------------------------------------------------------------------------


async def followers(twins: Twins) -> None:
    """Of the commitments of the current plan, by mail."""
    follow = {"scope": "plans/2018-2020/engagements/2", "rhythm": "immediate"}
    await twins.press("/abonnements", "/abonnements", email="suit@example.org", **follow)
    mine = {"token": mailed("suit@example.org", "abonnements")}
    await twins.press("/abonnements/{token}/confirmer", "/abonnements/{token}", more=mine)
    await twins.press("/abonnements/{token}/suivre", "/abonnements/{token}", more=mine, scope="plans/2018-2020/engagements/3")
    await twins.press("/abonnements/{token}/rythme", "/abonnements/{token}", more=mine, rhythm="weekly")
    await twins.press("/abonnements/lien", "/abonnements/lien", email="suit@example.org")


async def comments(twins: Twins) -> None:
    """On the draft plan of the demonstration, then what is done with them."""
    commenting = {"email": "commente@example.org", "author_name": "Double", "organisation": ""}
    for page, text in (("/plans/{plan}", "Un plan lisible."), ("/plans/{plan}/engagements/{number:int}", "Nommez une date.")):
        await twins.press(f"{page}/commentaires", f"{page}/commentaires", text=text, **commenting)
        link = {"token": mailed("commente@example.org", "commentaires/confirmer")}
        await twins.press("/commentaires/confirmer/{token}", "/commentaires/confirmer/{token}", more=link)
    await twins.both(as_admin)
    desk = "/organisation/plans/{plan}/commentaires"
    whole, dated = ({"code": latest(Comment.code, text=text)} for text in ("Un plan lisible.", "Nommez une date."))
    await twins.press(f"{desk}/{{code}}/corriger", f"{desk}/{{code}}", more=dated, text="Nommez un jour.")
    dated = {"code": latest(Comment.code, text="Nommez un jour.")}
    await twins.press(f"{desk}/{{code}}/publier", f"{desk}/{{code}}", more=dated)
    await twins.press(f"{desk}/{{code}}/repondre", f"{desk}/{{code}}", more=dated, reply="Ce sera dit.")
    await twins.press(f"{desk}/{{code}}/refuser", f"{desk}/{{code}}", more=whole, reason="Trop court.")
    amended = f"{desk}/engagements/{{number:int}}"
    await twins.press(amended, amended, summary="Un résumé modifié deux fois.", reason="Un commentaire.")
    await twins.press(f"{desk}/synthese", f"{desk}/synthese", synthesis="Ce qui est retenu.", publish="1")
    await twins.press(f"{desk}/appel", f"{desk}/appel", introduction="Dites ce que vous en pensez.")
    await twins.press(f"{desk}/appel/clore", f"{desk}/appel")
    await twins.press(f"{desk}/appel/rouvrir", f"{desk}/appel", until="2031-05-01T12:00")


async def measures(twins: Twins) -> None:
    await twins.both(as_admin)
    page = "/organisation/indicateurs/{code}"
    proposed = f"{page}/mesures/{{measurement}}"
    given = {"value": "12", "source": "Un relevé", "note": ""}
    await twins.press(f"{page}/mesures", page, measured_on="2019-03-04", **given)
    await twins.press(proposed, proposed, value="13")
    await twins.press(f"{proposed}/publier", page)
    await twins.press(f"{proposed}/corriger", f"{proposed}/corriger", value="14", reason="Une erreur de saisie.")
    published = {"measurement": twins.examples["correctable"], "code": twins.examples["measured"]}
    await twins.press(f"{proposed}/retirer", f"{proposed}/corriger", more=published, withdraw_reason="Elle n’est plus sûre.")
    defined = {"name": "Un indicateur de plus", "unit": "jours", "periodicity": "yearly"}
    new = "/organisation/engagements/{plan}/{number:int}/indicateurs/nouveau"
    await twins.press(new, new, **defined)
    await twins.press(f"{page}/definition", f"{page}/definition", source="Le bilan annuel")


async def progress(twins: Twins) -> None:
    await twins.both(as_admin)
    desk = "/organisation/engagements/{plan}/{number:int}"
    milestone, report = f"{desk}/jalons/{{milestone}}", f"{desk}/points/{{code}}"
    await twins.press(milestone, milestone, state="under_way", state_note="Commencé.")
    where = {"plan": "2018-2020", "number": "6"}
    period = {"period_start": "2019-01-01", "period_end": "2019-06-30", "completion": "substantial"}
    written = {"text": "La moitié est faite.", "obstacles": "", "evidence": ""}
    await twins.press(f"{desk}/points/nouveau", f"{desk}/points/nouveau", more=where, institution=a_lead, **period, **written)
    await twins.press(report, report, text="Les deux tiers sont faits.")
    await twins.press(f"{report}/publier", desk, more=where)


async def a_lead(site: Site) -> str:
    """The short name of an institution that carries commitment 6."""
    async with site.database.reading() as session:
        query = select(Institution.slug).join(CommitmentInstitution, col(CommitmentInstitution.institution_id) == col(Institution.id))
        query = query.join(Commitment, col(Commitment.id) == col(CommitmentInstitution.commitment_id))
        return (await session.exec(query.where(Commitment.number == 6, CommitmentInstitution.role == "lead"))).first() or ""


async def evaluations(twins: Twins) -> None:
    await twins.both(as_admin)
    page = "/organisation/plans/{plan}/evaluations"
    found = {"kind": "other", "title": "Un regard de plus", "findings": "Rien à redire.", "source_url": "https://exemple.fr/regard"}
    await twins.press(page, page, **found)
    await twins.press(f"{page}/{{evaluation}}", f"{page}/{{evaluation}}", title="Un autre titre")
    await twins.press(f"{page}/{{evaluation}}/retirer", f"{page}/{{evaluation}}")


# -- PostgreSQL -----------------------------------------------------------------------------------------------------


async def _copies_on_postgresql(request: pytest.FixtureRequest, settings: Settings, demo: Path) -> list[Settings]:
    """One database with the rows of the demonstration, and its copy."""
    server, url = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_url")()
    theirs, ours = replace(settings, database_url=url), replace(settings, database_url=f"sqlite:///{demo}")
    async with opened(theirs) as there, opened(ours) as here, there.writer.begin() as to, here.reader.connect() as origin:
        await to.execute(sa.text("SET LOCAL session_replication_role = replica"))  # rows of a table refer to later ones
        for table in SQLModel.metadata.sorted_tables:
            rows = [dict(row._mapping) for row in (await origin.execute(sa.select(table))).all()]
            if rows:
                await to.execute(sa.insert(table), rows)
    name = urlsplit(url).path.removeprefix("/")
    server.psql(f"CREATE DATABASE {name}_again TEMPLATE {name}")
    # Every form of the site is sent by an account that owns no table.
    return [replace(settings, database_url=for_service(each)) for each in (url, str(server.get_uri(database=f"{name}_again")))]
