"""A season in which every kind of public object is there once, beside what nobody may read of each kind.

Every private text is a `SECRET` followed by where it was put: whoever finds one in what is public knows what leaked.
"""

from datetime import date, timedelta
from itertools import count
from typing import Any

from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from forums.models import (
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemDocument,
    AgendaItemQuestion,
    AgendaVersion,
    Answer,
    AuditEvent,
    Axis,
    Comment,
    CommitmentAmendment,
    CommitmentContinuation,
    Consultation,
    Document,
    Evaluation,
    FollowUpChange,
    FollowUpForum,
    Forum,
    ForumCommitment,
    Indicator,
    Measurement,
    MeasurementChange,
    Milestone,
    Minutes,
    MinutesEntry,
    MinutesEntryCommitment,
    MinutesEntryQuestion,
    ProgressReport,
    QuestionInstitution,
    Speaker,
    Support,
)
from tests.factories import (
    NOW,
    a_commitment,
    a_follow_up,
    a_forum,
    a_member,
    a_plan,
    a_question,
    a_registration,
    a_season,
    an_agenda_item,
    an_institution,
    some_minutes,
)

SECRET = "Secretissime"
_numbers = count(1)


def secret(where: str) -> str:
    return f"{SECRET}-{where}-{next(_numbers)}"


async def put(session: AsyncSession, *rows: SQLModel) -> Any:
    session.add_all(rows)
    await session.flush()
    return rows[0]


async def an_open_season(session: AsyncSession) -> dict[str, Any]:
    """Everything, public and private. Returns what the chain of one question goes through, by the name of its file."""
    plan = await a_plan(session, summary="Vingt-et-un engagements.", sources=["https://exemple.fr/a,b|c"], starts_on=date(2018, 4, 3))
    axis = await put(session, Axis(plan_id=plan.id, number=1, title="Transparence"))
    commitment = await a_commitment(session, plan, 2, axis_id=axis.id, summary="=1+1 ne se calcule pas.", ogp_code="FR0031")
    await a_commitment(session, plan, 10)
    institution = await an_institution(session, "HATVP", leads=[commitment])
    await put(session, CommitmentContinuation(commitment_id=commitment.id, plan_slug="2015-2017", number=2))
    await put(session, Milestone(commitment_id=commitment.id, position=1, text="Publier.", state="done", done_on=date(2019, 1, 1)))
    indicator = await _followed(session, plan, commitment, institution)
    await _consulted(session, plan, commitment, institution)
    forum, question, item, entry = await _held(session, plan, commitment, institution)
    promise = await _promised(session, forum, entry, commitment, institution)
    await _nobody_reads(session, forum)
    return {
        "questions": question.code,
        "points": f"{forum.slug}/{item.number}",
        "passages": f"{forum.slug}/{entry.number}",
        "engagements": "2018-2020/2",
        "indicateurs": indicator.code,
        "suites": promise.code,
    }


async def _followed(session: AsyncSession, plan: Any, commitment: Any, institution: Any) -> Indicator:
    indicator = await put(
        session,
        Indicator(
            commitment_id=commitment.id, position=1, name="Marchés publiés", unit="%", baseline="10", target="100", periodicity="yearly"
        ),
    )
    held = {"indicator_id": indicator.id, "institution_id": institution.id}
    published = {
        "status": "published",
        "proposed_at": NOW,
        "published_at": NOW + timedelta(days=1),
        "corrected_at": NOW + timedelta(days=2),
    }
    measurement = await put(session, Measurement(**held, measured_on=date(2019, 1, 1), value="-12,5", source="Enquête", **published))
    hidden = Measurement(
        **held, measured_on=date(2020, 1, 1), value=secret("valeur"), source=secret("source"), note=secret("note"), status="proposed"
    )
    withdrawn = Measurement(**held, measured_on=date(2020, 6, 1), value=secret("valeur"), source=secret("source"), status="withdrawn")
    await put(session, hidden, withdrawn)
    steps = [("proposed", secret("valeur"), secret("source"), 0), ("published", "-12", "Enquête", 1), ("corrected", "-12,5", "Enquête", 2)]
    for kind, value, source, days in steps:
        change = {"measurement_id": measurement.id, "kind": kind, "value": value, "source": source, "at": NOW + timedelta(days=days)}
        await put(session, MeasurementChange(**change, reason=secret("raison") if kind == "proposed" else "Une faute de frappe."))
    gone = {"value": secret("valeur"), "source": secret("source"), "reason": secret("raison"), "at": NOW}
    await put(session, MeasurementChange(measurement_id=withdrawn.id, kind="published", **gone))
    report = {"commitment_id": commitment.id, "institution_id": institution.id, "period_end": date(2020, 1, 1)}
    evidence = [{"title": "Un rapport", "url": "https://exemple.fr/rapport"}]
    told = {"completion": "limited", "text": "Commencé.", "obstacles": "Le temps.", "evidence": evidence, "status": "published"}
    await put(session, ProgressReport(**report, **told, period_start=date(2018, 1, 1), published_at=NOW))
    untold = {
        "completion": "limited",
        "text": secret("texte"),
        "obstacles": secret("obstacle"),
        "evidence": [{"title": secret("preuve"), "url": ""}],
    }
    await put(session, ProgressReport(**report, **untold, period_start=date(2019, 1, 1)))
    await put(
        session, Evaluation(plan_id=plan.id, commitment_id=commitment.id, position=1, kind="independent", title="Rapport de l'expert")
    )
    await put(session, Evaluation(plan_id=plan.id, position=2, kind="self_assessment", title="Auto-évaluation", completion="substantial"))
    return indicator


