"""Search across commitments, questions, answers, minutes, promises, forums and institutions, with what matched shown.

Every word asked for must be there, in any order, whatever its accents and its ending; a word in a title counts
for more. Both engines rank; what is public is asked of the tables, so that nothing else is ever found. Of a word that
is everywhere so many are looked at and no more, every commitment and every forum among them, and the page says so.
Institutions are few and found by their name alone: they are looked through one by one, and come first.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import String, bindparam, column, func, literal_column, or_, table, text, union_all
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import follow_ups
from forums.action_plan import alphabetical
from forums.models import ActionPlan, Answer, Commitment, FollowUp, Forum, Institution, Minutes, MinutesEntry, Question
from forums.questions.words import is_little, stem
from forums.search_index import SOURCES

KINDS = ("administration", *(source.kind for source in SOURCES))
PER_PAGE = 20
MOST = 200
"""How many are looked at, and ranked; who finds more needs another word."""

_LONGEST, _WORDS = 200, 8
_AROUND = 90
_MARKDOWN = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*_`#>|]+|^\s*[-+]\s+", re.MULTILINE)


class Piece(NamedTuple):
    """A stretch of text, and whether it is what was asked for."""

    text: str
    matched: bool


@dataclass(frozen=True)
class Hit:
    """Something found: what it is, its address, its title and the lines around what matched.

    `forum` is where it was said or asked, `institution` who answered or promised, `plan` that of a commitment.
    """

    kind: str
    address: str
    title: Sequence[Piece]
    excerpt: Sequence[Piece]
    forum: Forum | None = None
    institution: Institution | None = None
    plan: ActionPlan | None = None
    number: int | None = None


@dataclass(frozen=True)
class Found:
    """One page of hits and how many are looked at, of all kinds and of those that were wanted.

    `capped` says that there are more of what was wanted, `partly` more of all kinds: they are counted no further.
    """

    hits: Sequence[Hit]
    counts: Counter[str]
    total: int
    capped: bool
    partly: bool


async def find(session: AsyncSession, asked: str, *, kind: str | None = None, page: int = 1) -> Found:
    """What the public may read and holds every word of `asked`, the best first; nothing for no word at all."""
    words = words_of(asked)
    if not words:
        return Found([], Counter(), 0, capped=False, partly=False)
    every, partly = await _ranked(session, words)
    named = {(hit.kind, hit.institution.id): hit for hit in await _institutions(session, words) if hit.institution}
    found, capped = [*named, *every], partly
    if kind == "administration":
        found, capped = [*named], False
    elif kind is not None:
        found, capped = await _ranked(session, words, kind)
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    hits = named | await _read(session, shown, [prefix for word in words for prefix in prefixes_of(word)])
    counts = Counter(of for of, _ in (*named, *every))
    return Found([hits[key] for key in shown], counts, len(found), capped, partly)


async def questions_about(session: AsyncSession, asked: str, *, but: Sequence[str] = (), limit: int) -> list[Question]:
    """The published questions that hold every word of `asked`, the best first; the one of that code before them."""
    words = words_of(asked)
    ids = [found for _, found in (await _ranked(session, words, "question"))[0]] if words else []
    query = select(Question).where(Question.status == "published", col(Question.id).in_(ids) | (col(Question.code) == asked.lower()))
    known = (await session.exec(query.where(col(Question.code).not_in(but)))).all()
    place = {found: rank for rank, found in enumerate(ids)}
    return sorted(known, key=lambda each: place.get(each.id, -1) if each.code != asked.lower() else -1)[:limit]


# -- What is asked --------------------------------------------------------------------------------------------


def words_of(asked: str) -> list[str]:
    """The words that count, folded; the little ones too when there is nothing else."""
    words = list(dict.fromkeys(_folded(asked[:_LONGEST])))[:_WORDS]
    return [word for word in words if not is_little(word)] or words


def prefixes_of(word: str) -> list[str]:
    """How a word's other forms begin: `ouvertes` → `ouvert`; `publics` → `public` and `publiqu`."""
    short = stem(word)
    other = short[:-1] + "qu" if short.endswith("c") else short
    if len(short) < 3 or not word.startswith((short, other)):
        return [word]
    return list(dict.fromkeys((short, other)))


def _folded(given: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", given.casefold().replace("œ", "oe").replace("æ", "ae"))
    return re.findall(r"[a-z0-9]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))


# -- What is public -------------------------------------------------------------------------------------------------


def _of_answers(query: Any) -> Any:
    return query.join(Question, col(Question.id) == col(Answer.question_id)).where(
        col(Answer.published_at).is_not(None), Question.status == "published"
    )


def _of_passages(query: Any) -> Any:
    query = query.join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id)).join(Forum, col(Forum.id) == col(Minutes.forum_id))
    return query.where(col(Minutes.published_at).is_not(None), Forum.status != "draft")


def _of_promises(query: Any) -> Any:
    return query.join(Forum, col(Forum.id) == col(FollowUp.forum_id)).where(follow_ups.is_public())


