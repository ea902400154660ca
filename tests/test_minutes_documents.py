"""What is pasted from a word processor, and documents brought in as a first draft: kept, cleaned, or refused in a sentence."""

import io
import zipfile
from collections.abc import Mapping

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import minutes, pandoc
from forums.minutes import BadDocument
from forums.pandoc import Unreadable
from forums.refusals import Refusal
from tests.factories import NOW, a_commitment, a_forum, a_plan, an_agenda_item, some_minutes
from tests.site import OURS, Site

WORD = """<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p {color: red}</style>
<!--[if gte mso 9]><xml>rebut</xml><![endif]--></head><body><!--StartFragment--><h1>Réponses</h1>
<p class=MsoNormal>Le <b>ministère</b> <a href="https://exemple.fr/r">répond</a>.<o:p></o:p><img src="file:///c:/x.png"></p>
<p class=MsoListParagraphCxSpFirst style='mso-list:l0 level1 lfo1'><![if !supportLists]><span>·<span>&nbsp;&nbsp;</span></span>
<![endif]>En mai</p>
<p class=MsoListParagraphCxSpMiddle style='mso-list:l0 level2 lfo1'><!--[if !supportLists]--><span>o</span><!--[endif]-->Ou en juin</p>
<p class=MsoListParagraphCxSpLast style='mso-list:l1 level1 lfo2'><![if !supportLists]><span>1.</span><![endif]>D'abord</p>
<script>alert(1)</script><p onclick="x()">Fin</p><!--EndFragment--></body></html>"""

CONTENT_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType="'
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>'
    "</Types>"
)
RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>'
)


def a_docx(*paragraphs: str, **more: bytes) -> bytes:
    """A Word document: « # Titre » is a heading of the first level."""
    texts = "".join(_paragraph(text) for text in paragraphs)
    body = f'<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{texts}</w:body></w:document>'
    styles = (
        '<?xml version="1.0"?><w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:style w:type="paragraph" '
        'w:styleId="Heading1"><w:name w:val="heading 1"/></w:style></w:styles>'
    )
    files = {"[Content_Types].xml": CONTENT_TYPES, "_rels/.rels": RELATIONS, "word/document.xml": body, "word/styles.xml": styles}
    return an_archive(files | more)


def _paragraph(text: str) -> str:
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>' if text.startswith("# ") else ""
    return f"<w:p>{style}<w:r><w:t>{text.removeprefix('# ')}</w:t></w:r></w:p>"


def an_archive(files: Mapping[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


# -- Paste ------------------------------------------------------------------------------------------------------


async def test_a_paste_from_word_keeps_headings_lists_and_links_and_nothing_else() -> None:
    text = await pandoc.html_to_markdown(WORD)

    assert text == ("# Réponses\n\nLe **ministère** [répond](https://exemple.fr/r).\n\n- En mai\n    - Ou en juin\n1. D'abord\n\nFin")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ('<b style="font-weight:normal;" id="docs-internal-guid-1"><p>Google</p></b>', "Google"),
        ("<ul><li><p>LibreOffice</p></li></ul>", "- LibreOffice"),
        ('<a href="javascript:alert(1)">x</a><iframe src="//evil"></iframe><svg onload=x></svg>', "x"),
        ("<table><tr><th>A</th></tr><tr><td>b</td></tr></table>", "| A   |\n|-----|\n| b   |"),
        ("<p>&lt;script&gt;</p>", "\\<script\\>"),
    ],
)
async def test_what_is_pasted_becomes_plain_markdown(html: str, text: str) -> None:
    assert await pandoc.html_to_markdown(html) == text


@pytest.mark.parametrize("piece", ["<b <b ", '<p style="mso-list:l0 level1">x', "<p class=MsoTitle>x", "<table><tbody><tr>"])
async def test_a_paste_made_to_freeze_the_site_is_read_in_one_pass(piece: str) -> None:
    """A pattern that goes back for each of these would take hours, and the test would not end."""
    text = await pandoc.html_to_markdown(piece * 20_000 if "table" not in piece else piece + "<tr>" * 20_000)

    assert "mso-list" not in text


