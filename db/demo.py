"""A demonstration season around today: two forums held, one to come, one without a theme yet, one draft.

Everything goes through the rules people themselves use, at the dates they would have used them, so that
what the pages show could have happened. Everything is marked as invented: people, associations, places,
answers and figures stand for nobody, and no message is left to be sent to them.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import (
    action_plan,
    agenda,
    answers,
    consultations,
    follow_ups,
    indicators,
    minutes,
    progress,
    questions,
    registrations,
    schedule,
)
from forums.agenda import AgendaItemForm, DocumentForm, PublishForm
from forums.answers import AnswerForm
from forums.consultations import AmendmentForm, CallForm, CommentForm, DecisionForm, ReplyForm
from forums.database import Database
from forums.follow_ups import KeepForm, RecordForm, SaidForm
from forums.indicators import CorrectForm, MeasureForm
from forums.minutes import EntryForm
from forums.models import (
    ActionPlan,
    AgendaItem,
    Answer,
    Comment,
    Commitment,
    Consultation,
    FollowUp,
    Forum,
    Indicator,
    Member,
    Milestone,
    OutboxMessage,
    Question,
)
from forums.models.forum import PARIS
from forums.progress import ReportForm, StateForm
from forums.questions import DeclineForm, QuestionForm
from forums.registrations import RegistrationForm, WalkInForm
from forums.schedule import ForumForm
from forums.settings import ROOT, Settings

SLUG = "demonstration"
PLAN = "2018-2020"
STARTS, ENDS = time(18, 30), time(21, 0)
THURSDAY = 3


@dataclass(frozen=True)
class Asked:
    """A question as someone typed it, `ago` days before the questions were looked at together."""

    name: str
    ago: int
    commitment: int | None
    text: str
    context: str = ""
    author: str = ""
    idea: bool = False
    decided: bool = True
    declined: str = ""


@dataclass(frozen=True)
class Planned:
    """A point of the agenda, with the questions it takes up."""

    title: str
    starts: time
    ends: time
    kind: str = "plenary"
    track: str = ""
    description: str = ""
    commitments: tuple[int, ...] = ()
    questions: tuple[str, ...] = ()

    @property
    def minutes(self) -> int:
        return (self.ends.hour - self.starts.hour) * 60 + self.ends.minute - self.starts.minute


@dataclass(frozen=True)
class Said:
    """A passage of the minutes; `later` is what was added to it after publication."""

    title: str
    point: str
    text: str
    commitments: tuple[int, ...]
    questions: tuple[str, ...] = ()
    later: str = ""


@dataclass(frozen=True)
class Answered:
    """An institution's answer in writing, `days` after the evening; None for one still prepared.

    `until` counts the days from the day it is written, `later` is what was added a fortnight after publication.
    """

    question: str
    text: str
    days: int | None
    outcome: str = "answered"
    until: int | None = None
    reason: str = ""
    later: str = ""


@dataclass(frozen=True)
class Evening:
    """What one forum is about and what happens there."""

    theme: str
    description: str
    place: str
    commitments: tuple[int, ...]
    asked: tuple[Asked, ...]
    agenda: tuple[Planned, ...]
    participants: str | None = None
    welcomed: bool = False
    introduction: str = ""
    minutes: tuple[Said, ...] = ()
    answers: tuple[Answered, ...] = ()


@dataclass(frozen=True)
class Person:
    given_name: str
    family_name: str
    organisation: str = ""
    attendance: str = "on_site"
    needs: str = ""
    then: str = "confirms"
    named: bool = False


@dataclass(frozen=True)
class Followed:
    """An indicator and its values, from the oldest to the newest."""

    commitment: int
    name: str
    unit: str
    baseline: str
    target: str
    values: tuple[str, ...]
    ago: tuple[int, ...]
    """How many days ago each was measured."""
    note: str = ""
    corrected: tuple[str, str, str] | tuple[()] = ()
    """The value that was wrong, the right one, and why."""
    waiting: str = ""


@dataclass(frozen=True)
class Promised:
    """What was promised in a passage, due so many days after the evening; what was said of it next, and what closed it."""

    text: str
    passage: int
    commitments: tuple[int, ...]
    owner: str = ""
    partners: str = ""
    by_institution: bool = False
    due_in: int | None = None
    said: str = ""
    evidence: str = ""


Passage = tuple[EntryForm, AgendaItem, list[Commitment], list[Question]]


@dataclass(frozen=True)
class Scene:
    """What every scene needs: the session, the key that hashes addresses, the plan's commitments by number."""

    session: AsyncSession
    secret_key: str
    commitments: dict[int, Commitment]
    asked: dict[str, Question] = field(default_factory=dict)

    def about(self, numbers: Sequence[int]) -> list[Commitment]:
        return [self.commitments[number] for number in numbers]

    def published(self, names: Sequence[str]) -> list[Question]:
        return [self.asked[name] for name in names]


async def load(database: Database, settings: Settings, *, now: datetime) -> None:
    """Add the season, and the plan it is about when it is missing. Done twice, it changes nothing more."""
    async with database.transaction() as session:
        if not await schedule.season_slug_free(session, SLUG):
            return
        plan = await action_plan.plan_by_slug(session, PLAN) or await action_plan.load_plan(session, ROOT / "db" / "plans" / f"{PLAN}.yaml")
        commitments = {each.number: each for each in await action_plan.commitments_of(session, plan)}
        scene = Scene(session, settings.secret_key, commitments)
        forums = await _open_season(scene, plan, now)
        first, second, coming, unthemed, _draft = forums
        await _hold(scene, first, PROCUREMENT, now)
        await _hold(scene, second, ALGORITHMS, now)
        points = await _prepare(scene, coming, PROCEDURES, looked_at=now)
        await _revise(scene, coming, points, now)
        await _answer(scene, coming, PROCEDURES, now)
        await _fill_seats(scene, coming, now)
        await _promise(scene, first, PROMISED_FIRST, then=second)
        await _promise(scene, second, PROMISED_SECOND)
        await follow_ups.carry_by_itself(session, now=now)
        await schedule.announce(session, unthemed, now=now - timedelta(days=10))
        for indicator in INDICATORS:
            await _measure(scene, indicator, now)
        await _report(scene, now)
        await _call_for_comments(scene, now)
        await _leave_nothing_to_send(scene, forums)


# -- The season ----------------------------------------------------------------------------------------


async def _open_season(scene: Scene, plan: ActionPlan, now: datetime) -> list[Forum]:
    today = now.astimezone(PARIS).date()
    days = [_thursday(today - timedelta(days=ago), back=True) for ago in (112, 49)]
    days += [_thursday(today + timedelta(days=ahead)) for ahead in (18, 81, 144)]
    opened = now - timedelta(days=240)
    forums = await schedule.open_season(scene.session, "Saison de démonstration", SLUG, days, STARTS, ENDS, plan_id=plan.id, now=opened)
    season = await schedule.season_of(scene.session, forums[0])
    for row in (season, *forums):
        row.invented = True
        scene.session.add(row)
    return forums


