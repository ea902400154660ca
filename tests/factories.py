"""Things to test with, made without surprises: each factory writes the one row its name says.

What a test relies on it gives itself (`a_forum(session, capacity=1)`); what it does not mention has
a plain value. Forms are made as a page makes them: from what was typed.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import calendar_index, minutes, registrations, schedule, search_index, secret_links, standing_index, table_sizes
from forums.agenda import AgendaItemForm
from forums.answers import AnswerForm
from forums.consultations import CommentForm
from forums.database import Database
from forums.evaluations import EvaluationForm
from forums.follow_ups import AmendForm, RecordForm
from forums.minutes import EntryForm
from forums.models import (
    ActionPlan,
    AgendaItem,
    Comment,
    Commitment,
    CommitmentInstitution,
    Consultation,
    FollowUp,
    FollowUpCommitment,
    Forum,
    Indicator,
    Institution,
    Measurement,
    Member,
    MemberInstitution,
    Minutes,
    MinutesEntry,
    OutboxMessage,
    Question,
    Registration,
    Season,
)
from forums.models.forum import PARIS
from forums.questions import QuestionForm
from forums.registrations import ChangeForm, RegistrationForm
from forums.schedule import ForumForm, MoveForm, SeasonForm
from forums.settings import ROOT, Settings

NOW = datetime(2027, 2, 1, 9, 0, tzinfo=UTC)
SECRET_KEY = "une clé d'essai, la même pour toute la suite"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """A database with its tables, closed afterwards."""
    database = Database(settings)
    async with database.writer.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
        await connection.run_sync(search_index.create)
        await connection.run_sync(standing_index.create)
        await connection.run_sync(calendar_index.create)
        await connection.run_sync(table_sizes.tell)
    try:
        yield database
    finally:
        await database.close()


@cache
def for_service(owned: str) -> str:
    """The address by which the service reaches an owner's database, once `docs/postgresql.sql` gave it what it needs."""

    async def give() -> None:
        owner = await asyncpg.connect(owned)
        await owner.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32))")  # where nothing was migrated
        await owner.execute((ROOT / "docs" / "postgresql.sql").read_text())
        await owner.close()

    with ThreadPoolExecutor(1) as apart:  # whoever asks may be in a loop already
        apart.submit(asyncio.run, give()).result()
    return make_url(owned).set(username="forums_service", password=None).render_as_string(hide_password=False)


# -- The plan ------------------------------------------------------------------------------------------


async def a_plan(session: AsyncSession, slug: str = "2018-2020", **facts: Any) -> ActionPlan:
    """The current plan, empty."""
    return await _added(session, ActionPlan(**{"slug": slug, "title": f"Plan {slug}", "current": True} | facts))


async def a_commitment(session: AsyncSession, plan: ActionPlan, number: int = 1, **facts: Any) -> Commitment:
    given = {"plan_id": plan.id, "number": number, "position": number, "working_title": f"Engagement {number}"}
    return await _added(session, Commitment(**given | facts))


async def an_indicator(session: AsyncSession, commitment: Commitment, position: int = 1, **facts: Any) -> Indicator:
    given = {"commitment_id": commitment.id, "position": position, "name": f"Indicateur {position}"}
    return await _added(session, Indicator(**given | facts))


async def a_measurement(session: AsyncSession, indicator: Indicator, day: date, value: str = "1", **facts: Any) -> Measurement:
    """A published one, as it comes with the plan's file."""
    return await _added(session, Measurement(**{"indicator_id": indicator.id, "measured_on": day, "value": value} | facts))


async def an_institution(session: AsyncSession, name: str = "HATVP", *, leads: Sequence[Commitment] = ()) -> Institution:
    institution = await _added(session, Institution(slug=name.lower().replace(" ", "-"), name=name))
    for commitment in leads:
        await _added(session, CommitmentInstitution(commitment_id=commitment.id, institution_id=institution.id, role="lead"))
    return institution


# -- A forum ---------------------------------------------------------------------------------------------


async def a_season(session: AsyncSession, slug: str = "2027", **facts: Any) -> Season:
    return await _added(session, Season(**{"slug": slug, "title": f"Saison {slug}"} | facts))


async def a_forum(session: AsyncSession, *, number: int = 1, season: Season | None = None, now: datetime = NOW, **facts: Any) -> Forum:
    """An announced forum of the season 2027, in thirty days, 18:30 to 20:30 in Paris, ten seats on site, none remote."""
    season = season or (await session.exec(select(Season).where(Season.slug == "2027"))).first() or await a_season(session)
    day = facts.pop("day", (now + timedelta(days=30)).date())
    given = {
        "season_id": season.id,
        "number": number,
        "slug": f"{season.slug}-{number}",
        "status": "announced",
        "announced_at": now,
        "created_at": now,
        "changed_at": now,
        "theme": "La commande publique",
        "place": "Superpublic",
        "day": day,
        "capacity": 10,
    }
    hours = {
        "starts_at": schedule.at(day, time(18, 30)),
        "ends_at": schedule.at(day, time(20, 30)),
        "registration_closes_at": schedule.at(day, time(18, 30)),
        "promotions_end_at": schedule.at(day, time(15, 30)),
        "questions_close_at": schedule.at(day - schedule.QUESTIONS_CLOSE, time(23, 59)),
    }
    return await _added(session, Forum(**given | hours | facts))


