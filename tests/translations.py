"""Bring the English catalogue up to the sentences of the code: `make translations`.

New sentences come in untranslated, those that are gone go, and the number left to translate is said.
`tests/test_translations.py` fails until there are none.
"""

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from forums.language import CATALOGUES
from forums.settings import ROOT

KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
METHODS = [("forums/**.py", "python"), ("templates/**.html", "jinja2"), ("templates/emails/**.md", "jinja2")]
OPTIONS = {"newstyle_gettext": "true", "trimmed": "false", "silent": "false", "extensions": "jinja2.ext.do"}
ENGLISH = CATALOGUES / "en.po"


def sentences() -> Catalog:
    """Every sentence of the code and of the templates, in the order of files."""
    found = Catalog(project="Forums Open d'État", charset="utf-8")
    options = {pattern: OPTIONS for pattern, method in METHODS if method == "jinja2"}
    for folder in ("forums", "templates"):
        methods = [(pattern.removeprefix(f"{folder}/"), method) for pattern, method in METHODS if pattern.startswith(folder)]
        its_options = {pattern.removeprefix(f"{folder}/"): each for pattern, each in options.items()}
        for name, _, message, _, context in extract_from_dir(ROOT / folder, methods, its_options, keywords=KEYWORDS):
            found.add(message, locations=[(f"{folder}/{name}", 0)], context=context)
    return found


def english() -> Catalog:
    with ENGLISH.open("rb") as file:
        return read_po(file, locale="en")


def untranslated(catalogue: Catalog) -> list[str]:
    return [str(each.id) for each in catalogue if each.id and not (all(each.string) if each.pluralizable else each.string)]


def main() -> int:
    catalogue = english()
    catalogue.update(sentences(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    with Path(ENGLISH).open("wb") as file:
        write_po(file, catalogue, width=110, no_location=True, omit_header=False, sort_output=True, ignore_obsolete=True)
    print(f"{len(catalogue)} phrases, {len(untranslated(catalogue))} à traduire dans {ENGLISH.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