def _thursday(day: date, *, back: bool = False) -> date:
    """The first Thursday people can come, from that day on, or back from it."""
    while day.weekday() != THURSDAY or schedule.warning(day):
        day += timedelta(days=-1 if back else 1)
    return day


# -- A forum, from its announcement to its minutes -------------------------------------------------------


async def _hold(scene: Scene, forum: Forum, evening: Evening, now: datetime) -> None:
    """A forum that took place. Its minutes come out four weeks later, and may be amended the week after."""
    assert forum.starts_at is not None
    points = await _prepare(scene, forum, evening, looked_at=forum.starts_at - timedelta(days=17))
    if evening.welcomed:
        await _welcome(scene, forum, forum.starts_at)
    out = min(forum.starts_at + timedelta(days=28), now)
    written = await minutes.begun(scene.session, forum)
    written.introduction, forum.participants = _text(evening.introduction), evening.participants
    for said in evening.minutes:
        await minutes.write(scene.session, written, *_passage(scene, points, said), now=out)
    await minutes.publish(scene.session, written, now=out)
    for number, said in enumerate(evening.minutes, start=1):
        if said.later and (entry := await minutes.entry_by_number(scene.session, written, number)):
            form, item, commitments, answered = _passage(scene, points, said)
            longer = form.model_copy(
                update={"text": f"{form.text}\n\n{_text(said.later)}", "comment": "Un complément demandé après la publication."}
            )
            amended_at = min(out + timedelta(days=6), now)
            await minutes.amend(scene.session, written, entry, longer, item, commitments, answered, now=amended_at)

    await _answer(scene, forum, evening, now)


async def _answer(scene: Scene, forum: Forum, evening: Evening, now: datetime) -> None:
    """The first of the institutions a question is put to writes an answer; an organiser publishes it."""
    assert forum.starts_at is not None
    organiser = Member(email="personne@example.org", role="organiser")
    for each in evening.answers:
        question = scene.asked[each.question]
        institution = (await answers.institutions_of(scene.session, question))[0]
        # By the minute, so that of two answers given the same day the order never depends on chance.
        written = min(forum.starts_at + timedelta(days=each.days, hours=16), now) if each.days is not None else now
        until = (written.astimezone(PARIS).date() + timedelta(days=each.until)).isoformat() if each.until else ""
        form = AnswerForm.model_validate(
            {"outcome": each.outcome, "text": _text(each.text), "deferred_to": until, "reason": _text(each.reason), "edition": 0}
        )
        work = await answers.assignment(scene.session, question.code, institution.slug, institutions=None)
        assert work is not None
        answer = await answers.write(scene.session, work, form, organiser, now=written)
        if each.days is not None:
            await answers.publish(scene.session, work, organiser, edition=1, now=written)
        if each.later:
            longer = form.model_copy(update={"text": f"{form.text}\n\n{_text(each.later)}", "edition": 2})
            await answers.write(scene.session, work, longer, organiser, now=min(written + timedelta(days=14), now))
        await scene.session.exec(update(Answer).where(col(Answer.id) == answer.id).values(invented=True))


def _passage(scene: Scene, points: dict[str, AgendaItem], said: Said) -> Passage:
    form = EntryForm(title=said.title, text=_text(said.text), agenda_item="")
    return form, points[said.point], scene.about(said.commitments), scene.published(said.questions)


async def _prepare(scene: Scene, forum: Forum, evening: Evening, *, looked_at: datetime) -> dict[str, AgendaItem]:
    """Announced, given a theme a fortnight later, asked questions, and given an agenda the day they are looked at."""
    await schedule.announce(scene.session, forum, now=looked_at - timedelta(days=50))
    form = ForumForm(
        theme=evening.theme,
        description=_text(evening.description),
        place=evening.place,
        address="1, rue de l'Exemple, 75000 Paris (adresse inventée)",
        online_url=f"https://visio.example.org/{forum.slug}",
        organisers="Équipe de démonstration, Collectif Données lisibles (association fictive)",
        capacity=60,
        remote_capacity=100,
    )
    await schedule.edit(scene.session, forum, form, scene.about(evening.commitments), now=looked_at - timedelta(days=36))
    for asked in evening.asked:
        await _ask(scene, forum, asked, now=looked_at - timedelta(days=asked.ago, minutes=len(asked.text)))
    points = {}
    for planned in evening.agenda:
        item = AgendaItemForm(
            title=planned.title, kind=planned.kind, track=planned.track, starts=planned.starts, length=planned.minutes,
            description=_text(planned.description),
        )  # fmt: skip
        links = scene.about(planned.commitments), scene.published(planned.questions)
        points[planned.title] = await agenda.add(scene.session, forum, item, *links, now=looked_at)
    await agenda.publish(scene.session, forum, now=looked_at - timedelta(hours=2))
    return points


async def _revise(scene: Scene, forum: Forum, points: dict[str, AgendaItem], now: datetime) -> None:
    """A second version: a speaker is known, a point takes longer and pushes the others, a document comes along."""
    stories, closing = points["De l'avis à l'amélioration : trois récits"], points["Restitution et suites"]
    for item, longer, speakers in ((stories, 5, "Camille Fictif, service d'exemple"), (closing, -5, "")):
        held = next(each for each in await agenda.points_of(scene.session, forum) if each.item.id == item.id)
        form = AgendaItemForm.model_validate(agenda.typed(held) | {"shift": "1", "speakers": speakers})
        form = form.model_copy(update={"length": (form.length or 0) + longer})
        await agenda.edit(scene.session, forum, item, form, held.commitments, held.questions, now=now)
    title = DocumentForm(doc_title="Trois avis et ce qu'ils ont changé (exemple inventé)")
    await agenda.attach(scene.session, forum, stories, title, "trois-avis.csv", THREE_OPINIONS.encode(), now=now)
    revision = PublishForm(comment="Les récits ont cinq minutes de plus, comme plusieurs personnes l'ont demandé.")
    await agenda.publish(scene.session, forum, revision, now=now)


async def _ask(scene: Scene, forum: Forum, asked: Asked, *, now: datetime) -> None:
    """Asked, confirmed by its author, then decided by a moderator the next morning unless it still waits."""
    email = f"{asked.name}@example.org"
    form = QuestionForm(
        kind="idea" if asked.idea else "question",
        text=asked.text,
        context=_text(asked.context),
        commitment=str(asked.commitment or ""),
        author_name=asked.author,
        show_name=bool(asked.author),
        email=email,
        site_web="",
    )
    about = scene.commitments[asked.commitment] if asked.commitment else None
    await questions.ask(scene.session, forum, about, form, language="fr", secret_key=scene.secret_key, now=now)
    question = await questions.confirm(scene.session, await _token(scene, forum, "confirm_question", email), now=now + timedelta(minutes=6))
    assert question is not None
    if asked.declined:
        await questions.decline(scene.session, question, DeclineForm(reason=_text(asked.declined)), now=now + timedelta(hours=17))
    elif asked.decided:
        await questions.publish(scene.session, question, now=now + timedelta(hours=17))
    # Decided later by whoever tries the product, it would be told to an address that does not exist.
    question.email, question.invented = None, True
    scene.session.add(question)
    scene.asked[asked.name] = question


