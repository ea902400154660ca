"""The whole site in one file: every address with who may use it, what wraps them, start and stop.

Nothing answers unless it is listed in `ADDRESSES`, and then only to these methods, these people, with
this much body; an answer is private unless its line says otherwise. `create_app` is called once per
process, by `forums serve` and by the tests.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from forums import clock
from forums.calendar_feed import EventsOfAll
from forums.database import Database, DatabaseUnavailable, is_misasked, note_fault
from forums.language import LANGUAGES
from forums.members import ADMINS, ANSWERERS, MEMBERS, MODERATORS, ORGANISERS
from forums.models.people import Role
from forums.pages import (
    accountability,
    action_plan,
    agenda,
    answers,
    assets,
    calendar_feed,
    consultations,
    documents,
    drafts,
    evaluations,
    follow_ups,
    gate,
    home,
    indicators,
    institutions,
    legal,
    markdown,
    members,
    metrics,
    minutes,
    news_feed,
    open_data,
    openid,
    outbox,
    page,
    planner,
    progress,
    questions,
    registrations,
    schedule,
    search,
    steps,
    subscriptions,
    welcome,
)
from forums.pages.cache import PageCache
from forums.pages.gate import PRIVATE, Page
from forums.refusals import Refusal, TooManyRequests
from forums.settings import ROOT, Settings

log = logging.getLogger("forums.app")

ANYONE = None
# A shared cache that asks for the next one shows the last meanwhile: nobody waits, and a page is two seconds old at most.
PUBLIC = "public, max-age=0, s-maxage=1, stale-while-revalidate=1"
FEED = "public, max-age=300, stale-while-revalidate=300"
KB = 1024

# Mail programs post here by themselves, from nowhere (RFC 8058): the secret in the address is the only proof.
# Nothing of the API writes: whoever tries is told so (405), not that they come from elsewhere.
OPEN_TO_ALL = re.compile(r"(/en)?/(abonnements/[\w-]{43}/fin|api/.*)")


class Address(NamedTuple):
    """One line of the table: where, what, how, who, how long it may be kept, how large a body."""

    path: str
    page: Page
    method: str
    who: frozenset[Role] | None
    cache: str
    body: int


# fmt: off
ADDRESSES = [Address(*line) for line in (
    # Everybody.
    ("/",                                          home.show,                    "GET",  ANYONE,     PUBLIC,  0),
    ("/forums",                                    schedule.index,               "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}.ics",                         calendar_feed.forum,          "GET",  ANYONE,     FEED,    0),
    ("/forums/{slug}",                             schedule.show,                "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/inscription",                 registrations.form,           "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/inscription",                 registrations.register,       "POST", ANYONE,     PRIVATE, 32 * KB),
    ("/forums/{slug}/inscription/envoyee",         registrations.sent,           "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/questions",                   questions.of_forum,           "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/questions",                   questions.ask_forum,          "POST", ANYONE,     PRIVATE, 64 * KB),
    ("/forums/{slug}/ordre-du-jour.pdf",           agenda.as_pdf,                "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/ordre-du-jour/{version:int}", agenda.show,                  "GET",  ANYONE,     PUBLIC,  0),
    ("/documents/{code}/{filename}",               documents.download,           "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/compte-rendu",                minutes.show,                 "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/compte-rendu/versions/{number:int}", minutes.version,       "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/inscription/lien",            registrations.link_form,      "GET",  ANYONE,     PUBLIC,  0),
    ("/forums/{slug}/inscription/lien",            registrations.ask_for_link,   "POST", ANYONE,     PRIVATE, 4 * KB),
    ("/forums/{slug}/inscription/lien/envoye",     registrations.link_sent,      "GET",  ANYONE,     PUBLIC,  0),
    ("/inscriptions/{token}",                      registrations.mine.show,        "GET",  ANYONE,   PRIVATE, 0),
    ("/inscriptions/{token}/confirmer",            registrations.mine.confirm,     "POST", ANYONE,   PRIVATE, 4 * KB),
    ("/inscriptions/{token}/renoncer",             registrations.mine.give_up,     "POST", ANYONE,   PRIVATE, 4 * KB),
    ("/inscriptions/{token}/modifier",             registrations.mine.change_form, "GET",  ANYONE,   PRIVATE, 0),
    ("/inscriptions/{token}/modifier",             registrations.mine.change,      "POST", ANYONE,   PRIVATE, 32 * KB),
    ("/inscriptions/{token}/invitation.ics",       registrations.mine.invitation,  "GET",  ANYONE,   PRIVATE, 0),
    ("/inscriptions/{token}/donnees",              registrations.mine.held,        "GET",  ANYONE,   PRIVATE, 0),
    ("/inscriptions/{token}/donnees.json",         registrations.mine.download,    "GET",  ANYONE,   PRIVATE, 0),
    ("/inscriptions/effacees/merci",               registrations.mine.erased,      "GET",  ANYONE,   PUBLIC,  0),
    ("/inscriptions/{token}/effacer",              registrations.mine.erase_form,  "GET",  ANYONE,   PRIVATE, 0),
    ("/inscriptions/{token}/effacer",              registrations.mine.erase,       "POST", ANYONE,   PRIVATE, 4 * KB),
    ("/questions",                                 questions.index,              "GET",  ANYONE,     PUBLIC,  0),
    ("/questions/poser",                           questions.form,               "GET",  ANYONE,     PUBLIC,  0),
    ("/questions/poser",                           questions.ask,                "POST", ANYONE,     PRIVATE, 64 * KB),
    ("/questions/proches",                         questions.near,               "POST", ANYONE,     PRIVATE, 16 * KB),
    ("/questions/envoyee",                         questions.sent,               "GET",  ANYONE,     PUBLIC,  0),
    ("/questions/confirmer/{token}",               questions.mine,               "GET",  ANYONE,     PRIVATE, 0),
    ("/questions/confirmer/{token}",               questions.confirm,            "POST", ANYONE,     PRIVATE, 4 * KB),
    ("/questions/soutiens/{token}",                questions.supporting.mine,     "GET",  ANYONE,   PRIVATE, 0),
    ("/questions/soutiens/{token}/confirmer",      questions.supporting.confirm,  "POST", ANYONE,   PRIVATE, 4 * KB),
    ("/questions/soutiens/{token}/retirer",        questions.supporting.withdraw, "POST", ANYONE,   PRIVATE, 4 * KB),
    ("/questions/{code}/soutenir",                 questions.supporting.form,     "GET",  ANYONE,   PUBLIC,  0),
    ("/questions/{code}/soutenir",                 questions.supporting.support,  "POST", ANYONE,   PRIVATE, 64 * KB),
    ("/questions/{code}/soutenir/envoye",          questions.supporting.sent,     "GET",  ANYONE,   PUBLIC,  0),
    ("/questions/{code}.atom",                     news_feed.question,           "GET",  ANYONE,     FEED,    0),
    ("/questions/{code}",                          questions.show,               "GET",  ANYONE,     PUBLIC,  0),
    ("/engagements",                               action_plan.index,            "GET",  ANYONE,     PUBLIC,  0),
    ("/engagements/{number:int}.ics",              calendar_feed.commitment,     "GET",  ANYONE,     FEED,    0),
    ("/engagements/{number:int}.atom",             news_feed.commitment,         "GET",  ANYONE,     FEED,    0),
    ("/engagements/{number:int}",                  action_plan.commitment,       "GET",  ANYONE,     PUBLIC,  0),
    ("/plans",                                     action_plan.plans,            "GET",  ANYONE,     PUBLIC,  0),
    ("/plans/{plan}",                              action_plan.index,            "GET",  ANYONE,     PUBLIC,  0),
    ("/plans/{plan}/engagements/{number:int}.ics", calendar_feed.commitment,     "GET",  ANYONE,     FEED,    0),
    ("/plans/{plan}/engagements/{number:int}.atom", news_feed.commitment,        "GET",  ANYONE,     FEED,    0),
    ("/plans/{plan}/engagements/{number:int}",     action_plan.commitment,       "GET",  ANYONE,     PUBLIC,  0),
    ("/plans/{plan}/axes/{number:int}.ics",        calendar_feed.axis,           "GET",  ANYONE,     FEED,    0),
    ("/plans/{plan}/axes/{number:int}.atom",       news_feed.axis,               "GET",  ANYONE,     FEED,    0),
    ("/plans/{plan}/commentaires",                 consultations.commenting.of_plan, "GET",  ANYONE, PUBLIC,  0),
    ("/plans/{plan}/commentaires",                 consultations.commenting.comment, "POST", ANYONE, PRIVATE, 64 * KB),
    ("/plans/{plan}/commentaires/envoye",          consultations.commenting.sent,  "GET",  ANYONE,   PUBLIC,  0),
    ("/plans/{plan}/commentaires/synthese",        consultations.reading.synthesis, "GET", ANYONE,   PUBLIC,  0),
    ("/plans/{plan}/commentaires/synthese.odt",    consultations.reading.as_odt,   "GET",  ANYONE,   PUBLIC,  0),
    ("/plans/{plan}/commentaires/synthese.docx",   consultations.reading.as_docx,  "GET",  ANYONE,   PUBLIC,  0),
    ("/plans/{plan}/commentaires.csv",             consultations.reading.as_csv,   "GET",  ANYONE,   PUBLIC,  0),
    ("/plans/{plan}/engagements/{number:int}/commentaires", consultations.commenting.of_commitment, "GET", ANYONE, PUBLIC, 0),
    ("/plans/{plan}/engagements/{number:int}/commentaires", consultations.commenting.comment, "POST", ANYONE, PRIVATE, 64 * KB),
    ("/commentaires/confirmer/{token}",            consultations.commenting.mine,  "GET",  ANYONE,   PRIVATE, 0),
    ("/commentaires/confirmer/{token}",            consultations.commenting.confirm, "POST", ANYONE, PRIVATE, 4 * KB),
    ("/commentaires/{code}",                       consultations.reading.show,     "GET",  ANYONE,   PUBLIC,  0),
    ("/suites",                                    follow_ups.index,             "GET",  ANYONE,     PUBLIC,  0),
    ("/suites/{code}",                             follow_ups.show,              "GET",  ANYONE,     PUBLIC,  0),
    ("/redevabilite",                              accountability.index,         "GET",  ANYONE,     PUBLIC,  0),
    ("/redevabilite/engagements",                  accountability.commitments,   "GET",  ANYONE,     PUBLIC,  0),
    ("/redevabilite/engagements/{plan}/{number:int}", accountability.commitment, "GET",  ANYONE,     PUBLIC,  0),
    ("/redevabilite/indicateurs",                  accountability.indicators,    "GET",  ANYONE,     PUBLIC,  0),
    ("/redevabilite/institutions/{slug}",          accountability.institution,   "GET",  ANYONE,     PUBLIC,  0),
    ("/redevabilite/pgo",                          accountability.ogp_file,      "GET",  ANYONE,     PUBLIC,  0),
    ("/redevabilite/pgo.pdf",                      accountability.ogp_file_as_pdf, "GET", ANYONE,    PUBLIC,  0),
    ("/redevabilite/pgo.odt",                      accountability.ogp_file_as_odt, "GET", ANYONE,    PUBLIC,  0),
    ("/redevabilite/{plan}/{number:int}/auto-evaluation.pdf", accountability.self_assessment_as_pdf, "GET", ANYONE, PUBLIC, 0),
    ("/redevabilite/{plan}/{number:int}/auto-evaluation.odt", accountability.self_assessment_as_odt, "GET", ANYONE, PUBLIC, 0),
    ("/institutions",                              institutions.index,           "GET",  ANYONE,     PUBLIC,  0),
    ("/recherche",                                 search.show,                  "GET",  ANYONE,     PUBLIC,  0),
    ("/abonnements",                               subscriptions.index,          "GET",  ANYONE,     PUBLIC,  0),
    ("/abonnements",                               subscriptions.ask,            "POST", ANYONE,     PRIVATE, 16 * KB),
    ("/abonnements/envoye",                        subscriptions.sent,           "GET",  ANYONE,     PUBLIC,  0),
    ("/abonnements/lien",                          subscriptions.link_form,      "GET",  ANYONE,     PUBLIC,  0),
    ("/abonnements/lien",                          subscriptions.ask_for_link,   "POST", ANYONE,     PRIVATE, 4 * KB),
    ("/abonnements/lien/envoye",                   subscriptions.link_sent,      "GET",  ANYONE,     PUBLIC,  0),
    ("/indicateurs/{code}",                        indicators.show,              "GET",  ANYONE,     PUBLIC,  0),
    ("/abonnements/{token}",                       subscriptions.mine,           "GET",  ANYONE,     PRIVATE, 0),
    ("/abonnements/{token}/confirmer",             subscriptions.confirm,        "POST", ANYONE,     PRIVATE, 16 * KB),
    ("/abonnements/{token}/suivre",                subscriptions.follow_more,    "POST", ANYONE,     PRIVATE, 16 * KB),
    ("/abonnements/{token}/rythme",                subscriptions.keep_rhythm,    "POST", ANYONE,     PRIVATE, 4 * KB),
    ("/abonnements/{token}/fin",                   subscriptions.end_form,       "GET",  ANYONE,     PRIVATE, 0),
    ("/abonnements/{token}/fin",                   subscriptions.end,            "POST", ANYONE,     PRIVATE, 4 * KB),
    ("/actualites.atom",                           news_feed.everything,         "GET",  ANYONE,     FEED,    0),
    ("/axes/{number:int}.atom",                    news_feed.axis,               "GET",  ANYONE,     FEED,    0),
    ("/institutions/{slug}.atom",                  news_feed.institution,        "GET",  ANYONE,     FEED,    0),
    ("/calendrier.ics",                            calendar_feed.everything,     "GET",  ANYONE,     FEED,    0),
    ("/axes/{number:int}.ics",                     calendar_feed.axis,           "GET",  ANYONE,     FEED,    0),
    ("/institutions/{slug}.ics",                   calendar_feed.institution,    "GET",  ANYONE,     FEED,    0),
    ("/institutions/{slug}",                       institutions.show,            "GET",  ANYONE,     PUBLIC,  0),
    ("/donnees",                                   open_data.index,              "GET",  ANYONE,     PUBLIC,  0),
    ("/donnees/api",                               open_data.examples,           "GET",  ANYONE,     PUBLIC,  0),
    ("/donnees/datapackage.json",                  open_data.package,            "GET",  ANYONE,     PUBLIC,  0),
    ("/donnees/forums-open-d-etat.zip",            open_data.archive,            "GET",  ANYONE,     PUBLIC,  0),
    ("/donnees/{name}.csv",                        open_data.as_csv,             "GET",  ANYONE,     PUBLIC,  0),
    ("/donnees/{name}.schema.json",                open_data.schema,             "GET",  ANYONE,     PUBLIC,  0),
    ("/donnees/{name}.json",                       open_data.as_json,            "GET",  ANYONE,     PUBLIC,  0),
    ("/api/v1",                                    open_data.collections,        "GET",  ANYONE,     PUBLIC,  0),
    ("/api/v1/openapi.json",                       open_data.openapi,            "GET",  ANYONE,     PUBLIC,  0),
    ("/api/v1/{collection}",                       open_data.listed,             "GET",  ANYONE,     PUBLIC,  0),
    ("/api/v1/{collection}/{code:path}",           open_data.single,             "GET",  ANYONE,     PUBLIC,  0),
    ("/api/{rest:path}",                           open_data.unknown,            "GET",  ANYONE,     PRIVATE, 0),
    ("/api/{rest:path}",                           open_data.preflight,          "OPTIONS", ANYONE,  PRIVATE, 0),
    ("/aide",                                      legal.help_page,              "GET",  ANYONE,     PUBLIC,  0),
    ("/accessibilite",                             legal.accessibility,          "GET",  ANYONE,     PUBLIC,  0),
    ("/mentions-legales",                          legal.notice,                 "GET",  ANYONE,     PUBLIC,  0),
    ("/donnees-personnelles",                      legal.privacy_notice,         "GET",  ANYONE,     PUBLIC,  0),
    ("/cookies",                                   legal.cookies,                "GET",  ANYONE,     PUBLIC,  0),
    ("/plan-du-site",                              legal.site_map,               "GET",  ANYONE,     PUBLIC,  0),
    ("/contact",                                   legal.contact,                "GET",  ANYONE,     PUBLIC,  0),
    ("/robots.txt",                                legal.robots,                 "GET",  ANYONE,     FEED,    0),
    ("/.well-known/security.txt",                  legal.security,               "GET",  ANYONE,     FEED,    0),
    ("/favicon.ico",                               legal.favicon,                "GET",  ANYONE,     FEED,    0),
    ("/sante",                                     legal.health,                 "GET",  ANYONE,     PRIVATE, 0),
    ("/metriques",                                 metrics.show,                 "GET",  ANYONE,     PRIVATE, 0),
    # Members.
    ("/connexion",                                 members.form,                 "GET",  ANYONE,     PRIVATE, 0),
    ("/connexion",                                 members.ask,                  "POST", ANYONE,     PRIVATE, 4 * KB),
    ("/connexion/envoyee",                         members.sent,                 "GET",  ANYONE,     PRIVATE, 0),
    ("/connexion/proconnect",                      openid.begin,                 "POST", ANYONE,     PRIVATE, 4 * KB),
    ("/connexion/retour",                          openid.back,                  "GET",  ANYONE,     PRIVATE, 0),
    ("/connexion/{token}",                         members.link,                 "GET",  ANYONE,     PRIVATE, 0),
    ("/connexion/{token}",                         members.sign_in,              "POST", ANYONE,     PRIVATE, 4 * KB),
    ("/deconnexion",                               openid.left,                  "GET",  ANYONE,     PRIVATE, 0),
    ("/deconnexion",                               members.sessions.sign_out,    "POST", MEMBERS,    PRIVATE, 4 * KB),
    ("/organisation/mes-sessions",                 members.sessions.index,       "GET",  MEMBERS,    PRIVATE, 0),
    ("/organisation/mes-sessions/deconnexion",     members.sessions.end_all,     "POST", MEMBERS,    PRIVATE, 4 * KB),
    ("/organisation/mes-sessions/{session}/deconnexion",                  members.sessions.end, "POST", MEMBERS,   PRIVATE, 4 * KB),
    ("/organisation",                              schedule.dashboard,           "GET",  MEMBERS,    PRIVATE, 0),
    ("/organisation/forums",                       schedule.desk_index,          "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/saisons/nouvelle",             planner.form,                 "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/saisons/nouvelle",             planner.plan,                 "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/saisons/{season}",             steps.season_form,            "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/saisons/{season}",             steps.settle_season,          "POST", ORGANISERS, PRIVATE, 16 * KB),
    ("/organisation/saisons/{season}/forums",      steps.add_forum,              "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}",                schedule.desk,                "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/annoncer",       schedule.announce,            "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/modifier",       schedule.edit_form,           "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/modifier",       schedule.edit,                "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/forums/{slug}/echeances",      steps.dates_form,             "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/echeances",      steps.settle_dates,           "POST", ORGANISERS, PRIVATE, 16 * KB),
    ("/organisation/forums/{slug}/deplacer",       schedule.move_form,           "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/deplacer",       schedule.move,                "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/annuler",        schedule.cancel_form,         "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/annuler",        schedule.cancel,              "POST", ORGANISERS, PRIVATE, 16 * KB),
    ("/organisation/forums/{slug}/effacer",        schedule.discard,             "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/inscriptions",   registrations.list_of_forum,  "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/accueil",        welcome.show,                 "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/accueil/sans-inscription",              welcome.add_walk_in, "POST", ORGANISERS, PRIVATE, 16 * KB),
    ("/organisation/forums/{slug}/accueil/code/{entry_code}",             welcome.person,      "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/accueil/{registration}/arrivee",        welcome.check_in,    "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/accueil/{registration}/annuler",        welcome.undo,        "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/presence.pdf",   welcome.as_pdf,               "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/presence.csv",   welcome.as_csv,               "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/ordre-du-jour",  agenda.edit_form,             "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/ordre-du-jour",  agenda.add,                   "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/forums/{slug}/ordre-du-jour/publier",                 agenda.publish,     "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/ordre-du-jour/questions/{code}",        agenda.take_up,     "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/ordre-du-jour/{item}",                  agenda.item_form,   "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/ordre-du-jour/{item}",                  agenda.edit,        "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/forums/{slug}/ordre-du-jour/{item}/retirer",          agenda.remove,      "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/ordre-du-jour/{item}/ordre",            agenda.put,         "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/ordre-du-jour/{item}/documents",        documents.attach,   "POST", ORGANISERS, PRIVATE, 6 * 1024 * KB),
    ("/organisation/forums/{slug}/ordre-du-jour/{item}/documents/{code}/retirer", documents.detach, "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/documents/{code}/{filename}",  documents.download_draft,     "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/compte-rendu",                          minutes.edit_form,  "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/compte-rendu",                          minutes.write,      "POST", ORGANISERS, PRIVATE, 256 * KB),
    ("/organisation/forums/{slug}/compte-rendu/importer",                 minutes.import_form, "GET", ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/compte-rendu/importer",                 minutes.bring_in,   "POST", ORGANISERS, PRIVATE, 5184 * KB),
    ("/organisation/forums/{slug}/compte-rendu/publier",                  minutes.publish,    "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/compte-rendu/donnees-personnelles",     minutes.redact_form, "GET", ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/compte-rendu/donnees-personnelles",     minutes.redact,     "POST", ORGANISERS, PRIVATE, 16 * KB),
    ("/organisation/forums/{slug}/compte-rendu/{number:int}",             minutes.entry_form, "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/compte-rendu/{number:int}",             minutes.amend,      "POST", ORGANISERS, PRIVATE, 256 * KB),
    ("/organisation/forums/{slug}/compte-rendu/{number:int}/effacer",     minutes.remove,     "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/compte-rendu/{number:int}/lier",        minutes.tie,        "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/plans",                        action_plan.desk,             "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/plans/{plan}/evaluations",     evaluations.index,            "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/plans/{plan}/evaluations",     evaluations.add,              "POST", ORGANISERS, PRIVATE, 32 * KB),
    ("/organisation/plans/{plan}/evaluations/{evaluation}", evaluations.edit_form, "GET", ORGANISERS, PRIVATE, 0),
    ("/organisation/plans/{plan}/evaluations/{evaluation}", evaluations.correct, "POST", ORGANISERS, PRIVATE, 32 * KB),
    ("/organisation/plans/{plan}/evaluations/{evaluation}/retirer", evaluations.remove, "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/plans/{plan}/commentaires", consultations.desk.index, "GET", MEMBERS, PRIVATE, 0),
    ("/organisation/plans/{plan}/commentaires/appel", consultations.calling.form, "GET", ORGANISERS, PRIVATE, 0),
    ("/organisation/plans/{plan}/commentaires/appel", consultations.calling.settle, "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/plans/{plan}/commentaires/appel/clore", consultations.calling.close, "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/plans/{plan}/commentaires/appel/rouvrir", consultations.calling.reopen, "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/plans/{plan}/commentaires/synthese", consultations.calling.synthesis_form, "GET", ORGANISERS, PRIVATE, 0),
    ("/organisation/plans/{plan}/commentaires/synthese", consultations.calling.synthesise, "POST", ORGANISERS, PRIVATE, 128 * KB),
    ("/organisation/plans/{plan}/commentaires/engagements/{number:int}", consultations.amend_form, "GET", ORGANISERS, PRIVATE, 0),
    ("/organisation/plans/{plan}/commentaires/engagements/{number:int}", consultations.amend, "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/plans/{plan}/commentaires/{code}", consultations.desk.show, "GET", MEMBERS, PRIVATE, 0),
    ("/organisation/plans/{plan}/commentaires/{code}/publier", consultations.desk.publish, "POST", MODERATORS, PRIVATE, 4 * KB),
    ("/organisation/plans/{plan}/commentaires/{code}/refuser", consultations.desk.decline, "POST", MODERATORS, PRIVATE, 16 * KB),
    ("/organisation/plans/{plan}/commentaires/{code}/corriger", consultations.desk.correct, "POST", MODERATORS, PRIVATE, 32 * KB),
    ("/organisation/plans/{plan}/commentaires/{code}/repondre", consultations.desk.reply, "POST", ANSWERERS, PRIVATE, 32 * KB),
    ("/organisation/apercu",                       markdown.preview,             "POST", ANSWERERS, PRIVATE, 256 * KB),
    ("/organisation/coller",                       markdown.paste,               "POST", ANSWERERS, PRIVATE, 1024 * KB),
    ("/organisation/brouillons",                   drafts.save,                  "POST", MEMBERS,    PRIVATE, 256 * KB),
    ("/organisation/brouillons/effacer",           drafts.discard,               "POST", MEMBERS,    PRIVATE, 4 * KB),
    ("/organisation/questions",                    questions.queue,              "GET",  MEMBERS,    PRIVATE, 0),
    ("/organisation/questions/{code}",             questions.moderate_form,      "GET",  MEMBERS,    PRIVATE, 0),
    ("/organisation/questions/{code}/publier",     questions.moderating.publish,   "POST", MODERATORS, PRIVATE, 4 * KB),
    ("/organisation/questions/{code}/refuser",     questions.moderating.decline,   "POST", MODERATORS, PRIVATE, 16 * KB),
    ("/organisation/questions/{code}/corriger",    questions.moderating.correct,   "POST", MODERATORS, PRIVATE, 32 * KB),
    ("/organisation/questions/{code}/reunir",      questions.moderating.merge,     "POST", MODERATORS, PRIVATE, 4 * KB),
    ("/organisation/questions/{code}/retirer",     questions.moderating.unpublish, "POST", MODERATORS, PRIVATE, 16 * KB),
    ("/organisation/questions/{code}/titres",      questions.moderating.retitle,   "POST", MODERATORS, PRIVATE, 4 * KB),
    ("/organisation/questions/{code}/administrations", answers.routing_form,     "GET",  MODERATORS, PRIVATE, 0),
    ("/organisation/questions/{code}/administrations", answers.assign,           "POST", MODERATORS, PRIVATE, 32 * KB),
    ("/organisation/reponses",                     answers.index,                "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/reponses/{code}",              answers.of_question,          "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/reponses/{code}/{institution}",         answers.form,        "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/reponses/{code}/{institution}",         answers.write,       "POST", ANSWERERS,  PRIVATE, 128 * KB),
    ("/organisation/reponses/{code}/{institution}/publier", answers.publish,     "POST", ANSWERERS,  PRIVATE, 4 * KB),
    ("/organisation/forums/{slug}/suites",         follow_ups.desk.desk,         "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/suites",         follow_ups.desk.record,       "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/forums/{slug}/suites/reprendre",                      follow_ups.desk.carry,      "POST", ORGANISERS, PRIVATE, 16 * KB),
    ("/organisation/forums/{slug}/suites/{code}",                         follow_ups.desk.said_form,  "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/forums/{slug}/suites/{code}",                         follow_ups.desk.say,        "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/forums/{slug}/suites/{code}/retirer",                 follow_ups.desk.uncarry,    "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/suites",                       follow_ups.following.board,   "GET",  ANSWERERS, PRIVATE, 0),
    ("/organisation/suites/{code}",                follow_ups.following.show,    "GET",  ANSWERERS, PRIVATE, 0),
    ("/organisation/suites/{code}/nouvelle",       follow_ups.following.propose, "POST", ANSWERERS, PRIVATE, 64 * KB),
    ("/organisation/suites/{code}/modifier",       follow_ups.desk.amend_form,   "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/suites/{code}/modifier",       follow_ups.desk.amend,        "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/suites/{code}/effacer",        follow_ups.desk.discard,      "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/suites/{code}/tenue",          follow_ups.following.keep,    "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/suites/{code}/abandon",        follow_ups.following.drop,    "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/suites/{code}/rouvrir",        follow_ups.following.reopen,  "POST", ORGANISERS, PRIVATE, 64 * KB),
    ("/organisation/indicateurs",                  indicators.measuring.index,   "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/indicateurs/{code}",           indicators.measuring.desk,    "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/indicateurs/{code}/mesures",   indicators.measuring.propose, "POST", ANSWERERS,  PRIVATE, 32 * KB),
    ("/organisation/indicateurs/{code}/mesures/{measurement}", indicators.measuring.proposal_form, "GET", ANSWERERS, PRIVATE, 0),
    ("/organisation/indicateurs/{code}/mesures/{measurement}", indicators.measuring.reword, "POST", ANSWERERS, PRIVATE, 32 * KB),
    ("/organisation/indicateurs/{code}/mesures/{measurement}/publier", indicators.measuring.publish, "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/indicateurs/{code}/mesures/{measurement}/retirer", indicators.measuring.withdraw, "POST", ORGANISERS, PRIVATE, 16 * KB),
    ("/organisation/indicateurs/{code}/mesures/{measurement}/corriger", indicators.measuring.correcting, "GET", ORGANISERS, PRIVATE, 0),
    ("/organisation/indicateurs/{code}/mesures/{measurement}/corriger", indicators.measuring.correct, "POST", ORGANISERS, PRIVATE, 32 * KB),
    ("/organisation/indicateurs/{code}/definition", indicators.defining.edit_form, "GET", ORGANISERS, PRIVATE, 0),
    ("/organisation/indicateurs/{code}/definition", indicators.defining.edit,     "POST", ORGANISERS, PRIVATE, 32 * KB),
    ("/organisation/engagements",                  progress.index,               "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/engagements/{plan}/{number:int}",                     progress.desk,       "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/engagements/{plan}/{number:int}/jalons/{milestone}",  progress.milestones.form,        "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/engagements/{plan}/{number:int}/jalons/{milestone}", progress.milestones.say, "POST", ANSWERERS, PRIVATE, 32 * KB),
    ("/organisation/engagements/{plan}/{number:int}/points/nouveau",      progress.reports.new_form,       "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/engagements/{plan}/{number:int}/points/nouveau", progress.reports.add, "POST", ANSWERERS, PRIVATE, 128 * KB),
    ("/organisation/engagements/{plan}/{number:int}/points/{code}",       progress.reports.edit_form,      "GET",  ANSWERERS,  PRIVATE, 0),
    ("/organisation/engagements/{plan}/{number:int}/points/{code}", progress.reports.amend, "POST", ANSWERERS, PRIVATE, 128 * KB),
    ("/organisation/engagements/{plan}/{number:int}/points/{code}/publier", progress.reports.publish, "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/engagements/{plan}/{number:int}/indicateurs/nouveau", indicators.defining.new_form,    "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/engagements/{plan}/{number:int}/indicateurs/nouveau", indicators.defining.add, "POST", ORGANISERS, PRIVATE, 32 * KB),
    ("/organisation/messages",                     outbox.index,                 "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/messages/{message}",           outbox.show,                  "GET",  ORGANISERS, PRIVATE, 0),
    ("/organisation/messages/{message}/renvoyer",  outbox.retry,                 "POST", ORGANISERS, PRIVATE, 4 * KB),
    ("/organisation/membres",                      members.roll.index,           "GET",  ADMINS,     PRIVATE, 0),
    ("/organisation/membres/nouveau",              members.roll.form,            "GET",  ADMINS,     PRIVATE, 0),
    ("/organisation/membres/nouveau",              members.roll.add,             "POST", ADMINS,     PRIVATE, 16 * KB),
    ("/organisation/membres/{member}",             members.roll.edit_form,       "GET",  ADMINS,     PRIVATE, 0),
    ("/organisation/membres/{member}",             members.roll.edit,            "POST", ADMINS,     PRIVATE, 16 * KB),
    ("/organisation/membres/{member}/retirer",     members.roll.remove_form,     "GET",  ADMINS,     PRIVATE, 0),
    ("/organisation/membres/{member}/retirer",     members.roll.remove,          "POST", ADMINS,     PRIVATE, 4 * KB),
    ("/organisation/membres/{member}/delier",      members.roll.unlink,          "POST", ADMINS,     PRIVATE, 4 * KB),
    ("/organisation/journal",                      members.journal.index,        "GET",  ADMINS,     PRIVATE, 0),
)]
# fmt: on


def create_app(settings: Settings, *, with_worker: bool = False) -> ASGIApp:
    """The application of one process. `with_worker` runs the outbox and the clock inside it."""
    database = Database(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        stop = asyncio.Event()
        worker = asyncio.create_task(clock.run(database, settings, stop)) if with_worker else None
        yield
        stop.set()
        if worker is not None:
            await worker
        if site.state.lengths is not None:
            await site.state.lengths.close()
        await database.close()

    site = Starlette(routes=_routes(settings), exception_handlers=_ERRORS, lifespan=lifespan, max_body_size=512 * KB)
    site.router.redirect_slashes = False  # it would redirect to whatever Host says
    site.state.settings = settings
    site.state.database = database
    site.state.own_figures = own_figures = metrics.OwnFigures()
    site.state.calendar = EventsOfAll(settings.mail_from, settings.public_url)
    site.state.lengths = None  # of the open data's files: they are measured when somebody asks
    site.state.openid = None
    if settings.oidc:
        from forums.openid.provider import Provider  # heavy, and most sites have none

        site.state.openid = Provider(settings.oidc, settings.public_url)

    def says(status: int, code: int | str) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request({"language": "fr", **scope, "app": site}, receive)
            await _said(request, status, code)(scope, receive, send)

        return answer

    inside: ASGIApp = gate.Noted(site)
    inside = gate.TooLarge(inside, says(413, 413))
    inside = gate.Language(inside)
    inside = gate.OriginGuard(inside, settings.public_url, says(403, "origin"), OPEN_TO_ALL)
    inside = gate.SecurityHeaders(inside, settings)
    cached = PageCache(inside, own_figures.rendered, _private_addresses(), gate.cookie_name(settings))
    database.after_commit.append(cached.forget)
    return gate.AccessLog(cached)


def _private_addresses() -> re.Pattern[str]:
    """Those whose answers nobody may keep, in every language; `/abonnements/envoye` is not a token's, though it looks like one."""
    paths = [
        re.sub(r"\\{\w+(:int)?\\}", "[^/]+", re.escape(each.path)) for each in ADDRESSES if (each.method, each.cache) == ("GET", PRIVATE)
    ]
    public = [re.escape(each.path) for each in ADDRESSES if each.method == "GET" and each.cache != PRIVATE and "{" not in each.path]
    return re.compile(rf"(?:/(?:{'|'.join(LANGUAGES[1:])}))?(?!(?:{'|'.join(public)})$)(?:{'|'.join(paths)})")


