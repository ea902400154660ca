"""What was asked and answered, and what was promised: questions once moderated, answers and promises once published.

A question declined or withdrawn is not here, nor is an answer being prepared, nor the evidence an institution
proposes. Supports are a number.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from sqlalchemy import case, func, literal_column, null, or_
from sqlalchemy import select as plain_select
from sqlalchemy.orm import aliased
from sqlmodel import col

from forums.follow_ups.queries import is_public
from forums.language import N_
from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemQuestion,
    Answer,
    Commitment,
    FollowUp,
    FollowUpChange,
    FollowUpCommitment,
    FollowUpForum,
    Forum,
    Institution,
    Minutes,
    MinutesEntry,
    Question,
    QuestionInstitution,
    Support,
)
from forums.open_data.columns import Column, Row, announced, fixed, in_french, joined, rank, text
from forums.open_data.forums_held import FORUM, of_question
from forums.open_data.minutes_written import OUTCOMES, PASSAGE, Outcome
from forums.open_data.plans import COMMITMENT, of_commitment
from forums.standing_tables import STANDING

FOLLOW_UPS = {"promise": "promesse", "cooperation": "cooperation"}
STATES = {"open": "ouverte", "kept": "tenue", "dropped": "abandonnee"}
CHANGES = {"kept": "tenue", "dropped": "abandonnee", "reopened": "rouverte", "amended": "modifiee"}

Kept = aliased(Question)
Later = aliased(Forum)
SUPPORTS = (
    plain_select(func.count())
    .where(col(Support.question_id) == col(Question.id), col(Support.confirmed_at).is_not(None))
    .correlate(Question)
    .scalar_subquery()
)
_ANNOUNCED = (
    plain_select(col(AgendaItemQuestion.question_id))
    .join(AgendaItem, col(AgendaItem.id) == col(AgendaItemQuestion.agenda_item_id))
    .join(Later, col(Later.id) == col(AgendaItem.forum_id))
    .where(col(AgendaItem.version) == col(Later.agenda_version), col(AgendaItem.version) > literal_column("0"), announced(Later))
    .where(col(AgendaItemQuestion.question_id) == col(Question.id))
    .correlate(Question)
)
# What is kept of it says which few are to be looked at: those an agenda takes up, of a forum announced or not yet.
ON_AGENDA = (STANDING.c.taken_up == literal_column("1")) & _ANNOUNCED.exists()
SITUATION: Any = case(
    (col(Question.status) == fixed("merged"), null()),
    *((STANDING.c.state == fixed(word), fixed(french)) for word, french in OUTCOMES.items()),
    (ON_AGENDA, fixed("a_l_ordre_du_jour")),
    else_=fixed("en_attente"),
)


def _standing_is(french: str) -> Any:
    """The questions that stand there, by what is kept of each."""
    state = next((word for word, name in OUTCOMES.items() if name == french), "waiting")
    published, there = col(Question.status) == fixed("published"), STANDING.c.state == fixed(state)
    if state != "waiting":
        return published & there
    # A question of which nothing is kept would wait too: there is none, but SQLite then goes through them in their order.
    waits = published & (there | STANDING.c.state.is_(None))
    return waits & (ON_AGENDA if french == "a_l_ordre_du_jour" else ~ON_AGENDA)


SITUATION.found_by = _standing_is
WRITTEN = col(Minutes.published_at).is_not(None)
TOLD = or_(WRITTEN, col(Forum.minutes_elsewhere).is_not(None))


class Questions(Row):
    file = "questions"
    title = N_("Questions et idées")
    about = N_("Les questions et les idées publiées, et celles réunies à une autre, avec leurs soutiens et où elles en sont.")
    order = ("publiee_le", "code")
    day = "publiee_le"
    follows = ("reponses", "comptes-rendus")

    code: Annotated[str, Column("Code", "Code de la question, qui ne change pas.", col(Question.code), key=True)]
    nature: Annotated[
        Literal["question", "idee"],
        Column("Nature", "Question ou idée.", in_french(Question.kind, {"question": "question", "idea": "idee"})),
    ]
    etat: Annotated[
        Literal["publiee", "reunie"],
        Column("État", "Publiée, ou réunie à une autre.", in_french(Question.status, {"published": "publiee", "merged": "reunie"})),
    ]
    reunie_a: Annotated[
        str | None,
        Column("Réunie à", "La question qui a reçu ses soutiens ; vide si elle a été retirée depuis.", col(Kept.code), refers="questions"),
    ]
    forum: Annotated[str | None, Column("Forum", "Forum pour lequel elle est posée.", FORUM, refers="forums")]
    engagement: Annotated[str | None, Column("Engagement", "Engagement dont elle parle.", COMMITMENT, refers="engagements")]
    texte: Annotated[str, Column("Texte", "La question telle que publiée.", col(Question.text))]
    contexte: Annotated[str | None, Column("Contexte", "Ce que la personne a ajouté.", text(Question.context))]
    auteur: Annotated[
        str | None,
        Column("Auteur", "Seulement si la personne l'a voulu.", case((col(Question.show_name), text(Question.author_name)), else_=None)),
    ]
    soutiens: Annotated[int, Column("Soutiens", "Nombre de soutiens confirmés.", SUPPORTS)]
    situation: Annotated[
        Literal["en_attente", "a_l_ordre_du_jour", "repondue", "en_partie", "reportee", "refusee"] | None,
        Column("Situation", "Où elle en est, d'après ce qui est publié ; vide pour une question réunie.", SITUATION),
    ]
    reportee_au: Annotated[
        date | None,
        Column("Reportée au", "Jour auquel la réponse est reportée.", STANDING.c.deferred_to),
    ]
    posee_le: Annotated[datetime, Column("Posée le", "Instant où elle a été écrite.", col(Question.created_at))]
    publiee_le: Annotated[datetime, Column("Publiée le", "Instant où elle a été publiée ou réunie.", col(Question.decided_at), dated=True)]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(Question.invented))]
    adresse: Annotated[str, Column("Adresse", "Page de la question.", joined("/questions/", col(Question.code)))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(Question).outerjoin(Forum, (col(Forum.id) == col(Question.forum_id)) & announced())
        query = query.outerjoin(Commitment, col(Commitment.id) == col(Question.commitment_id))
        query = query.outerjoin(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))
        query = query.outerjoin(Kept, (col(Kept.id) == col(Question.merged_into_id)) & (col(Kept.status) == fixed("published")))
        query = query.outerjoin(STANDING, STANDING.c.question_id == col(Question.id))
        return query.where(col(Question.status).in_((fixed("published"), fixed("merged"))), col(Question.decided_at).is_not(None))


class QuestionInstitutions(Row):
    file = "questions-institutions"
    title = N_("À qui une question est adressée")
    about = N_("Les administrations auxquelles chaque question publiée est adressée.")

    question: Annotated[str, Column("Question", "Question.", col(Question.code), refers="questions", key=True)]
    institution: Annotated[str, Column("Institution", "Administration.", col(Institution.slug), refers="institutions", key=True)]
    adressee_le: Annotated[
        datetime, Column("Adressée le", "Instant où elle lui a été adressée.", col(QuestionInstitution.assigned_at), dated=True)
    ]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = of_question(query.select_from(QuestionInstitution), QuestionInstitution.question_id)
        return query.join(Institution, col(Institution.id) == col(QuestionInstitution.institution_id))


class Answers(Row):
    file = "reponses"
    title = N_("Réponses")
    about = N_("Les réponses écrites publiées par les administrations. Ce qui a été répondu en forum est dans passages-questions.")
    order = ("publiee_le", "code")
    day = "publiee_le"
    parts = ("question", "institution")

    code: Annotated[str, Column("Code", "Question et institution.", joined(col(Question.code), "/", col(Institution.slug)), key=True)]
    question: Annotated[str, Column("Question", "Question.", col(Question.code), refers="questions")]
    institution: Annotated[str, Column("Institution", "Qui répond.", col(Institution.slug), refers="institutions")]
    texte: Annotated[str | None, Column("Texte", "La réponse (Markdown).", text(Answer.text))]
    issue: Annotated[Outcome, Column("Issue", "Ce qu'elle répond.", in_french(Answer.outcome, OUTCOMES))]
    reportee_au: Annotated[date | None, Column("Reportée au", "Jour auquel la réponse est reportée.", col(Answer.deferred_to))]
    raison: Annotated[str | None, Column("Raison", "Raison d'un refus ou d'une réponse partielle.", text(Answer.reason))]
    publiee_le: Annotated[datetime, Column("Publiée le", "Instant de sa publication.", col(Answer.published_at), dated=True)]
    corrigee_le: Annotated[datetime | None, Column("Corrigée le", "Instant de sa dernière correction.", col(Answer.amended_at), dated=True)]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(Answer.invented))]
    adresse: Annotated[
        str,
        Column(
            "Adresse", "Place sur la page de la question.", joined("/questions/", col(Question.code), "#reponse-", col(Institution.slug))
        ),
    ]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(Answer).join(STANDING, STANDING.c.question_id == col(Answer.question_id))
        # From outside, though both are always there: who only counts answers leaves them out.
        query = query.outerjoin(Question, col(Question.id) == col(Answer.question_id))
        query = query.outerjoin(Institution, col(Institution.id) == col(Answer.institution_id))
        return query.where(STANDING.c.status == fixed("published"), col(Answer.published_at).is_not(None))


class FollowUps(Row):
    file = "suites"
    title = N_("Suites à donner")
    about = N_("Ce qui a été promis en forum, par qui et pour quand, et ce qu'il en est.")
    order = ("notee_le", "code")
    day = "echeance"
    follows = ("suites-etapes",)

    code: Annotated[str, Column("Code", "Code de la promesse, qui ne change pas.", col(FollowUp.code), key=True)]
    nature: Annotated[
        Literal["promesse", "cooperation"],
        Column("Nature", "Promesse, ou coopération commencée.", in_french(FollowUp.kind, FOLLOW_UPS)),
    ]
    forum: Annotated[str, Column("Forum", "Forum où elle a été faite.", FORUM, refers="forums")]
    passage: Annotated[
        str | None, Column("Passage", "Passage du compte rendu publié.", case((WRITTEN, PASSAGE), else_=None), refers="passages")
    ]
    texte: Annotated[str, Column("Texte", "Ce qui est promis.", col(FollowUp.text))]
    institution: Annotated[str | None, Column("Institution", "Qui l'a promis.", col(Institution.slug), refers="institutions")]
    porteur: Annotated[str | None, Column("Porteur", "Qui, quand ce n'est pas une institution connue.", text(FollowUp.owner))]
    partenaires: Annotated[str | None, Column("Partenaires", "Avec qui.", text(FollowUp.partners))]
    echeance: Annotated[date | None, Column("Échéance", "Jour promis.", col(FollowUp.due_on))]
    etat: Annotated[
        Literal["ouverte", "tenue", "abandonnee"],
        Column("État", "Ouverte, tenue ou abandonnée. En retard : ouverte après son échéance.", in_french(FollowUp.status, STATES)),
    ]
    preuve: Annotated[
        str | None,
        Column("Preuve", "Ce qui montre qu'elle est tenue.", case((col(FollowUp.status) == "kept", text(FollowUp.evidence)), else_=None)),
    ]
    preuve_adresse: Annotated[
        str | None,
        Column("Adresse de la preuve", "Où la lire.", case((col(FollowUp.status) == "kept", text(FollowUp.evidence_url)), else_=None)),
    ]
    raison_abandon: Annotated[
        str | None,
        Column("Raison de l'abandon", "Pourquoi.", case((col(FollowUp.status) == "dropped", text(FollowUp.drop_reason)), else_=None)),
    ]
    notee_le: Annotated[datetime, Column("Notée le", "Instant où elle a été notée.", col(FollowUp.created_at))]
    close_le: Annotated[
        datetime | None, Column("Close le", "Instant où elle a été tenue ou abandonnée.", col(FollowUp.closed_at), dated=True)
    ]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(FollowUp.invented))]
    adresse: Annotated[str, Column("Adresse", "Page de la promesse.", joined("/suites/", col(FollowUp.code)))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(FollowUp).join(Forum, col(Forum.id) == col(FollowUp.forum_id))
        query = query.outerjoin(MinutesEntry, col(MinutesEntry.id) == col(FollowUp.entry_id))
        query = query.outerjoin(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        return query.outerjoin(Institution, col(Institution.id) == col(FollowUp.institution_id)).where(is_public())


def of_follow_up(query: Any, follow_up_id: Any) -> Any:
    """Rows of the promises the public may read; the forum they were made at is not told apart."""
    public = plain_select(col(FollowUp.id)).join(Forum, col(Forum.id) == col(FollowUp.forum_id)).where(is_public()).subquery()
    return query.join(FollowUp, col(FollowUp.id) == col(follow_up_id)).where(col(FollowUp.id).in_(plain_select(public.c.id)))


class FollowUpCommitments(Row):
    file = "suites-engagements"
    title = N_("Engagements d'une suite")
    about = N_("Les engagements sur lesquels une promesse porte.")

    suite: Annotated[str, Column("Suite", "Suite à donner.", col(FollowUp.code), refers="suites", key=True)]
    engagement: Annotated[str, Column("Engagement", "Engagement.", COMMITMENT, refers="engagements", key=True)]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_follow_up(
            of_commitment(query.select_from(FollowUpCommitment), FollowUpCommitment.commitment_id), FollowUpCommitment.follow_up_id
        )


class FollowUpForums(Row):
    file = "suites-forums"
    title = N_("Reprises d'une suite")
    about = N_("Les forums suivants auxquels une promesse est reprise, et ce qui en a été dit une fois leur compte rendu publié.")

    suite: Annotated[str, Column("Suite", "Suite à donner.", col(FollowUp.code), refers="suites", key=True)]
    forum: Annotated[str, Column("Forum", "Forum où elle est reprise.", FORUM, refers="forums", key=True)]
    passage: Annotated[
        str | None, Column("Passage", "Passage où il en est question.", case((WRITTEN, PASSAGE), else_=None), refers="passages")
    ]
    dit: Annotated[str | None, Column("Dit", "Ce qui en a été dit.", case((TOLD, text(FollowUpForum.said)), else_=None))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = of_follow_up(query.select_from(FollowUpForum), FollowUpForum.follow_up_id)
        query = query.join(Forum, col(Forum.id) == col(FollowUpForum.forum_id))
        query = query.outerjoin(Minutes, col(Minutes.forum_id) == col(Forum.id))
        query = query.outerjoin(MinutesEntry, col(MinutesEntry.id) == col(FollowUpForum.entry_id))
        return query.where(col(FollowUpForum.uncarried_at).is_(None), announced())


class FollowUpSteps(Row):
    file = "suites-etapes"
    title = N_("Étapes d'une suite")
    about = N_("L'histoire publique de chaque promesse : tenue, abandonnée, rouverte, ou dite autrement.")

    suite: Annotated[str, Column("Suite", "Suite à donner.", col(FollowUp.code), refers="suites", key=True)]
    numero: Annotated[
        int,
        Column(
            "Numéro",
            "Rang dans l'histoire de la promesse.",
            rank(FollowUpChange, "follow_up_id", lambda each: [col(each.kind).in_(tuple(CHANGES))]),
            key=True,
        ),
    ]
    le: Annotated[datetime, Column("Le", "Instant.", col(FollowUpChange.at), dated=True)]
    nature: Annotated[
        Literal["tenue", "abandonnee", "rouverte", "modifiee"],
        Column("Nature", "Ce qui s'est passé.", in_french(FollowUpChange.kind, CHANGES)),
    ]
    texte: Annotated[
        str | None, Column("Texte", "La preuve, la raison, ou ce qui était écrit avant une modification.", text(FollowUpChange.text))
    ]
    adresse_preuve: Annotated[str | None, Column("Adresse de la preuve", "Où la lire.", text(FollowUpChange.url))]
    echeance: Annotated[date | None, Column("Échéance", "L'échéance d'avant une modification.", col(FollowUpChange.due_on))]
    forum: Annotated[str | None, Column("Forum", "Forum où cela s'est passé.", FORUM, refers="forums")]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = of_follow_up(query.select_from(FollowUpChange), FollowUpChange.follow_up_id)
        query = query.outerjoin(Forum, (col(Forum.id) == col(FollowUpChange.forum_id)) & announced())
        return query.where(col(FollowUpChange.kind).in_(tuple(CHANGES)))