async def _token(scene: Scene, forum: Forum, kind: str, email: str) -> str:
    """What the person would have found in the message."""
    query = select(OutboxMessage).where(OutboxMessage.kind == kind, OutboxMessage.recipient == email, OutboxMessage.forum_id == forum.id)
    return str((await scene.session.exec(query)).one().facts["token"])


# -- People, figures, and nothing to send ------------------------------------------------------------------


async def _fill_seats(scene: Scene, forum: Forum, now: datetime) -> None:
    for number, person in enumerate(PEOPLE, start=1):
        then = now - timedelta(days=1 + 20 * number / len(PEOPLE))
        email = f"{person.given_name}.{person.family_name}@example.org".lower()
        form = RegistrationForm(
            family_name=person.family_name,
            given_name=person.given_name,
            email=email,
            organisation=person.organisation,
            attendance=person.attendance,
            accessibility_needs=person.needs,
            show_name=person.named,
            site_web="",
        )
        await registrations.register(scene.session, forum, form, language="fr", secret_key=scene.secret_key, now=then)
        if person.then == "forgets":
            continue
        token = await _token(scene, forum, "confirm_registration", email)
        registration = await registrations.registration_of_link(scene.session, token, now=then)
        assert registration is not None
        await registrations.confirm(scene.session, registration.id, token, now=then + timedelta(minutes=4))
        if person.then == "gives up":
            await registrations.give_up(scene.session, registration.id, now=then + timedelta(hours=20))


async def _welcome(scene: Scene, forum: Forum, starts_at: datetime) -> None:
    """The evening at the door: those with a seat in the room, minute after minute, and two who had not registered."""
    await _fill_seats(scene, forum, starts_at)
    arriving = [each for each in await registrations.holders(scene.session, forum) if each.attendance == "on_site"]
    for number, person in enumerate(arriving):
        await registrations.check_in(scene.session, person.id, now=starts_at + timedelta(minutes=number - 10))
    for given_name, family_name in (("Ange", "Passage"), ("Mahé", "Hasard")):
        form = WalkInForm(given_name=given_name, family_name=family_name, organisation="", sending=given_name)
        await registrations.add_walk_in(scene.session, forum, form, now=starts_at)


async def _promise(scene: Scene, forum: Forum, promised: Sequence[Promised], *, then: Forum | None = None) -> None:
    """Noted with the minutes, taken up at the next forum, and closed there when something shows that it is kept."""
    written = await minutes.begun(scene.session, forum)
    assert forum.day is not None
    assert written.published_at is not None
    example = await action_plan.institution_called(scene.session, INSTITUTION)
    for each in promised:
        form = RecordForm(
            kind="cooperation" if each.partners else "promise",
            text=each.text,
            institution=example.slug if each.by_institution else "",
            owner=each.owner,
            partners=each.partners,
            due=forum.day + timedelta(days=each.due_in) if each.due_in else None,
            passage=str(each.passage),
        )
        entry = await minutes.entry_by_number(scene.session, written, each.passage)
        holder = example if each.by_institution else None
        follow_up = await follow_ups.record(
            scene.session, forum, form, holder, entry, scene.about(each.commitments), now=written.published_at
        )
        follow_up.invented = True
        scene.session.add(follow_up)
        if then is not None:
            await _take_up(scene, follow_up, then, each)


async def _take_up(scene: Scene, follow_up: FollowUp, forum: Forum, promised: Promised) -> None:
    assert forum.starts_at is not None
    written = await minutes.begun(scene.session, forum)
    promise = await follow_ups.promise_by_code(scene.session, follow_up.code)
    assert promise is not None
    await follow_ups.carry(scene.session, forum, [promise], now=forum.starts_at - timedelta(days=10))
    carried = next(each for each in await follow_ups.carried_to(scene.session, forum) if each.promise.follow_up.id == follow_up.id)
    said = SaidForm(said=promised.said, passage="1", edition=follow_up.edition)
    await follow_ups.say(scene.session, carried, said, await minutes.entry_by_number(scene.session, written, 1))
    if promised.evidence:
        form = KeepForm(evidence=promised.evidence, evidence_url=None, kept_at=forum.slug)
        await follow_ups.keep(scene.session, promise, form, forum, now=forum.starts_at + timedelta(days=1))


async def _measure(scene: Scene, followed: Followed, now: datetime) -> None:
    indicator = Indicator(
        commitment_id=scene.commitments[followed.commitment].id,
        added_here=True,
        position=1,
        name=followed.name,
        unit=followed.unit,
        baseline=followed.baseline,
        baseline_on=(now - timedelta(days=365)).date(),
        target=followed.target,
        target_on=(now + timedelta(days=365)).date(),
        periodicity="quarterly",
        first_due_on=(now - timedelta(days=300)).date(),
        source=INVENTED,
        invented=True,
    )
    scene.session.add(indicator)
    await scene.session.flush()
    for ago, value in zip(followed.ago, followed.values, strict=True):
        moment = now - timedelta(days=ago)
        form = _measure_form(moment.date(), value, followed.note if value == followed.values[-1] else "")
        held, _ = await indicators.propose(scene.session, indicator, form, None, publish=True, now=moment + timedelta(days=3))
        if followed.corrected and value == followed.corrected[0]:
            _wrong, right, reason = followed.corrected
            corrected = CorrectForm(value=right, source=INVENTED, source_url=None, note="", reason=reason, edition=held.edition)
            await indicators.correct(scene.session, held, corrected, now=moment + timedelta(days=12))
    if followed.waiting:
        carrier = (await action_plan.leads(scene.session, [scene.commitments[followed.commitment]]))[indicator.commitment_id][0]
        form = _measure_form((now - timedelta(days=2)).date(), followed.waiting, "")
        await indicators.propose(scene.session, indicator, form, carrier, now=now - timedelta(days=1))