# What the public may read of each kind.
_PUBLIC: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "engagement": (Commitment.id, lambda query: query),
    "question": (Question.id, lambda query: query.where(Question.status == "published")),
    "passage": (MinutesEntry.id, _of_passages),
    "reponse": (Answer.id, _of_answers),
    "suite": (FollowUp.id, _of_promises),
    "forum": (Forum.id, lambda query: query.where(Forum.status != "draft")),
}


# -- What the engines find --------------------------------------------------------------------------------------------

Key = tuple[str, UUID]
_TABLES = {source.kind: source.table for source in SOURCES}


async def _ranked(session: AsyncSession, words: Sequence[str], kind: str | None = None) -> tuple[list[Key], bool]:
    """What is public and holds every word, the best first, and whether there is more of it than is looked at."""
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        # Quoted: to FTS5 a bare AND, a star or a hyphen is an operator.
        asked = " AND ".join("(" + " OR ".join([f'"{word}"', *(f'"{prefix}"*' for prefix in prefixes_of(word))]) + ")" for word in words)
        found = [(of, UUID(key), number) for of, key, number in await connection.execute(_on_sqlite(kind), {"asked": asked})]
    else:
        asked = " & ".join("(" + " | ".join([word, *(f"{prefix}:*" for prefix in prefixes_of(word))]) + ")" for word in words)
        found = [(of, key, -turn) for of, key, turn in await connection.execute(_on_postgresql(kind), {"asked": asked})]
    # The one too many is the last that was come to, whatever its rank.
    beyond = min(found, key=lambda each: each[2]) if len(found) > MOST else None
    return [(of, key) for of, key, place in found if (of, key, place) != beyond], beyond is not None


@cache
def _on_sqlite(kind: str | None) -> Any:
    """From the highest number down, as the index is read: so many, and all the others are left alone."""
    entry, words = table("search_entry", column("number"), column("kind"), column("object_id")), table("search_words", column("rowid"))
    public = [
        (entry.c.kind == literal_column(f"'{of}'")) & only(cast(Any, select)(key).where(col(key) == entry.c.object_id)).exists()
        for of, (key, only) in _PUBLIC.items()
        if kind in (None, of)
    ]
    looked_at = (
        cast(Any, select)(entry.c.kind, entry.c.object_id, entry.c.number, literal_column("bm25(search_words, 4.0, 1.0)").label("place"))
        .join_from(words, entry, entry.c.number == words.c.rowid)
        .where(text("search_words MATCH :asked").bindparams(bindparam("asked", type_=String)), or_(*public))
        .order_by(words.c.rowid.desc())
        .limit(MOST + 1)
        .subquery()
    )
    return cast(Any, select)(looked_at.c.kind, looked_at.c.object_id, looked_at.c.number).order_by(
        looked_at.c.place, looked_at.c.number.desc()
    )


@cache
def _on_postgresql(kind: str | None) -> Any:
    """Of each kind in turn: so many of all, as the index gives them."""
    # A subquery, so that it is planned for a word of which nothing is known: through the index.
    asked = cast(Any, select)(func.to_tsquery(literal_column("'french'::regconfig"), bindparam("asked", type_=String))).scalar_subquery()
    of_each = []
    for of, (key, only) in _PUBLIC.items():
        if kind in (None, of):
            vector: Any = literal_column(f"{_TABLES[of]}.search_vector")
            query = cast(Any, select)(literal_column(f"'{of}'").label("kind"), col(key).label("id"), vector.label("vector"))
            of_each.append(only(query).where(vector.op("@@")(asked)).limit(MOST + 1).subquery())
    every = union_all(*(cast(Any, select)(each) for each in of_each)).subquery()
    turn = func.row_number().over(partition_by=every.c.kind, order_by=every.c.id).label("turn")
    looked_at = cast(Any, select)(every, turn).order_by(turn, every.c.id).limit(MOST + 1).subquery()
    rank = func.ts_rank(looked_at.c.vector, asked)
    return cast(Any, select)(looked_at.c.kind, looked_at.c.id, looked_at.c.turn).order_by(rank.desc(), looked_at.c.id)


# -- What is read of it -----------------------------------------------------------------------------------------------


