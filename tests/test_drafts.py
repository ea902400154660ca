"""Drafts: what a member was typing, kept for them alone, offered and never imposed."""

import re
from datetime import timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import drafts, privacy
from forums.drafts import NotAForm
from forums.models import Draft
from tests.factories import NOW, a_member
from tests.site import Site

FORM = "/organisation/forums/2027-1/compte-rendu"


async def test_a_draft_is_kept_in_place_of_the_one_before_and_belongs_to_its_member(session: AsyncSession) -> None:
    mine, other = await a_member(session), await a_member(session, "autre@example.fr")
    await drafts.save(session, mine, FORM, {"text": ["un"]}, 0, now=NOW)

    await drafts.save(session, mine, FORM, {"text": ["deux"], "questions": ["a", "b"]}, 3, now=NOW + timedelta(seconds=5))

    kept = await drafts.of(session, mine, FORM)
    assert kept is not None
    assert (kept.typed, kept.edition, kept.saved_at) == ({"text": ["deux"], "questions": ["a", "b"]}, 3, NOW + timedelta(seconds=5))
    assert await drafts.of(session, other, FORM) is None


async def test_a_slower_save_never_puts_older_words_back(session: AsyncSession) -> None:
    member = await a_member(session)
    await drafts.save(session, member, FORM, {"text": ["plus récent"]}, 0, now=NOW)

    await drafts.save(session, member, FORM, {"text": ["plus ancien"]}, 0, now=NOW - timedelta(seconds=1))

    kept = await drafts.of(session, member, FORM)
    assert kept is not None
    assert kept.typed == {"text": ["plus récent"]}


async def test_a_draft_is_discarded_alone_and_twice_changes_nothing(session: AsyncSession) -> None:
    member = await a_member(session)
    for address in (FORM, f"{FORM}/1"):
        await drafts.save(session, member, address, {"text": ["x"]}, 0, now=NOW)

    for _ in range(2):
        await drafts.discard(session, member, FORM)

    assert await drafts.of(session, member, FORM) is None
    assert await drafts.of(session, member, f"{FORM}/1") is not None


async def test_drafts_go_after_thirty_days_with_the_purge(session: AsyncSession) -> None:
    member = await a_member(session)
    await drafts.save(session, member, FORM, {"text": ["ancien"]}, 0, now=NOW - timedelta(days=30, seconds=1))
    await drafts.save(session, member, f"{FORM}/1", {"text": ["récent"]}, 0, now=NOW - timedelta(days=30))

    await privacy.purge(session, retention_days=90, now=NOW)

    assert await drafts.of(session, member, FORM) is None
    assert await drafts.of(session, member, f"{FORM}/1") is not None


async def test_a_member_keeps_fifty_drafts_the_oldest_goes(session: AsyncSession) -> None:
    member = await a_member(session)

    for number in range(drafts.AT_MOST + 1):
        await drafts.save(session, member, f"{FORM}/{number}", {"text": ["x"]}, 0, now=NOW + timedelta(seconds=number))

    assert await drafts.of(session, member, f"{FORM}/0") is None
    assert await drafts.of(session, member, f"{FORM}/1") is not None


@pytest.mark.parametrize(
    "address",
    ["", "/", "/connexion", "/organisation/messages", "//evil.example", f"https://evil.example{FORM}", f"{FORM}?x=1", f"{FORM}/../x",
     "/organisation/forums//x", f"{FORM}/\nx", f"{FORM}/" + "x" * 200],
)  # fmt: skip
def test_only_the_forms_of_forums_keep_drafts(address: str) -> None:
    with pytest.raises(NotAForm):
        drafts.address_of(address)


def test_a_form_is_the_same_in_either_language() -> None:
    assert drafts.address_of(f"/en{FORM}") == drafts.address_of(FORM) == FORM


# -- The pages --------------------------------------------------------------------------------------------------


async def test_what_is_typed_is_kept_offered_resumed_and_erased(site: Site) -> None:
    slug = (await site.examples())["written"]
    form = f"/organisation/forums/{slug}/compte-rendu"
    await site.sign_in("organiser")

    answer = await site.post("/organisation/brouillons", brouillon=form, text="À moitié écrit", questions=["abcd"], comment="Pourquoi")
    opened, resumed = await site.get(form), await site.get(f"{form}?brouillon=reprendre")
    gone = await site.post("/organisation/brouillons/effacer", brouillon=form)

    assert answer.status_code == 200
    assert answer.text.startswith("Brouillon enregistré à ")
    assert "Vous avez un brouillon" in opened.text
    assert "À moitié écrit" not in opened.text
    assert "À moitié écrit</textarea>" in resumed.text
    assert 'value="Pourquoi"' in resumed.text
    assert gone.headers["location"] == f"{form}?fait=brouillon-efface"
    assert await site.count(Draft) == 0


async def test_nobody_is_offered_the_draft_of_another(site: Site) -> None:
    form = f"/organisation/forums/{(await site.examples())['written']}/compte-rendu"
    await site.sign_in("organiser")
    await site.post("/organisation/brouillons", brouillon=form, text="Pour moi seul")
    await site.sign_in("admin")

    pages = [(await site.get(path)).text for path in (form, f"{form}?brouillon=reprendre")]

    assert not any("Vous avez un brouillon" in text or "Pour moi seul" in text for text in pages)


async def test_a_form_that_keeps_no_draft_is_refused_in_a_sentence(site: Site) -> None:
    await site.sign_in("organiser")

    refused = await site.post("/organisation/brouillons", brouillon="/organisation/journal", text="x")
    nowhere = await site.post("/organisation/brouillons/effacer", brouillon="https://evil.example/")

    assert (refused.status_code, nowhere.status_code) == (422, 404)
    assert refused.text == "Cette adresse n'est pas celle d'un formulaire dont le brouillon se garde."
    assert await site.count(Draft) == 0


async def test_a_stranger_keeps_nothing(site: Site) -> None:
    answer = await site.post("/organisation/brouillons", brouillon=FORM, text="x")

    assert answer.status_code == 401
    assert await site.count(Draft) == 0


async def test_the_form_of_an_agenda_item_keeps_and_offers_its_draft_which_goes_once_saved(site: Site) -> None:
    await site.sign_in("organiser")
    values = await site.examples()
    for address in (
        f"/organisation/forums/{values['slug']}/ordre-du-jour",
        f"/organisation/forums/{values['slug']}/ordre-du-jour/{values['item']}",
    ):
        question = re.findall(r'name="questions" value="(\w+)"', (await site.get(address)).text)[-1]
        typed = {"title": "Un titre en cours", "kind": "plenary", "questions": question, "shift": "1", "edition": "0", "number": "99"}
        kept = await site.post("/organisation/brouillons", brouillon=address, **typed)

        offered = (await site.get(address)).text
        resumed = (await site.get(f"{address}?brouillon=reprendre")).text
        again = re.findall(r'name="(edition|number)" value="(\d+)"', resumed)
        saved = await site.post(address, **{"title": "Un titre", "kind": "plenary", **dict(again)})

        assert kept.status_code == 200
        assert f'data-draft="{address}"' in offered
        assert "Vous avez un brouillon" in offered
        assert 'value="Un titre en cours"' not in offered
        assert 'value="Un titre en cours"' in resumed
        assert f'value="{question}" checked' in resumed
        assert saved.status_code == 303
        assert "Vous avez un brouillon" not in (await site.get(address)).text