async def _report(scene: Scene, now: datetime) -> None:
    """Two reports on a commitment, the older published; the plan's own milestones are left as they are, an invented one is added."""
    today = now.astimezone(PARIS).date()
    for position, (text, done_in, state, note) in enumerate(MILESTONES, start=MILESTONES_FROM):
        milestone = Milestone(
            commitment_id=scene.commitments[REPORTED].id,
            position=position,
            text=f"{text} ({INVENTED})",
            due_text=f"{(today + timedelta(days=done_in)):%d/%m/%Y}",
            due_on=today + timedelta(days=done_in),
        )
        scene.session.add(milestone)
        await scene.session.flush()
        done_on = today + timedelta(days=done_in + 12) if state == "done" else None
        form = StateForm(state=state, done_on=done_on, state_note=note, evidence_url=None, edition=0)
        await progress.say_state(scene.session, milestone, form, now=now - timedelta(days=20))
    carrier = (await action_plan.leads(scene.session, [scene.commitments[REPORTED]]))[scene.commitments[REPORTED].id][0]
    for months, completion, published, text, obstacles in REPORTS:
        end = today - timedelta(days=30 * months)
        form_of_report = ReportForm(
            institution="", period_start=end - timedelta(days=180), period_end=end, completion=completion, text=_text(text),
            obstacles=_text(obstacles), evidence=[("Page d'exemple", "https://exemple.example.org/bilan")], edition=0,
        )  # fmt: skip
        written = now - timedelta(days=30 * months - 10)
        report, _ = await progress.write(scene.session, scene.commitments[REPORTED], form_of_report, carrier, now=written)
        report.invented = True
        scene.session.add(report)
        if published:
            await progress.publish(scene.session, report, edition=0, now=written + timedelta(days=5))


def _measure_form(day: date, value: str, note: str) -> MeasureForm:
    return MeasureForm(measured_on=day, value=value, source=INVENTED, source_url=None, note=note, institution="", edition=0)


async def _call_for_comments(scene: Scene, now: datetime) -> None:
    """An invented draft plan, open to comments for two months: some published, one answered, one that changed a commitment."""
    opened = now - timedelta(days=30)
    plan = await action_plan.load_plan(scene.session, ROOT / "db" / "plans" / "projet-de-demonstration.yaml", now=opened)
    first, last = (f"{moment.astimezone(PARIS):%Y-%m-%d}" for moment in (opened, now + timedelta(days=30)))
    form = CallForm.model_validate({"introduction": _text(CALL), "opens": f"{first}T00:00", "closes": f"{last}T23:59", "edition": "0"})
    await consultations.settle(scene.session, plan, form)
    call = await consultations.call_on(scene.session, plan)
    assert call is not None
    call.invented = True
    scene.session.add(call)
    commitments = {each.number: each for each in await action_plan.commitments_of(scene.session, plan)}
    for asked in COMMENTS:
        await _comment(scene, plan, call, commitments.get(asked.commitment or 0), asked, now=now - timedelta(days=asked.ago))
    changed = commitments[1]
    led_by = (await scene.session.exec(select(Comment.code).where(Comment.commitment_id == changed.id))).all()
    typed = {"title": changed.title, "summary": AMENDED, "reason": WHY, "comments": led_by, "seen": consultations.seen(changed)}
    amendment = AmendmentForm.model_validate(typed)
    await consultations.amend(scene.session, plan, call, changed, amendment, now=now - timedelta(days=6))
    about_comments = col(OutboxMessage.kind).contains("comment") & col(OutboxMessage.recipient).endswith("@example.org")
    await scene.session.exec(delete(OutboxMessage).where(about_comments))


async def _comment(
    scene: Scene, plan: ActionPlan, call: Consultation, commitment: Commitment | None, asked: Asked, *, now: datetime
) -> None:
    email = f"{asked.name}@example.org"
    typed = {"text": asked.text, "author_name": asked.author, "organisation": "", "show_name": "1", "email": email, "site_web": ""}
    form = CommentForm.model_validate(typed)
    await consultations.comment(scene.session, call, plan, commitment, form, language="fr", secret_key=scene.secret_key, now=now)
    sent = select(OutboxMessage).where(OutboxMessage.kind == "confirm_comment", OutboxMessage.recipient == email)
    token = str((await scene.session.exec(sent)).one().facts["token"])
    comment = await consultations.confirm(scene.session, token, now=now + timedelta(minutes=6))
    assert comment is not None
    await scene.session.refresh(comment)
    if asked.decided:
        await consultations.publish(scene.session, comment, plan, DecisionForm(edition=0), now=now + timedelta(hours=17))
    if asked.context:  # what was replied
        institution = await action_plan.institution_called(scene.session, INSTITUTION) if commitment else None
        reply = ReplyForm(edition=1, reply=_text(asked.context), institution="")
        await consultations.reply(scene.session, comment, plan, institution, reply, now=now + timedelta(days=4))
    comment.email, comment.invented = None, True
    scene.session.add(comment)
    await scene.session.flush()


async def _leave_nothing_to_send(scene: Scene, forums: Sequence[Forum]) -> None:
    await scene.session.exec(delete(OutboxMessage).where(col(OutboxMessage.forum_id).in_([forum.id for forum in forums])))


def _text(markdown: str) -> str:
    """Markdown as it would have been typed: one line per paragraph or list item."""
    return re.sub(r"(?<!\n)\n(?=[^\n|>-])\s*", " ", textwrap.dedent(markdown).strip())


# -- What is said ------------------------------------------------------------------------------------------

INVENTED = "exemple inventé pour la démonstration"

INSTITUTION = "Administration d'exemple (fictive)"

CALL = """
Ce projet compte trois engagements **inventés**. Dites, pour chacun, ce qui vous paraît manquer, ce qui
ne pourra pas être vérifié, et ce que vous y changeriez. Chaque commentaire publié peut recevoir une
réponse, et conduire à une modification que l'on lit ici, avant et après.
"""

AMENDED = "Chaque démarche affiche le délai médian et le délai le plus long des douze derniers mois, mis à jour chaque mois."
WHY = "Une moyenne cache les cas extrêmes : le délai médian et le plus long les montrent."

COMMENTS = (
    Asked(
        "lecture",
        20,
        1,
        "Un délai moyen ne dit rien des dossiers oubliés. Affichez plutôt le délai médian, et le plus long.",
        context="""
        Vous avez raison : nous afficherons le délai médian et le plus long. La moyenne n'apporte rien de
        plus, elle disparaît.
        """,
        author="Association des lecteurs pressés (inventée)",
    ),
    Asked("relecture", 15, 2, "Dix formulaires par an, c'est peu. Dites au moins lesquels, et qui les choisit."),
    Asked("ensemble", 11, None, "Aucun des trois engagements n'a de date. Comment saurons-nous s'ils sont tenus ?"),
    Asked("refus", 2, 3, "Citer la règle, oui, mais aussi dire devant qui contester la décision.", decided=False),
)

