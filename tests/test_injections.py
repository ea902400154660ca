"""What somebody types to get out of the place where it is shown: Markdown here; beside the readers of each, the other formats.

Calendars: `test_calendar_feed.py`. Messages: `test_emails.py`. Tables for spreadsheets: `test_open_data.py`, `test_welcome.py` and
below. Papers: `test_ogp_file.py`, `test_welcome.py`. Every form of every page: `test_forms.py`.
"""

import csv
import re
import time
from html.parser import HTMLParser
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlmodel import update

from forums.models import Comment
from forums.rendering import citing, markdown, markdown_citing
from tests.site import Site

TAGS = {"h3", "h4", "h5", "p", "br", "hr", "ul", "ol", "li", "strong", "em", "blockquote", "code", "pre", "a",
        "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip
ATTRIBUTES = {("a", "href"), ("a", "title"), ("a", "rel"), ("ol", "start"), ("table", "tabindex")}
MARKDOWN = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<style>@import 'https://evil.example'</style>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](javascript://forums.example.fr/%0aalert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml,<svg onload=alert(1)>)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](blob:https://forums.example.fr/1)",
    "[x](//evil.example)",
    '[x](https://a.example "onmouseover=alert(1)")',
    '[x](https://a.example "\\"><script>alert(1)</script>")',
    "[x](https://a.example/\"onmouseover='alert(1)')",
    "![x](https://evil.example/pixel.png)",
    '![x](x"onerror="alert(1))',
    '![" onerror="alert(1)](x)',
    "<javascript:alert(1)>",
    "<https://a.example/\"><script>alert(1)</script>>",
    "<data:text/html,x>",
    "[x]\n\n[x]: javascript:alert(1)",
    "[x]: data:text/html,<script>alert(1)</script>\n[x][x]",
    '[x][y]\n\n[y]: https://a.example "><img src=x onerror=alert(1)>"',
    "```<script>\nalert(1)\n```",
    '``` "onload="alert(1)\nx\n```',
    "`</code><script>alert(1)</script>`",
    "| <script> | b |\n|---|---|\n| ![x](javascript:alert(1)) | <b onclick=alert(1)> |",
    "# <script>alert(1)</script>",
    "1. <input autofocus onfocus=alert(1)>",
    "> <base href=https://evil.example>",
    "<form action=https://evil.example><button>x</form>",
    "\ufeff<script>alert(1)</script>",
    "\x00<script\x00>alert(1)</script\x00>",
    "\u202e<script>alert(1)</script>\u2066",
    "＜script＞alert(1)＜/script＞",
    "{{ 7*7 }} {% include '/etc/passwd' %} ${7*7} #{7*7}",
    "E1 <script>alert(1)</script> [E1](javascript:alert(1)) `E1`",
]  # fmt: skip
HUGE = {
    "quotes in quotes": ">" * 20_000,
    "lists in lists": "- " * 10_000,
    "numbers in numbers": "1. " * 6_000,
    "a list each line deeper": "".join(" " * depth + "- x\n" for depth in range(200)),
    "brackets that never close": "[" * 10_000,
    "pictures that never close": "![" * 5_000,
    "stars and underscores": "*_" * 5_000,
    "runs of backticks": "".join("`" * length + " " for length in range(190)),
    "definitions": "".join(f"[a{number}]: /x\n" for number in range(1_500)) + "[a1]" * 500,
    "a wide table of empty cells": "|" + "a|" * 60 + "\n|" + "-|" * 60 + "\n" + "|x\n" * 200,
    "tags that never close": "<a " * 6_000,
    "entities": "&" * 20_000,
}


class Parts(HTMLParser):
    """The tags of a piece of HTML, their attributes, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.attributes, self.links = set[str](), set[tuple[str, str]](), list[str]()
        self.odd: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attributes}
        self.links += [value or "" for name, value in attributes if name == "href"]

    def handle_comment(self, data: str) -> None:
        self.odd.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def is_harmless(html: str) -> bool:
    found = Parts()
    found.feed(html)
    found.close()
    led = [link for link in found.links if re.sub(r"[\x00-\x20]", "", link) and not leads_on_the_web(link)]
    return found.tags <= TAGS and found.attributes <= ATTRIBUTES and not found.odd and not led


def leads_on_the_web(link: str) -> bool:
    """As a browser reads it: without a scheme it stays under http or https."""
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", re.sub(r"[\t\n\r]", "", link).lstrip("".join(map(chr, range(33)))), re.IGNORECASE)
    return scheme is None or scheme[1].lower() in ("http", "https", "mailto")


def test_the_judge_sees_what_would_run():
    """The control: each of these must be found out."""
    for html in ("<script>1</script>", "<a onclick=1>x</a>", "<a href=' java\tscript:1'>x</a>", "<img src=x>", "<!-- x -->"):
        assert not is_harmless(html), html


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown_becomes_nothing_that_runs_loads_or_sends(text: str):
    for html in (markdown(text), markdown_citing(text, ((1, "/engagements/1"),)), citing(text, ((1, "/engagements/1"),))):
        assert is_harmless(html), html


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(MARKDOWN), st.text("[]()<>!`*_#>-|\\&;:\"' \n\tax1", max_size=12)), min_size=2, max_size=6))
def test_pieces_of_it_put_together_become_nothing_worse(pieces: list[str]):
    assert is_harmless(markdown("".join(pieces)))


@pytest.mark.parametrize("name", HUGE)
def test_a_text_made_to_be_slow_costs_what_its_length_costs(name: str):
    """The whole against its first eighth: one that is read again for each of its signs costs 64 times as much, on any machine."""
    whole, eighth = HUGE[name], HUGE[name][: len(HUGE[name]) // 8]

    times = [(spent(whole), spent(eighth)) for _ in range(3)]

    assert min(long for long, _ in times) < 30 * max(min(short for _, short in times), 0.005), times
    assert is_harmless(markdown(whole))


def spent(text: str) -> float:
    """Of this process alone: others share the machine."""
    began = time.process_time()
    markdown(text)
    return time.process_time() - began


async def test_no_comment_of_a_consultation_is_a_formula_in_its_table(site: Site):
    typed = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("https://evil.example";"x")']
    for text in typed:
        async with site.database.transaction() as session:
            await session.exec(update(Comment).values(text=text, reply=text))

        table = (await site.get("/plans/projet-de-demonstration/commentaires.csv")).text

        rows = list(csv.reader(StringIO(table, newline="")))
        assert len(rows) > 1
        assert [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r")] == [], text
