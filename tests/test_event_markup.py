"""What pages say to programs: a forum as schema.org's Event, and what is shown when a page is shared."""

import json
import re
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest
from PIL import Image
from sqlmodel.ext.asyncio.session import AsyncSession

from forums import event_markup
from forums.app import ADDRESSES, PUBLIC
from forums.models import Forum
from forums.settings import ROOT
from tests.factories import NOW, a_forum
from tests.site import PUBLIC_URL, Site, filled

SCHEMA = "https://schema.org"


class Head(HTMLParser):
    """What a program finds in a page: the JSON-LD, the social tags, the links of the head."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.data: list[Any] = []
        self.tags: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attributes}
        self.inside = tag == "script" and at.get("type") == "application/ld+json"
        if tag == "meta" and (name := at.get("property") or at.get("name")):
            assert name not in self.tags or not name.startswith("og:"), name
            self.tags[name] = at.get("content", "")
        if tag == "link":
            self.links[at.get("rel", "")] = at.get("href", "")

    def handle_data(self, text: str) -> None:
        if self.inside:
            self.data.append(json.loads(text))
            self.inside = False


def said_of(forum: Forum, **options: Any) -> dict[str, Any]:
    return Head(str(event_markup.events([forum], PUBLIC_URL, **options))).data[0]


async def test_a_forum_says_when_where_and_that_it_costs_nothing(session: AsyncSession) -> None:
    forum = await a_forum(session, day=date(2027, 7, 22), address="11, rue Biscornet", remote_capacity=5, organisers=["Etalab", "HATVP"])

    assert said_of(forum) == {
        "@context": SCHEMA,
        "@type": "Event",
        "@id": f"{PUBLIC_URL}/forums/2027-1",
        "url": f"{PUBLIC_URL}/forums/2027-1",
        "name": "Forum Open d'État n° 1 – La commande publique",
        "inLanguage": "fr",
        "startDate": "2027-07-22T18:30+02:00",
        "endDate": "2027-07-22T20:30+02:00",
        "eventStatus": f"{SCHEMA}/EventScheduled",
        "eventAttendanceMode": f"{SCHEMA}/MixedEventAttendanceMode",
        "location": [
            {"@type": "Place", "name": "Superpublic", "address": "11, rue Biscornet"},
            {"@type": "VirtualLocation", "url": f"{PUBLIC_URL}/forums/2027-1"},
        ],
        "isAccessibleForFree": True,
        "organizer": [{"@type": "Organization", "name": "Etalab"}, {"@type": "Organization", "name": "HATVP"}],
        "offers": {
            "@type": "Offer",
            "url": f"{PUBLIC_URL}/forums/2027-1/inscription",
            "price": 0,
            "priceCurrency": "EUR",
            "availability": f"{SCHEMA}/InStock",
        },
    }


async def test_what_is_not_known_is_not_said(session: AsyncSession) -> None:
    bare = {"theme": None, "place": None, "capacity": 0, "starts_at": None, "ends_at": None}
    forum = await a_forum(session, day=date(2018, 5, 24), **bare)

    told = said_of(forum)

    assert (told["name"], told["startDate"]) == ("Forum Open d'État n° 1", "2018-05-24")
    assert {"location", "endDate", "offers", "eventAttendanceMode", "description", "image"} & set(told) == set()


@pytest.mark.parametrize(
    ("facts", "moved", "status"),
    [({}, False, "EventScheduled"), ({}, True, "EventRescheduled"), ({"status": "cancelled", "cancelled_at": NOW}, True, "EventCancelled")],
)
async def test_a_move_and_a_cancellation_are_said(session: AsyncSession, facts: dict[str, Any], moved: bool, status: str) -> None:
    told = said_of(await a_forum(session, **facts), moved=moved)

    assert told["eventStatus"] == f"{SCHEMA}/{status}"
    assert ("offers" in told) == (status != "EventCancelled")


async def test_the_link_of_those_who_hold_a_remote_seat_stays_theirs(session: AsyncSession) -> None:
    counted = await a_forum(session, online_url="https://visio.example/salle", remote_capacity=5)
    open_to_all = await a_forum(session, number=2, online_url="https://visio.example/salle", place=None, capacity=0)

    assert "visio.example" not in json.dumps(said_of(counted))
    assert said_of(open_to_all)["location"] == {"@type": "VirtualLocation", "url": "https://visio.example/salle"}
    assert said_of(open_to_all)["eventAttendanceMode"] == f"{SCHEMA}/OnlineEventAttendanceMode"


@pytest.mark.parametrize("theme", ["</script><script>alert(1)</script>", "<!-- <script>", "A & B \u2028 « C » \\u003c", '"], "x": ["'])
async def test_no_text_ends_the_script_or_changes_what_it_says(session: AsyncSession, theme: str) -> None:
    content = str(event_markup.events([await a_forum(session, theme=theme)], PUBLIC_URL))

    assert content.count("<") == 2  # the element's own tags
    assert Head(content).data[0]["name"] == f"Forum Open d'État n° 1 – {theme}"


async def test_drafts_and_unknown_days_are_no_events(session: AsyncSession) -> None:
    draft = await a_forum(session, status="draft", announced_at=None)

    assert event_markup.events([draft], PUBLIC_URL) == ""


async def test_the_pages_of_forums_hold_their_events(site: Site) -> None:
    slug = (await site.examples())["slug"]
    home, listed, shown = [Head((await site.get(path)).text).data for path in ("/", "/forums", f"/forums/{slug}")]

    assert [told["url"] for told in (home[0], shown[0])] == [f"{PUBLIC_URL}/forums/{slug}"] * 2
    assert f"{PUBLIC_URL}/forums/{slug}" in json.dumps(listed)
    assert shown[0]["image"].startswith(f"{PUBLIC_URL}/static/share.png?v=")


async def test_every_public_page_can_be_shared_under_its_own_address(site: Site) -> None:
    values = await site.examples()
    for each in ADDRESSES:
        if each.cache == PUBLIC and each.method == "GET" and not re.search(r"\.pdf$|\{filename\}", each.path):
            path = filled(each.path, values)
            for prefix in ("", "/en"):
                response = await site.get(prefix + path)
                if "text/html" not in response.headers["content-type"]:
                    continue
                head = Head(response.text)
                address = PUBLIC_URL + (prefix + path).rstrip("/") if prefix else PUBLIC_URL + path
                assert (head.tags["og:url"], head.links["canonical"]) == (address, address), path
                assert head.tags["og:locale"] == ("en_GB" if prefix else "fr_FR")
                assert head.tags["og:title"].strip(), path
                assert head.tags["og:description"] == head.tags["description"]
                assert not re.search("[<>]|&[a-z#]", head.tags["og:title"] + head.tags["og:description"]), path
                assert head.tags["twitter:card"] == "summary_large_image"


async def test_the_second_page_of_a_list_is_itself_and_members_pages_are_not_shared(site: Site) -> None:
    assert Head((await site.get("/questions?page=2&x=1")).text).links["canonical"] == f"{PUBLIC_URL}/questions?page=2"
    await site.sign_in("admin")
    assert "og:url" not in Head((await site.get("/organisation")).text).tags


async def test_the_picture_is_there_small_and_of_the_size_that_is_said(site: Site) -> None:
    head = Head((await site.get("/")).text)
    answer = await site.get(head.tags["og:image"].removeprefix(PUBLIC_URL))

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert len(answer.content) < 30_000
    with Image.open(ROOT / "static" / "share.png") as picture:
        assert picture.size == (int(head.tags["og:image:width"]), int(head.tags["og:image:height"]))
