"""What may be followed: everything, an axis, a commitment, an institution, a question, each by its public address.

A scope is text that a person may read (`plans/2018-2020/engagements/2`), so that what somebody follows
needs no key of the database and outlives a plan loaded again.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import action_plan
from forums.language import N_
from forums.models import ActionPlan, Axis, Commitment, CommitmentInstitution, Institution, Question

EVERYTHING = "tout"
ANNOUNCEMENTS = "annonces"

_AXIS = re.compile(r"plans/([\w-]{1,60})/axes/([1-9]\d{0,3})", re.ASCII)
_COMMITMENT = re.compile(r"plans/([\w-]{1,60})/engagements/([1-9]\d{0,3})", re.ASCII)
_INSTITUTION = re.compile(r"institutions/([\w-]{1,80})", re.ASCII)
_QUESTION = re.compile(r"questions/([a-z0-9]{8})", re.ASCII)


@dataclass(frozen=True)
class Scope:
    """Something that exists and may be followed: its name as a sentence with its figures, and its page."""

    scope: str
    sentence: str
    figures: Mapping[str, Any]
    address: str


@dataclass(frozen=True)
class Reach:
    """What a scope covers, by keys; None where it covers nothing of that sort."""

    commitments: Sequence[UUID] | None = None
    questions: Sequence[UUID] | None = None
    institutions: Sequence[UUID] | None = None


async def reach_of(session: AsyncSession, scope: str) -> Reach | None:
    """None for everything. The keys are read beforehand: an engine that knows how few they are looks those few up."""
    if scope == EVERYTHING:
        return None
    if found := _AXIS.fullmatch(scope):
        of_axis = _commitments().join(Axis, col(Axis.id) == col(Commitment.axis_id))
        return Reach(commitments=await _keys(session, of_axis.where(col(ActionPlan.slug) == found[1], col(Axis.number) == int(found[2]))))
    if found := _COMMITMENT.fullmatch(scope):
        itself = _commitments().where(col(ActionPlan.slug) == found[1], col(Commitment.number) == int(found[2]))
        return Reach(commitments=await _keys(session, itself))
    if found := _INSTITUTION.fullmatch(scope):
        of_slug = select(col(Institution.id)).where(col(Institution.slug) == found[1])
        led = select(col(CommitmentInstitution.commitment_id)).where(col(CommitmentInstitution.institution_id).in_(of_slug))
        led = led.where(col(CommitmentInstitution.role) == "lead")
        return Reach(commitments=await _keys(session, led), institutions=await _keys(session, of_slug))
    if found := _QUESTION.fullmatch(scope):
        # Who follows a question that was merged follows the one that was kept.
        kept = select(col(Question.merged_into_id)).where(col(Question.code) == found[1], col(Question.merged_into_id).is_not(None))
        of_code = select(col(Question.id)).where(col(Question.code) == found[1])
        return Reach(questions=await _keys(session, of_code.union(kept)))
    return Reach()


async def _keys(session: AsyncSession, query: Any) -> list[UUID]:
    return [key for (key,) in (await (await session.connection()).execute(query)).all()]


def _commitments() -> Any:
    return select(col(Commitment.id)).join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))


# -- Which scopes a thing belongs to ----------------------------------------------------------------------


async def scopes_of_commitments(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """A commitment's own, its axis's, those of the institutions that lead it: two statements."""
    query = select(col(Commitment.id), col(ActionPlan.slug), col(Commitment.number), col(Axis.number)).join(
        ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id)
    )
    query = query.join(Axis, col(Axis.id) == col(Commitment.axis_id), isouter=True).where(col(Commitment.id).in_(ids))
    connection, found = await session.connection(), dict[UUID, set[str]]()
    for key, plan, number, axis in (await connection.execute(query)).all():
        found[key] = {f"plans/{plan}/engagements/{number}", *([f"plans/{plan}/axes/{axis}"] if axis else [])}
    led = select(col(CommitmentInstitution.commitment_id), col(Institution.slug)).join(
        Institution, col(Institution.id) == col(CommitmentInstitution.institution_id)
    )
    led = led.where(col(CommitmentInstitution.commitment_id).in_(ids), col(CommitmentInstitution.role) == "lead")
    for key, slug in (await connection.execute(led)).all():
        found[key].add(f"institutions/{slug}")
    return found


async def scopes_of_questions(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """A question's own, and those of the questions merged into it."""
    query = select(col(Question.id), col(Question.merged_into_id), col(Question.code))
    query = query.where(col(Question.id).in_(ids) | col(Question.merged_into_id).in_(ids))
    found: dict[UUID, set[str]] = {}
    for key, kept, code in (await (await session.connection()).execute(query)).all():
        for each in (key, kept):
            if each is not None:
                found.setdefault(each, set()).add(f"questions/{code}")
    return found


async def scopes_of_institutions(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, set[str]]:
    query = select(col(Institution.id), col(Institution.slug)).where(col(Institution.id).in_(ids))
    return {key: {f"institutions/{slug}"} for key, slug in (await (await session.connection()).execute(query)).all()}


# -- What a person may choose ------------------------------------------------------------------------------


async def named(session: AsyncSession, scope: str) -> Scope | None:
    """A scope that exists, with its name; None for anything else that may have been typed."""
    return (await scopes_named(session, [scope])).get(scope)


