"""Following by e-mail: asked for, confirmed, told at once or once a week, ended in one click.

Only an address its owner has confirmed is written to, and only while its row is there: ending everything
deletes it. Every message carries a link of its own, so that one forwarded mail ends one subscription, and
ends what that message was sent for. The clock tells the news in turns, each thing once, also after a crash.
"""

from forums.subscriptions.asking import (
    FollowForm,
    LinkForm,
    MoreForm,
    RhythmForm,
    ask,
    ask_at_once,
    ask_for_link,
    confirm,
    follow_more,
    keep_rhythm,
    names_for,
)
from forums.subscriptions.keeping import end, end_announcements, forget_unconfirmed, subscribe, unsubscribe
from forums.subscriptions.queries import Followed, followed_by, subscription_of, subscription_of_link, wants_announcements
from forums.subscriptions.telling import send_digests, tell_news

__all__ = [
    "FollowForm",
    "Followed",
    "LinkForm",
    "MoreForm",
    "RhythmForm",
    "ask",
    "ask_at_once",
    "ask_for_link",
    "confirm",
    "end",
    "end_announcements",
    "follow_more",
    "followed_by",
    "forget_unconfirmed",
    "keep_rhythm",
    "names_for",
    "send_digests",
    "subscribe",
    "subscription_of",
    "subscription_of_link",
    "tell_news",
    "unsubscribe",
    "wants_announcements",
]
