"""Calls for comments on a draft plan: the comments as they were published, the replies given, what they changed.

A name, and the organisation that would give it away, are there only when the person asked for it.
"""

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import case
from sqlmodel import col

from forums.language import N_
from forums.models import ActionPlan, Comment, Commitment, CommitmentAmendment, Consultation, Institution
from forums.open_data.columns import Column, Row, commitment_address, fixed, joined, text
from forums.open_data.plans import COMMITMENT, of_commitment

REPLIED = col(Comment.replied_at).is_not(None)
SUMMED_UP = col(Consultation.synthesis_published_at).is_not(None)


class Consultations(Row):
    file = "consultations"
    title = N_("Appels à commentaires")
    about = N_("Les appels à commentaires sur un projet de plan. Un plan en a un au plus : sa clé est celle du plan.")

    code: Annotated[str, Column("Code", "Le plan commenté.", col(ActionPlan.slug), key=True)]
    plan: Annotated[str, Column("Plan", "Le plan commenté.", col(ActionPlan.slug), refers="plans")]
    introduction: Annotated[str | None, Column("Introduction", "Ce qui est demandé (Markdown).", text(Consultation.introduction))]
    ouvre_le: Annotated[datetime, Column("Ouvre le", "Instant à partir duquel on commente.", col(Consultation.opens_at))]
    ferme_le: Annotated[datetime, Column("Ferme le", "Instant à partir duquel on ne commente plus.", col(Consultation.closes_at))]
    synthese: Annotated[
        str | None, Column("Synthèse", "Synthèse publiée (Markdown).", case((SUMMED_UP, text(Consultation.synthesis)), else_=None))
    ]
    synthese_publiee_le: Annotated[
        datetime | None, Column("Synthèse publiée le", "Instant de sa publication.", col(Consultation.synthesis_published_at), dated=True)
    ]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(Consultation.invented))]
    adresse: Annotated[str, Column("Adresse", "Page du plan.", joined("/plans/", col(ActionPlan.slug)))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return query.select_from(Consultation).join(ActionPlan, col(ActionPlan.id) == col(Consultation.plan_id))


class Comments(Row):
    file = "commentaires"
    title = N_("Commentaires")
    about = N_("Les commentaires publiés sur un projet de plan, la réponse de l'institution et la modification qui en est venue.")
    order = ("publie_le", "code")
    day = "publie_le"

    code: Annotated[str, Column("Code", "Code du commentaire.", col(Comment.code), key=True)]
    consultation: Annotated[str, Column("Consultation", "Appel à commentaires.", col(ActionPlan.slug), refers="consultations")]
    engagement: Annotated[
        str | None, Column("Engagement", "Engagement commenté ; vide pour tout le plan.", COMMITMENT, refers="engagements")
    ]
    texte: Annotated[str, Column("Texte", "Le commentaire tel que publié.", col(Comment.text))]
    auteur: Annotated[
        str | None,
        Column("Auteur", "Seulement si la personne l'a voulu.", case((col(Comment.show_name), text(Comment.author_name)), else_=None)),
    ]
    organisation: Annotated[
        str | None,
        Column(
            "Organisation", "Seulement si la personne l'a voulu.", case((col(Comment.show_name), text(Comment.organisation)), else_=None)
        ),
    ]
    publie_le: Annotated[datetime, Column("Publié le", "Instant de sa publication.", col(Comment.decided_at), dated=True)]
    reponse: Annotated[str | None, Column("Réponse", "Réponse donnée.", case((REPLIED, text(Comment.reply)), else_=None))]
    reponse_institution: Annotated[
        str | None,
        Column("Réponse de", "Qui a répondu.", case((REPLIED, col(Institution.slug)), else_=None), refers="institutions"),
    ]
    repondu_le: Annotated[datetime | None, Column("Répondu le", "Instant de la réponse.", col(Comment.replied_at), dated=True)]
    modification: Annotated[
        str | None, Column("Modification", "Ce que le commentaire a changé.", col(CommitmentAmendment.code), refers="modifications")
    ]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(Comment.invented))]
    adresse: Annotated[str, Column("Adresse", "Page du commentaire.", joined("/commentaires/", col(Comment.code)))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(Comment).join(Consultation, col(Consultation.id) == col(Comment.consultation_id))
        query = query.join(ActionPlan, col(ActionPlan.id) == col(Consultation.plan_id))
        query = query.outerjoin(Commitment, col(Commitment.id) == col(Comment.commitment_id))
        query = query.outerjoin(Institution, col(Institution.id) == col(Comment.reply_institution_id))
        query = query.outerjoin(CommitmentAmendment, col(CommitmentAmendment.id) == col(Comment.amendment_id))
        return query.where(col(Comment.status) == fixed("published"), col(Comment.decided_at).is_not(None))


class Amendments(Row):
    file = "modifications"
    title = N_("Modifications d'un projet")
    about = N_("Ce qui a changé d'un engagement en projet, avant et après, et pourquoi.")
    order = ("le", "code")
    day = "le"

    code: Annotated[str, Column("Code", "Code de la modification.", col(CommitmentAmendment.code), key=True)]
    engagement: Annotated[str, Column("Engagement", "Engagement modifié.", COMMITMENT, refers="engagements")]
    le: Annotated[datetime, Column("Le", "Instant de la modification.", col(CommitmentAmendment.at), dated=True)]
    raison: Annotated[str, Column("Raison", "Pourquoi.", col(CommitmentAmendment.reason))]
    titre_avant: Annotated[str | None, Column("Titre avant", "Titre d'avant.", col(CommitmentAmendment.before)["title"].as_string())]
    titre_apres: Annotated[str | None, Column("Titre après", "Titre d'après.", col(CommitmentAmendment.after)["title"].as_string())]
    resume_avant: Annotated[str | None, Column("Résumé avant", "Résumé d'avant.", col(CommitmentAmendment.before)["summary"].as_string())]
    resume_apres: Annotated[str | None, Column("Résumé après", "Résumé d'après.", col(CommitmentAmendment.after)["summary"].as_string())]
    adresse: Annotated[str, Column("Adresse", "Page de son engagement.", commitment_address())]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_commitment(query.select_from(CommitmentAmendment), CommitmentAmendment.commitment_id)
