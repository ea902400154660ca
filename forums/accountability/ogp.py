"""The OGP file: what shows, with links, that a dialogue met, published, counted its people and answered.

It states facts beside what is asked, those that fall short as well; whether that is enough is for OGP's
reviewers to say. What OGP asks is quoted from its own pages.
"""

from datetime import datetime

from forums.accountability import counts
from forums.accountability.evidence import Evidence, Gap, Meeting, Year
from forums.accountability.figures import Totals
from forums.accountability.paper import Block, Heading, Items, Line, Paper, Span, Table, Text, french, plain
from forums.language import day_in_full, translations, unbroken
from forums.models.forum import PARIS

STANDARDS = "https://opengovpartnership.org/?p=67852"
REPOSITORY = "https://www.opengovpartnership.org/glossary/repository/"
RESPONSE = "https://www.opengovpartnership.org/?p=67851"


def ogp_file(evidence: Evidence, totals: Totals, *, language: str, public_url: str, now: datetime) -> Paper:
    """The whole file, as it stands today."""
    written = _Written(language, now)
    _ = written.say
    plan = evidence.plan
    return Paper(
        title=_("Dossier pour le Partenariat pour un gouvernement ouvert (PGO)"),
        about=[
            [Span(_("Plan :") + " "), written.title(plan.title, plan.title_en)],
            plain(_("Ce que ce site a gardé des forums, au %(day)s. Chaque fait mène à ce qui le montre.") % {"day": written.today}),
        ],
        blocks=[*written.meetings(evidence), *written.repository(evidence), *written.people(evidence), *written.answers(totals)],
        dated=_("Établi le %(day)s.") % {"day": written.today},
        invented=plan.invented or any(each.forum.invented for each in evidence.meetings),
        language=language,
        public_url=public_url,
    )


