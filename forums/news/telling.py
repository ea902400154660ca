"""Each kind of news in a sentence of the catalogue, with its identifier for ever and the page where it is read."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol
from uuid import UUID

from forums.language import N_
from forums.models import (
    ActionPlan,
    AgendaVersion,
    Answer,
    Comment,
    Commitment,
    CommitmentAmendment,
    Consultation,
    Evaluation,
    FollowUp,
    FollowUpChange,
    Forum,
    Indicator,
    Institution,
    Measurement,
    MeasurementChange,
    Milestone,
    Minutes,
    MinutesVersion,
    ProgressReport,
    Question,
)
from forums.models.forum import PARIS
from forums.news.happened import Happened
from forums.news.scopes import address_of, shortened

_LONGEST = 300


class Read(Protocol):
    """The rows that were read."""

    def of(self, table: type[Any], key: UUID | None) -> Any: ...
    def maybe(self, table: type[Any], key: UUID | None) -> Any: ...


@dataclass(frozen=True)
class Told:
    """What is said of one thing that happened. A figure called `day` is an ISO date, written out when it is shown."""

    id: str
    sentence: str
    figures: Mapping[str, Any]
    text: str
    address: str
    invented: bool = False
    forum_id: UUID | None = None


def tell(each: Happened, rows: Read, moved: Collection[UUID]) -> Told:
    if each.word == "forum":
        return _forum(each, rows.of(Forum, each.key), each.key in moved)
    return _TELLERS[each.word](each, rows)


def _forum(each: Happened, forum: Forum, moved: bool) -> Told:
    changed = (
        N_("Forum n° {number} déplacé au {day}")
        if moved
        else N_("Forum n° {number} du {day} : thème, lieu, heure ou description mis à jour")
    )
    sentence, name = {
        "forum_announced": (N_("Forum n° {number} annoncé pour le {day}"), "annonce"),
        "forum_changed": (changed, f"changement/{forum.sequence}"),
        "forum_cancelled": (N_("Forum n° {number} du {day} annulé"), "annulation"),
    }[each.kind]
    text = forum.cancel_reason if each.kind == "forum_cancelled" else forum.theme
    return _of_forum(forum, name, sentence, text or "", f"/forums/{forum.slug}")


def _of_forum(forum: Forum, name: str, sentence: str, text: str, address: str) -> Told:
    # By its UID, as calendars know it: a slug could be given again after a draft was thrown away.
    figures = {"number": forum.number, "day": _day(forum.starts_at or forum.day)}
    return Told(f"forums/{forum.uid}/{name}", sentence, figures, shortened(text, _LONGEST), address, forum.invented, forum.id)


def _day(moment: datetime | date | None) -> str:
    if isinstance(moment, datetime):
        return moment.astimezone(PARIS).date().isoformat()
    return moment.isoformat() if moment else ""


def _agenda(each: Happened, rows: Read) -> Told:
    version = rows.of(AgendaVersion, each.key)
    forum = rows.of(Forum, version.forum_id)
    first = version.number == 1
    sentence = (
        N_("Ordre du jour publié : forum n° {number} du {day}") if first else N_("Ordre du jour modifié : forum n° {number} du {day}")
    )
    text = version.comment or forum.theme or ""
    return _of_forum(forum, f"ordre-du-jour/{version.number}", sentence, text, f"/forums/{forum.slug}#ordre-du-jour")


def _minutes(each: Happened, rows: Read) -> Told:
    forum = rows.of(Forum, rows.of(Minutes, each.key).forum_id)
    address = f"/forums/{forum.slug}/compte-rendu"
    if each.kind == "minutes_published":
        return _of_forum(forum, "compte-rendu", N_("Compte rendu publié : forum n° {number} du {day}"), forum.theme or "", address)
    version = rows.of(MinutesVersion, each.detail)
    sentence = N_("Compte rendu modifié : forum n° {number} du {day}")
    return _of_forum(forum, f"compte-rendu/{version.number}", sentence, version.comment, f"{address}/versions/{version.number}")


def _question(each: Happened, rows: Read) -> Told:
    question = rows.of(Question, each.key)
    sentence = N_("Idée publiée") if question.kind == "idea" else N_("Question publiée")
    text = shortened(question.text, _LONGEST)
    return Told(f"questions/{question.code}/publication", sentence, {}, text, f"/questions/{question.code}", question.invented)


def _answer(each: Happened, rows: Read) -> Told:
    answer = rows.of(Answer, each.key)
    question, institution = rows.of(Question, answer.question_id), rows.of(Institution, answer.institution_id)
    amended = each.kind == "answer_amended"
    sentence = N_("Réponse corrigée : {institution}") if amended else N_("Réponse publiée : {institution}")
    name = f"questions/{question.code}/reponses/{institution.slug}" + (f"/{_stamp(each.moment)}" if amended else "")
    address = f"/questions/{question.code}#reponse-{institution.slug}"
    return Told(name, sentence, {"institution": institution.name}, shortened(question.text, _LONGEST), address, answer.invented)


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _promise(each: Happened, rows: Read) -> Told:
    promise = rows.of(FollowUp, each.key)
    forum, institution = rows.of(Forum, promise.forum_id), rows.maybe(Institution, promise.institution_id)
    change = rows.maybe(FollowUpChange, each.detail)
    sentence, name = {
        "promise_recorded": (N_("Promesse faite au forum n° {number} : {holder}"), "promesse"),
        "promise_kept": (N_("Promesse tenue : {holder}"), "tenue"),
        "promise_dropped": (N_("Promesse abandonnée : {holder}"), "abandon"),
        "promise_reopened": (N_("Promesse rouverte : {holder}"), "reprise"),
        "promise_late": (N_("Promesse en retard, attendue le {day} : {holder}"), f"retard/{promise.due_on}"),
    }[each.kind]
    if promise.kind == "cooperation" and each.kind == "promise_recorded":
        sentence = N_("Coopération engagée au forum n° {number} : {holder}")
    if change is not None:
        name = f"{name}/{_stamp(change.at)}"
    holder = institution.name if institution else promise.owner or promise.partners
    figures = {"number": forum.number, "holder": holder, "day": _day(promise.due_on)}
    text = shortened(promise.text, _LONGEST)
    return Told(f"suites/{promise.code}/{name}", sentence, figures, text, f"/suites/{promise.code}", promise.invented)


def _measurement(each: Happened, rows: Read) -> Told:
    measurement = rows.of(Measurement, each.key)
    indicator = rows.of(Indicator, measurement.indicator_id)
    commitment, plan = _commitment(rows, indicator.commitment_id)
    sentence = N_("Engagement {number} : nouvelle mesure de l'indicateur « {name} », au {day}")
    name, value, why = f"indicateurs/{indicator.code}/{measurement.measured_on}", measurement.value, ""
    if each.kind == "measurement_corrected":
        change = rows.of(MeasurementChange, each.detail)
        sentence = N_("Engagement {number} : mesure corrigée de l'indicateur « {name} », au {day}")
        name, value, why = f"{name}/{_stamp(change.at)}", change.value, change.reason
    figures = {"number": commitment.number, "name": shortened(indicator.name, 100), "day": _day(measurement.measured_on)}
    text = f"{value} {indicator.unit}".strip() + (f" – {why}" if why else "")
    return Told(name, sentence, figures, _in(plan, text), address_of(plan, commitment.number) + "#indicateurs", indicator.invented)


def _in(plan: ActionPlan, text: str) -> str:
    """What is said, after the plan it is about when that is not the current one: a commitment's number is unique in its plan only."""
    return shortened(text if plan.current else f"{plan.title} – {text}", _LONGEST)


