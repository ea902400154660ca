"""The home page: the next forum, how to take part, the latest minutes and answers."""

from starlette.requests import Request
from starlette.responses import Response

from forums import accountability, action_plan, questions, registrations, schedule
from forums.pages import page


async def show(request: Request) -> Response:
    async with page.reading(request) as session:
        forum = await schedule.next_forum(session, now=page.now())
        commitments = await schedule.commitments_of(session, forum) if forum else []
        latest = await schedule.latest_minutes(session)
        asked, total = await questions.published(session, limit=4)
        states = await questions.states_of(session, asked)
        supports = await questions.support_counts(session, asked)
        plan = await action_plan.current_plan(session)
        promised = await action_plan.commitments_of(session, plan) if plan else []
        examined = await accountability.examinations(session, [each.id for each in promised], now=page.now())
    return page.show(
        request,
        "home/show.html",
        forum=forum,
        commitments=commitments,
        state=registrations.state_of(forum, now=page.now()) if forum else None,
        questions_open=questions.are_open(forum, now=page.now()) if forum else False,
        latest=latest,
        questions=asked,
        questions_total=total,
        states=states,
        supports=supports,
        plan=plan,
        commitment_count=len(promised),
        examined_count=len(examined),
    )
