"""How commitments are followed: indicators and their published values, progress reports, evaluations, comments and amendments.

A value or a report that an institution only proposed is nobody else's; neither is a comment before moderation, nor a
reply before it is given.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from sqlalchemy import ColumnElement, func
from sqlmodel import col

from forums.indicators.figures import number
from forums.language import N_
from forums.models import (
    ActionPlan,
    Commitment,
    Evaluation,
    Indicator,
    Institution,
    Measurement,
    MeasurementChange,
    ProgressReport,
)
from forums.open_data.columns import Column, Row, commitment_address, fixed, in_french, joined, rank, text
from forums.open_data.plans import COMMITMENT, of_commitment

PERIODS = {"once": "une_fois", "monthly": "mois", "quarterly": "trimestre", "half_yearly": "semestre", "yearly": "annee"}
COMPLETION = {"not_started": "non_commence", "limited": "limite", "substantial": "substantiel", "complete": "complet"}
EVALUATIONS = {"independent": "independante", "self_assessment": "auto_evaluation", "other": "autre"}
MEASUREMENT = joined(col(Indicator.code), "/", Measurement.__table__.c.measured_on)  # type: ignore[attr-defined]
Completion = Literal["non_commence", "limite", "substantiel", "complet"]


AS_NUMBER = "lue comme un nombre ; vide si elle n'en est pas un, ou se lit de deux façons."
_THEN_UNIT = "\x1f"  # no value holds it


def figure(value: Any) -> ColumnElement[str]:
    """A value and the unit that may stand behind it too, for `as_number`."""
    return joined(text(value), _THEN_UNIT, func.coalesce(col(Indicator.unit), ""))


def as_number(value: str | None) -> float | None:
    """The number a chart would show; a whole one without decimals."""
    found = number(*value.split(_THEN_UNIT)) if value else None
    return int(found) if found is not None and found.is_integer() else found


def _addresses(evidence: list[dict[str, Any]]) -> list[str]:
    return [str(each["url"]) for each in evidence]


class Indicators(Row):
    file = "indicateurs"
    title = N_("Indicateurs")
    about = N_("Les indicateurs de chaque engagement : d'où l'on part, ce que l'on vise, et tous les combien une mesure est due.")
    order = ("engagement", "code")

    code: Annotated[str, Column("Code", "Code de l'indicateur, qui ne change pas.", col(Indicator.code), key=True)]
    engagement: Annotated[str, Column("Engagement", "Engagement suivi.", COMMITMENT, refers="engagements")]
    nom: Annotated[str, Column("Nom", "Ce qui est mesuré.", col(Indicator.name))]
    unite: Annotated[str | None, Column("Unité", "Unité des valeurs.", text(Indicator.unit))]
    depart: Annotated[str | None, Column("Départ", "Valeur de départ, comme publiée.", text(Indicator.baseline))]
    depart_le: Annotated[date | None, Column("Départ le", "Jour de la valeur de départ.", col(Indicator.baseline_on))]
    depart_nombre: Annotated[
        float | None, Column("Départ, en nombre", f"La valeur de départ {AS_NUMBER}", figure(Indicator.baseline), shown=as_number)
    ]
    cible: Annotated[str | None, Column("Cible", "Valeur visée, comme publiée.", text(Indicator.target))]
    cible_nombre: Annotated[
        float | None, Column("Cible, en nombre", f"La valeur visée {AS_NUMBER}", figure(Indicator.target), shown=as_number)
    ]
    cible_le: Annotated[date | None, Column("Cible le", "Jour où elle est visée.", col(Indicator.target_on))]
    periodicite: Annotated[
        Literal["une_fois", "mois", "trimestre", "semestre", "annee"] | None,
        Column("Périodicité", "Tous les combien une mesure est due.", in_french(Indicator.periodicity, PERIODS)),
    ]
    premiere_mesure_le: Annotated[
        date | None, Column("Première mesure le", "Jour où la première mesure est due.", col(Indicator.first_due_on))
    ]
    source: Annotated[str | None, Column("Source", "D'où viennent les valeurs.", text(Indicator.source))]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(Indicator.invented))]
    adresse: Annotated[str, Column("Adresse", "Page de son engagement.", commitment_address(anchor="#indicateurs"))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        return of_commitment(query.select_from(Indicator), Indicator.commitment_id)


class Measurements(Row):
    file = "mesures"
    title = N_("Mesures")
    about = N_("Les valeurs publiées de chaque indicateur. Une valeur corrigée garde ses valeurs d'avant dans mesures-corrections.")
    order = ("indicateur", "mesuree_le")
    day = "mesuree_le"
    parts = ("indicateur", "mesuree_le")

    code: Annotated[str, Column("Code", "Indicateur et jour de la mesure.", MEASUREMENT, key=True)]
    indicateur: Annotated[str, Column("Indicateur", "Indicateur mesuré.", col(Indicator.code), refers="indicateurs")]
    mesuree_le: Annotated[date, Column("Mesurée le", "Jour de la mesure.", col(Measurement.measured_on))]
    valeur: Annotated[str, Column("Valeur", "Valeur comme publiée, sans son unité.", col(Measurement.value))]
    valeur_nombre: Annotated[
        float | None, Column("Valeur, en nombre", f"La valeur {AS_NUMBER}", figure(Measurement.value), shown=as_number)
    ]
    source: Annotated[str | None, Column("Source", "D'où vient la valeur.", text(Measurement.source))]
    source_adresse: Annotated[str | None, Column("Adresse de la source", "Où la lire.", text(Measurement.source_url))]
    note: Annotated[str | None, Column("Note", "Ce qu'il faut savoir pour la lire.", text(Measurement.note))]
    institution: Annotated[
        str | None, Column("Institution", "Qui l'a donnée ; vide si elle vient du plan.", col(Institution.slug), refers="institutions")
    ]
    publiee_le: Annotated[datetime | None, Column("Publiée le", "Instant de sa publication.", col(Measurement.published_at), dated=True)]
    corrigee_le: Annotated[
        datetime | None, Column("Corrigée le", "Instant de sa dernière correction.", col(Measurement.corrected_at), dated=True)
    ]
    adresse: Annotated[str, Column("Adresse", "Page de l'engagement suivi.", commitment_address(anchor="#indicateurs"))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(Measurement).join(Indicator, col(Indicator.id) == col(Measurement.indicator_id))
        query = of_commitment(query, Indicator.commitment_id)
        query = query.outerjoin(Institution, col(Institution.id) == col(Measurement.institution_id))
        return query.where(col(Measurement.status) == fixed("published"))


def _public(change: Any) -> list[Any]:
    """What was mended while it was still proposed is not public, whatever the row is called."""
    since = func.coalesce(col(Measurement.published_at), col(change.at))
    return [col(change.kind).in_(("published", "corrected")), col(change.at) >= since]


class MeasurementCorrections(Row):
    file = "mesures-corrections"
    title = N_("Corrections des mesures")
    about = N_("L'histoire publique de chaque mesure : la valeur publiée, puis chaque correction avec sa raison.")
    order = ("mesure", "numero")

    mesure: Annotated[str, Column("Mesure", "Mesure.", MEASUREMENT, refers="mesures", key=True)]
    numero: Annotated[
        int,
        Column(
            "Numéro",
            "Rang dans l'histoire de la mesure.",
            rank(MeasurementChange, "measurement_id", _public),
            key=True,
        ),
    ]
    le: Annotated[datetime, Column("Le", "Instant.", col(MeasurementChange.at), dated=True)]
    nature: Annotated[
        Literal["publiee", "corrigee"],
        Column(
            "Nature", "Publication ou correction.", in_french(MeasurementChange.kind, {"published": "publiee", "corrected": "corrigee"})
        ),
    ]
    valeur: Annotated[str, Column("Valeur", "Valeur à partir de cet instant.", col(MeasurementChange.value))]
    valeur_nombre: Annotated[
        float | None, Column("Valeur, en nombre", f"La valeur {AS_NUMBER}", figure(MeasurementChange.value), shown=as_number)
    ]
    source: Annotated[str | None, Column("Source", "Source à partir de cet instant.", text(MeasurementChange.source))]
    raison: Annotated[str | None, Column("Raison", "Raison de la correction.", text(MeasurementChange.reason))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(MeasurementChange).join(Measurement, col(Measurement.id) == col(MeasurementChange.measurement_id))
        query = query.join(Indicator, col(Indicator.id) == col(Measurement.indicator_id))
        return query.where(col(Measurement.status) == fixed("published"), *_public(MeasurementChange))


class Reports(Row):
    file = "points-d-etape"
    title = N_("Points d'étape")
    about = N_("Ce que chaque institution publie de l'avancement de ses engagements, période par période, avec le code d'OGP.")
    order = ("engagement", "debut", "code")
    day = "debut"

    code: Annotated[str, Column("Code", "Code du point d'étape.", col(ProgressReport.code), key=True)]
    engagement: Annotated[str, Column("Engagement", "Engagement.", COMMITMENT, refers="engagements")]
    institution: Annotated[str, Column("Institution", "Qui le publie.", col(Institution.slug), refers="institutions")]
    debut: Annotated[date, Column("Début", "Premier jour de la période.", col(ProgressReport.period_start))]
    fin: Annotated[date, Column("Fin", "Dernier jour de la période.", col(ProgressReport.period_end))]
    avancement: Annotated[Completion, Column("Avancement", "Avancement selon OGP.", in_french(ProgressReport.completion, COMPLETION))]
    texte: Annotated[str | None, Column("Texte", "Ce qui a été fait (Markdown).", text(ProgressReport.text))]
    obstacles: Annotated[str | None, Column("Obstacles", "Ce qui empêche d'avancer.", text(ProgressReport.obstacles))]
    preuves: Annotated[list[str], Column("Preuves", "Adresses des preuves.", col(ProgressReport.evidence), shown=_addresses)]
    publie_le: Annotated[datetime, Column("Publié le", "Instant de sa publication.", col(ProgressReport.published_at), dated=True)]
    corrige_le: Annotated[
        datetime | None, Column("Corrigé le", "Instant de sa dernière correction.", col(ProgressReport.amended_at), dated=True)
    ]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(ProgressReport.invented))]
    adresse: Annotated[str, Column("Adresse", "Page de son engagement.", commitment_address())]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = of_commitment(query.select_from(ProgressReport), ProgressReport.commitment_id)
        query = query.join(Institution, col(Institution.id) == col(ProgressReport.institution_id))
        return query.where(col(ProgressReport.status) == fixed("published"), col(ProgressReport.published_at).is_not(None))


class Evaluations(Row):
    file = "evaluations"
    title = N_("Évaluations")
    about = N_("Ce que d'autres, ou l'administration elle-même, ont conclu d'un plan ou d'un engagement, avec la source.")
    order = ("plan", "code")

    code: Annotated[str, Column("Code", "Code de l'évaluation.", col(Evaluation.code), key=True)]
    plan: Annotated[str, Column("Plan", "Plan évalué.", col(ActionPlan.slug), refers="plans")]
    engagement: Annotated[str | None, Column("Engagement", "Engagement évalué ; vide pour tout le plan.", COMMITMENT, refers="engagements")]
    nature: Annotated[
        Literal["independante", "auto_evaluation", "autre"],
        Column("Nature", "Qui évalue.", in_french(Evaluation.kind, EVALUATIONS)),
    ]
    titre: Annotated[str, Column("Titre", "Titre de l'évaluation.", col(Evaluation.title))]
    auteur: Annotated[str | None, Column("Auteur", "Auteur nommé par la source.", text(Evaluation.author))]
    datee_du: Annotated[date | None, Column("Datée du", "Date, quand elle est connue.", col(Evaluation.dated))]
    date_texte: Annotated[str | None, Column("Date écrite", "Date telle qu'elle a été trouvée.", text(Evaluation.date_text))]
    constats: Annotated[str | None, Column("Constats", "Ce qu'elle conclut.", text(Evaluation.findings))]
    avancement: Annotated[
        Completion | None,
        Column("Avancement", "Avancement selon OGP, si la source le donne.", in_french(Evaluation.completion, COMPLETION)),
    ]
    source_adresse: Annotated[str | None, Column("Adresse de la source", "Où la lire.", text(Evaluation.source_url))]
    invente: Annotated[bool, Column("Inventé", "Vrai pour une donnée de démonstration.", col(Evaluation.invented))]

    @classmethod
    def drawn(cls, query: Any) -> Any:
        query = query.select_from(Evaluation).join(ActionPlan, col(ActionPlan.id) == col(Evaluation.plan_id))
        return query.outerjoin(Commitment, col(Commitment.id) == col(Evaluation.commitment_id))
