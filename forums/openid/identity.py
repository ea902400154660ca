"""Who somebody is, once the identity provider's word was verified."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """Who came in, verified: the provider's own name for them, their address if it vouches for it."""

    subject: str
    email: str | None
    id_token: str
