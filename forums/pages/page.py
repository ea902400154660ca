"""What every page does: read what was typed, show a template, say what happened, go on.

Public pages are the same for everybody, so nothing here looks at a cookie. Invalid forms come back
with status 422, a summary on top, a sentence beside each field and everything that was typed.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, get_origin
from urllib.parse import parse_qsl, quote
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from forums import limits, schedule
from forums.database import Database
from forums.forms import Form
from forums.language import N_, translations
from forums.limits import Limit, client_key
from forums.models import Forum
from forums.models.forum import PARIS
from forums.pages.assets import fingerprinted
from forums.refusals import Refusal, TooManyRequests
from forums.rendering import environment
from forums.settings import Settings

F = TypeVar("F", bound=Form)
T = TypeVar("T")

# What a page says after an action, named in the address it goes on to (`?fait=annonce`).
DONE = {
    "saison": N_("La saison est créée : ses forums sont des brouillons, que vous seuls voyez. Annoncez-les quand vous êtes prêts."),
    "forum-ajoute": N_("Le forum est ajouté à la saison comme brouillon, que vous seuls voyez. Annoncez-le quand vous êtes prêts."),
    "saison-reglee": N_("Les réglages de la saison sont enregistrés. Ses forums les suivent, sauf pour leurs propres dates."),
    "echeances": N_("Les échéances de ce forum sont enregistrées."),
    "annonce": N_("Le forum est annoncé : il est sur le site et dans le calendrier de tous les abonnés."),
    "modifie": N_("Les changements sont enregistrés et visibles de tous."),
    "brouillon": N_("Les changements sont enregistrés. Le forum n'est pas encore annoncé : vous seuls les voyez."),
    "deplace": N_("Le forum est déplacé. Les personnes inscrites reçoivent un message et leur calendrier se met à jour."),
    "annule": N_("Le forum est annulé. Il reste affiché comme tel, et les personnes inscrites reçoivent un message."),
    "efface": N_("Le brouillon est effacé."),
    "point": N_("Le point est enregistré."),
    "point-retire": N_("Le point est retiré de l'ordre du jour."),
    "point-deplace": N_("Le point a changé de place."),
    "question-prise": N_("La question est à l'ordre du jour que vous préparez. Publiez-le pour que tous le voient."),
    "document": N_("Le document est ajouté. Il sera public avec l'ordre du jour."),
    "document-retire": N_("Le document est retiré du point."),
    "ordre-du-jour": N_("L'ordre du jour est publié : il est sur la page du forum."),
    "passage": N_("Le passage est enregistré."),
    "passage-public": N_("Le passage est enregistré et public : le compte rendu a une nouvelle version."),
    "engagement-lie": N_("Le passage est lié à l'engagement : il paraît sur sa page avec le compte rendu."),
    "importe": N_("Le document est devenu un brouillon de compte rendu : relisez chaque passage avant de publier."),
    "brouillon-efface": N_("Le brouillon est effacé."),
    "passage-retire": N_("Le passage est effacé du brouillon."),
    "compte-rendu": N_("Le compte rendu est publié : chaque passage est aussi sur la page de ses engagements et de ses questions."),
    "question-publiee": N_("La question est publiée et la personne qui l'a posée est prévenue."),
    "question-refusee": N_("La question est refusée ; la raison est envoyée à la personne qui l'a posée et lisible à son adresse."),
    "question-corrigee": N_("La correction est enregistrée et la personne qui a posé la question est prévenue."),
    "question-reunie": N_("Les deux questions sont réunies, avec leurs soutiens ; la personne qui l'a posée est prévenue."),
    "question-retiree": N_("La question est retirée ; son adresse le dit, avec la raison, et la personne qui l'a posée est prévenue."),
    "titres": N_("Les titres sont remplacés ; ce qui reste à corriger est listé ci-dessous."),
    "administrations": N_(
        "Les administrations sont enregistrées. Leurs agents sont prévenus, une seule fois, dès que la question est publiée."
    ),
    "reponse": N_("La réponse est enregistrée. Elle n'est pas publiée : votre administration et les organisateurs sont seuls à la voir."),
    "reponse-publiee": N_("La réponse est publiée sur la page de la question, et la personne qui l'a posée est prévenue."),
    "reponse-corrigee": N_("La réponse publiée est corrigée ; la date de la correction est affichée."),
    "donnees-retirees": N_("Ces mots sont retirés du compte rendu et de toutes ses versions ; une mention se lit à leur place."),
    "promesse": N_("La promesse est notée. Elle paraît avec le compte rendu de son forum."),
    "promesse-changee": N_("La promesse est enregistrée."),
    "promesse-effacee": N_("La promesse est effacée du brouillon."),
    "promesses-reprises": N_("Les promesses sont reprises à ce forum, et son ordre du jour a un point pour elles."),
    "promesse-retiree": N_("La promesse n'est plus reprise à ce forum. Elle reste ouverte."),
    "promesse-dite": N_("Ce qui en a été dit est enregistré : il paraît avec le compte rendu de ce forum."),
    "promesse-tenue": N_("La promesse est close : elle est tenue, et sa preuve est publiée."),
    "promesse-abandonnee": N_("La promesse est close : elle est abandonnée, et la raison est publiée."),
    "promesse-rouverte": N_("La promesse est rouverte : elle ira au prochain forum."),
    "promesse-nouvelle": N_("Merci : les organisateurs lisent ce que vous avez écrit, et décident de clore la promesse ou non."),
    "appel": N_("L'appel à commentaires est enregistré : il s'ouvre et se ferme aux moments que vous avez choisis."),
    "appel-clos": N_(
        "L'appel est clos : plus personne ne peut commenter. Ce qui a été envoyé peut encore être publié et recevoir une réponse."
    ),
    "appel-rouvert": N_("L'appel est rouvert jusqu'au moment que vous avez choisi."),
    "commentaire-publie": N_("Le commentaire est publié et son auteur est prévenu."),
    "commentaire-refuse": N_("Le commentaire n'est pas publié ; la raison est envoyée à son auteur et lisible à son adresse."),
    "commentaire-corrige": N_("La correction est enregistrée et l'auteur est prévenu."),
    "commentaire-repondu": N_("La réponse est publiée avec le commentaire ; son auteur est prévenu la première fois."),
    "engagement-modifie": N_("L'engagement est modifié : l'avant, l'après et la raison sont publics."),
    "synthese": N_("La synthèse est enregistrée. Elle n'est pas publiée : vous seuls la voyez."),
    "synthese-publiee": N_("La synthèse est publiée avec les nombres et les modifications."),
    "evaluation": N_("L'évaluation est publiée, sur la page du plan et sur celle de l'engagement qu'elle concerne."),
    "evaluation-retiree": N_("L'évaluation est retirée du site."),
    "mesure-proposee": N_("La mesure est proposée : les organisateurs la lisent, puis la publient. Vous pouvez la modifier jusque-là."),
    "mesure-publiee": N_("La mesure est publiée : elle est sur la page de l'indicateur et de son engagement."),
    "mesure-retiree": N_("La mesure est retirée. Une autre peut être saisie pour le même jour."),
    "mesure-corrigee": N_("La mesure est corrigée ; la valeur d'avant et la raison restent lisibles de tous."),
    "indicateur": N_("L'indicateur est enregistré et public."),
    "jalon": N_("L'état du jalon est enregistré et public."),
    "point-propose": N_("Le point d'étape est enregistré. Les organisateurs le lisent, puis le publient."),
    "point-publie": N_("Le point d'étape est publié : il est sur la page de l'engagement."),
    "point-corrige": N_("Le point d'étape publié est corrigé ; la date de la correction est affichée."),
    "renvoi": N_("Le message est remis dans la file d'envoi."),
    "inscription": N_("Votre inscription est à jour."),
    "abonnement-confirme": N_("C'est confirmé : vous serez prévenu. Gardez le lien de cette page, ou celui de n'importe quel message."),
    "abonnement-ajoute": N_("C'est ajouté à ce que vous suivez."),
    "abonnement-retire": N_("C'est retiré de ce que vous suivez."),
    "abonnement-rythme": N_("Le rythme est changé."),
    "deconnexion": N_("Vous êtes déconnecté."),
    "reconnexion": N_(
        "Connectez-vous de nouveau, puis terminez la session : cela se demande quand la dernière connexion a plus d'un quart d'heure."
    ),
    "deconnexion-partout": N_("Vous êtes déconnecté de tous vos navigateurs."),
    "deconnexion-locale": N_(
        "Vous êtes déconnecté de ce site. ProConnect ne répondait pas : fermez aussi votre navigateur si l'ordinateur est partagé."
    ),
    "session-terminee": N_("Cette session est terminée : ce navigateur devra se connecter de nouveau."),
    "membre-ajoute": N_("Le membre est ajouté. Un message lui dit ce que permet son rôle et le mène à la page de connexion de ce site."),
    "membre-modifie": N_("Le membre est modifié. S'il était connecté avec un autre rôle, il doit se connecter de nouveau."),
    "membre-retire": N_("Le membre est retiré : il ne peut plus se connecter. Ce qu'il a fait reste dans le journal."),
    "membre-delie": N_("L'identité ProConnect de ce membre est oubliée : à sa prochaine connexion, son adresse le fera reconnaître."),
}


# What the accessibility statement may say (RGAA), by the value of ACCESSIBILITY.
_CONFORMITY = {
    "non": N_("non conforme"),
    "partiellement": N_("partiellement conforme"),
    "totalement": N_("totalement conforme"),
}


@dataclass
class Filled(Generic[F]):
    """A form as it was typed: the values to show again, what is wrong, and the form once it is right."""

    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    form: F | None = None

    def refuse(self, name: str, error: Refusal | PydanticCustomError) -> None:
        """Add what a rule said to the field `name`."""
        if isinstance(error, Refusal):
            self.errors[name] = (error.sentence, error.figures)
        else:
            self.errors[name] = (error.type, error.context or {})


# -- Read -----------------------------------------------------------------------------------------------


MOST_FIELDS = 400
# Longer than either way of answering takes.
STEP = 0.05


async def read(request: Request, form_class: type[F]) -> Filled[F]:
    """What a person typed, checked. A field that is absent counts as left empty; of two the last wins, but a tuple takes all."""
    typed = await _fields(request)
    values: dict[str, Any] = {}
    for name, info in form_class.model_fields.items():
        texts = [text for text in typed.getlist(name) if isinstance(text, str)]
        values[name] = texts if get_origin(info.annotation) is tuple else texts[-1] if texts else ""
    return checked(form_class, values)


async def _fields(request: Request) -> FormData:
    """The fields of a form. Raises 400 when they are more than any form of ours has.

    A form without files is URL-encoded, which the standard library reads four times as fast as Starlette's parser: it was a
    fifth of a registration. The body's size is limited by the table of addresses.
    """
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/x-www-form-urlencoded":
        return await request.form(max_files=0, max_fields=MOST_FIELDS, max_part_size=256 * 1024)
    try:
        body = (await request.body()).decode("latin-1")
        return FormData([*parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS)])
    except ValueError as error:
        raise HTTPException(400) from error


def checked(form_class: type[F], values: dict[str, Any]) -> Filled[F]:
    """What was typed, as it stands or with what is wrong."""
    today = now().astimezone(PARIS).date()
    try:
        return Filled(values, {}, form_class.model_validate(values, context={"today": today}))
    except ValidationError as error:
        errors: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for each in error.errors():
            errors.setdefault(str(each["loc"][0]), (each["type"], each.get("ctx", {})))
        return Filled(values, errors)


def blank(form_class: type[F], **values: Any) -> Filled[F]:
    """A form not typed yet, with what is already known."""
    return Filled({name: () if get_origin(info.annotation) is tuple else "" for name, info in form_class.model_fields.items()} | values)


def typed(moment: datetime | None) -> str:
    """An instant as a `datetime-local` field holds it: the clocks of Paris, to the minute."""
    return f"{moment.astimezone(PARIS):%Y-%m-%dT%H:%M}" if moment else ""


def whole_number(request: Request, name: str, default: int, high: int = 9_999) -> int:
    """A number of the query string between 1 and `high`, or the default for anything else."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= high else default