def _commitment(rows: Read, key: UUID) -> tuple[Commitment, ActionPlan]:
    commitment = rows.of(Commitment, key)
    return commitment, rows.of(ActionPlan, commitment.plan_id)


def _report(each: Happened, rows: Read) -> Told:
    report = rows.of(ProgressReport, each.key)
    commitment, plan = _commitment(rows, report.commitment_id)
    amended = each.kind == "report_amended"
    sentence = (
        N_("Engagement {number} : point d'étape corrigé par {institution}")
        if amended
        else N_("Engagement {number} : point d'étape de {institution}")
    )
    name = f"points-d-etape/{report.code}" + (f"/{_stamp(each.moment)}" if amended else "")
    figures = {"number": commitment.number, "institution": rows.of(Institution, report.institution_id).name}
    text = _in(plan, report.text or report.obstacles)
    return Told(name, sentence, figures, text, f"{address_of(plan, commitment.number)}#point-{report.code}", report.invented)


def _milestone(each: Happened, rows: Read) -> Told:
    milestone = rows.of(Milestone, each.key)
    commitment, plan = _commitment(rows, milestone.commitment_id)
    sentence = {
        "not_started": N_("Engagement {number} : jalon pas commencé"),
        "under_way": N_("Engagement {number} : jalon en cours"),
        "done": N_("Engagement {number} : jalon atteint"),
        "abandoned": N_("Engagement {number} : jalon abandonné"),
    }[milestone.state]
    name = f"jalons/{plan.slug}/{commitment.number}/{milestone.position}/{_stamp(each.moment)}"
    text = _in(plan, milestone.text + (f" – {milestone.state_note}" if milestone.state_note else ""))
    return Told(name, sentence, {"number": commitment.number}, text, address_of(plan, commitment.number) + "#jalons", plan.invented)