class _Written:
    """The parts of the file, in one language."""

    def __init__(self, language: str, now: datetime) -> None:
        self.language, self.now = language, now
        self.say = translations(language).gettext
        self.several = translations(language).ngettext
        self.today = day_in_full(now, language)

    def title(self, title: str, title_en: str | None) -> Span:
        return Span(title_en) if self.language == "en" and title_en else Span(unbroken(title), french=True)

    def many(self, singular: str, plural: str, number: int) -> str:
        return self.several(singular, plural, number) % {"num": number}

    # -- Standard 1 -------------------------------------------------------------------------------------------

    def meetings(self, evidence: Evidence) -> list[Block]:
        _ = self.say
        rules = [
            Span(_("Les règles de participation sont publiques :") + " "),
            Span(_("comment se déroule un forum"), "/aide"),
            Span(", "),
            Span(_("comment poser une question"), "/questions/poser"),
            Span("."),
        ]
        asked = _("Ce que demande le PGO : un espace de dialogue qui se réunit au moins tous les six mois, selon des règles publiques")
        blocks: list[Block] = [
            Heading(_("Le dialogue s'est réuni")),
            Text([Span(asked + " ("), Span(_("norme 1"), STANDARDS), Span(").")]),
            Text(rules),
            Text(plain(self._verdict(evidence))),
        ]
        if evidence.undated:
            one = _("Un forum annoncé dont la date n'est pas connue de ce site n'est pas compté.")
            many = _("%(num)s forums annoncés dont la date n'est pas connue de ce site ne sont pas comptés.") % {"num": evidence.undated}
            blocks.append(Text(plain(one if evidence.undated == 1 else many)))
        if evidence.gaps:
            head = [_("De"), _("À"), _("Durée"), _("Six mois au plus")]
            blocks.append(Table(_("Temps écoulé entre deux forums"), head, [self._gap(evidence, each) for each in evidence.gaps]))
        return blocks

    def _verdict(self, evidence: Evidence) -> str:
        _ = self.say
        if not evidence.meetings:
            return _("Aucun forum de ce plan ne s'est encore tenu.")
        held = self.many("Un forum s'est tenu.", "%(num)s forums se sont tenus.", len(evidence.meetings))
        long = sum(each.too_long for each in evidence.gaps)
        if not long:
            return f"{held} " + _("Il ne s'est jamais écoulé plus de six mois entre deux d'entre eux, ni depuis le dernier.")
        return f"{held} " + self.many(
            "Une fois, plus de six mois se sont écoulés.", "%(num)s fois, plus de six mois se sont écoulés.", long
        )

    def _gap(self, evidence: Evidence, gap: Gap) -> list[Line]:
        _ = self.say
        start = self._end(gap.before, day_in_full(gap.start, self.language), _("début du plan"))
        last = _("fin du plan") if gap.end == evidence.plan.ends_on else _("aujourd'hui")
        end = self._end(gap.after, day_in_full(gap.end, self.language), last)
        days = self.many("un jour", "%(num)s jours", gap.days)
        return [start, end, plain(days), plain(_("non") if gap.too_long else _("oui"))]

    def _end(self, forum: object, day: str, otherwise: str) -> Line:
        slug = getattr(forum, "slug", None)
        return plain(day, f"/forums/{slug}") if slug else plain(f"{day} ({otherwise})")

    # -- Standard 2 ----------------------------------------------------------------------------------------------

    def repository(self, evidence: Evidence) -> list[Block]:
        _ = self.say
        asked = _("Ce que demande le PGO : un dépôt public, mis à jour au moins deux fois par an")
        places = [
            [Span(_("les comptes rendus des forums"), "/forums")],
            [Span(_("les questions et leurs réponses"), "/questions")],
            [Span(_("les engagements, leurs indicateurs et leurs mesures"), f"/plans/{evidence.plan.slug}")],
            [Span(_("les promesses et leurs preuves"), "/suites")],
        ]
        blocks: list[Block] = [
            Heading(_("Le dépôt a été mis à jour")),
            Text([Span(asked + " ("), Span(_("norme 2"), STANDARDS), Span(", "), Span(_("définition"), REPOSITORY), Span(").")]),
            Text(plain(_("Ce site est ce dépôt. On y trouve :"))),
            Items(places),
        ]
        if not evidence.years:
            return [*blocks, Text(plain(_("Rien n'a encore été publié pour ce plan.")))]
        head = [
            _("Année"),
            _("Jours de publication"),
            _("Comptes rendus"),
            _("Réponses"),
            _("Mesures"),
            _("Points d'étape"),
            _("Le dernier"),
        ]
        blocks.append(Table(_("Jours où quelque chose a été publié ou corrigé"), head, [self._year(each) for each in evidence.years]))
        note = _("Un jour où plusieurs choses sont publiées compte une fois par sorte. Une mesure venue du plan lui-même n'a pas de date.")
        dated = Span(_("Les dates de publication sont dans les données ouvertes."), "/donnees")
        return [*blocks, Text([Span(f"{note} "), dated])]

    def _year(self, year: Year) -> list[Line]:
        _ = self.say
        this_one = year.year == self.now.astimezone(PARIS).year
        judged = "" if year.enough else f" ({_('moins de deux')})" if not this_one else f" ({_('année en cours')})"
        kinds = [plain(str(year.kinds[kind])) for kind in ("minutes", "answers", "measurements", "reports")]
        last = day_in_full(year.days[-1], self.language) if year.days else _("aucun")
        return [plain(str(year.year)), plain(f"{len(year.days)}{judged}"), *kinds, plain(last)]

    # -- People -----------------------------------------------------------------------------------------------------

    def people(self, evidence: Evidence) -> list[Block]:
        _ = self.say
        blocks: list[Block] = [Heading(_("Qui a participé"))]
        if not evidence.meetings:
            return [*blocks, Text(plain(_("Aucun forum de ce plan ne s'est encore tenu.")))]
        head = [_("Forum"), _("Inscrits"), _("Présents"), _("Organisations")]
        blocks.append(Table(_("Participants, forum par forum"), head, [self._meeting(each) for each in evidence.meetings]))
        how = _(
            "Inscrits : places confirmées, sur place et à distance. Présents : personnes accueillies le soir même."
            " Organisations : noms différents donnés à l'inscription. Aucun nom n'est publié, et les données des"
            " participants sont effacées peu après : ce qui n'a pas été gardé est dit inconnu."
        )
        return [*blocks, Text(plain(how))]

    def _meeting(self, meeting: Meeting) -> list[Line]:
        _ = self.say
        forum = meeting.forum
        day = day_in_full(forum.day, self.language) if forum.day else _("date inconnue")
        named = [Span(_("Forum n° %(number)s") % {"number": forum.number} + f", {day}", f"/forums/{forum.slug}")]
        present = french(forum.participants) if forum.participants and not meeting.present else plain(self._known(meeting.present))
        return [named, plain(self._known(meeting.registered)), present, plain(self._known(meeting.organisations))]

    def _known(self, number: int | None) -> str:
        return self.say("inconnu") if number is None else str(number)

    # -- Standard 4 ----------------------------------------------------------------------------------------------------

    def answers(self, totals: Totals) -> list[Block]:
        _ = self.say
        where = f"plan={totals.plan.slug}"
        asked = _("Ce que demande le PGO : une réponse motivée aux contributions reçues ; la norme vise la préparation du plan")
        return [
            Heading(_("Ce qui a été répondu")),
            Text([Span(asked + " ("), Span(_("norme 4"), RESPONSE), Span(").")]),
            *counts.of_questions(totals.asked, where, self.language),
            *counts.of_promises(totals.promised, where, self.language),
            Text([Span(_("Par engagement et par administration :") + " "), Span(_("redevabilité"), f"/redevabilite?{where}"), Span(".")]),
        ]
