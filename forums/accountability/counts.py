"""Counts in the words of a document: what was asked and promised, by what became of it, each number with its list."""

from forums.accountability.counting import Asked, Promised
from forums.accountability.paper import Block, Items, Line, Span, Text, plain
from forums.language import translations


def of_questions(asked: Asked, where: str, language: str) -> list[Block]:
    """`where` is what narrows the list: a plan, a commitment."""
    _, many = translations(language).gettext, translations(language).ngettext
    if not asked.total:
        return [Text(plain(_("Aucune question n'a été posée.")))]
    lines = [
        (asked.answered, "repondue", many("une répondue", "%(num)s répondues", asked.answered)),
        (asked.partly, "en-partie", many("une répondue en partie", "%(num)s répondues en partie", asked.partly)),
        (asked.deferred, "reportee", many("une reportée", "%(num)s reportées", asked.deferred)),
        (asked.refused, "refusee", many("un refus de répondre", "%(num)s refus de répondre", asked.refused)),
        (asked.waiting, "en-attente", many("une en attente de réponse", "%(num)s en attente de réponse", asked.waiting)),
    ]
    total = many("une question publiée", "%(num)s questions publiées", asked.total)
    return _told(total, asked.total, f"/questions?{where}", lines, _(", dont :"))


def of_promises(promised: Promised, where: str, language: str) -> list[Block]:
    _, many = translations(language).gettext, translations(language).ngettext
    if not promised.total:
        return [Text(plain(_("Aucune promesse publiée.")))]
    lines = [
        (promised.kept, "tenues", many("une tenue", "%(num)s tenues", promised.kept)),
        (promised.open, "ouvertes", many("une ouverte", "%(num)s ouvertes", promised.open)),
        (promised.late, "en-retard", many("dont une en retard", "dont %(num)s en retard", promised.late)),
        (promised.dropped, "abandonnees", many("une abandonnée", "%(num)s abandonnées", promised.dropped)),
    ]
    total = many("une promesse publiée", "%(num)s promesses publiées", promised.total)
    return _told(total, promised.total, f"/suites?{where}", lines, _(", dont :"))


def _told(total: str, number: int, address: str, lines: list[tuple[int, str, str]], of_which: str) -> list[Block]:
    named: list[Line] = [plain(text % {"num": count}, f"{address}&etat={state}") for count, state, text in lines if count]
    return [Text([Span(total % {"num": number}, address), Span(of_which)]), Items(named)]