def _evaluation(each: Happened, rows: Read) -> Told:
    evaluation = rows.of(Evaluation, each.key)
    name = f"evaluations/{evaluation.code}"
    if evaluation.commitment_id is None:
        plan = rows.of(ActionPlan, evaluation.plan_id)
        address = ("/engagements" if plan.current else f"/plans/{plan.slug}") + "#evaluations"
        return Told(name, N_("Évaluation du plan {plan}"), {"plan": plan.slug}, evaluation.title, address, evaluation.invented)
    commitment, plan = _commitment(rows, evaluation.commitment_id)
    address, text = address_of(plan, commitment.number) + "#evaluations", _in(plan, evaluation.title)
    return Told(name, N_("Engagement {number} : évaluation ajoutée"), {"number": commitment.number}, text, address, evaluation.invented)


def _consultation(each: Happened, rows: Read) -> Told:
    consultation = rows.of(Consultation, each.key)
    plan = rows.of(ActionPlan, consultation.plan_id)
    sentence, name = {
        "consultation_opened": (N_("Appel à commentaires ouvert jusqu'au {day}"), "ouverture"),
        "consultation_closed": (N_("Appel à commentaires clos le {day}"), "cloture"),
        "consultation_summed_up": (N_("Synthèse de l'appel à commentaires publiée"), "synthese"),
    }[each.kind]
    address = f"/plans/{plan.slug}/commentaires" + ("/synthese" if each.kind == "consultation_summed_up" else "")
    return Told(
        f"plans/{plan.slug}/commentaires/{name}",
        sentence,
        {"day": _day(consultation.closes_at)},
        plan.title,
        address,
        consultation.invented,
    )


def _comment(each: Happened, rows: Read) -> Told:
    comment = rows.of(Comment, each.key)
    text = shortened(comment.reply, _LONGEST)
    name, address = f"commentaires/{comment.code}/reponse", f"/commentaires/{comment.code}"
    if comment.commitment_id is None:
        return Told(name, N_("Réponse à un commentaire sur le projet de plan"), {}, text, address, comment.invented)
    commitment, plan = _commitment(rows, comment.commitment_id)
    figures, text = {"number": commitment.number}, _in(plan, comment.reply)
    return Told(name, N_("Réponse à un commentaire sur l'engagement {number}"), figures, text, address, comment.invented)


def _amendment(each: Happened, rows: Read) -> Told:
    amendment = rows.of(CommitmentAmendment, each.key)
    commitment, plan = _commitment(rows, amendment.commitment_id)
    sentence, text = N_("Engagement {number} modifié"), _in(plan, amendment.reason)
    address = f"/plans/{plan.slug}/engagements/{commitment.number}/commentaires#modification-{amendment.code}"
    return Told(f"modifications/{amendment.code}", sentence, {"number": commitment.number}, text, address, plan.invented)


_TELLERS: Mapping[str, Callable[[Happened, Read], Told]] = {
    "agenda": _agenda,
    "minutes": _minutes,
    "question": _question,
    "answer": _answer,
    "promise": _promise,
    "measurement": _measurement,
    "report": _report,
    "milestone": _milestone,
    "evaluation": _evaluation,
    "consultation": _consultation,
    "comment": _comment,
    "amendment": _amendment,
}