async def test_a_paste_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pandoc, "SECONDS", 0.001)

    with pytest.raises(Unreadable):
        await pandoc.html_to_markdown("<p>x</p>" * 10_000)


async def test_a_script_pastes_for_a_member_and_nobody_else(site: Site) -> None:
    stranger = await site.post("/organisation/coller", html="<h1>x</h1>")
    await site.sign_in("organiser")

    answer = await site.post("/organisation/coller", html=WORD)

    assert stranger.status_code == 401
    assert (answer.status_code, answer.text.splitlines()[0]) == (200, "# Réponses")


# -- Documents ----------------------------------------------------------------------------------------------------


async def test_a_word_document_is_cut_at_its_headings() -> None:
    pieces, pictures = await minutes.read_document("notes.DOCX", a_docx("Avant", "# Un", "Le premier.", "# Deux", "Le second."))

    assert [(each.title, each.text) for each in pieces] == [("", "Avant"), ("Un", "Le premier."), ("Deux", "Le second.")]
    assert pictures == 0


async def test_a_markdown_document_loses_its_pictures_and_code_is_not_cut() -> None:
    text = "## *Un* titre\n\nTexte ![x](a.png)\n\n```\n## pas un titre\n```\n\n### Dessous\n\n## Deux\n\nFin".encode("utf-8-sig")

    pieces, pictures = await minutes.read_document("a.md", text)

    assert [each.title for each in pieces] == ["Un titre", "Deux"]
    assert pieces[0].text == "Texte \n\n```\n## pas un titre\n```\n\n### Dessous"
    assert pictures == 1