def path_number(request: Request, name: str, high: int = 9_999) -> int:
    """A number of the path; what cannot be one is not found."""
    number = int(request.path_params[name])
    if not 0 < number <= high:
        raise not_found()
    return number


def path_uuid(request: Request, name: str) -> UUID:
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise not_found() from None


# -- Ask --------------------------------------------------------------------------------------------------


def now() -> datetime:
    return datetime.now(UTC)


def settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


def transaction(request: Request) -> AbstractAsyncContextManager[AsyncSession]:
    database: Database = request.app.state.database
    return database.transaction()


async def write_at_once(request: Request, work: Callable[[Connection], T]) -> T:
    """For a form that anybody may send, and that nothing public shows before its author has confirmed it."""
    database: Database = request.app.state.database
    return await database.write_at_once(work)


def reading(request: Request) -> AbstractAsyncContextManager[AsyncSession]:
    database: Database = request.app.state.database
    return database.reading()


def language(request: Request) -> str:
    found: str = request.scope.get("language", "fr")
    return found


def client_limit(settings: Settings) -> Limit | None:
    """What one connection may send in ten minutes; None when nothing is counted."""
    return Limit(settings.client_limit, timedelta(minutes=10)) if settings.client_limit else None


def forum_limit(settings: Settings) -> Limit | None:
    """How many may ask for a seat at one forum in an hour, all together."""
    return Limit(settings.forum_limit, timedelta(hours=1)) if settings.forum_limit else None


