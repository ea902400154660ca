"""The words of a draft of self-assessment: its parts in order, facts quoted with their links, blanks marked."""

from collections.abc import Sequence
from datetime import date, datetime

from forums.accountability import counts
from forums.accountability.assessment import SHOWN, Known
from forums.accountability.freshness import Watched
from forums.accountability.paper import Blank, Block, Heading, Items, Line, Paper, Span, Table, Text, french, plain
from forums.answers import Standing
from forums.follow_ups import Promise
from forums.language import N_, day_in_full, translations, unbroken
from forums.models import Evaluation, Institution, ProgressReport
from forums.models.plan import Completion, MilestoneState
from forums.rendering import markdown

# OGP's completion codes, in the words used here.
COMPLETIONS: dict[Completion, str] = {
    "not_started": N_("non commencé"),
    "limited": N_("limité"),
    "substantial": N_("substantiel"),
    "complete": N_("achevé"),
}
MILESTONES: dict[MilestoneState, str] = {
    "not_started": N_("pas commencé"),
    "under_way": N_("en cours"),
    "done": N_("fait"),
    "abandoned": N_("abandonné"),
}
STATES = {
    "waiting": N_("en attente de réponse"),
    "on_agenda": N_("à l'ordre du jour d'un forum"),
    "answered": N_("répondue"),
    "partly": N_("répondue en partie"),
    "deferred": N_("reportée"),
    "refused": N_("refus de répondre"),
}
_PROMISES = {"open": N_("ouverte"), "kept": N_("tenue"), "dropped": N_("abandonnée")}


def self_assessment(known: Known, *, base: str, language: str, public_url: str, now: datetime) -> Paper:
    """The draft, as it stands today. `base` is the address below which the plan's commitments are found."""
    return _Draft(known, f"{base}/{known.commitment.number}", language, now).paper(public_url)