async def an_agenda_item(session: AsyncSession, forum: Forum, position: int = 1, **facts: Any) -> AgendaItem:
    return await _added(
        session, AgendaItem(**{"forum_id": forum.id, "number": position, "position": position, "title": f"Point {position}"} | facts)
    )


async def some_minutes(session: AsyncSession, forum: Forum, *, published_at: datetime | None = None) -> Minutes:
    begun = await minutes.begun(session, forum)
    begun.published_at = published_at
    return await _added(session, begun)


async def a_follow_up(
    session: AsyncSession,
    forum: Forum,
    entry: MinutesEntry | None = None,
    commitments: Sequence[Commitment] = (),
    **facts: Any,
) -> FollowUp:
    """A promise nobody has closed, without a date."""
    given = {"forum_id": forum.id, "entry_id": entry.id if entry else None, "text": "Publier la liste.", "owner": "Etalab"}
    follow_up = await _added(session, FollowUp(**given | {"created_at": NOW} | facts))
    for each in commitments:
        await _added(session, FollowUpCommitment(follow_up_id=follow_up.id, commitment_id=each.id))
    return follow_up


# -- People ------------------------------------------------------------------------------------------------


async def a_registration(session: AsyncSession, forum: Forum, email: str = "camille@example.org", **facts: Any) -> Registration:
    """A registration that waits for its confirmation: it holds no seat."""
    given = {
        "forum_id": forum.id,
        "email": email,
        "email_key": secret_links.person_key(SECRET_KEY, email),
        "given_name": "Camille",
        "family_name": "Martin",
        "created_at": NOW,
        "mailed_at": NOW,
    }
    return await _added(session, Registration(**given | facts))


async def a_confirmed_registration(session: AsyncSession, forum: Forum, email: str = "camille@example.org", **facts: Any) -> Registration:
    """A registration confirmed by the rule itself: registered while there are seats, waiting afterwards."""
    registration = await a_registration(session, forum, email, **facts)
    return await registrations.confirm(session, registration.id, "jeton", now=NOW)


async def a_question(
    session: AsyncSession,
    forum: Forum | None = None,
    commitment: Commitment | None = None,
    email: str = "dominique@example.org",
    **facts: Any,
) -> Question:
    """A published question."""
    given = {
        "forum_id": forum.id if forum else None,
        "commitment_id": commitment.id if commitment else None,
        "text": "Quand les données seront-elles complètes ?",
        "email": email,
        "author_key": secret_links.person_key(SECRET_KEY, email),
        "text_hash": uuid4().hex,
        "status": "published",
        "created_at": NOW,
        "confirmed_at": NOW,
        "decided_at": NOW,
    }
    return await _added(session, Question(**given | facts))


async def a_consultation(session: AsyncSession, plan: ActionPlan, **facts: Any) -> Consultation:
    """A call for comments open since yesterday, for a month."""
    given = {"plan_id": plan.id, "introduction": "Dites-nous.", "opens_at": NOW - timedelta(days=1), "closes_at": NOW + timedelta(days=30)}
    return await _added(session, Consultation(**given | facts))


async def a_comment(
    session: AsyncSession,
    consultation: Consultation,
    commitment: Commitment | None = None,
    email: str = "dominique@example.org",
    **facts: Any,
) -> Comment:
    """A published comment."""
    given = {
        "consultation_id": consultation.id,
        "commitment_id": commitment.id if commitment else None,
        "text": "Il manque une date.",
        "email": email,
        "author_key": secret_links.person_key(SECRET_KEY, email),
        "text_hash": uuid4().hex,
        "status": "published",
        "created_at": NOW,
        "confirmed_at": NOW,
        "decided_at": NOW,
    }
    return await _added(session, Comment(**given | facts))


async def a_member(session: AsyncSession, email: str = "organise@example.fr", role: str = "organiser", **facts: Any) -> Member:
    return await _added(session, Member(**{"email": email, "role": role, "created_at": NOW} | facts))


async def an_agent(session: AsyncSession, *institutions: Institution, email: str = "agent@example.fr") -> Member:
    """An agent of these institutions."""
    agent = await a_member(session, email, "agent")
    for institution in institutions:
        await _added(session, MemberInstitution(member_id=agent.id, institution_id=institution.id))
    return agent


# -- What people type ----------------------------------------------------------------------------------------


def a_registration_form(email: str = "camille@example.org", **typed: str) -> RegistrationForm:
    blank = {"organisation": "", "accessibility_needs": "", "site_web": ""}
    given = {"family_name": "Martin", "given_name": "Camille", "email": email, "attendance": "on_site"}
    return RegistrationForm.model_validate(blank | given | typed)