def client(request: Request) -> str | None:
    """What stands for the connection a request comes from; None when it cannot be told (a UNIX socket)."""
    return client_key(settings(request).secret_key, request.client.host) if request.client and request.client.host else None


async def spend(session: AsyncSession, request: Request) -> None:
    """Count one form sent by this connection. Raises `TooManyRequests`."""
    await (await session.connection()).run_sync(spend_at_once, request)


def spend_at_once(connection: Connection, request: Request) -> None:
    limit, whose = client_limit(settings(request)), client(request)
    if limit and whose and not limits.spend_at_once(connection, f"client:{whose}", limit, now=now()):
        raise TooManyRequests


async def same_time(began: float) -> None:
    """Wait for the next twentieth of a second since `began`: a known address and an unknown one are answered after the same time."""
    await asyncio.sleep(STEP - (time.monotonic() - began) % STEP)


def too_many(response: Response) -> Response:
    """RFC 6585: when to come back."""
    response.headers["retry-after"] = "600"
    return response


async def forum(session: AsyncSession, request: Request, *, drafts: bool = False) -> Forum:
    """The forum an address names; with `drafts`, one that only organisers may see. Raises 404."""
    found = await schedule.forum_by_slug(session, request.path_params["slug"], drafts=drafts)
    if found is None:
        raise not_found()
    return found