PROMISED_FIRST = (
    Promised(
        "Écrire la consigne de saisie du numéro commun en une page, relue par le groupe de l'atelier A.",
        passage=5,
        commitments=(2,),
        by_institution=True,
        due_in=60,
        said="La consigne a été relue par quatre participants et tient sur une page.",
        evidence="La consigne d'une page a été lue en séance ; elle est jointe à l'invitation du forum suivant.",
    ),
    Promised(
        "Écrire une première lecture guidée d'une page, et la joindre au jeu de données d'exemple.",
        passage=5,
        commitments=(2,),
        by_institution=True,
        due_in=75,
        said="Pas encore écrite : les deux associations cherchent une date pour la relire ensemble.",
    ),
    Promised(
        "Réunir les communes présentes pendant une demi-journée, les fichiers ouverts sur la table.",
        passage=4,
        commitments=(7,),
        partners="trois communes fictives, Collectif Données lisibles (association fictive)",
        said="La demi-journée a eu lieu ; une deuxième est demandée, la coopération continue.",
    ),
)

PROMISED_SECOND = (
    Promised(
        "Corriger le modèle de fiche d'un algorithme et l'essayer avec deux services volontaires.",
        passage=6,
        commitments=(6,),
        by_institution=True,
        due_in=70,
    ),
    Promised(
        "Présenter la demi-page d'avant essai à la prochaine réunion sur l'engagement.",
        passage=6,
        commitments=(8,),
        owner="Groupe de l'atelier C (fictif)",
    ),
)

PROCUREMENT = Evening(
    theme="Suivre un marché public de bout en bout",
    description="""
        Un marché public laisse plusieurs traces : un avis, une attribution, parfois des modifications. Ce forum
        part d'un cas simple, suivre une même commande de sa publication à son dernier avenant, pour dire ensemble
        ce que les données permettent déjà et ce qui leur manque.

        Ouvert à toutes et à tous. Aucune connaissance technique n'est nécessaire : chaque atelier commence par une
        lecture à voix haute d'un exemple.
    """,
    place="Maison des associations (lieu d'exemple)",
    commitments=(2, 7),
    asked=(
        Asked(
            name="identifiant-commun",
            ago=27,
            commitment=2,
            text="Comment retrouver, pour un même marché, l'avis de publicité, l'attribution et les modifications ?",
            context="""
                Nous suivons les travaux de voirie de notre commune. Chaque étape est publiée à un endroit différent,
                et nous n'avons trouvé aucun numéro commun : nous rapprochons les lignes à la main.
            """,
            author="Les Promeneurs du canal (association fictive)",
        ),
        Asked(
            name="montant-faux",
            ago=21,
            commitment=2,
            text="À qui signaler un montant manifestement faux dans un fichier de marchés, et comment savoir s'il a été corrigé ?",
            author="Camille Exemple",
        ),
        Asked(
            name="petite-commune",
            ago=16,
            commitment=7,
            text="Quelle aide une commune de quelques milliers d'habitants peut-elle recevoir pour publier ses données sans recruter ?",
            context="""
                Notre secrétariat compte deux personnes. Nous voulons bien publier, mais nous ne savons ni par quel
                fichier commencer ni à qui demander une relecture.
            """,
        ),
        Asked(
            name="lecture-guidee",
            ago=9,
            commitment=2,
            text="Accompagner chaque jeu de données de marchés d'une lecture guidée d'une page, écrite avec des associations.",
            author="Collectif Données lisibles (association fictive)",
            idea=True,
        ),
    ),
    agenda=(
        Planned("Accueil et tour de salle", time(18, 30), time(18, 45)),
        Planned(
            "Où en est la transparence de la commande publique ?",
            time(18, 45),
            time(19, 10),
            description="Ce qui était promis, ce qui est fait, ce qui reste à faire ; puis les premières questions de la salle.",
            commitments=(2,),
        ),
        Planned(
            "Atelier A : un marché, toutes ses étapes",
            time(19, 15),
            time(20, 10),
            kind="workshop",
            track="Salle 1",
            description="À partir d'un marché d'exemple imprimé sur papier, remettre les étapes dans l'ordre et noter ce qui manque.",
            commitments=(2,),
            questions=("identifiant-commun", "montant-faux"),
        ),
        Planned(
            "Atelier B : publier quand on est une petite commune",
            time(19, 15),
            time(20, 10),
            kind="workshop",
            track="Salle 2",
            description="Trois communes fictives, trois situations : que publier d'abord, avec qui, en combien de temps ?",
            commitments=(7,),
            questions=("petite-commune", "lecture-guidee"),
        ),
        Planned("Pause", time(20, 10), time(20, 20), kind="break"),
        Planned("Restitution et suites", time(20, 20), time(21, 0), kind="restitution", commitments=(2, 7)),
    ),
    participants="une trentaine de personnes sur place, une vingtaine à distance",
    introduction="""
        Ce compte rendu est un exemple : la réunion, les personnes, les réponses et les dates sont inventées. Il montre
        comment une question posée à l'avance se retrouve dans l'ordre du jour, puis dans une réponse, puis sur la page
        de l'engagement qu'elle concerne.
    """,
    minutes=(
        Said(
            title="Ce que la salle attend des données",
            point="Où en est la transparence de la commande publique ?",
            commitments=(2,),
            text="""
                L'équipe qui présentait a rappelé l'objet de l'engagement, puis a laissé la parole à la salle. Trois
                attentes sont revenues :

                - un **identifiant commun** à toutes les étapes d'un marché ;
                - une **date de mise à jour** visible sur chaque fichier, et pas seulement sur la page qui le présente ;
                - une **adresse unique** pour signaler une erreur.

                > « Ce n'est pas le volume qui nous manque, c'est le fil qui relie les fichiers. »
            """,
        ),
        Said(
            title="Retrouver un même marché d'un fichier à l'autre",
            point="Atelier A : un marché, toutes ses étapes",
            commitments=(2,),
            questions=("identifiant-commun",),
            text="""
                Le groupe a reconstitué le parcours d'un marché d'exemple. Aucune étape ne portait le numéro de la
                précédente ; le rapprochement s'est fait sur le nom de l'acheteur, l'objet et la date.

                | Étape | Ce qu'on y lit | Ce qui manque |
                | --- | --- | --- |
                | Avis | l'objet, la date limite | le numéro qui servira ensuite |
                | Attribution | le titulaire, le montant | le renvoi vers l'avis |
                | Modification | le nouveau montant | la raison, le montant d'origine |

                **Réponse donnée en séance.** Un numéro commun est possible à condition que le logiciel de l'acheteur le
                transmette dès l'avis. La proposition du groupe est de l'écrire dans les consignes de saisie, avec un
                exemple rempli, plutôt que de corriger les fichiers après coup.
            """,
        ),
        Said(
            title="Signaler une erreur et voir qu'elle est corrigée",
            point="Atelier A : un marché, toutes ses étapes",
            commitments=(2,),
            questions=("montant-faux",),
            text="""
                Une participante a montré un montant cent fois trop grand, sans doute saisi en centimes. Elle avait
                écrit à trois adresses différentes, sans savoir laquelle était la bonne.

                **Réponse donnée en séance.** C'est l'acheteur qui corrige, puisque c'est lui qui connaît le montant.
                La page du jeu de données peut en revanche recevoir le signalement, le transmettre et afficher deux
                dates : celle du signalement et celle de la correction.
            """,
            later="""
                *Précision apportée après publication :* le signalement peut rester anonyme ; seule la correction est
                datée et signée par l'acheteur.
            """,
        ),
        Said(
            title="Publier sans recruter",
            point="Atelier B : publier quand on est une petite commune",
            commitments=(7,),
            questions=("petite-commune",),
            text="""
                Les trois situations étudiées conduisent au même ordre :

                - commencer par un fichier que la commune tient déjà à jour pour elle-même ;
                - le publier tel quel, avec une phrase qui dit ce qu'il contient et ce qu'il ne contient pas ;
                - demander une relecture à la commune voisine avant d'ajouter un deuxième fichier.

                **Réponse donnée en séance.** L'accompagnement le plus utile n'est pas un guide de plus, mais une
                demi-journée à plusieurs communes, avec les fichiers ouverts sur la table. Une première demi-journée est
                proposée à celles qui étaient présentes.
            """,
        ),
        Said(
            title="Ce qui est repris",
            point="Restitution et suites",
            commitments=(2, 7),
            questions=("lecture-guidee",),
            text="""
                Chaque groupe a retenu une suite, avec une personne pour la porter et une date pour en reparler.

                - **Consigne de saisie du numéro commun** : une page, relue par le groupe de l'atelier A, présentée au
                forum suivant.
                - **Lecture guidée d'une page** : l'idée est retenue ; une première lecture est écrite avec deux
                associations et jointe au jeu de données d'exemple.
                - **Demi-journée entre communes** : une date est proposée dans le mois.

                La correction affichée avec ses deux dates n'a pas trouvé de porteur. Elle reste ouverte.
            """,
        ),
    ),
    answers=(
        Answered(
            "identifiant-commun",
            """
                Réponse d'exemple. Le numéro commun figure dans les consignes de saisie relues par l'atelier. Les marchés
                publiés avant ces consignes ne seront pas renumérotés : le rapprochement par acheteur, objet et date reste
                décrit dans la notice du jeu de données.
            """,
            days=33,
            later="*Correction :* la notice précise désormais comment lire un numéro absent.",
        ),
        Answered(
            "montant-faux",
            "Réponse d'exemple. L'adresse de signalement est choisie ; l'affichage des deux dates n'est pas encore développé.",
            days=35,
            outcome="partly",
            reason="La date à laquelle l'affichage sera disponible.",
        ),
        Answered(
            "petite-commune",
            "Réponse d'exemple. Le calendrier des prochaines demi-journées entre communes n'est pas arrêté.",
            days=36,
            outcome="deferred",
            until=30,
            reason="Les dates dépendent des communes qui accueillent.",
        ),
    ),
)

