"""Plans and past forums as data files that people who do not code can review.

A file is read whole and checked before anything is stored. What is wrong is told with the line and
the reason (`BadFile`); unknown keys are refused, since a misspelt key would silently lose a fact.
"""

from datetime import date as Date
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

File = TypeVar("File", bound=BaseModel)

_FRENCH = {
    "missing": "il manque",
    "extra_forbidden": "clé inconnue",
    "string_type": "un texte est attendu",
    "int_type": "un nombre entier est attendu",
    "int_parsing": "un nombre entier est attendu",
    "bool_type": "true ou false est attendu",
    "date_type": "une date est attendue (AAAA-MM-JJ)",
    "date_parsing": "une date est attendue (AAAA-MM-JJ)",
    "list_type": "une liste est attendue",
    "string_too_short": "un texte est attendu, celui-ci est vide",
    "string_pattern_mismatch": "lettres minuscules, chiffres et traits d'union seulement",
    "greater_than": "un nombre supérieur à zéro est attendu",
}


class BadFile(Exception):
    """A data file that cannot be loaded; the message gives the file, the line and the reason."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class PlanEntry(_Entry):
    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    titre: str = Field(min_length=1)
    titre_en: str | None = None
    courant: bool = False
    invente: bool = False
    presente_le: Date | None = None
    resume: str = ""
    forums_passes: str | None = None
    sources: list[str] = []


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
    valeur: str
    source: str | None = None


class IndicatorEntry(_Entry):
    nom: str = Field(min_length=1)
    unite: str = ""
    depart: str | None = None
    cible: str | None = None
    source: str | None = None
    invente: bool = False
    mesures: list[MeasurementEntry] = []


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
    porteurs: list[str] = []
    parties_prenantes: list[str] = []
    jalons: list[MilestoneEntry] = []
    jalons_note: str | None = None
    indicateurs: list[IndicatorEntry] = []
    note: str | None = None
    sources: list[str] = []


class PlanFile(_Entry):
    plan: PlanEntry
    axes: list[AxisEntry] = []
    engagements: list[CommitmentEntry] = []

    @model_validator(mode="after")
    def _numbers_are_known_and_unique(self) -> "PlanFile":
        axes = [axis.numero for axis in self.axes]
        numbers = [commitment.numero for commitment in self.engagements]
        for name, found in (("axe", axes), ("engagement", numbers)):
            if twice := next((number for number in found if found.count(number) > 1), None):
                raise ValueError(f"le numéro d'{name} {twice} est donné deux fois")
        for commitment in self.engagements:
            if commitment.axe is not None and commitment.axe not in axes:
                raise ValueError(f"l'engagement {commitment.numero} cite l'axe {commitment.axe}, qui n'existe pas")
        return self


class SeasonEntry(_Entry):
    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    titre: str = Field(min_length=1)
    plan: str | None = None


class PastForumEntry(_Entry):
    saison: str
    numero: int = Field(gt=0)
    date: Date | None = None
    moment: str | None = None
    debut: str | None = Field(default=None, pattern=r"^\d{2}:\d{2}$")
    fin: str | None = Field(default=None, pattern=r"^\d{2}:\d{2}$")
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


class PastForumsFile(_Entry):
    saisons: list[SeasonEntry]
    forums: list[PastForumEntry] = []

    @model_validator(mode="after")
    def _seasons_are_known(self) -> "PastForumsFile":
        known = {season.slug for season in self.saisons}
        for forum in self.forums:
            if forum.saison not in known:
                raise ValueError(f"le forum {forum.numero} cite la saison {forum.saison}, qui n'existe pas")
        return self


def read_plan(path: Path) -> PlanFile:
    """Read and check an action plan. Raises `BadFile`."""
    return _read(path, PlanFile)


def read_past_forums(path: Path) -> PastForumsFile:
    """Read and check past forums. Raises `BadFile`."""
    return _read(path, PastForumsFile)


def _read(path: Path, kind: type[File]) -> File:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadFile(f"{path} : fichier illisible ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise BadFile(f"{path} : le fichier n'est pas en UTF-8.") from None
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadFile(f"{path}, ligne {mark.line + 1 if mark else 1} : {getattr(error, 'problem', None) or 'YAML illisible'}.") from None
    except ValueError as error:  # an impossible date, for example 2018-02-30
        raise BadFile(f"{path} : {error}.") from None
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"]) or "fichier"
        reason = _FRENCH.get(first["type"]) or first["msg"].removeprefix("Value error, ")
        raise BadFile(f"{path}, ligne {_line_of(tree, first['loc'])} : {where} : {reason}.") from None


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