class _Draft:
    """The parts of the draft, in one language."""

    def __init__(self, known: Known, address: str, language: str, now: datetime) -> None:
        self.known, self.address, self.language, self.now = known, address, language, now
        self.say = translations(language).gettext
        self.where = f"plan={known.plan.slug}&engagement={known.commitment.number}"

    def paper(self, public_url: str) -> Paper:
        _, known = self.say, self.known
        number = _("Engagement %(number)s") % {"number": known.commitment.number}
        parts = (self.promise, self.milestones, self.indicators, self.reports, self.dialogue, self.promises, self.evaluations)
        return Paper(
            title=_("Projet d'auto-évaluation – engagement %(number)s") % {"number": known.commitment.number},
            about=[
                [Span(f"{number} : "), *self.titled(known.commitment.title, known.commitment.title_en, self.address)],
                [Span(_("Plan :") + " "), *self.titled(known.plan.title, known.plan.title_en)],
                plain(
                    _("Prérempli avec ce que ce site a publié, au %(day)s. C'est à qui porte l'engagement de le compléter.")
                    % {"day": day_in_full(self.now, self.language)}
                ),
            ],
            blocks=[block for part in parts for block in part()] + self.conclusion(),
            dated=_("Projet établi le %(day)s.") % {"day": day_in_full(self.now, self.language)},
            invented=known.invented,
            language=self.language,
            public_url=public_url,
        )

    # -- Words ----------------------------------------------------------------------------------------------

    def titled(self, title: str, title_en: str | None, url: str = "") -> Line:
        return plain(title_en, url) if self.language == "en" and title_en else french(title, url)

    def day(self, day: date | datetime | None) -> str:
        return day_in_full(day, self.language) if day else self.blank()

    def blank(self) -> str:
        return f"[{self.say('à compléter')}]"

    def or_blank(self, text: str | None) -> Line:
        return french(text) if text else plain(self.blank())

    def words(self, text: str) -> str:
        """What Markdown says, without its marks: a document to be edited shows no asterisk."""
        return markdown(text).striptags()

    def written(self, text: str) -> Line:
        return french(self.words(text))

    def rest(self, said: str, shown: int, total: int, address: str) -> list[Block]:
        """Where all of them are read, when there are too many for a paper."""
        return [Text(plain(said % {"shown": shown, "total": total}, address))] if total > shown else []

    # -- What was promised -------------------------------------------------------------------------------------

    def promise(self) -> list[Block]:
        _, known = self.say, self.known
        commitment = known.commitment
        code = commitment.ogp_code and (commitment.ogp_code + (f" {_('(déduit de la suite)')}" if commitment.ogp_code_deduced else ""))
        facts: list[tuple[str, Line]] = [
            (_("Code OGP"), plain(code or self.blank())),
            (_("Porté par"), self.or_blank(self.names(known.leads))),
            (_("Avec"), self.or_blank(self.names(known.partners))),
            (_("Ce qui a été promis"), self.or_blank(commitment.summary)),
            (_("Origine"), self.or_blank(commitment.origin)),
            (_("Personne à contacter"), plain(self.blank())),
        ]
        return [
            Heading(_("L'engagement")),
            Table(_("Fiche de l'engagement"), [_("Rubrique"), _("Contenu")], [[plain(name), line] for name, line in facts], wide=1),
        ]

    def names(self, institutions: Sequence[Institution]) -> str:
        return ", ".join(each.name for each in institutions)

    def milestones(self) -> list[Block]:
        _ = self.say
        heading = Heading(_("Jalons"))
        if not self.known.milestones:
            return [heading, Blank(_("Aucun jalon n'est connu de ce site."))]
        rows = []
        for each in self.known.milestones:
            due = french(each.due_text) if each.due_text else plain(self.day(each.due_on))
            state = _(MILESTONES[each.state]) if each.state else self.blank()
            if each.done_on:
                state = f"{state} ({day_in_full(each.done_on, self.language)})"
            proof = each.evidence_url or ""
            rows.append([french(each.text), due, plain(state), plain(proof, proof) if proof else self.or_blank(each.state_note)])
        return [heading, Table(_("Jalons de l'engagement"), [_("Jalon"), _("Échéance"), _("État"), _("Preuve")], rows)]

    # -- What was measured and reported ----------------------------------------------------------------------------

    def indicators(self) -> list[Block]:
        _ = self.say
        heading = Heading(_("Indicateurs"))
        if not self.known.indicators:
            return [heading, Blank(_("Aucun indicateur n'est connu de ce site."))]
        head = [_("Indicateur"), _("Départ"), _("Cible"), _("Dernière mesure"), _("Le"), _("Source")]
        return [heading, Table(_("Indicateurs de l'engagement"), head, [self.indicator(each) for each in self.known.indicators])]

    def indicator(self, each: Watched) -> list[Line]:
        indicator = each.indicator
        last = self.known.measurements.get(indicator.id)
        named = f"{indicator.name} ({indicator.unit})" if indicator.unit else indicator.name
        source = (last.source_url or "") if last else ""
        return [
            french(named, f"{self.address}#indicateurs"),
            self.or_blank(indicator.baseline),
            self.or_blank(indicator.target),
            self.or_blank(last.value if last else None),
            plain(self.day(last.measured_on if last else None)),
            french(last.source or source, source) if last and (last.source or source) else self.or_blank(indicator.source),
        ]

    def reports(self) -> list[Block]:
        _ = self.say
        heading = Heading(_("Points d'étape"))
        if not self.known.reports:
            return [heading, Blank(_("Aucun point d'étape n'a été publié."))]
        latest = [block for report, institution in self.known.reports[:SHOWN] for block in self.report(report, institution)]
        said = _("Les %(shown)s derniers sur %(total)s ; tous sont en ligne")
        return [heading, *latest, *self.rest(said, SHOWN, len(self.known.reports), f"{self.address}#points")]

    def report(self, report: ProgressReport, institution: Institution) -> list[Block]:
        _ = self.say
        period = {"from": day_in_full(report.period_start, self.language), "to": day_in_full(report.period_end, self.language)}
        proofs = [plain(str(each.get("title") or each.get("url", "")), str(each.get("url", ""))) for each in report.evidence]
        blocks: list[Block] = [
            Heading(_("Du %(from)s au %(to)s") % period, 2),
            Text([*french(institution.name), Span(f" – {_('avancement :')} {_(COMPLETIONS[report.completion])}.")]),
        ]
        if report.text:
            blocks.append(Text(self.written(report.text)))
        if report.obstacles:
            blocks.append(Text([Span(_("Obstacles :") + " "), *self.written(report.obstacles)]))
        return [*blocks, Items(proofs)] if proofs else blocks

    # -- What was discussed -------------------------------------------------------------------------------------------

    def dialogue(self) -> list[Block]:
        _, known = self.say, self.known
        blocks: list[Block] = [Heading(_("Dialogue avec la société civile")), Heading(_("Forums qui l'ont examiné"), 2)]
        if known.forums:
            blocks.append(Items([self.forum(each.slug, each.number, each.day, each.theme) for each in known.forums[:SHOWN]]))
            said = _("Les %(shown)s derniers sur %(total)s ; tous sont en ligne")
            where = f"/redevabilite/engagements/{known.plan.slug}/{known.commitment.number}#forums"
            blocks += self.rest(said, min(SHOWN, len(known.forums)), len(known.forums), where)
        else:
            blocks.append(Text(plain(_("Jamais examiné : aucun forum tenu n'a porté sur cet engagement."))))
        return [*blocks, Heading(_("Questions et réponses"), 2), *self.questions(), *self.given()]

    def questions(self) -> list[Block]:
        _, known = self.say, self.known
        told = counts.of_questions(known.asked, self.where, self.language)
        if not known.questions:
            return told
        rows = [
            [french(self.short(each.text), f"/questions/{each.code}"), plain(self.state(known.standings[each.id]))]
            for each in known.questions
        ]
        table = Table(_("Questions posées"), [_("Question"), _("Où elle en est")], rows)
        rest = self.rest(
            _("Les %(shown)s plus récentes sur %(total)s ; toutes sont en ligne"), len(rows), known.asked.total, f"/questions?{self.where}"
        )
        return [*told, table, *rest]

    def given(self) -> list[Block]:
        if not self.known.given:
            return []
        lines = [
            [
                *french(each.institution.name, f"/questions/{each.question.code}#reponse-{each.institution.slug}"),
                Span(f" ({self.say(STATES[each.answer.outcome])}) : "),
                *french(self.short(self.words(each.answer.text or each.answer.reason or ""))),
            ]
            for each in self.known.given
        ]
        rest = self.rest(
            self.say("Les %(shown)s plus récentes sur %(total)s ; toutes se lisent avec leurs questions"),
            len(lines),
            self.known.answers,
            f"/questions?{self.where}",
        )
        return [Heading(self.say("Réponses écrites des administrations"), 2), Items(lines), *rest]

    def forum(self, slug: str, number: int, day: date | None, theme: str | None) -> Line:
        named = self.say("Forum n° %(number)s") % {"number": number}
        when = f", {day_in_full(day, self.language)}" if day else ""
        return [Span(f"{named}{when}", f"/forums/{slug}"), *([Span(" – "), *french(theme)] if theme else [])]

    def short(self, text: str) -> str:
        words = " ".join(text.split())
        return words if len(words) <= 300 else words[:299].rsplit(" ", 1)[0] + " …"

    def state(self, standing: Standing) -> str:
        said = self.say(STATES[standing.state])
        if standing.until is None:
            return said
        late = f" ({self.say('en retard')})" if standing.is_overdue(self.now) else ""
        return self.say("%(state)s au %(day)s") % {"state": said, "day": day_in_full(standing.until, self.language)} + late

    def promises(self) -> list[Block]:
        _, known = self.say, self.known
        heading = Heading(_("Promesses faites en forum"))
        if not known.promises:
            return [heading, Text(plain(_("Aucune promesse publiée ne porte sur cet engagement.")))]
        head = [_("Promesse"), _("Par"), _("Pour le"), _("État")]
        told = counts.of_promises(known.promised, self.where, self.language)
        table = Table(_("Promesses qui portent sur l'engagement"), head, [self.kept(each) for each in known.promises])
        said = _("Les %(shown)s qui pressent le plus sur %(total)s ; toutes sont en ligne")
        return [heading, *told, table, *self.rest(said, len(known.promises), known.promised.total, f"/suites?{self.where}")]

    def kept(self, promise: Promise) -> list[Line]:
        held = promise.follow_up
        due = day_in_full(held.due_on, self.language) if held.due_on else self.say("sans date annoncée")
        state = self.say("en retard") if held.days_late(self.now) else self.say(_PROMISES[held.status])
        return [french(self.short(held.text), f"/suites/{held.code}"), french(promise.holder), plain(due), plain(state)]

    # -- What was said of it, what remains to be said -----------------------------------------------------------------

    def evaluations(self) -> list[Block]:
        _ = self.say
        if not self.known.evaluations:
            return []
        return [Heading(_("Ce que d'autres en ont dit")), Items([self.evaluation(each) for each in self.known.evaluations])]

    def evaluation(self, each: Evaluation) -> Line:
        _ = self.say
        dated = day_in_full(each.dated, self.language) if each.dated else each.date_text
        more = [text for text in (each.author, dated) if text]
        completion = [f"{_('avancement :')} {_(COMPLETIONS[each.completion])}"] if each.completion else []
        told = ", ".join([*more, *completion])
        return [*french(each.title, each.source_url or ""), *([Span(f" ({unbroken(told)})")] if told else [])]

    def conclusion(self) -> list[Block]:
        _ = self.say
        choices = ", ".join(_(each) for each in COMPLETIONS.values())
        last = self.known.reports[0][0] if self.known.reports else None
        published = _("Dernier point d'étape publié : %(state)s.") % {"state": _(COMPLETIONS[last.completion])} if last else ""
        asked = _("Au choix : %(choices)s.") % {"choices": choices}
        return [
            Heading(_("À compléter par qui porte l'engagement")),
            Heading(_("Degré de réalisation"), 2),
            Blank(f"{asked} {published}".strip()),
            Heading(_("Résultats obtenus"), 2),
            Blank(""),
            Heading(_("Difficultés rencontrées et enseignements"), 2),
            Blank(""),
            Heading(_("Suites prévues"), 2),
            Blank(""),
        ]