ALGORITHMS = Evening(
    theme="Expliquer une décision prise avec un algorithme",
    description="""
        Une lettre annonce une décision et mentionne un traitement algorithmique. Que doit-elle dire de plus pour que
        la personne comprenne, vérifie et puisse contester ? Ce forum réunit des personnes concernées, des agents qui
        écrivent ces lettres et des équipes qui publient des codes sources.

        Les lettres lues pendant la soirée sont inventées.
    """,
    place="Bibliothèque de quartier (lieu d'exemple)",
    commitments=(6, 8),
    asked=(
        Asked(
            name="mention",
            ago=26,
            commitment=6,
            text="Quand un algorithme a servi à une décision qui me concerne, où est-ce écrit et comment demander l'explication ?",
            author="Alix Exemple",
        ),
        Asked(
            name="fiche-modele",
            ago=22,
            commitment=6,
            text="Existe-t-il un modèle de fiche qu'un service peut remplir pour décrire un algorithme sans être informaticien ?",
            context="""
                Je travaille dans un service de taille moyenne. On nous demande d'expliquer un calcul que nous avons
                commandé à un prestataire, et nous ne savons pas quelles questions lui poser.
            """,
        ),
        Asked(
            name="codes-publies",
            ago=17,
            commitment=6,
            text="Lorsqu'un code source public est publié, qui lit les propositions de correction et dans quel délai ?",
            author="Atelier Codes ouverts (association fictive)",
        ),
        Asked(
            name="evaluation-ia",
            ago=12,
            commitment=8,
            text="Les expérimentations d'intelligence artificielle annoncent-elles, avant de commencer, ce qui les ferait arrêter ?",
            context="""
                Un bilan écrit à la fin trouve toujours des raisons de continuer. Nous proposons que les critères soient
                publics dès le premier jour.
            """,
            author="Cercle Regards croisés (association fictive)",
        ),
        Asked(
            name="formation-accueil",
            ago=7,
            commitment=6,
            text="Les agents d'accueil sont-ils formés à répondre à une personne qui demande « comment la machine a calculé » ?",
        ),
    ),
    agenda=(
        Planned("Accueil, et ce qui a été promis la dernière fois", time(18, 30), time(18, 50), kind="follow_ups", commitments=(2,)),
        Planned(
            "Lecture à voix haute : deux lettres, deux explications",
            time(18, 50),
            time(19, 15),
            description="Deux versions inventées d'une même lettre. La salle dit ce qu'elle comprend, puis ce qu'elle aurait voulu savoir.",
            commitments=(6,),
            questions=("mention",),
        ),
        Planned(
            "Atelier A : la fiche d'un algorithme, en une page",
            time(19, 20),
            time(20, 15),
            kind="workshop",
            track="Salle de lecture",
            commitments=(6,),
            questions=("fiche-modele", "formation-accueil"),
        ),
        Planned(
            "Atelier B : publier un code, répondre à qui le lit",
            time(19, 20),
            time(20, 15),
            kind="workshop",
            track="Salle informatique",
            commitments=(6,),
            questions=("codes-publies",),
        ),
        Planned(
            "Atelier C : décider avant d'expérimenter",
            time(19, 20),
            time(20, 15),
            kind="workshop",
            track="Petit salon",
            commitments=(8,),
            questions=("evaluation-ia",),
        ),
        Planned("Restitution et suites", time(20, 20), time(21, 0), kind="restitution", commitments=(6, 8)),
    ),
    welcomed=True,
    introduction="""
        Ce compte rendu est un exemple : la réunion, les personnes, les lettres, les réponses et les dates sont
        inventées. Une question n'a pas pu être traitée faute de temps ; elle reste affichée comme en attente.
    """,
    minutes=(
        Said(
            title="Suites du forum précédent",
            point="Accueil, et ce qui a été promis la dernière fois",
            commitments=(2,),
            text="""
                La consigne de saisie du numéro commun a été relue par quatre participants et tient sur une page. La
                demi-journée entre communes a eu lieu ; une deuxième est demandée. La correction affichée avec ses deux
                dates attend toujours quelqu'un pour la porter : la question est reposée à la salle.
            """,
        ),
        Said(
            title="Trouver la mention, demander l'explication",
            point="Lecture à voix haute : deux lettres, deux explications",
            commitments=(6,),
            questions=("mention",),
            text="""
                La première lettre plaçait la mention en note de bas de page ; presque personne ne l'avait vue. La
                seconde la plaçait sous le montant, en deux phrases, avec une adresse où demander le détail du calcul.

                **Réponse donnée en séance.** La mention se lit là où se lit le résultat. La demande d'explication peut
                se faire par écrit, sans formulaire ; la réponse dit quelles données ont compté, et comment.

                La salle demande que la lettre donne aussi un **exemple chiffré**, sur un cas inventé, que chacun puisse
                refaire.
            """,
        ),
        Said(
            title="Une fiche en une page",
            point="Atelier A : la fiche d'un algorithme, en une page",
            commitments=(6,),
            questions=("fiche-modele",),
            text="""
                Le groupe a rempli puis raturé un premier modèle. Il reste six rubriques : à quoi sert le calcul, qui
                décide à la fin, quelles données entrent, quelles données n'entrent pas, ce qui change le plus le
                résultat, à qui écrire.

                **Réponse donnée en séance.** Un service peut remplir cette fiche sans lire le code, à condition de poser
                les six questions au prestataire *avant* la commande. Le modèle corrigé est joint à la prochaine
                invitation.
            """,
        ),
        Said(
            title="Publier un code, puis répondre",
            point="Atelier B : publier un code, répondre à qui le lit",
            commitments=(6,),
            questions=("codes-publies",),
            text="""
                Deux équipes ont raconté la suite d'une publication. Dans l'un des récits, une proposition de correction
                est restée sans réponse parce que personne n'était désigné pour la lire.

                **Réponse donnée en séance.** Le groupe propose trois lignes en tête de chaque dépôt :

                - qui répond, par fonction plutôt que par nom ;
                - sous quel délai une première réponse est donnée ;
                - ce qui ne sera pas accepté, et pourquoi.
            """,
        ),
        Said(
            title="Dire d'avance ce qui ferait arrêter",
            point="Atelier C : décider avant d'expérimenter",
            commitments=(8,),
            questions=("evaluation-ia",),
            text="""
                Le groupe a écrit, pour une expérimentation inventée, une demi-page à publier avant le premier essai : ce
                qui est attendu, ce qui sera mesuré, par qui, et à partir de quel résultat l'essai s'arrête.

                **Réponse partielle.** Publier les critères d'avance a paru faisable à tout le monde. Publier les résultats
                d'un essai arrêté a fait débat : certains y voient un encouragement à ne plus rien essayer. Le point
                sera repris à un prochain forum.
            """,
        ),
        Said(
            title="Ce qui est repris",
            point="Restitution et suites",
            commitments=(6, 8),
            text="""
                - **Modèle de fiche** : version corrigée dans le mois, essayée par deux services volontaires.
                - **Trois lignes en tête de dépôt** : le texte est proposé aux équipes qui publient déjà.
                - **Demi-page d'avant essai** : présentée à la prochaine réunion sur l'engagement.

                La formation des agents d'accueil n'a pas été abordée. La question reste en attente et sera proposée à un
                prochain ordre du jour.
            """,
        ),
    ),
    answers=(
        Answered(
            "codes-publies",
            "Réponse d'exemple. Les équipes concernées sont consultées sur les trois lignes proposées par l'atelier.",
            days=30,
            outcome="deferred",
            until=120,
            reason="Toutes les équipes doivent donner leur accord.",
        ),
        Answered(
            "evaluation-ia",
            "",
            days=31,
            outcome="refused",
            reason="""
                Réponse d'exemple. Les résultats d'un essai arrêté contiennent des éléments couverts par le secret des
                affaires d'un prestataire ; seuls les critères d'arrêt sont publiés.
            """,
        ),
    ),
)

