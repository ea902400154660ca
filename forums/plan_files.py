"""Plans and past forums as data files that people who do not code can review.

A file is read whole and checked before anything is stored. What is wrong is told with the line and
the reason (`BadFile`); unknown keys are refused, since a misspelt key would silently lose a fact.
"""

import re
from collections.abc import Sequence
from datetime import date as Date  # noqa: N812 — an entry has a field named `date`
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from yaml.constructor import ConstructorError

from forums.models.plan import Periodicity

File = TypeVar("File", bound=BaseModel)

# A text, since it may be « tous »; but nobody should have to put quotes round a number.
Figure = Annotated[str, Field(coerce_numbers_to_str=True)]
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Periodicite = Literal["ponctuelle", "mensuelle", "trimestrielle", "semestrielle", "annuelle"]
PERIODICITIES: dict[str, Periodicity] = {
    "ponctuelle": "once",
    "mensuelle": "monthly",
    "trimestrielle": "quarterly",
    "semestrielle": "half_yearly",
    "annuelle": "yearly",
}

_FRENCH = {
    "missing": "il manque",
    "extra_forbidden": "clé inconnue",
    "invalid_key": "les clés sont des mots",
    "model_type": "des lignes « clé : valeur » sont attendues",
    "list_type": "une liste est attendue",
    "string_type": "un texte est attendu",
    "int_type": "un nombre entier est attendu",
    "int_parsing": "un nombre entier est attendu",
    "int_from_float": "un nombre entier est attendu",
    "bool_type": "true ou false est attendu",
    "bool_parsing": "true ou false est attendu",
    "date_type": "une date est attendue (AAAA-MM-JJ)",
    "date_parsing": "une date est attendue (AAAA-MM-JJ)",
    "date_from_datetime_parsing": "une date est attendue (AAAA-MM-JJ)",
    "date_from_datetime_inexact": "une date sans heure est attendue (AAAA-MM-JJ)",
    "string_too_short": "un texte est attendu, celui-ci est vide",
    "string_pattern_mismatch": "lettres minuscules, chiffres et traits d'union seulement",
    "literal_error": "un des mots prévus est attendu, par exemple « trimestrielle »",
    "greater_than": "un nombre supérieur à zéro est attendu",
    "less_than": "un nombre inférieur à 10 000 est attendu",
}


class BadFile(Exception):
    """A data file that cannot be loaded; the message gives the file, the line and the reason."""


class _Wrong(ValueError):
    """A fault found by comparing entries; `where` leads to the one to mend."""

    def __init__(self, reason: str, *where: int | str) -> None:
        super().__init__(reason)
        self.where = where


