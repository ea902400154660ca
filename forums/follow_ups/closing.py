"""A promise is closed once: kept, with evidence; or dropped, with a reason. It may be reopened, with a reason.

One conditional UPDATE closes it: the same form sent twice closes it once, and of two people who close it
differently the second is told. Its institution may propose the evidence; organisers decide.
"""

from datetime import datetime
from typing import Annotated, Any

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.follow_ups.queries import Promise
from forums.forms import Form, OptionalWebAddress, line, prose
from forums.language import N_
from forums.models import FollowUp, FollowUpChange, Forum
from forums.models.forum import FollowUpChangeKind
from forums.refusals import AlreadyDecided


class KeepForm(Form):
    evidence: Annotated[str, prose(2000, N_("Dites ce qui montre que la promesse est tenue : ce qui existe, et où on le voit."))]
    evidence_url: OptionalWebAddress
    kept_at: Annotated[str, line(60)]


class DropForm(Form):
    drop_reason: Annotated[str, prose(1000, N_("Dites pourquoi la promesse est abandonnée : la raison est publiée."))]
    dropped_at: Annotated[str, line(60)]


class ReopenForm(Form):
    reopen_reason: Annotated[str, prose(1000, N_("Dites pourquoi la promesse est rouverte : la raison est publiée."))]


class ProposalForm(Form):
    news: Annotated[str, prose(2000, N_("Dites où en est cette promesse, ou ce qui montre qu'elle est tenue."))]
    news_url: OptionalWebAddress


async def keep(session: AsyncSession, promise: Promise, form: KeepForm, forum: Forum | None, *, now: datetime) -> bool:
    """The promise is kept, and here is what shows it; `forum` is where it was said. False when it was already done.

    Raises `AlreadyDecided` when someone closed it otherwise.
    """
    values = {"status": "kept", "evidence": form.evidence, "evidence_url": form.evidence_url, "closed_at": now}
    change = _change(promise, "kept", form.evidence, forum, now, url=form.evidence_url)
    return await _decide(session, promise, col(FollowUp.status) == "open", values, change)


async def drop(session: AsyncSession, promise: Promise, form: DropForm, forum: Forum | None, *, now: datetime) -> bool:
    """The promise will not be kept, and this is why. Raises `AlreadyDecided` when someone closed it otherwise."""
    values = {"status": "dropped", "drop_reason": form.drop_reason, "closed_at": now}
    return await _decide(
        session, promise, col(FollowUp.status) == "open", values, _change(promise, "dropped", form.drop_reason, forum, now)
    )


async def reopen(session: AsyncSession, promise: Promise, form: ReopenForm, *, now: datetime) -> bool:
    """The promise was closed wrongly or too soon: it is open again, and goes to the next forum like any other."""
    values = {"status": "open", "evidence": None, "evidence_url": None, "drop_reason": None, "closed_at": None}
    return await _decide(
        session, promise, col(FollowUp.status) != "open", values, _change(promise, "reopened", form.reopen_reason, None, now)
    )


def _change(
    promise: Promise, kind: FollowUpChangeKind, text: str, forum: Forum | None, now: datetime, *, url: str | None = None
) -> FollowUpChange:
    return FollowUpChange(follow_up_id=promise.follow_up.id, at=now, kind=kind, text=text, url=url, forum_id=forum.id if forum else None)


async def _decide(session: AsyncSession, promise: Promise, allowed: Any, values: dict[str, Any], change: FollowUpChange) -> bool:
    decided = await session.exec(
        update(FollowUp)
        .where(col(FollowUp.id) == promise.follow_up.id, allowed)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    await session.refresh(promise.follow_up)
    if decided.rowcount == 1:
        session.add(change)
        await session.flush()
        return True
    last = select(FollowUpChange).where(
        FollowUpChange.follow_up_id == promise.follow_up.id, col(FollowUpChange.kind).in_(("kept", "dropped", "reopened"))
    )
    done = (await session.exec(last.order_by(col(FollowUpChange.at).desc()).limit(1))).first()
    if done is None or (done.kind, done.text, done.url) != (change.kind, change.text, change.url):
        raise AlreadyDecided(N_("Quelqu'un d'autre vient de décider de cette promesse : lisez plus bas ce qu'il en est."))
    return False


async def propose(session: AsyncSession, promise: Promise, form: ProposalForm, *, now: datetime) -> None:
    """Where things stand, as the institution's agents say it: for the organisers, who close the promise or not."""
    twin = select(FollowUpChange.id).where(
        FollowUpChange.follow_up_id == promise.follow_up.id, FollowUpChange.kind == "proposed", FollowUpChange.text == form.news
    )
    await session.refresh(promise.follow_up, with_for_update=True)
    if (await session.exec(twin)).first() is None:
        session.add(_change(promise, "proposed", form.news, None, now, url=form.news_url))