async def _read(session: AsyncSession, keys: Sequence[Key], prefixes: Sequence[str]) -> dict[Key, Hit]:
    """Those of one page, which are public: one statement for each kind, whatever was found."""
    ids = {kind: [found for each, found in keys if each == kind] for kind in KINDS}
    seen: dict[Key, Hit] = {}
    commitments = select(Commitment, ActionPlan).join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))
    for commitment, plan in await session.exec(commitments.where(col(Commitment.id).in_(ids["engagement"]))):
        base = "/engagements" if plan.current else f"/plans/{plan.slug}/engagements"
        title, body = commitment.title, " ".join(filter(None, (commitment.summary, commitment.note, commitment.origin)))
        seen["engagement", commitment.id] = Hit(
            "engagement", f"{base}/{commitment.number}", *_shown(title, body, prefixes), plan=plan, number=commitment.number
        )
    questions = select(Question, Forum).outerjoin(Forum, (col(Forum.id) == col(Question.forum_id)) & (col(Forum.status) != "draft"))
    for question, forum in await session.exec(questions.where(col(Question.id).in_(ids["question"]))):
        shown = _shown(question.text, question.context, prefixes)
        seen["question", question.id] = Hit("question", f"/questions/{question.code}", *shown, forum=forum)
    answers = (
        select(Answer, Question, Institution)
        .join(Question, col(Question.id) == col(Answer.question_id))
        .join(Institution, col(Institution.id) == col(Answer.institution_id))
    )
    for answer, question, institution in await session.exec(answers.where(col(Answer.id).in_(ids["reponse"]))):
        shown = _shown(question.text, f"{answer.text} {answer.reason or ''}", prefixes)
        seen["reponse", answer.id] = Hit("reponse", f"/questions/{question.code}", *shown, institution=institution)
    passages = (
        select(MinutesEntry, Forum)
        .join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        .join(Forum, col(Forum.id) == col(Minutes.forum_id))
    )
    for entry, forum in await session.exec(passages.where(col(MinutesEntry.id).in_(ids["passage"]))):
        shown = _shown(entry.title, entry.text, prefixes)
        seen["passage", entry.id] = Hit(
            "passage", f"/forums/{forum.slug}/compte-rendu#p-{entry.number}", *shown, forum=forum, number=entry.number
        )
    promises = (
        select(FollowUp, Forum, Institution)
        .join(Forum, col(Forum.id) == col(FollowUp.forum_id))
        .outerjoin(Institution, col(Institution.id) == col(FollowUp.institution_id))
    )
    for promise, forum, institution in await session.exec(promises.where(col(FollowUp.id).in_(ids["suite"]))):
        body = " ".join(filter(None, (promise.owner, promise.partners, promise.evidence, promise.drop_reason)))
        shown = _shown(promise.text, body, prefixes)
        seen["suite", promise.id] = Hit("suite", f"/suites/{promise.code}", *shown, forum=forum, institution=institution)
    for forum in await session.exec(select(Forum).where(col(Forum.id).in_(ids["forum"]))):
        body = " ".join(filter(None, (forum.description, forum.place, forum.address)))
        seen["forum", forum.id] = Hit("forum", f"/forums/{forum.slug}", *_shown(forum.theme or "", body, prefixes), forum=forum)
    return seen


async def _institutions(session: AsyncSession, words: Sequence[str]) -> list[Hit]:
    """Those whose name, or the short one of their address, holds every word."""
    prefixes = [prefix for word in words for prefix in prefixes_of(word)]
    found = sorted((await session.exec(select(Institution))).all(), key=alphabetical)
    return [
        Hit("administration", f"/institutions/{each.slug}", _marked(each.name, prefixes), _short_name(each, prefixes), institution=each)
        for each in found
        if all(_matches(f"{each.name} {each.slug}", prefixes_of(word)) for word in words)
    ]


def _short_name(institution: Institution, prefixes: Sequence[str]) -> list[Piece]:
    """Marked, when the name does not show what matched."""
    return [] if _matches(institution.name, prefixes) else _marked(institution.slug.replace("-", " "), prefixes)


# -- What matched -----------------------------------------------------------------------------------------------


def _shown(title: str, body: str, prefixes: Sequence[str]) -> tuple[list[Piece], list[Piece]]:
    return _marked(title, prefixes), _marked(_around(_MARKDOWN.sub(r"\1", body), prefixes), prefixes)


def _around(body: str, prefixes: Sequence[str]) -> str:
    """The stretch with the first word that matched, cut between words."""
    body = " ".join(body.split())
    at = next((match.start() for match in re.finditer(r"\w+", body) if _matches(match[0], prefixes)), 0)
    start = 0 if at < _AROUND else body.rfind(" ", 0, at - _AROUND // 2) + 1
    end = len(body) if len(body) < start + 2 * _AROUND else body.rfind(" ", start, start + 2 * _AROUND)
    end = end if end > start else start + 2 * _AROUND
    return ("… " if start else "") + body[start:end] + (" …" if end < len(body) else "")


def _marked(given: str, prefixes: Sequence[str]) -> list[Piece]:
    """Cut where something matches."""
    pieces: list[Piece] = []
    for part in re.split(r"(\w+)", given):
        matched = bool(part) and _matches(part, prefixes)
        if part and pieces and pieces[-1].matched == matched:
            pieces[-1] = Piece(pieces[-1].text + part, matched)
        elif part:
            pieces.append(Piece(part, matched))
    return pieces


def _matches(word: str, prefixes: Sequence[str]) -> bool:
    return any(folded.startswith(tuple(prefixes)) for folded in _folded(word))