class _Loader(yaml.SafeLoader):
    """YAML as people write it: a key given twice would silently lose a fact, an impossible date its line."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for name, _ in node.value:
            if name.value in seen:
                raise ConstructorError(None, None, f"{name.value} : clé donnée deux fois", name.start_mark)
            seen.add(name.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError:
            raise ConstructorError(None, None, f"{node.value} : cette date n'existe pas", node.start_mark) from None


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class EvaluationEntry(_Entry):
    type: Literal["independante", "auto", "autre"]
    titre: str = Field(min_length=1)
    auteur: str | None = None
    date: Date | None = None
    date_texte: str | None = None
    constats: str | None = None
    achevement: Literal["non_commence", "limite", "substantiel", "acheve"] | None = None
    source: str | None = None
    invente: bool = False

    @field_validator("source")
    @classmethod
    def _a_source_is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^\s/]+", value):
            raise _Wrong("une adresse complète est attendue, par exemple https://exemple.fr/rapport")
        return value


class PlanEntry(_Entry):
    slug: str = Field(pattern=_SLUG)
    titre: str = Field(min_length=1)
    titre_en: str | None = None
    courant: bool = False
    projet: bool = False
    invente: bool = False
    debut: Date | None = None
    fin: Date | None = None
    presente_le: Date | None = None
    resume: str = ""
    forums_passes: str | None = None
    evaluations: list[EvaluationEntry] = []
    sources: list[str] = []

    @model_validator(mode="after")
    def _days_are_in_order(self) -> "PlanEntry":
        if self.debut and self.fin and self.fin < self.debut:
            raise _Wrong("la fin du plan vient après son début", "fin")
        if self.courant and self.projet:
            raise _Wrong("un plan en projet n'est pas encore le plan courant", "projet")
        return self


class AxisEntry(_Entry):
    numero: int = Field(gt=0)
    titre: str = Field(min_length=1)
    titre_en: str | None = None
    variantes: list[str] = []


class MilestoneEntry(_Entry):
    texte: str = Field(min_length=1)
    echeance: str | None = None
    date: Date | None = None


class MeasurementEntry(_Entry):
    date: Date
    valeur: Figure
    source: str | None = None
    lien: str | None = None
    note: str = ""

    @field_validator("lien")
    @classmethod
    def _an_address_people_can_follow(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://\S+", value):
            raise _Wrong("une adresse complète est attendue, par exemple https://exemple.fr/bilan")
        return value


class IndicatorEntry(_Entry):
    """`periodicite` says how often a measurement is due, from the last one; the first is due on `premiere_echeance`."""

    nom: str = Field(min_length=1)
    unite: str = ""
    depart: Figure | None = None
    depart_le: Date | None = None
    cible: Figure | None = None
    cible_le: Date | None = None
    periodicite: Periodicite | None = None
    premiere_echeance: Date | None = None
    source: str | None = None
    invente: bool = False
    mesures: list[MeasurementEntry] = []


class ContinuationEntry(_Entry):
    plan: str = Field(pattern=_SLUG)
    numero: int = Field(gt=0, lt=10_000)


class CommitmentEntry(_Entry):
    numero: int = Field(gt=0, lt=10_000)
    axe: int | None = None
    code_ogp: str | None = None
    code_ogp_deduit: bool = False
    titre_officiel: str | None = None
    libelle_de_travail: str = Field(min_length=1)
    titre_en: str | None = None
    resume: str = ""
    origine: str | None = None
    prolonge: list[ContinuationEntry] = []
    porteurs: list[str] = []
    parties_prenantes: list[str] = []
    jalons: list[MilestoneEntry] = []
    jalons_note: str | None = None
    indicateurs: list[IndicatorEntry] = []
    evaluations: list[EvaluationEntry] = []
    note: str | None = None
    sources: list[str] = []


class PlanFile(_Entry):
    plan: PlanEntry
    axes: list[AxisEntry] = []
    engagements: list[CommitmentEntry] = []

    @model_validator(mode="after")
    def _numbers_are_known_and_unique(self) -> "PlanFile":
        axes = [axis.numero for axis in self.axes]
        _refuse_twice("axes", axes)
        _refuse_twice("engagements", [commitment.numero for commitment in self.engagements])
        for position, commitment in enumerate(self.engagements):
            if commitment.axe is not None and commitment.axe not in axes:
                raise _Wrong(f"l'axe {commitment.axe} n'existe pas dans ce plan", "engagements", position, "axe")
        return self

    @model_validator(mode="after")
    def _what_is_said_is_said_once(self) -> "PlanFile":
        _refuse_again(self.plan.evaluations, "plan", "evaluations")
        for position, commitment in enumerate(self.engagements):
            _refuse_again(commitment.evaluations, "engagements", position, "evaluations")
            for number, each in enumerate(commitment.prolonge):
                if each.plan == self.plan.slug:
                    raise _Wrong("on prolonge un engagement d'un autre plan", "engagements", position, "prolonge", number, "plan")
                if each in commitment.prolonge[:number]:
                    raise _Wrong("cet engagement est donné deux fois", "engagements", position, "prolonge", number)
        return self


class SeasonEntry(_Entry):
    slug: str = Field(pattern=_SLUG)
    titre: str = Field(min_length=1)
    plan: str | None = None


class PastForumEntry(_Entry):
    saison: str
    numero: int = Field(gt=0)
    date: Date | None = None
    moment: str | None = None
    debut: str | None = None
    fin: str | None = None
    lieu: str | None = None
    ville: str | None = None
    theme: str | None = None
    engagements: list[int] = []
    organisateurs: list[str] = []
    participants: str | None = None
    deroule: list[str] = []
    compte_rendu: str | None = None
    compte_rendu_publie_le: Date | None = None
    note: str | None = None
    sources: list[str] = []

    @field_validator("saison", mode="before")
    @classmethod
    def _a_year_alone_is_a_name(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("debut", "fin", mode="before")
    @classmethod
    def _hours_are_quoted(cls, value: Any) -> Any:
        if value is not None and not (isinstance(value, str) and re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", value)):
            raise _Wrong("une heure entre apostrophes est attendue, par exemple '14:00'")
        return value

    @model_validator(mode="after")
    def _hours_are_in_order(self) -> "PastForumEntry":
        if (self.debut is None) != (self.fin is None):
            raise _Wrong("donnez l'heure de début et celle de fin, ou aucune des deux", "debut" if self.debut else "fin")
        if self.debut and self.fin and self.fin <= self.debut:
            raise _Wrong("l'heure de fin vient après l'heure de début", "fin")
        return self


class PastForumsFile(_Entry):
    saisons: list[SeasonEntry]
    forums: list[PastForumEntry] = []

    @model_validator(mode="after")
    def _seasons_are_known(self) -> "PastForumsFile":
        known = {season.slug for season in self.saisons}
        for position, forum in enumerate(self.forums):
            if forum.saison not in known:
                raise _Wrong(f"la saison {forum.saison} n'existe pas dans ce fichier", "forums", position, "saison")
        _refuse_twice("forums", [(forum.saison, forum.numero) for forum in self.forums])
        return self


def _refuse_twice(name: str, numbers: Sequence[Any]) -> None:
    for position, number in enumerate(numbers):
        if number in numbers[:position]:
            raise _Wrong("ce numéro est donné deux fois", name, position, "numero")


def _refuse_again(evaluations: Sequence[EvaluationEntry], *where: int | str) -> None:
    """An evaluation is known by its title: two of the same would be taken for one."""
    titles = [each.titre for each in evaluations]
    for position, title in enumerate(titles):
        if title in titles[:position]:
            raise _Wrong("deux évaluations ont ce titre", *where, position, "titre")


def read_plan(path: Path) -> PlanFile:
    """Read and check an action plan. Raises `BadFile`."""
    return _read(path, PlanFile)


def read_past_forums(path: Path) -> PastForumsFile:
    """Read and check past forums. Raises `BadFile`."""
    return _read(path, PastForumsFile)


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of a file, its ends of line as they are. Raises `BadFile`."""
    try:
        return path.read_bytes().decode(encoding)
    except OSError as error:
        raise BadFile(f"{path} : fichier illisible ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadFile(f"{path}, ligne {line} : le fichier n'est pas en UTF-8.") from None


def _read(path: Path, kind: type[File]) -> File:
    text = read_text(path)
    try:
        tree = yaml.compose(text, Loader=_Loader)
        content = _Loader(text).get_single_data()
    except ConstructorError as error:
        raise BadFile(f"{path}, ligne {_line(error)} : {error.problem}.") from None
    except yaml.YAMLError as error:
        raise BadFile(f"{path}, ligne {_line(error)} : ce n'est pas du YAML ({getattr(error, 'problem', 'caractère interdit')}).") from None
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        location = first["loc"] + getattr(first.get("ctx", {}).get("error"), "where", ())
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in location) or "fichier"
        reason = _FRENCH.get(first["type"]) or first["msg"].removeprefix("Value error, ")
        if first["type"] == "literal_error":
            reason = f"l'un de ces mots est attendu : {first['ctx']['expected'].replace(' or ', ' ou ')}"
        raise BadFile(f"{path}, ligne {_line_of(tree, location)} : {where} : {reason}.") from None


def _line(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1


def _line_of(node: Any, location: tuple[int | str, ...]) -> int:
    """The line, from 1, of the deepest node on the way to `location`."""
    line: int = node.start_mark.line + 1 if node else 1
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            pair = next(((name, value) for name, value in node.value if name.value == part), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
            continue
        else:
            return line
        line = node.start_mark.line + 1
    return line
