"""Forums as they were announced: seasons, agendas of the version the public reads, documents, minutes once published.

Attendance is told in numbers alone. A speaker is named on the page of the forum; a file that anyone may copy keeps
in what capacity they spoke, and not who they are.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from sqlalchemy import exists, func
from sqlmodel import col

from forums.language import N_
from forums.models import (
    ActionPlan,
    AgendaItem,
    AgendaItemCommitment,
    AgendaItemDocument,
    AgendaItemQuestion,
    Document,
    Forum,
    ForumCommitment,
    Question,
    Season,
    Speaker,
)
from forums.open_data.columns import Column, Row, announced, fixed, in_french, joined, text
from forums.open_data.plans import COMMITMENT, of_commitment

KINDS = {"plenary": "pleniere", "workshop": "atelier", "restitution": "restitution", "break": "pause", "follow_ups": "suites"}
FORUM = col(Forum.slug)
ITEM = joined(FORUM, "/", col(AgendaItem.number))


def of_forum(query: Any, forum_id: Any) -> Any:
    return query.join(Forum, col(Forum.id) == col(forum_id)).where(announced())


def of_item(query: Any, item_id: Any) -> Any:
    """Rows of the agenda the public reads now."""
    query = query.join(AgendaItem, col(AgendaItem.id) == col(item_id))
    return of_forum(query, AgendaItem.forum_id).where(col(AgendaItem.version) == col(Forum.agenda_version), col(AgendaItem.version) > 0)


def of_question(query: Any, question_id: Any) -> Any:
    return query.join(Question, col(Question.id) == col(question_id)).where(col(Question.status) == fixed("published"))


class Seasons(Row):
    file = "saisons"
    title = N_("Saisons")
    about = N_("Les saisons, qui regroupent les forums d'un cycle. Les numéros des forums repartent de 1 à chacune.")

    code: Annotated[str, Column("Code", "Nom court de la saison, qui ne change pas.", col(Season.slug), key=True)]
    titre: Annotated[str, Column("Titre", "Titre de la saison.", col(Season.title))]
    plan: Annotated[str | None, Column("Plan", "Plan dont elle parle.", col(ActionPlan.slug), refers="plans")]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(Season.invented))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(Season).outerjoin(ActionPlan, col(ActionPlan.id) == col(Season.plan_id))
        return query.where(exists().where(col(Forum.season_id) == col(Season.id), announced()))


class Forums(Row):
    file = "forums"
    title = N_("Forums")
    about = N_("Les forums annoncés, tenus et annulés. Ce qui n'est pas encore connu, ou n'a jamais été trouvé, est vide.")
    order = ("saison", "numero")
    day = "jour"

    code: Annotated[str, Column("Code", "Saison et numéro, par exemple 2018-2019-2.", FORUM, key=True)]
    saison: Annotated[str, Column("Saison", "Saison du forum.", col(Season.slug), refers="saisons")]
    numero: Annotated[int, Column("Numéro", "Numéro dans la saison.", col(Forum.number))]
    etat: Annotated[
        Literal["annonce", "annule"],
        Column(
            "État",
            "Annoncé (tenu si son jour est passé) ou annulé.",
            in_french(Forum.status, {"announced": "annonce", "cancelled": "annule"}),
        ),
    ]
    theme: Annotated[str | None, Column("Thème", "Thème de la soirée.", text(Forum.theme))]
    description: Annotated[str | None, Column("Description", "Présentation (Markdown).", text(Forum.description))]
    jour: Annotated[date | None, Column("Jour", "Jour du forum, à Paris.", col(Forum.day))]
    moment: Annotated[str | None, Column("Moment", "Moment du jour quand l'heure n'est pas connue.", text(Forum.moment))]
    debut: Annotated[datetime | None, Column("Début", "Instant du début.", col(Forum.starts_at))]
    fin: Annotated[datetime | None, Column("Fin", "Instant de la fin.", col(Forum.ends_at))]
    lieu: Annotated[str | None, Column("Lieu", "Nom du lieu.", text(Forum.place))]
    lieu_adresse: Annotated[str | None, Column("Adresse du lieu", "Adresse postale.", text(Forum.address))]
    organisateurs: Annotated[list[str], Column("Organisateurs", "Organismes qui l'organisent.", col(Forum.organisers))]
    places: Annotated[int | None, Column("Places", "Places sur place ; vide si non fixées.", func.nullif(col(Forum.capacity), 0))]
    places_a_distance: Annotated[
        int | None, Column("Places à distance", "Places à distance ; vide si non fixées.", func.nullif(col(Forum.remote_capacity), 0))
    ]
    presents: Annotated[
        int | None,
        Column("Présents", "Personnes accueillies, comptées à l'entrée ; vide si non compté.", func.nullif(col(Forum.present), 0)),
    ]
    participants: Annotated[str | None, Column("Participants", "Ce qui a été trouvé du nombre de participants.", text(Forum.participants))]
    questions_jusqu_au: Annotated[
        datetime | None, Column("Questions jusqu'au", "Instant où se ferme le dépôt de questions.", col(Forum.questions_close_at))
    ]
    annonce_le: Annotated[datetime, Column("Annoncé le", "Instant de l'annonce.", col(Forum.announced_at), dated=True)]
    annule_le: Annotated[datetime | None, Column("Annulé le", "Instant de l'annulation.", col(Forum.cancelled_at), dated=True)]
    raison_annulation: Annotated[str | None, Column("Raison de l'annulation", "Pourquoi il est annulé.", text(Forum.cancel_reason))]
    ordre_du_jour_publie_le: Annotated[
        datetime | None, Column("Ordre du jour publié le", "Première publication.", col(Forum.agenda_published_at), dated=True)
    ]
    ordre_du_jour_version: Annotated[int, Column("Version de l'ordre du jour", "0 tant qu'aucun n'est publié.", col(Forum.agenda_version))]
    compte_rendu_ailleurs: Annotated[
        str | None, Column("Compte rendu ailleurs", "Adresse d'un compte rendu publié sur un autre site.", text(Forum.minutes_elsewhere))
    ]
    compte_rendu_ailleurs_le: Annotated[
        date | None, Column("Compte rendu ailleurs le", "Jour de cette publication.", col(Forum.minutes_elsewhere_on))
    ]
    note: Annotated[str | None, Column("Note", "Ce qu'il faut savoir de ce qui a été trouvé.", text(Forum.note))]
    sources: Annotated[list[str], Column("Sources", "Adresses des sources.", col(Forum.sources))]
    modifie_le: Annotated[datetime, Column("Modifié le", "Dernier changement de la date ou du lieu.", col(Forum.changed_at), dated=True)]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(Forum.invented))]
    adresse: Annotated[str, Column("Adresse", "Page du forum.", joined("/forums/", FORUM))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return query.select_from(Forum).join(Season, col(Season.id) == col(Forum.season_id)).where(announced())


class ForumCommitments(Row):
    file = "forums-engagements"
    title = N_("Engagements d'un forum")
    about = N_("Les engagements qu'un forum annonce.")

    forum: Annotated[str, Column("Forum", "Forum.", FORUM, refers="forums", key=True)]
    engagement: Annotated[str, Column("Engagement", "Engagement.", COMMITMENT, refers="engagements", key=True)]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_forum(of_commitment(query.select_from(ForumCommitment), ForumCommitment.commitment_id), ForumCommitment.forum_id)


class AgendaItems(Row):
    file = "points"
    title = N_("Points des ordres du jour")
    about = N_("Les points de l'ordre du jour de chaque forum, dans sa dernière version publiée.")
    order = ("forum", "rang", "numero")
    parts = ("forum", "numero")

    code: Annotated[str, Column("Code", "Forum et numéro du point, par exemple 2018-2019-2/3.", ITEM, key=True)]
    forum: Annotated[str, Column("Forum", "Forum.", FORUM, refers="forums")]
    numero: Annotated[int, Column("Numéro", "Numéro du point, le même dans toutes les versions.", col(AgendaItem.number))]
    rang: Annotated[int, Column("Rang", "Place dans l'ordre du jour.", col(AgendaItem.position))]
    nature: Annotated[
        Literal["pleniere", "atelier", "restitution", "pause", "suites"],
        Column("Nature", "Nature du point.", in_french(AgendaItem.kind, KINDS)),
    ]
    titre: Annotated[str, Column("Titre", "Titre du point.", col(AgendaItem.title))]
    description: Annotated[str | None, Column("Description", "Présentation (Markdown).", text(AgendaItem.description))]
    salle: Annotated[str | None, Column("Salle", "Atelier ou salle, quand plusieurs points ont lieu ensemble.", text(AgendaItem.track))]
    debut: Annotated[datetime | None, Column("Début", "Instant du début.", col(AgendaItem.starts_at))]
    fin: Annotated[datetime | None, Column("Fin", "Instant de la fin.", col(AgendaItem.ends_at))]
    version: Annotated[int, Column("Version", "Version publiée de l'ordre du jour.", col(AgendaItem.version))]
    adresse: Annotated[
        str, Column("Adresse", "Place du point sur la page du forum.", joined("/forums/", FORUM, "#point-", col(AgendaItem.number)))
    ]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = of_forum(query.select_from(AgendaItem), AgendaItem.forum_id)
        return query.where(col(AgendaItem.version) == col(Forum.agenda_version), col(AgendaItem.version) > 0)


class AgendaCommitments(Row):
    file = "points-engagements"
    title = N_("Engagements d'un point")
    about = N_("Les engagements dont parle un point de l'ordre du jour.")

    point: Annotated[str, Column("Point", "Point de l'ordre du jour.", ITEM, refers="points", key=True)]
    engagement: Annotated[str, Column("Engagement", "Engagement.", COMMITMENT, refers="engagements", key=True)]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = of_commitment(query.select_from(AgendaItemCommitment), AgendaItemCommitment.commitment_id)
        return of_item(query, AgendaItemCommitment.agenda_item_id)


class AgendaQuestions(Row):
    file = "points-questions"
    title = N_("Questions d'un point")
    about = N_("Les questions mises à l'ordre du jour.")

    point: Annotated[str, Column("Point", "Point de l'ordre du jour.", ITEM, refers="points", key=True)]
    question: Annotated[str, Column("Question", "Question.", col(Question.code), refers="questions", key=True)]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_item(
            of_question(query.select_from(AgendaItemQuestion), AgendaItemQuestion.question_id), AgendaItemQuestion.agenda_item_id
        )


class Speakers(Row):
    file = "points-intervenants"
    title = N_("Intervenants d'un point")
    about = N_("À quel titre on intervient à un point de l'ordre du jour. Le nom est sur la page du forum, pas dans ce fichier.")

    point: Annotated[str, Column("Point", "Point de l'ordre du jour.", ITEM, refers="points", key=True)]
    rang: Annotated[int, Column("Rang", "Place dans la liste.", col(Speaker.position), key=True)]
    qualite: Annotated[str | None, Column("Qualité", "À quel titre.", text(Speaker.capacity))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_item(query.select_from(Speaker), Speaker.agenda_item_id)


class Documents(Row):
    file = "documents"
    title = N_("Documents")
    about = N_("Les documents joints à un ordre du jour publié.")

    code: Annotated[str, Column("Code", "Code du document, qui ne change pas.", col(Document.code), key=True)]
    forum: Annotated[str, Column("Forum", "Forum.", FORUM, refers="forums")]
    titre: Annotated[str, Column("Titre", "Titre du document.", col(Document.title))]
    format: Annotated[str, Column("Format", "Type de média.", col(Document.media_type))]
    octets: Annotated[int, Column("Octets", "Taille en octets.", col(Document.size))]
    adresse: Annotated[str, Column("Adresse", "Où le télécharger.", joined("/documents/", col(Document.code), "/", col(Document.filename)))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        shown = exists().where(
            col(AgendaItemDocument.document_id) == col(Document.id),
            col(AgendaItem.id) == col(AgendaItemDocument.agenda_item_id),
            col(AgendaItem.version) == col(Forum.agenda_version),
            col(AgendaItem.version) > 0,
        )
        return of_forum(query.select_from(Document), Document.forum_id).where(shown.correlate(Document, Forum))


class AgendaDocuments(Row):
    file = "points-documents"
    title = N_("Documents d'un point")
    about = N_("Les documents avec lesquels un point est discuté.")

    point: Annotated[str, Column("Point", "Point de l'ordre du jour.", ITEM, refers="points", key=True)]
    document: Annotated[str, Column("Document", "Document.", col(Document.code), refers="documents", key=True)]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(AgendaItemDocument).join(Document, col(Document.id) == col(AgendaItemDocument.document_id))
        return of_item(query, AgendaItemDocument.agenda_item_id)