def _routes(settings: Settings) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        Route(each.path, gate.opened(each.page, each.who, each.cache, each.path), methods=[each.method], max_body_size=each.body)
        for each in ADDRESSES
    ]
    routes.append(Mount("/static", assets.Files(ROOT / "static")))
    if settings.theme.name == "dsfr" and (files := assets.dsfr_files()):
        routes.append(Mount("/dsfr", assets.Files(files)))
    return routes


# -- Error pages ---------------------------------------------------------------------------------------


def _said(request: Request, status: int, code: int | str) -> Response:
    """An error in words for people; for a program that speaks to the API, in its own."""
    if open_data.is_api(request.scope.get("page_path", "/")):
        return open_data.fault(status)
    return page.show(request, "error.html", status=status, code=code)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.scope.get("page_path", "/")
    if error.status_code == 404 and path != "/" and path.endswith("/") and not path.startswith("//") and "\\" not in path:
        return RedirectResponse("/" + path.strip("/"), status_code=308)
    response = _said(request, error.status_code, error.status_code)
    for name, value in (error.headers or {}).items():
        response.headers.setdefault(name, value)
    return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    if isinstance(error, TooManyRequests):
        return page.too_many(page.show(request, "error.html", status=429, code=429, refusal=(error.sentence, error.figures)))
    return page.show(request, "error.html", status=409, code=409, refusal=(error.sentence, error.figures))


async def _unavailable(request: Request, error: Exception) -> Response:
    if is_misasked(error):
        note_fault(log, "a page failed", error)
        return _said(request, 500, 500)
    note_fault(log, "database unavailable", error)
    response = _said(request, 503, 503)
    response.headers["retry-after"] = "30"
    return response


async def _client_left(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _failed(request: Request, error: Exception) -> Response:
    return _said(request, 500, 500)


_ERRORS = {
    HTTPException: _http_error,
    Refusal: _refused,
    DBAPIError: _unavailable,
    ClientDisconnect: _client_left,
    Exception: _failed,
    **dict.fromkeys(DatabaseUnavailable, _unavailable),
}
