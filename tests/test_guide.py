"""The organisers' guide names buttons and pages that are really there, and shows pictures that a program takes."""

import re

from forums.settings import ROOT
from tests.pictures import FOLDER, PICTURES
from tests.translations import english

GUIDE = ROOT / "docs" / "organiser.md"
PLACE = re.compile(r"%\(\w+\)s")
# Quoted for another reason than being a name: what is typed.
TYPED = {"E13"}


def plain(text: str) -> str:
    return " ".join(text.replace("\u2019", "'").split())


def test_each_quoted_name_is_a_sentence_of_the_site():
    said = [plain(each) for found in english() for each in ([found.id] if isinstance(found.id, str) else found.id) if each]
    known = re.compile(
        "|".join(r"\w+".join(map(re.escape, PLACE.split(each))) for each in said if re.search(r"\w{4}", PLACE.sub("", each)))
    )
    quoted = {plain(each) for each in re.findall(r"«\s(.+?)\s»", GUIDE.read_text(), re.DOTALL)} - TYPED

    assert len(quoted) > 80
    assert {each for each in quoted if not known.fullmatch(each)} == set()


def test_each_picture_is_taken_by_the_program_and_shown_once():
    shown = re.findall(r"!\[[^\]]{20,}\]\(pictures/(.+?)\.png\)", GUIDE.read_text())
    taken = ["connexion", *(each.name for pictures in PICTURES.values() for each in pictures)]

    assert sorted(shown) == sorted(taken) == sorted(file.stem for file in FOLDER.glob("*.png"))


def test_each_link_of_the_contents_leads_to_a_title():
    text = GUIDE.read_text()
    titles = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^## (.+)$", text, re.MULTILINE)}

    assert set(re.findall(r"\]\(#(.+?)\)", text)) == titles