async def _consulted(session: AsyncSession, plan: Any, commitment: Any, institution: Any) -> None:
    opened = {"opens_at": NOW, "closes_at": NOW + timedelta(days=30), "synthesis": secret("synthèse")}
    consultation = await put(session, Consultation(plan_id=plan.id, introduction="Que manque-t-il ?", **opened))
    changed = {"before": {"title": "Avant", "summary": ""}, "after": {"title": "Après", "summary": "Mieux dit."}}
    amendment = await put(session, CommitmentAmendment(commitment_id=commitment.id, at=NOW, reason="Trois commentaires.", **changed))
    for number, status in enumerate(("published", "unconfirmed", "pending", "declined")):
        public = status == "published"
        given = {
            "consultation_id": consultation.id,
            "commitment_id": commitment.id,
            "text": "Il manque un calendrier." if public else secret("commentaire"),
            "email": f"{secret('adresse')}@example.org",
            "author_key": secret("clé"),
            "text_hash": secret("empreinte"),
            "author_name": secret("auteur"),
            "organisation": secret("organisation"),
            "original_text": secret("texte d'origine"),
            "decline_reason": secret("raison"),
            "reply": secret("réponse"),
            "status": status,
            "decided_at": NOW,
        }
        await put(session, Comment(**given))
        if public:
            named = {
                "show_name": True,
                "author_name": "Camille",
                "organisation": "Une association",
                "reply": "Le voici.",
                "replied_at": NOW,
            }
            told = {"text_hash": f"nommé-{number}", "reply_institution_id": institution.id, "amendment_id": amendment.id}
            await put(session, Comment(**given | named | told))


async def _held(session: AsyncSession, plan: Any, commitment: Any, institution: Any) -> tuple[Any, Any, Any, Any]:
    season = await a_season(session, plan_id=plan.id)
    facts = {
        "organisers": ["Etalab", "HATVP, Paris"],
        "online_url": f"https://{secret('visio')}.example",
        "present": 42,
        "cancel_reason": None,
    }
    day = (NOW - timedelta(days=40)).date()
    forum = await a_forum(session, season=season, day=day, agenda_version=2, agenda_published_at=NOW, **facts)
    await put(session, ForumCommitment(forum_id=forum.id, commitment_id=commitment.id))
    question = await a_question(session, forum, commitment, **_private_of_a_question("publiée"), context="-12 % en un an ?")
    signed = await a_question(session, forum, commitment, "a@example.org", show_name=True, author_name="Camille Exemple", kind="idea")
    await put(
        session, Support(question_id=question.id, email_key=secret("clé"), email=f"{secret('adresse')}@example.org", confirmed_at=NOW)
    )
    await put(session, Support(question_id=question.id, email_key=secret("clé")))
    await put(session, QuestionInstitution(question_id=question.id, institution_id=institution.id))
    items = {}
    for version, title in ((0, secret("point préparé")), (1, secret("point d'avant")), (2, "Où en est la commande publique ?")):
        items[version] = item = await an_agenda_item(session, forum, version=version, title=title)
        document = {"forum_id": forum.id, "media_type": "text/csv", "size": 3, "content": secret("contenu").encode()}
        name = "Une note" if version == 2 else secret("document")
        held = await put(session, Document(**document, title=name, filename=f"{name}.csv".replace(" ", "-")))
        speaker = Speaker(
            agenda_item_id=item.id, position=1, name=secret("nom"), capacity="Cour des comptes" if version == 2 else secret("qualité")
        )
        links = {"agenda_item_id": item.id}
        await put(session, speaker, AgendaItemCommitment(**links, commitment_id=commitment.id))
        await put(session, AgendaItemQuestion(**links, question_id=question.id), AgendaItemDocument(**links, document_id=held.id))
    await put(session, AgendaVersion(forum_id=forum.id, number=2, published_at=NOW))
    await put(session, AgendaItem(forum_id=forum.id, version=0, number=9, position=9, title=secret("point préparé")))
    written = await some_minutes(session, forum, published_at=NOW)
    text = "Le ministère a répondu.\n\n- un\n- deux"
    entry = await put(session, MinutesEntry(minutes_id=written.id, number=1, text=text, agenda_item_id=items[0].id))
    await put(session, MinutesEntryCommitment(entry_id=entry.id, commitment_id=commitment.id))
    await put(session, MinutesEntryQuestion(entry_id=entry.id, question_id=question.id, outcome="deferred", deferred_to=date(2027, 6, 1)))
    answer = {"question_id": question.id, "institution_id": institution.id, "text": "Tout sera publié en juin.", "outcome": "partly"}
    await put(session, Answer(**answer, published_at=NOW - timedelta(days=1)))
    draft = {
        "question_id": signed.id,
        "institution_id": institution.id,
        "text": secret("réponse"),
        "outcome": "refused",
        "reason": secret("raison"),
    }
    await put(session, Answer(**draft))
    return forum, question, items[2], entry