PROCEDURES = Evening(
    theme="Démarches en ligne : que deviennent les avis des usagers ?",
    description="""
        On demande souvent un avis à la fin d'une démarche. Ce forum suit cet avis : qui le lit, ce qu'il change, et
        comment celle ou celui qui l'a écrit peut le savoir. On y parlera aussi des indicateurs affichés à l'accueil des
        services, et de ce que deviennent les données lorsqu'une information n'est demandée qu'une fois.

        Trois ateliers en parallèle, sur place et à distance. La salle est de plain-pied ; les échanges en plénière
        sont transcrits en direct.
    """,
    place="Salle commune du Tiers-lieu des Essais (lieu d'exemple)",
    commitments=(1, 11, 13, 15),
    asked=(
        Asked(
            name="indicateurs-accueil",
            ago=29,
            commitment=1,
            text="Les indicateurs affichés à l'accueil d'un service sont-ils ceux publiés en ligne, et de quand datent-ils ?",
            context="""
                Dans un même bâtiment, nous avons lu deux temps d'attente moyens différents, l'un au mur, l'autre sur le
                site. Aucun des deux ne portait de date.
            """,
            author="Usagers des guichets (association fictive)",
        ),
        Asked(
            name="lecteur-d-ecran",
            ago=25,
            commitment=13,
            text="Quand une personne signale qu'une démarche ne fonctionne pas avec un lecteur d'écran, qui le lit et sous quel délai ?",
            author="Dominique Exemple",
        ),
        Asked(
            name="abandons",
            ago=22,
            commitment=13,
            text="Comment sont comptées les personnes qui abandonnent une démarche avant la fin, et à quelle étape ?",
        ),
        Asked(
            name="phrase-de-suite",
            ago=19,
            commitment=1,
            text="Afficher, à côté de chaque résultat, une phrase qui dit ce que le service compte changer d'ici la prochaine mesure.",
            author="Usagers des guichets (association fictive)",
            idea=True,
        ),
        Asked(
            name="dossier-personnel",
            ago=17,
            commitment=None,
            text="Pouvez-vous me dire où en est ma demande d'aide, déposée il y a deux mois ?",
            declined="""
                Le forum ne peut pas traiter un dossier personnel, et votre question serait publique. Le service qui a
                reçu votre demande peut vous répondre.
            """,
        ),
        Asked(
            name="une-seule-fois",
            ago=14,
            commitment=11,
            text="Comment savoir quelles administrations ont échangé mes données pour m'éviter de les donner deux fois, et pourquoi ?",
            context="""
                Ne plus fournir dix fois le même justificatif est un progrès. Mais nous voudrions pouvoir lire la liste
                des échanges, comme on lit un relevé de compte.
            """,
            author="Cercle Regards croisés (association fictive)",
        ),
        Asked(
            name="apres-la-consultation",
            ago=11,
            commitment=15,
            text="Après une consultation en ligne, où lit-on ce qui a été retenu, ce qui ne l'a pas été, et pour quelle raison ?",
        ),
        Asked(
            name="liste-a-telecharger",
            ago=8,
            commitment=13,
            text="La liste des démarches en ligne pourra-t-elle être téléchargée avec l'historique de ses changements ?",
            author="Atelier Codes ouverts (association fictive)",
        ),
        Asked(
            name="dix-minutes",
            ago=5,
            commitment=12,
            text="Réserver les dix premières minutes de chaque forum aux suites données au forum précédent.",
            author="Camille Exemple",
            idea=True,
        ),
        Asked(
            name="avis-negatifs",
            ago=3,
            commitment=13,
            text="Les avis négatifs sont-ils publiés comme les autres, et qui décide de ne pas en publier un ?",
            decided=False,
        ),
        Asked(
            name="sans-internet",
            ago=2,
            commitment=1,
            text="La satisfaction des personnes qui ne passent pas par internet est-elle mesurée, et par qui ?",
            context="Nous tenons une permanence d'aide aux démarches : ces personnes ne reçoivent jamais de questionnaire.",
            author="La Permanence du samedi (association fictive)",
            decided=False,
        ),
        Asked(
            name="outil-ouvert",
            ago=1,
            commitment=15,
            text="Proposer une liste publique des outils de consultation, avec ce que chacun permet de vérifier.",
            idea=True,
            decided=False,
        ),
    ),
    agenda=(
        Planned(
            "Accueil, et suites du forum précédent",
            time(18, 30),
            time(18, 50),
            kind="follow_ups",
            description="Le modèle de fiche, les trois lignes en tête de dépôt, la demi-page d'avant essai : où en est-on ?",
            commitments=(12,),
            questions=("dix-minutes",),
        ),
        Planned(
            "De l'avis à l'amélioration : trois récits",
            time(18, 50),
            time(19, 15),
            description="Un avis suivi d'effet, un avis resté sans réponse, un avis mal compris. Dix minutes de questions.",
            commitments=(1, 13),
        ),
        Planned(
            "Atelier A : des indicateurs qui se comprennent",
            time(19, 20),
            time(20, 15),
            kind="workshop",
            track="Grande salle",
            description="Réécrire ensemble trois affiches d'accueil : le chiffre, sa date, et ce qui va changer.",
            commitments=(1,),
            questions=("indicateurs-accueil", "phrase-de-suite"),
        ),
        Planned(
            "Atelier B : signaler un blocage, voir la réponse",
            time(19, 20),
            time(20, 15),
            kind="workshop",
            track="Salle du fond et à distance",
            description="Suivre un signalement pas à pas, au clavier et au lecteur d'écran, et noter où il se perd.",
            commitments=(13,),
            questions=("lecteur-d-ecran", "abandons"),
        ),
        Planned(
            "Atelier C : ce que deviennent mes données et mon avis",
            time(19, 20),
            time(20, 15),
            kind="workshop",
            track="Mezzanine",
            commitments=(11, 15),
            questions=("une-seule-fois", "apres-la-consultation"),
        ),
        Planned("Pause", time(20, 15), time(20, 25), kind="break"),
        Planned("Restitution et suites", time(20, 25), time(21, 0), kind="restitution", commitments=(1, 11, 13, 15)),
    ),
    answers=(
        Answered(
            "lecteur-d-ecran",
            """
                Réponse d'exemple, en préparation. Un signalement est lu par l'équipe de la démarche. Il reste à vérifier :

                - le délai tenu ces six derniers mois ;
                - qui répond quand l'équipe est un prestataire.
            """,
            days=None,
        ),
    ),
)

