"""Every figure of /redevabilite recounted by a stranger who has the exported files, and knows nothing but their columns.

What the page shows is read as people read it, cell by cell and sentence by sentence; what is expected is counted from
the CSV alone. Neither a model nor a rule of the site is used here.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import open_data
from forums.models import ForumCommitment, Minutes
from forums.schedule import at
from forums.settings import Settings
from tests.factories import a_commitment, a_follow_up, a_forum, a_measurement, a_question, an_indicator
from tests.random_season import RandomSeason, random_season
from tests.site import Site, running

Line = dict[str, str]
Wanted = Callable[[Line], bool]

PARIS = ZoneInfo("Europe/Paris")
NOTHING_ASKED, NO_PROMISE, NO_INDICATOR = ["Aucune question n'a été posée."], ["Aucune promesse."], ["Aucun indicateur connu."]
MONTHS = {"mois": 1, "trimestre": 3, "semestre": 6, "annee": 12}


class Files:
    """The files of an export, and what is counted from them at one moment."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self.now, self.today = now, now.astimezone(PARIS).date()
        texts = {path.stem: path.read_bytes().decode() for path in directory.glob("*.csv")}
        self.rows = {name: list(csv.DictReader(io.StringIO(text, newline=""))) for name, text in texts.items()}
        self.forums = {each["code"]: each for each in self.rows["forums"]}
        self.published = [each for each in self.rows["questions"] if each["etat"] == "publiee"]
        self.held = {code for code, each in self.forums.items() if each["etat"] == "annonce" and self._over(each)}
        self.plan_of_season = {each["code"]: each["plan"] for each in self.rows["saisons"]}
        self.current = next(each["code"] for each in self.rows["plans"] if each["en_cours"] == "true")
        self.leads = _by(self.rows["engagements-institutions"], "institution", "engagement", lambda each: each["role"] == "porteur")
        self.routed = _by(self.rows["questions-institutions"], "institution", "question")
        self.borne = _by(self.rows["suites-engagements"], "suite", "engagement")
        self.examining = self._examining()

    def _over(self, forum: Line) -> bool:
        return moment(forum["fin"]) <= self.now if forum["fin"] else date.fromisoformat(forum["jour"]) < self.today

    def _examining(self) -> dict[str, set[str]]:
        """The forums that examined each commitment: announced about it, on the agenda, or in the minutes; and held."""
        found = _by(self.rows["forums-engagements"], "engagement", "forum")
        for ties, things, name in (("points-engagements", "points", "point"), ("passages-engagements", "passages", "passage")):
            where = {each["code"]: each["forum"] for each in self.rows[things]}
            for tie in self.rows[ties]:
                found.setdefault(tie["engagement"], set()).add(where[tie[name]])
        return {code: forums & self.held for code, forums in found.items()}

    def plan_of_forum(self, code: str) -> str:
        return (self.plan_of_season[self.forums[code]["saison"]] if code else "") or self.current

    # -- Which ones ------------------------------------------------------------------------------------------

    def asked_of(self, plan: str) -> Wanted:
        return lambda each: (each["engagement"].split("/")[0] or self.plan_of_forum(each["forum"])) == plan

    def put_to(self, who: str) -> Wanted:
        return lambda each: each["code"] in self.routed.get(who, ()) or each["engagement"] in self.leads.get(who, ())

    def promised_in(self, plan: str) -> Wanted:
        def theirs(each: Line) -> bool:
            plans = {code.split("/")[0] for code in self.borne.get(each["code"], ())}
            return plan in (plans or {self.plan_of_forum(each["forum"])})

        return theirs

    # -- How many, as the page says it ---------------------------------------------------------------------------

    def asked(self, *wanted: Wanted) -> Counter[str]:
        chosen = [each for each in self.published if all(test(each) for test in wanted)]
        found = Counter(each["situation"] for each in chosen)
        found["posees"] = len(chosen)
        found["en_retard"] = sum(each["situation"] == "reportee" and self._passed(each["reportee_au"]) for each in chosen)
        found["attendent"] = found["en_attente"] + found["a_l_ordre_du_jour"]
        return found

    def waited(self, *wanted: Wanted) -> str:
        """How long the oldest of those that wait has waited, in days and in forums."""
        waiting = [each for each in self.published if each["situation"] in ("en_attente", "a_l_ordre_du_jour")]
        days = [moment(each["publiee_le"]).astimezone(PARIS).date() for each in waiting if all(test(each) for test in wanted)]
        if not days:
            return "aucune attente"
        since = sum(date.fromisoformat(self.forums[code]["jour"]) > min(days) for code in self.held)
        forums = said(since, "un forum tenu depuis", "forums tenus depuis") if since else "aucun forum tenu depuis"
        return f"{said((self.today - min(days)).days, 'un jour', 'jours')}, {forums}"

    def promised(self, *wanted: Wanted) -> Counter[str]:
        chosen = [each for each in self.rows["suites"] if all(test(each) for test in wanted)]
        found = Counter(each["etat"] for each in chosen)
        found["promises"] = len(chosen)
        found["en_retard"] = sum(each["etat"] == "ouverte" and self._passed(each["echeance"]) for each in chosen)
        return found

    def measured(self, commitments: Iterable[str]) -> Counter[str]:
        return Counter(self._freshness(each) for each in self.rows["indicateurs"] if each["engagement"] in set(commitments))

    def _freshness(self, indicator: Line) -> str:
        days = [date.fromisoformat(each["mesuree_le"]) for each in self.rows["mesures"] if each["indicateur"] == indicator["code"]]
        if days and indicator["periodicite"] == "une_fois":
            return "a_jour"
        if not (indicator["periodicite"] if days else indicator["premiere_mesure_le"]):
            return "sans_echeance"
        months = MONTHS.get(indicator["periodicite"])
        due = later(max(days), months).isoformat() if days and months else indicator["premiere_mesure_le"]
        return "a_mettre_a_jour" if self._passed(due) else "a_jour"

    def _passed(self, day: str) -> bool:
        return bool(day) and date.fromisoformat(day) < self.today

    def never_examined(self, commitments: Iterable[str]) -> int:
        return sum(not self.examining.get(each) for each in commitments)