async def scopes_named(session: AsyncSession, scopes: Iterable[str]) -> dict[str, Scope]:
    """Those of these scopes that exist, with their names, in their order: four statements at most."""
    asked = list(dict.fromkeys(scopes))
    found = {each: _FIXED[each] for each in asked if each in _FIXED}
    found |= await _commitments_named(session, {each: m for each in asked if (m := _COMMITMENT.fullmatch(each))})
    found |= await _axes_named(session, {each: m for each in asked if (m := _AXIS.fullmatch(each))})
    slugs = [m[1] for each in asked if (m := _INSTITUTION.fullmatch(each))]
    codes = [m[1] for each in asked if (m := _QUESTION.fullmatch(each))]
    if slugs:
        query = select(col(Institution.slug), col(Institution.name)).where(col(Institution.slug).in_(slugs))
        found |= {each.scope: each for each in map(_institution, (await _rows(session, query)))}
    if codes:
        public = col(Question.status).in_(("published", "merged"))
        query = select(col(Question.code), col(Question.text)).where(col(Question.code).in_(codes), public)
        found |= {each.scope: each for each in map(_question, (await _rows(session, query)))}
    return {each: found[each] for each in asked if each in found}


async def _rows(session: AsyncSession, query: Any) -> Any:
    return (await (await session.connection()).execute(query)).all()


_FIXED = {
    EVERYTHING: Scope(EVERYTHING, N_("Tout ce qui se passe"), {}, "/"),
    ANNOUNCEMENTS: Scope(ANNOUNCEMENTS, N_("Les annonces de forums, et rien d'autre"), {}, "/forums"),
}


async def _commitments_named(session: AsyncSession, asked: Mapping[str, re.Match[str]]) -> dict[str, Scope]:
    if not asked:
        return {}
    query = select(Commitment, ActionPlan).join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))
    query = query.where(
        col(ActionPlan.slug).in_({m[1] for m in asked.values()}), col(Commitment.number).in_({int(m[2]) for m in asked.values()})
    )
    every = [_commitment(*row) for row in await _rows_of_models(session, query)]
    return {each.scope: each for each in every if each.scope in asked}


async def _axes_named(session: AsyncSession, asked: Mapping[str, re.Match[str]]) -> dict[str, Scope]:
    if not asked:
        return {}
    query = select(Axis, ActionPlan).join(ActionPlan, col(ActionPlan.id) == col(Axis.plan_id))
    query = query.where(col(ActionPlan.slug).in_({m[1] for m in asked.values()}), col(Axis.number).in_({int(m[2]) for m in asked.values()}))
    every = [_axis(*row) for row in await _rows_of_models(session, query)]
    return {each.scope: each for each in every if each.scope in asked}


async def _rows_of_models(session: AsyncSession, query: Any) -> Any:
    return (await session.exec(query)).all()


def _commitment(commitment: Commitment, plan: ActionPlan) -> Scope:
    address = address_of(plan, commitment.number)
    figures = {"number": commitment.number, "title": commitment.title, "plan": plan.slug}
    sentence = N_("L'engagement {number}, {title}") if plan.current else N_("L'engagement {number} du plan {plan}, {title}")
    return Scope(f"plans/{plan.slug}/engagements/{commitment.number}", sentence, figures, address)


def _axis(axis: Axis, plan: ActionPlan) -> Scope:
    sentence = N_("L'axe {number}, {title}") if plan.current else N_("L'axe {number} du plan {plan}, {title}")
    figures = {"number": axis.number, "title": axis.title, "plan": plan.slug}
    return Scope(f"plans/{plan.slug}/axes/{axis.number}", sentence, figures, "/engagements" if plan.current else f"/plans/{plan.slug}")


def _institution(row: Any) -> Scope:
    slug, name = row
    return Scope(f"institutions/{slug}", N_("L'institution {name}"), {"name": name}, f"/institutions/{slug}")


def _question(row: Any) -> Scope:
    code, text = row
    return Scope(f"questions/{code}", N_("La question « {text} »"), {"text": shortened(text, 100)}, f"/questions/{code}")


def shortened(text: str, most: int) -> str:
    """One line of at most so many characters, cut between two words."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most].rpartition(" ")[0].rstrip(" ,;:") + "…"


def address_of(plan: ActionPlan, number: int) -> str:
    return f"/engagements/{number}" if plan.current else f"/plans/{plan.slug}/engagements/{number}"


async def options(session: AsyncSession) -> dict[str, list[Scope]]:
    """What a form offers, by group: the whole, then the current plan's axes, commitments and leading institutions."""
    plan = await action_plan.current_plan(session)
    whole = [_FIXED[EVERYTHING], _FIXED[ANNOUNCEMENTS]]
    if plan is None:
        return {N_("Tout"): whole}
    commitments = await action_plan.commitments_of(session, plan)
    leads = {each.slug: each for found in (await action_plan.leads(session, commitments)).values() for each in found}
    return {
        N_("Tout"): whole,
        N_("Un axe du plan"): [_axis(each, plan) for each in await action_plan.axes_of(session, plan)],
        N_("Un engagement"): [_commitment(each, plan) for each in commitments],
        N_("Une institution"): [
            _institution((each.slug, each.name)) for each in sorted(leads.values(), key=lambda one: one.name.casefold())
        ],
    }


def followed(scopes: Collection[str], followed_ones: Collection[str]) -> bool:
    """Whether somebody who follows `followed_ones` is told of a thing of these scopes."""
    return EVERYTHING in followed_ones or not set(followed_ones).isdisjoint(scopes)