HOSTILE = {
    "no name": ("", b"x", "Choisissez un document"),
    "another kind": ("a.exe", b"MZ", "Choisissez un document"),
    "a pdf": ("a.pdf", b"%PDF-1.7", "Ce format n'est pas accepté"),
    "empty": ("a.docx", b"", "Choisissez un document"),
    "not an archive": ("a.docx", b"MZ" * 100, "n'est pas un vrai document"),
    "an archive of another kind": ("a.docx", an_archive({"x": "y"}), "n'est pas un vrai document"),
    "a docx called odt": ("a.odt", a_docx("x"), "n'est pas un vrai document"),
    "cut short": ("a.docx", a_docx("x" * 5_000)[:400], "n'a pas pu être lu"),
    "broken xml": ("a.docx", an_archive({"[Content_Types].xml": CONTENT_TYPES, "word/document.xml": "<w:doc"}), "n'a pas pu être lu"),
    "macros": ("a.docx", a_docx("x", **{"word/vbaProject.bin": b"x"}), "contient des macros"),
    "a bomb": ("a.docx", a_docx("x", **{"word/big.xml": b"0" * (61 * 1024 * 1024)}), "beaucoup trop lourd"),
    "a thousand files too many": ("a.docx", an_archive({f"{n}": "" for n in range(2_001)}), "beaucoup trop lourd"),
    "entities": ("a.docx", a_docx("x", **{"word/e.xml": b'<!DOCTYPE x [<!ENTITY a "b">]>'}), "n'a pas pu être lu"),
    "latin 1": ("a.md", "é".encode("latin-1"), "UTF-8"),
    "no text": ("a.md", b"\n\n  \n", "aucun texte"),
    "too many headings": ("a.md", b"# a\n\nb\n\n" * 101, "trop long"),
    "too many lines": ("a.md", b"- a\n" * 20_002, "trop long"),
    "a million pictures that never end": ("a.md", b"![" * 1_000_000, "trop long"),
    "too long a passage": ("a.md", b"x" * 50_001, "trop long"),
    "too large": ("a.md", b"x" * (5 * 1024 * 1024 + 1), "dépasse 5 Mo"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_document_that_is_not_one_is_refused_in_a_sentence(name: str) -> None:
    filename, content, sentence = HOSTILE[name]

    with pytest.raises(Refusal) as refused:
        await minutes.read_document(filename, content)

    assert sentence in refused.value.sentence


async def test_an_archive_that_lies_about_its_size_is_not_believed() -> None:
    content = bytearray(a_docx("x", **{"word/big.xml": b"0" * (61 * 1024 * 1024)}))
    # The size the central directory announces for the last file.
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.start_dir
    at = content.index(b"word/big.xml", start) - 46
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")

    with pytest.raises((BadDocument, Unreadable)):
        await minutes.read_document("a.docx", bytes(content))


async def test_passages_find_the_agenda_item_of_their_title_and_are_there_once(session: AsyncSession) -> None:
    commitment = await a_commitment(session, await a_plan(session))
    forum = await a_forum(session)
    item = await an_agenda_item(session, forum, title="Où en est la commande publique ?")
    written = await some_minutes(session, forum)
    pieces, _ = await minutes.read_document("a.md", b"# 1. Ou en est la COMMANDE publique\n\nBien.\n\n# Divers\n\nRien.")

    done = [await minutes.bring_in(session, written, pieces, 0, [item], {item.id: [commitment]}, now=NOW) for _ in range(2)]

    found = [(each.entry.title, each.entry.text, each.item, list(each.commitments)) for each in await minutes.entries_of(session, written)]
    assert found == [("", "Bien.", item, [commitment]), ("Divers", "Rien.", None, [])]
    assert [each.tied for each in done] == [1, 1]


async def test_a_document_is_a_first_draft_and_never_an_amendment(session: AsyncSession) -> None:
    written = await some_minutes(session, await a_forum(session))
    pieces, _ = await minutes.read_document("a.md", b"Texte")
    await minutes.bring_in(session, written, pieces, 0, [], {}, now=NOW)
    await minutes.publish(session, written, now=NOW)

    with pytest.raises(Refusal, match="déjà public"):
        await minutes.bring_in(session, written, pieces, 0, [], {}, now=NOW)


async def test_an_organiser_brings_a_document_in_or_reads_what_is_wrong_with_it(site: Site) -> None:
    slug = (await site.examples())["slug"]
    here = f"/organisation/forums/{slug}/compte-rendu"
    await site.sign_in("organiser")

    async def send(name: str, content: bytes) -> tuple[int, str]:
        answer = await site.client.post(f"{here}/importer", files={"document": (name, content)}, headers=OURS)
        return answer.status_code, answer.headers.get("location", "") or answer.text

    good, bad = await send("notes.docx", a_docx("# Un", "Premier.")), await send("notes.docx", b"PK\x03\x04 casse")
    none = await site.post(f"{here}/importer")

    assert good == (303, f"{here}?fait=importe&passages=1&points=0&images=0")
    assert (await site.get(f"{here}?fait=importe&passages=1&points=0&images=2")).text.count("Images laissées de côté") == 1
    assert bad[0] == none.status_code == 422
    assert "Ce document n&#39;a pas pu être lu" in bad[1]
    assert 'href="#document"' in none.text


async def test_without_pandoc_a_sentence_says_so_and_markdown_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pandoc.NoPandoc

    monkeypatch.setattr(pandoc, "_program", missing)

    with pytest.raises(pandoc.NoPandoc):
        await minutes.read_document("a.docx", a_docx("x"))
    assert (await minutes.read_document("a.md", b"Texte"))[0][0].text == "Texte"


@pytest.mark.parametrize(
    "piece",
    [
        "mso-list:l1 level1 ",
        "class=MsoTitle ",
        "font-weight:normal ",
        "<![if !supportLists]>",
        "<p ",
        "<b ",
        "<p style='mso-list:l1 level1'>",
    ],
)
def test_what_is_pasted_to_take_hours_takes_a_moment(piece: str) -> None:
    """Where a pattern goes back to the end from each of them, this test does not end."""
    for before in ("<p style='", "<p style='mso-list:l1 level1'>", "<b style='"):
        assert pandoc._cleaned(before + piece * (900_000 // len(piece))) is not None