def not_found() -> HTTPException:
    return HTTPException(404)


# -- Show ---------------------------------------------------------------------------------------------------


def show(request: Request, template: str, *, status: int = 200, **facts: Any) -> Response:
    """A page from its template. `facts` are what it shows; an undefined one is an error."""
    return HTMLResponse(render(request, template, **facts), status_code=status)


def render(request: Request, template: str, **facts: Any) -> str:
    spoken = language(request)
    config = settings(request)
    path = request.scope.get("page_path", request.url.path)

    def url(address: str) -> str:
        """An address of this site in the language of the page."""
        return f"/{spoken}{address}".rstrip("/") if spoken != "fr" else address

    _ = translations(spoken).gettext
    shared: dict[str, Any] = {
        "url": url,
        "path": path,
        "public_url": config.public_url,
        "theme": config.theme,
        "static": fingerprinted,
        "accessibility": _(_CONFORMITY[config.accessibility]),
        "publisher": config.publisher,
        "retention_days": config.retention_days,
        "contact": config.mail_from.addr_spec,
        "by_provider": config.oidc is not None,
        "member": getattr(request.state, "member", None),
        "now": now(),
        "done": DONE.get(request.query_params.get("fait", "")),
        "sentence": lambda pair: _(pair[0]).format(**pair[1]),
        "filters": dict(request.query_params),
        "quote": quote,
    }
    return environment(spoken).get_template(template).render({**shared, **facts})


def go(request: Request, path: str) -> Response:
    """See Other: after an action, the page that says what happened."""
    prefix = "" if language(request) == "fr" else f"/{language(request)}"
    return RedirectResponse(prefix + path, status_code=303)


def pages_of(total: int, per_page: int) -> Sequence[int]:
    return range(1, max(1, -(-total // per_page)) + 1)