def _private_of_a_question(where: str) -> dict[str, str]:
    names = ("author_key", "text_hash", "author_name", "original_text", "original_context")
    return {"email": f"{secret(where)}@example.org"} | {name: secret(f"{name} {where}") for name in names}


async def _promised(session: AsyncSession, forum: Forum, entry: Any, commitment: Any, institution: Any) -> Any:
    kept = {"status": "kept", "evidence": "La liste est en ligne.", "evidence_url": "https://exemple.fr/liste", "closed_at": NOW}
    promise = await a_follow_up(session, forum, entry, [commitment], institution_id=institution.id, due_on=date(2027, 3, 1), **kept)
    await a_follow_up(session, forum, entry, evidence=secret("preuve"), evidence_url=secret("adresse"), drop_reason=secret("raison"))
    for kind, text in (("proposed", secret("preuve proposée")), ("amended", "Publier une liste."), ("kept", "La liste est en ligne.")):
        url = secret("adresse") if kind == "proposed" else None
        await put(session, FollowUpChange(follow_up_id=promise.id, at=NOW, kind=kind, text=text, url=url))
    coming = await a_forum(session, number=2)
    await put(session, FollowUpForum(follow_up_id=promise.id, forum_id=coming.id, said=secret("dit avant le compte rendu")))
    await put(session, FollowUpForum(follow_up_id=promise.id, forum_id=forum.id, said="Elle est tenue.", entry_id=entry.id))
    return promise


async def _nobody_reads(session: AsyncSession, held: Forum) -> None:
    """What was declined, withdrawn, is being prepared, or says who people are."""
    target = await a_question(session, held, email="b@example.org")
    merged = {"status": "merged", "merged_into_id": target.id}
    await a_question(session, held, **merged | _private_of_a_question("réunie"))
    for status in ("unconfirmed", "pending", "declined", "unpublished"):
        words = {"text": secret(status), "context": secret(status), "decline_reason": secret(status), "status": status}
        await a_question(session, held, **words | _private_of_a_question(status))
    draft = await a_forum(
        session, number=3, status="draft", announced_at=None, **{name: secret(name) for name in ("theme", "place", "description")}
    )
    await a_question(session, draft, email="d@example.org")
    unseen = await a_season(session, "2028", title=secret("saison"))
    await a_forum(session, number=1, season=unseen, status="draft", announced_at=None, theme=secret("theme"))
    coming = await a_forum(session, number=4)
    unwritten = await put(session, Minutes(forum_id=coming.id, introduction=secret("introduction")))
    entry = await put(session, MinutesEntry(minutes_id=unwritten.id, number=1, title=secret("titre"), text=secret("passage")))
    published = await a_question(session, coming, email="e@example.org")
    await put(session, MinutesEntryQuestion(entry_id=entry.id, question_id=published.id, outcome="refused", reason=secret("raison")))
    await a_follow_up(session, coming, entry, text=secret("promesse"), owner=secret("porteur"), partners=secret("partenaires"))
    who = {"given_name": secret("prénom"), "family_name": secret("nom"), "organisation": secret("organisation"), "show_name": True}
    await a_registration(session, held, f"{secret('inscrit')}@example.org", **who, accessibility_needs=secret("besoin"))
    await a_member(session, f"{secret('membre')}@example.org")
    await put(session, AuditEvent(at=NOW, actor=secret("acteur"), verb="publish", subject=secret("objet"), detail=secret("détail")))
