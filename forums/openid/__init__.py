"""Signing in through an identity provider (OpenID Connect: ProConnect), for people who are members already.

An attempt is a row: used once, within ten minutes, by the browser that began it. What the provider
says is believed only once its signature, issuer, audience, nonce and dates are verified; it names a
member by the identity they came under before, or by their address the first time, and makes nobody a member.

`openid.provider` speaks to it, and is imported where one is set: its libraries are a fifth of a start.
"""

from forums.openid.attempts import LASTS, Begun, begin, forget_old, member_of, take
from forums.openid.identity import Identity
from forums.openid.refusals import (
    AnotherIdentity,
    NotAMember,
    NotProved,
    ProviderDown,
    ProviderRefused,
    SignInRefused,
    UnknownAttempt,
)

__all__ = [
    "LASTS",
    "AnotherIdentity",
    "Begun",
    "Identity",
    "NotAMember",
    "NotProved",
    "ProviderDown",
    "ProviderRefused",
    "SignInRefused",
    "UnknownAttempt",
    "begin",
    "forget_old",
    "member_of",
    "take",
]
