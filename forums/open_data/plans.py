"""Plans and what they promise: axes, institutions, commitments, milestones, and what each commitment continues."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from sqlmodel import col

from forums.language import N_
from forums.models import (
    ActionPlan,
    Axis,
    Commitment,
    CommitmentContinuation,
    CommitmentInstitution,
    Institution,
    Milestone,
)
from forums.open_data.columns import Column, Row, commitment_address, commitment_code, in_french, joined, text

COMMITMENT = commitment_code()
STATES = {"not_started": "non_commence", "under_way": "en_cours", "done": "fait", "abandoned": "abandonne"}
ROLES = {"lead": "porteur", "partner": "partie_prenante"}


def of_commitment(query: Any, commitment_id: Any) -> Any:
    """Rows with the commitment they are about, and its plan."""
    query = query.join(Commitment, col(Commitment.id) == col(commitment_id))
    return query.join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))


class Plans(Row):
    file = "plans"
    title = N_("Plans d'action")
    about = N_("Les plans d'action nationaux, et ceux d'autres institutions suivis ici. Au plus un est en cours.")

    code: Annotated[str, Column("Code", "Nom court du plan, qui ne change pas.", col(ActionPlan.slug), key=True)]
    titre: Annotated[str, Column("Titre", "Titre officiel du plan.", col(ActionPlan.title))]
    titre_en: Annotated[str | None, Column("Titre anglais", "Titre en anglais.", text(ActionPlan.title_en))]
    en_cours: Annotated[bool, Column("En cours", "Vrai pour le plan en cours.", col(ActionPlan.current))]
    projet: Annotated[bool, Column("Projet", "Vrai tant que le plan est un projet ouvert aux commentaires.", col(ActionPlan.draft))]
    debut: Annotated[date | None, Column("Début", "Premier jour du plan.", col(ActionPlan.starts_on))]
    fin: Annotated[date | None, Column("Fin", "Dernier jour du plan.", col(ActionPlan.ends_on))]
    presente_le: Annotated[date | None, Column("Présenté le", "Jour de sa présentation publique.", col(ActionPlan.presented_on))]
    resume: Annotated[str | None, Column("Résumé", "Ce qu'est ce plan, en quelques phrases.", text(ActionPlan.summary))]
    sources: Annotated[list[str], Column("Sources", "Adresses des sources.", col(ActionPlan.sources))]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(ActionPlan.invented))]
    adresse: Annotated[str, Column("Adresse", "Page du plan sur ce site.", joined("/plans/", col(ActionPlan.slug)))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return query.select_from(ActionPlan)


class Axes(Row):
    file = "axes"
    title = N_("Axes")
    about = N_("Les axes, qui regroupent les engagements d'un plan.")
    order = ("plan", "numero")
    parts = ("plan", "numero")

    code: Annotated[str, Column("Code", "Plan et numéro.", joined(col(ActionPlan.slug), "/", col(Axis.number)), key=True)]
    plan: Annotated[str, Column("Plan", "Plan de l'axe.", col(ActionPlan.slug), refers="plans")]
    numero: Annotated[int, Column("Numéro", "Numéro de l'axe dans son plan.", col(Axis.number))]
    titre: Annotated[str, Column("Titre", "Titre de l'axe.", col(Axis.title))]
    titre_en: Annotated[str | None, Column("Titre anglais", "Titre en anglais.", text(Axis.title_en))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return query.select_from(Axis).join(ActionPlan, col(ActionPlan.id) == col(Axis.plan_id))


class Institutions(Row):
    file = "institutions"
    title = N_("Administrations et partenaires")
    about = N_("Les administrations qui portent des engagements, et leurs partenaires.")

    code: Annotated[str, Column("Code", "Nom court, qui ne change pas.", col(Institution.slug), key=True)]
    nom: Annotated[str, Column("Nom", "Nom de l'institution.", col(Institution.name))]
    adresse: Annotated[
        str,
        Column("Adresse", "Page de l'institution.", joined("/institutions/", col(Institution.slug))),
    ]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return query.select_from(Institution)


class Commitments(Row):
    file = "engagements"
    title = N_("Engagements")
    about = N_("Les engagements de tous les plans. Un numéro n'est unique que dans son plan : la clé est le plan et le numéro.")
    order = ("plan", "numero")
    parts = ("plan", "numero")

    code: Annotated[str, Column("Code", "Plan et numéro, par exemple 2018-2020/2.", COMMITMENT, key=True)]
    plan: Annotated[str, Column("Plan", "Plan de l'engagement.", col(ActionPlan.slug), refers="plans")]
    numero: Annotated[int, Column("Numéro", "Numéro dans le plan.", col(Commitment.number))]
    axe: Annotated[str | None, Column("Axe", "Axe de l'engagement.", joined(col(ActionPlan.slug), "/", col(Axis.number)), refers="axes")]
    code_ogp: Annotated[str | None, Column("Code OGP", "Code du Partenariat pour un gouvernement ouvert.", text(Commitment.ogp_code))]
    code_ogp_deduit: Annotated[
        bool,
        Column("Code OGP déduit", "Vrai si ce code a été déduit de sa suite et non lu dans une source.", col(Commitment.ogp_code_deduced)),
    ]
    titre_officiel: Annotated[
        str | None, Column("Titre officiel", "Seulement s'il a été lu dans une source.", text(Commitment.official_title))
    ]
    libelle_de_travail: Annotated[
        str, Column("Libellé de travail", "Libellé montré tant que le titre officiel n'est pas connu.", col(Commitment.working_title))
    ]
    titre_en: Annotated[str | None, Column("Titre anglais", "Titre en anglais.", text(Commitment.title_en))]
    resume: Annotated[str | None, Column("Résumé", "Ce qui est promis, en quelques phrases.", text(Commitment.summary))]
    origine: Annotated[str | None, Column("Origine", "Ce qui est dit de son origine.", text(Commitment.origin))]
    note: Annotated[str | None, Column("Note", "Remarque sur ce qui a été trouvé.", text(Commitment.note))]
    jalons_note: Annotated[str | None, Column("Note sur les jalons", "Remarque sur les jalons.", text(Commitment.milestones_note))]
    sources: Annotated[list[str], Column("Sources", "Adresses des sources.", col(Commitment.sources))]
    adresse: Annotated[str, Column("Adresse", "Page de l'engagement sur ce site.", commitment_address())]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(Commitment).join(ActionPlan, col(ActionPlan.id) == col(Commitment.plan_id))
        return query.outerjoin(Axis, col(Axis.id) == col(Commitment.axis_id))


class Continuations(Row):
    file = "engagements-continues"
    title = N_("Engagements continués")
    about = N_("Quel engagement en continue un autre, d'un plan plus ancien, que celui-ci soit suivi sur ce site ou non.")

    engagement: Annotated[str, Column("Engagement", "Celui qui continue.", COMMITMENT, refers="engagements", key=True)]
    plan_anterieur: Annotated[str, Column("Plan antérieur", "Nom court du plan continué.", col(CommitmentContinuation.plan_slug), key=True)]
    numero_anterieur: Annotated[
        int, Column("Numéro antérieur", "Numéro dans le plan continué.", col(CommitmentContinuation.number), key=True)
    ]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_commitment(query.select_from(CommitmentContinuation), CommitmentContinuation.commitment_id)


class CommitmentInstitutions(Row):
    file = "engagements-institutions"
    title = N_("Qui porte quel engagement")
    about = N_("Les administrations qui portent un engagement, et celles qui y prennent part.")
    order = ("engagement", "rang", "institution")

    engagement: Annotated[str, Column("Engagement", "Engagement.", COMMITMENT, refers="engagements", key=True)]
    institution: Annotated[str, Column("Institution", "Institution.", col(Institution.slug), refers="institutions", key=True)]
    role: Annotated[
        Literal["porteur", "partie_prenante"],
        Column("Rôle", "Porteur ou partie prenante.", in_french(CommitmentInstitution.role, ROLES)),
    ]
    rang: Annotated[int, Column("Rang", "Rang dans la liste du plan.", col(CommitmentInstitution.position))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = of_commitment(query.select_from(CommitmentInstitution), CommitmentInstitution.commitment_id)
        return query.join(Institution, col(Institution.id) == col(CommitmentInstitution.institution_id))


class Milestones(Row):
    file = "jalons"
    title = N_("Jalons")
    about = N_("Les étapes promises de chaque engagement, et ce qu'il en est quand quelqu'un l'a dit.")
    order = ("engagement", "numero")
    parts = ("plan", "numero_engagement", "numero")

    code: Annotated[str, Column("Code", "Engagement et rang du jalon.", joined(COMMITMENT, "/", col(Milestone.position)), key=True)]
    engagement: Annotated[str, Column("Engagement", "Engagement du jalon.", COMMITMENT, refers="engagements")]
    numero: Annotated[int, Column("Numéro", "Rang du jalon dans l'engagement.", col(Milestone.position))]
    texte: Annotated[str, Column("Texte", "Ce qui est promis.", col(Milestone.text))]
    echeance: Annotated[str | None, Column("Échéance", "Échéance telle qu'elle est écrite (« 2018 ou 2019 »).", text(Milestone.due_text))]
    echeance_le: Annotated[date | None, Column("Échéance le", "La même comme date, quand elle peut l'être.", col(Milestone.due_on))]
    etat: Annotated[
        Literal["non_commence", "en_cours", "fait", "abandonne"] | None,
        Column("État", "Dernier état dit ; vide si personne ne l'a dit.", in_french(Milestone.state, STATES)),
    ]
    fait_le: Annotated[date | None, Column("Fait le", "Jour où il a été atteint.", col(Milestone.done_on))]
    precision: Annotated[str | None, Column("Précision", "Ce qui est dit de cet état.", text(Milestone.state_note))]
    preuve: Annotated[str | None, Column("Preuve", "Adresse d'une preuve.", text(Milestone.evidence_url))]
    etat_dit_le: Annotated[
        datetime | None, Column("État dit le", "Instant où cet état a été dit.", col(Milestone.state_changed_at), dated=True)
    ]
    adresse: Annotated[str, Column("Adresse", "Page de son engagement.", commitment_address())]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_commitment(query.select_from(Milestone), Milestone.commitment_id)
