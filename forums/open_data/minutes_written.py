"""Minutes once they are published, passage by passage, with the questions and the commitments each is about."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from sqlalchemy.orm import aliased
from sqlmodel import col

from forums.language import N_
from forums.models import AgendaItem, Forum, Minutes, MinutesEntry, MinutesEntryCommitment, MinutesEntryQuestion, Question
from forums.open_data.columns import Column, Row, in_french, joined, text
from forums.open_data.forums_held import FORUM, of_forum, of_question
from forums.open_data.plans import COMMITMENT, of_commitment

OUTCOMES = {"answered": "repondue", "partly": "en_partie", "deferred": "reportee", "refused": "refusee"}
Outcome = Literal["repondue", "en_partie", "reportee", "refusee"]
PASSAGE = joined(FORUM, "/", col(MinutesEntry.number))
# The item a passage was written under is one of those being prepared: this is the one the public reads.
Public = aliased(AgendaItem)


def of_passage(query: Any, entry_id: Any) -> Any:
    """Rows of published minutes."""
    query = query.join(MinutesEntry, col(MinutesEntry.id) == col(entry_id)).join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
    return of_forum(query, Minutes.forum_id).where(col(Minutes.published_at).is_not(None))


class MinutesPublished(Row):
    file = "comptes-rendus"
    title = N_("Comptes rendus")
    about = N_("Les comptes rendus publiés. Un forum en a un au plus : sa clé est celle du forum.")

    code: Annotated[str, Column("Code", "Le forum.", FORUM, key=True)]
    forum: Annotated[str, Column("Forum", "Le forum.", FORUM, refers="forums")]
    introduction: Annotated[str | None, Column("Introduction", "Introduction (Markdown).", text(Minutes.introduction))]
    publie_le: Annotated[datetime, Column("Publié le", "Instant de la première publication.", col(Minutes.published_at), dated=True)]
    corrige_le: Annotated[datetime | None, Column("Corrigé le", "Instant de la dernière correction.", col(Minutes.amended_at), dated=True)]
    adresse: Annotated[str, Column("Adresse", "Page du compte rendu.", joined("/forums/", FORUM, "/compte-rendu"))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_forum(query.select_from(Minutes), Minutes.forum_id).where(col(Minutes.published_at).is_not(None))


class Passages(Row):
    file = "passages"
    title = N_("Passages des comptes rendus")
    about = N_("Les passages numérotés de chaque compte rendu publié ; un numéro est une adresse pour toujours.")
    order = ("forum", "numero")
    follows = ("comptes-rendus",)
    parts = ("forum", "numero")

    code: Annotated[str, Column("Code", "Forum et numéro du passage, par exemple 2018-2019-2/3.", PASSAGE, key=True)]
    forum: Annotated[str, Column("Forum", "Forum.", FORUM, refers="forums")]
    compte_rendu: Annotated[str, Column("Compte rendu", "Compte rendu.", FORUM, refers="comptes-rendus")]
    numero: Annotated[int, Column("Numéro", "Numéro du passage.", col(MinutesEntry.number))]
    point: Annotated[
        str | None, Column("Point", "Point de l'ordre du jour publié.", joined(FORUM, "/", col(Public.number)), refers="points")
    ]
    titre: Annotated[str | None, Column("Titre", "Titre du passage.", text(MinutesEntry.title))]
    texte: Annotated[str, Column("Texte", "Ce qui a été dit (Markdown).", col(MinutesEntry.text))]
    corrige_le: Annotated[
        datetime | None, Column("Corrigé le", "Instant de sa dernière correction.", col(MinutesEntry.amended_at), dated=True)
    ]
    adresse: Annotated[
        str,
        Column(
            "Adresse", "Place du passage dans le compte rendu.", joined("/forums/", FORUM, "/compte-rendu#p-", col(MinutesEntry.number))
        ),
    ]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(MinutesEntry).join(Minutes, col(Minutes.id) == col(MinutesEntry.minutes_id))
        query = of_forum(query, Minutes.forum_id).where(col(Minutes.published_at).is_not(None))
        query = query.outerjoin(AgendaItem, col(AgendaItem.id) == col(MinutesEntry.agenda_item_id))
        public = (col(Public.version) == col(Forum.agenda_version)) & (col(Public.version) > 0)
        return query.outerjoin(Public, (col(Public.forum_id) == col(Forum.id)) & public & (col(Public.number) == col(AgendaItem.number)))


class PassageCommitments(Row):
    file = "passages-engagements"
    title = N_("Engagements d'un passage")
    about = N_("Les engagements qu'un passage concerne.")

    passage: Annotated[str, Column("Passage", "Passage.", PASSAGE, refers="passages", key=True)]
    engagement: Annotated[str, Column("Engagement", "Engagement.", COMMITMENT, refers="engagements", key=True)]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = of_commitment(query.select_from(MinutesEntryCommitment), MinutesEntryCommitment.commitment_id)
        return of_passage(query, MinutesEntryCommitment.entry_id)


class PassageQuestions(Row):
    file = "passages-questions"
    title = N_("Questions d'un passage")
    about = N_("Les questions dont parle un passage, et ce qu'il en est advenu ce soir-là.")

    passage: Annotated[str, Column("Passage", "Passage.", PASSAGE, refers="passages", key=True)]
    question: Annotated[str, Column("Question", "Question.", col(Question.code), refers="questions", key=True)]
    issue: Annotated[Outcome, Column("Issue", "Ce qu'il en est advenu.", in_french(MinutesEntryQuestion.outcome, OUTCOMES))]
    reportee_au: Annotated[
        date | None, Column("Reportée au", "Jour auquel la réponse est reportée.", col(MinutesEntryQuestion.deferred_to))
    ]
    raison: Annotated[str | None, Column("Raison", "Raison d'un refus ou d'une réponse partielle.", text(MinutesEntryQuestion.reason))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_passage(
            of_question(query.select_from(MinutesEntryQuestion), MinutesEntryQuestion.question_id), MinutesEntryQuestion.entry_id
        )