THREE_OPINIONS = """recit,ce_qui_etait_dit,ce_qui_a_change
1,"L'attente au guichet n'est annoncée nulle part","Une affiche donne l'attente de la veille"
2,"Le formulaire redemande une pièce déjà donnée","Rien encore"
3,"Le courrier ne dit pas à qui répondre","Le nom du service est en tête"
"""

PEOPLE = (
    Person("Yael", "Temoin", attendance="remote", then="forgets"),
    Person("Alix", "Exemple", "Usagers des guichets (association fictive)", named=True),
    Person("Camille", "Fictif"),
    Person("Dominique", "Exemple", needs="Transcription en direct, si possible avec un écran proche de ma place."),
    Person("Sacha", "Inventaire", "Atelier Codes ouverts (association fictive)", attendance="remote"),
    Person("Claude", "Modele", "Service d'exemple"),
    Person("Charlie", "Factice", "La Permanence du samedi (association fictive)"),
    Person("Maxence", "Specimen", attendance="remote"),
    Person("Lou", "Essai", "Cercle Regards croisés (association fictive)", named=True),
    Person("Noa", "Maquette", then="gives up"),
    Person("Andrea", "Brouillon", "Service d'exemple", attendance="remote"),
    Person("Eden", "Prototype", "Collectif Données lisibles (association fictive)"),
    Person("Morgan", "Fictif", needs="J'arrive en fauteuil roulant."),
    Person("Swann", "Exemple", "Les Promeneurs du canal (association fictive)"),
)

# Whose progress the demonstration reports, in milestones and reports far from the plan's own.
REPORTED, MILESTONES_FROM = 6, 101

MILESTONES = (
    ("Essayer la fiche d'une page avec deux services", -60, "done", "Deux services l'ont essayée ; la fiche a gagné un exemple."),
    ("Publier les dix premières fiches", -15, "under_way", "Neuf fiches sont en ligne, la dixième est relue."),
    ("Faire relire les fiches par des personnes qui n'en savent rien", 90, "not_started", ""),
)

REPORTS = (
    (
        6,
        "limited",
        True,
        """
        La fiche d'une page existe et deux services l'ont essayée. Cinq algorithmes de l'exemple y sont décrits.
        """,
        """
        Les services ne savent pas encore qui, chez eux, doit relire la fiche avant sa publication.
        """,
    ),
    (
        1,
        "substantial",
        False,
        """
        Neuf fiches sont en ligne, chacune relue par le service qui emploie l'algorithme.
        """,
        "",
    ),
)

INDICATORS = (
    Followed(
        2,
        "Marchés de l'exemple dont toutes les étapes portent le même numéro",
        "%",
        "0",
        "80",
        ("4", "12", "37", "41"),
        (270, 180, 90, 30),
        corrected=("37", "27", "Les marchés sans numéro n'étaient pas comptés dans le total."),
        note="Compté sur les marchés inventés de l'exemple, avenants compris.",
    ),
    Followed(
        6, "Algorithmes de l'exemple décrits par une fiche d'une page", "fiches", "0", "20", ("2", "5", "9"), (330, 250, 190), waiting="11"
    ),
    Followed(
        13,
        "Signalements de l'exemple qui ont reçu une réponse en moins de quinze jours",
        "%",
        "35",
        "90",
        ("38", "52,5", "61"),
        (180, 90, 30),
    ),
)