def _by(rows: Iterable[Line], key: str, value: str, wanted: Wanted = lambda each: True) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in filter(wanted, rows):
        found.setdefault(each[key], set()).add(each[value])
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def later(day: date, months: int) -> date:
    """The same day of a later month, or its last; from the last day of a month to the last of the other."""
    first = date(day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return last if (day + timedelta(days=1)).day == 1 or day.day > last.day else first.replace(day=day.day)


def said(number: int, one: str, many: str) -> str:
    return one if number == 1 else f"{number} {many}"


# -- What the page shows --------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """The tables of a page by their caption, rows of cells; the facts in words by their name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.facts: dict[str, str] = {}
        self.caption, self.name, self.cell = "", "", ""
        self.row: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.row = []
        elif tag in ("td", "th", "caption", "dt", "dd"):
            self.cell = ""
        elif tag in ("br", "li"):
            self.cell += " ; " if tag == "li" else " "

    def handle_data(self, text: str) -> None:
        self.cell += text

    def handle_endtag(self, tag: str) -> None:
        text = " ".join(self.cell.split())
        if tag in ("td", "th"):
            self.row.append(text)
        elif tag == "tr":
            self.tables.setdefault(self.caption, []).append(self.row)
        elif tag == "caption":
            self.caption = text
        elif tag == "dt":
            self.name = text
        elif tag == "dd":
            self.facts.setdefault(self.name, text)

    def body(self, caption: str) -> list[list[str]]:
        return self.tables[caption][1:]


def asked_cells(files: Files, *wanted: Wanted) -> list[str]:
    found = files.asked(*wanted)
    if not found["posees"]:
        return NOTHING_ASKED
    late = f" dont en retard : {found['en_retard']}" if found["en_retard"] else ""
    taken_up = f" dont à l'ordre du jour : {found['a_l_ordre_du_jour']}" if found["a_l_ordre_du_jour"] else ""
    counts = [str(found[name]) for name in ("posees", "repondue", "en_partie")]
    return [
        *counts,
        f"{found['reportee']}{late}",
        str(found["refusee"]),
        f"{found['attendent']}{taken_up}",
        files.waited(*wanted),
    ]


def other_cells(promised: Counter[str], measured: Counter[str]) -> list[str]:
    return [*promised_cells(promised), *measured_cells(measured)]


def promised_cells(promised: Counter[str]) -> list[str]:
    late = f" dont en retard : {promised['en_retard']}" if promised["en_retard"] else ""
    return [str(promised["tenue"]), f"{promised['ouverte']}{late}", str(promised["abandonnee"])] if promised["promises"] else NO_PROMISE


def measured_cells(measured: Counter[str]) -> list[str]:
    return [str(measured[name]) for name in ("a_jour", "a_mettre_a_jour", "sans_echeance")] if measured.total() else NO_INDICATOR


def in_words(files: Files, plan: str, commitments: list[str]) -> Iterator[tuple[str, list[str]]]:
    """What the page says of the whole plan, sentence by sentence."""
    asked, promised, measured = files.asked(files.asked_of(plan)), files.promised(files.promised_in(plan)), files.measured(commitments)
    late = f", dont {said(asked['en_retard'], 'une en retard', 'en retard')}"
    on_agenda = f", dont {said(asked['a_l_ordre_du_jour'], 'une', '').strip()} à l'ordre du jour d'un forum"
    yield (
        "Questions posées",
        [
            said(asked["posees"], "une question publiée", "questions publiées"),
            said(asked["repondue"], "une répondue", "répondues"),
            said(asked["en_partie"], "une répondue en partie", "répondues en partie"),
            said(asked["reportee"], "une reportée", "reportées") + (late if asked["en_retard"] else ""),
            said(asked["refusee"], "un refus de répondre", "refus de répondre"),
            said(asked["attendent"], "une en attente de réponse", "en attente de réponse")
            + (on_agenda if asked["a_l_ordre_du_jour"] else ""),
            f"attente la plus longue : {files.waited(files.asked_of(plan))}",
        ],
    )
    late = f", dont {said(promised['en_retard'], 'une en retard', 'en retard')}"
    yield (
        "Promesses",
        [
            said(promised["promises"], "une promesse publiée", "promesses publiées"),
            said(promised["tenue"], "une tenue", "tenues"),
            said(promised["ouverte"], "une ouverte", "ouvertes") + (late if promised["en_retard"] else ""),
            said(promised["abandonnee"], "une abandonnée", "abandonnées"),
        ],
    )
    yield (
        "Indicateurs",
        [
            said(measured.total(), "un indicateur", "indicateurs"),
            said(measured["a_jour"], "un à jour", "à jour"),
            said(measured["a_mettre_a_jour"], "un à mettre à jour", "à mettre à jour"),
            said(measured["sans_echeance"], "un sans échéance connue", "sans échéance connue"),
        ],
    )
    never, silent = files.never_examined(commitments), sum(not files.asked(about(each))["posees"] for each in commitments)
    yield (
        "Engagements",
        [
            said(len(commitments), "un engagement", "engagements"),
            said(never, "un jamais examiné en forum", "jamais examinés en forum") if never else "tous ont été examinés en forum",
            said(silent, "un sur lequel aucune question n'a été posée", "sur lesquels aucune question n'a été posée")
            if silent
            else "tous ont reçu au moins une question",
        ],
    )


def about(commitment: str) -> Wanted:
    return lambda each: each["engagement"] == commitment


# -- Both together -------------------------------------------------------------------------------------------------


@pytest.fixture
async def random_site(engine_settings: Settings) -> AsyncIterator[Site]:
    """500 questions and 200 promises around today, on each engine."""
    async with running(engine_settings) as site:
        async with site.database.transaction() as session:
            now = datetime.now(UTC).replace(microsecond=0)
            await the_edges(session, await random_season(session, 23, now=now), now.astimezone(PARIS).date())
        yield site


async def the_edges(session: AsyncSession, made: RandomSeason, today: date) -> None:
    """What chance seldom draws: a cancelled forum alone, a question of the very day of a forum, what is due today."""
    commitment = await a_commitment(session, made.plan, 99)
    cancelled = await a_forum(session, number=9, season=made.seasons[-1], day=today - timedelta(days=20), status="cancelled")
    held = next(each for each in reversed(made.forums) if each.status == "announced" and each.day and each.day < today and each.ends_at)
    assert held.day
    midnight = at(held.day, time(0, 15))  # in UTC it is the day before
    await a_question(session, held, commitment, created_at=midnight, decided_at=midnight)
    written = (await session.exec(select(Minutes.forum_id).where(col(Minutes.published_at).is_not(None)))).all()
    forum = next(each for each in made.forums if each.id in written)
    await a_follow_up(session, forum, None, [commitment], due_on=today)
    await an_indicator(session, commitment, first_due_on=today)
    other = await an_indicator(session, commitment, 2, periodicity="yearly")
    await a_measurement(session, other, today.replace(day=min(today.day, 28), year=today.year - 1))
    session.add(ForumCommitment(forum_id=cancelled.id, commitment_id=commitment.id))


async def exported(site: Site, directory: Path) -> Path:
    """What `forums export` writes."""
    async with site.database.reading() as session:
        open_data.put(await open_data.everything(session, site.settings.public_url), directory)
    return directory


async def test_every_figure_of_the_page_is_what_the_exported_files_add_up_to(random_site: Site, tmp_path: Path) -> None:
    files = Files(await exported(random_site, tmp_path / "export"), datetime.now(UTC))
    for name in ("questions", "suites", "indicateurs", "forums"):
        assert (await random_site.get(f"/donnees/{name}.csv")).content == (tmp_path / "export" / f"{name}.csv").read_bytes()
    assert len(files.published) > 350
    assert len(files.rows["suites"]) > 150
    standings(files.rows)

    for plan in ("nouveau", "ancien"):
        shown = Reader((await random_site.get(f"/redevabilite?plan={plan}")).text)
        commitments = [each["code"] for each in files.rows["engagements"] if each["plan"] == plan]
        for name, sentences in in_words(files, plan, commitments):
            assert [each for each in re.split(" ; | – ", shown.facts[name]) if each] == told(sentences), (plan, name)
        by_commitment(files, shown, plan, commitments)
        by_institution(files, shown, plan, commitments)
        by_season(files, shown)


def told(sentences: list[str]) -> list[str]:
    """The page leaves out what there is none of."""
    return [each for each in sentences if not re.match(r"0 |.*: aucune attente", each)]


def by_commitment(files: Files, shown: Reader, plan: str, commitments: list[str]) -> None:
    asked, others = shown.body("Questions par engagement"), shown.body("Promesses, indicateurs et forums par engagement")
    numbers = [code.split("/")[1] for code in commitments]
    assert [row[0].split(".")[0] for row in asked] == [row[0].split(".")[0] for row in others] == [*numbers, "Sans engagement"]
    for code, questions, rest in zip(commitments, asked, others, strict=False):
        promised = files.promised(lambda each, code=code: code in files.borne.get(each["code"], ()))  # type: ignore[misc]
        examined = str(len(files.examining[code])) if files.examining.get(code) else "jamais examiné"
        assert questions[1:] == asked_cells(files, about(code)), code
        assert rest[1:] == [*other_cells(promised, files.measured([code])), examined], code
    of_none = files.promised(files.promised_in(plan), lambda each: not files.borne.get(each["code"]))
    assert asked[-1][1:] == asked_cells(files, files.asked_of(plan), about(""))
    assert others[-1][1:] == [*promised_cells(of_none), "sans objet"]


def by_institution(files: Files, shown: Reader, plan: str, commitments: list[str]) -> None:
    asked = {row[0]: row[1:] for row in shown.body("Questions par administration")}
    others = {row[0]: row[1:] for row in shown.body("Promesses, indicateurs et engagements par administration")}
    expected_asked, expected_others = {}, {}
    for institution in files.rows["institutions"]:
        who, name = institution["code"], institution["nom"]
        led = sorted(files.leads.get(who, set()) & set(commitments))
        promised = files.promised(files.promised_in(plan), lambda each, who=who: each["institution"] == who)  # type: ignore[misc]
        questions = asked_cells(files, files.asked_of(plan), files.put_to(who))
        if led or promised["promises"] or questions != NOTHING_ASKED:
            expected_asked[name] = questions
            expected_others[name] = [*other_cells(promised, files.measured(led)), str(len(led)), str(files.never_examined(led))]
    assert asked == expected_asked
    assert others == expected_others


def by_season(files: Files, shown: Reader) -> None:
    titles = {each["code"]: each["titre"] for each in files.rows["saisons"]}
    asked, promised = {}, {}
    for code, title in [*titles.items(), ("", "Hors forum")]:
        at_forums = {each["code"] for each in files.rows["forums"] if each["saison"] == code} or {""}
        found = files.asked(lambda each, at=at_forums: each["forum"] in at)  # type: ignore[misc]
        made = files.promised(lambda each, at=at_forums: each["forum"] in at)  # type: ignore[misc]
        if found["posees"]:
            asked[title] = [str(found[name]) for name in ("repondue", "en_partie", "reportee", "refusee", "attendent", "posees")]
        if made["promises"]:
            promised[title] = [str(made[name]) for name in ("tenue", "ouverte", "abandonnee", "promises")]
    assert {row[0]: row[1:] for row in shown.body("Questions par saison")} == asked
    assert {row[0]: row[1:] for row in shown.body("Promesses par saison")} == promised


def standings(rows: dict[str, list[Line]]) -> None:
    """Where a question stands in its own file is what the other files say of it, the latest first."""
    minutes = {each["code"]: each["publie_le"] for each in rows["comptes-rendus"]}
    facts: dict[str, list[tuple[str, int, int, str]]] = {}
    for tie in rows["passages-questions"]:
        forum, number = tie["passage"].split("/")
        facts.setdefault(tie["question"], []).append((minutes[forum], 0, int(number), tie["issue"]))
    for answer in rows["reponses"]:
        facts.setdefault(answer["question"], []).append((answer["corrigee_le"] or answer["publiee_le"], 1, 0, answer["issue"]))
    on_agenda = {each["question"] for each in rows["points-questions"]}

    for question in (each for each in rows["questions"] if each["etat"] == "publiee"):
        known = sorted(facts.get(question["code"], []))
        last = {each[3] for each in known if each[:3] == known[-1][:3]}  # two answers of the same second: either
        assert question["situation"] in (last or {"a_l_ordre_du_jour" if question["code"] in on_agenda else "en_attente"})
