"""Questions merged where published minutes were about one of them: what everybody reads changes, so a version says so."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import questions
from forums.language import N_
from forums.minutes.publishing import add_version, keep_first_version, lock
from forums.models import Minutes, MinutesEntry, MinutesEntryQuestion, Question
from forums.questions import MergeForm

MERGED = N_("Questions réunies")


async def merge_questions(session: AsyncSession, question: Question, target: Question, form: MergeForm, *, now: datetime) -> None:
    """Merge a question into another, and give the published minutes about it their next version.

    Raises what `questions.merge` does.
    """
    tied = select(MinutesEntry.minutes_id).join(MinutesEntryQuestion, col(MinutesEntryQuestion.entry_id) == col(MinutesEntry.id))
    about = select(Minutes).where(col(Minutes.id).in_(tied.where(MinutesEntryQuestion.question_id == question.id)))
    published = (await session.exec(about.where(col(Minutes.published_at).is_not(None)).order_by(col(Minutes.id)))).all()
    for each in published:
        await lock(session, each)
        await keep_first_version(session, each)
    await questions.merge(session, question, target, form, now=now)
    for each in published:
        each.amended_at = now
        session.add(each)
        await add_version(session, each, MERGED, now=now)