def a_change_form(**typed: str) -> ChangeForm:
    """What a person changes of their registration; the rest as it was typed at first."""
    blank = {"organisation": "", "accessibility_needs": ""}
    return ChangeForm.model_validate(blank | {"family_name": "Martin", "given_name": "Camille", "attendance": "on_site"} | typed)


def a_question_form(text: str = "Quand les données seront-elles complètes ?", **typed: str) -> QuestionForm:
    blank = {"context": "", "commitment": "", "author_name": "", "show_name": "", "site_web": ""}
    given = {"kind": "question", "text": text, "email": "dominique@example.org"}
    return QuestionForm.model_validate(blank | given | typed)


def a_season_form(**typed: str) -> SeasonForm:
    """The fourth Thursday every two months, in the evening."""
    given = {"title": "Saison 2027", "first_day": "2027-01-01", "count": "6", "months": "2", "week": "4", "weekday": "TH"}
    return SeasonForm.model_validate(given | {"starts": "18:30", "ends": "20:30"} | typed)


def a_forum_form(forum: Forum, **typed: str) -> ForumForm:
    """The form as a page fills it in: what is known of the forum, then what is typed over it."""
    text = {name: getattr(forum, name) or "" for name in ("theme", "description", "place", "address", "online_url")}
    numbers = {"capacity": str(forum.capacity), "remote_capacity": str(forum.remote_capacity)}
    moments = {name: getattr(forum, f"{name}_at") for name in ("registration_opens", "registration_closes", "promotions_end")}
    numbers |= {name: f"{moment.astimezone(PARIS):%Y-%m-%dT%H:%M}" if moment else "" for name, moment in moments.items()}
    return ForumForm.model_validate(text | numbers | {"organisers": ", ".join(forum.organisers)} | typed)


def a_move_form(day: date | str, starts: str = "18:30", ends: str = "20:30") -> MoveForm:
    return MoveForm.model_validate({"day": str(day), "starts": starts, "ends": ends})


def an_agenda_item_form(title: str = "Où en est la commande publique ?", **typed: str) -> AgendaItemForm:
    blank = {"track": "", "starts": "", "length": "", "speakers": "", "description": "", "shift": "1"}
    return AgendaItemForm.model_validate(blank | {"title": title, "kind": "plenary"} | typed)


def an_entry_form(text: str = "Le ministère a répondu.", **typed: str) -> EntryForm:
    return EntryForm.model_validate({"title": "", "text": text, "agenda_item": "", "comment": "Une précision."} | typed)


def an_answer_form(text: str = "Les données seront complètes en juin.", **typed: str) -> AnswerForm:
    """A complete answer where nothing was written yet."""
    return AnswerForm.model_validate({"outcome": "answered", "text": text, "deferred_to": "", "reason": "", "edition": "0"} | typed)


def a_record_form(text: str = "Publier la liste.", **typed: str) -> RecordForm:
    blank = {"institution": "", "partners": "", "due": "", "passage": ""}
    return RecordForm.model_validate(blank | {"kind": "promise", "text": text, "owner": "Etalab"} | typed)


def a_comment_form(text: str = "Il manque une date.", **typed: str) -> CommentForm:
    blank = {"author_name": "", "organisation": "", "show_name": "", "site_web": ""}
    return CommentForm.model_validate(blank | {"text": text, "email": "dominique@example.org"} | typed)


def an_evaluation_form(title: str = "Rapport de résultats", **typed: str) -> EvaluationForm:
    blank = {"commitment": "", "author": "", "dated": "", "date_text": "", "completion": "", "edition": "0"}
    given = {"kind": "independent", "title": title, "findings": "Deux engagements sur trois.", "source_url": "https://exemple.fr/rapport"}
    return EvaluationForm.model_validate(blank | given | typed)


def an_amend_form(text: str = "Publier la liste.", edition: int = 0, **typed: str) -> AmendForm:
    blank = {"institution": "", "partners": "", "due": "", "passage": ""}
    return AmendForm.model_validate(blank | {"kind": "promise", "text": text, "owner": "Etalab", "edition": str(edition)} | typed)


# -- What was promised ---------------------------------------------------------------------------------------


async def promised(session: AsyncSession, kind: str | None = None) -> Sequence[OutboxMessage]:
    """The messages written so far, of one kind when it is given, in the order of their recipients."""
    await session.flush()
    query = select(OutboxMessage).order_by(col(OutboxMessage.recipient))
    return (await session.exec(query.where(OutboxMessage.kind == kind) if kind else query)).all()


async def told(session: AsyncSession, kind: str) -> list[str]:
    """Who is to receive a message of that kind, in alphabetical order."""
    return [message.recipient for message in await promised(session, kind)]


async def _added(session: AsyncSession, row: Any) -> Any:
    session.add(row)
    await session.flush()
    return row
