"""The identity provider's side: where it is, what it says, and whether that is true.

Authlib speaks OAuth and checks the ID token's claims, joserfc the signatures. Every exchange has a
time limit and follows no redirect: a provider that is down or lies costs ten seconds and a clear page.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey
from pydantic import BaseModel, ValidationError

from forums.openid.identity import Identity
from forums.openid.refusals import NotProved, ProviderDown, SignInRefused
from forums.settings import Oidc

SCOPE = "openid email"
EXCHANGE = 10.0
"""Seconds that everything asked of the provider for one sign-in may take."""
_TIMEOUT = httpx2.Timeout(5.0)
_KEPT = 3600.0
_AGAIN = 60.0
_LEEWAY = 60
_ALGORITHMS = ("RS256", "ES256", "PS256", "HS256")


class Metadata(BaseModel):
    """What its discovery document must hold."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None


class Provider:
    """The provider of the settings. Its metadata and keys are kept an hour; one per process."""

    def __init__(self, oidc: Oidc, public_url: str) -> None:
        self.oidc = oidc
        self.redirect_uri = f"{public_url}/connexion/retour"
        self.after_logout = f"{public_url}/deconnexion"
        # Once: reading the authorities takes longer than the rest of an exchange, and holds up every page.
        self._tls = ssl.create_default_context()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    # -- Going there -----------------------------------------------------------------------------------

    async def authorization_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send a person. Raises `ProviderDown`, `NotProved`."""
        async with self._speaking() as client:
            metadata = await self.metadata(client)
            pkce = {"code_verifier": verifier} if self.oidc.pkce else {}
            # No other parameter: ProConnect refuses any it does not know.
            url, _ = client.create_authorization_url(metadata.authorization_endpoint, state=state, nonce=nonce, **pkce)
        return str(url)

    async def logout_url(self, id_token: str, *, state: str) -> str | None:
        """Where to sign out of the provider too, by the person's own browser; None when it has no such page."""
        async with self._speaking() as client:
            where = (await self.metadata(client)).end_session_endpoint
        if where is None:
            return None
        asked = {"id_token_hint": id_token, "state": state, "post_logout_redirect_uri": self.after_logout}
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    # -- Coming back -------------------------------------------------------------------------------------

    async def identify(self, code: str, *, nonce: str, verifier: str, now: datetime) -> Identity:
        """Who a code stands for. Raises `ProviderDown`, `NotProved`."""
        async with self._speaking() as client:
            metadata = await self.metadata(client)
            pkce = {"code_verifier": verifier} if self.oidc.pkce else {}
            try:
                token = await client.fetch_token(metadata.token_endpoint, code=code, grant_type="authorization_code", **pkce)
            except (AuthlibBaseError, ValueError, TypeError, KeyError) as error:
                raise NotProved("token endpoint") from error
            id_token, access_token = token.get("id_token"), token.get("access_token")
            if not isinstance(id_token, str) or not isinstance(access_token, str):
                raise NotProved("no ID token")
            claims = CodeIDToken(
                *await self._signed(client, metadata, id_token),
                options={"iss": {"essential": True, "value": metadata.issuer}, "aud": {"essential": True, "value": self.oidc.client_id}},
                params={"nonce": nonce, "client_id": self.oidc.client_id, "access_token": access_token},
            )
            try:
                claims.validate(now=int(now.timestamp()), leeway=_LEEWAY)
            except JoseError as error:
                raise NotProved(f"ID token: {getattr(error, 'claim', '') or error.error}") from error
            told = await self._userinfo(client, metadata, access_token)
        subject = claims["sub"]
        # Two answers about two people would make one of them the other.
        if not isinstance(subject, str) or not subject or told.get("sub") != subject:
            raise NotProved("sub")
        return Identity(subject, _vouched_for(told), id_token)

    async def _userinfo(self, client: AsyncOAuth2Client, metadata: Metadata, access_token: str) -> Mapping[str, Any]:
        """What it says of the person: plain JSON, or a signed token by its Content-Type, which is then verified."""
        headers = {"authorization": f"Bearer {access_token}", "accept": "application/jwt, application/json"}
        response = await _get(client, metadata.userinfo_endpoint, "userinfo", headers)
        if response.headers.get("content-type", "").split(";")[0].strip().lower() == "application/jwt":
            told, _ = await self._signed(client, metadata, response.text.strip())
            audience = told.get("aud")
            if told.get("iss") != metadata.issuer or self.oidc.client_id not in (audience if isinstance(audience, list) else [audience]):
                raise NotProved("userinfo: iss or aud")
            expires = told.get("exp")
            if expires is not None and (not isinstance(expires, int | float) or expires < time.time() - _LEEWAY):
                raise NotProved("userinfo: exp")
            return told
        return _json(response, "userinfo")

    # -- Signatures ----------------------------------------------------------------------------------------

    async def _signed(self, client: AsyncOAuth2Client, metadata: Metadata, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The claims and the header of a token whose signature is the provider's."""
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError) as error:
            raise NotProved("not a token") from error
        symmetric = header.get("alg") == "HS256"
        for fresh in (False,) if symmetric else (False, True):  # a kid never seen: they have changed their keys
            keys = OctKey.import_key(self.oidc.client_secret) if symmetric else await self._keys_of(client, metadata, fresh=fresh)
            known = symmetric or any(key.kid == header.get("kid") for key in keys.keys) or not header.get("kid")  # type: ignore[union-attr]
            if not known and not fresh:
                continue
            try:
                decoded = jwt.decode(token, keys, algorithms=_ALGORITHMS)
            except (JoseError, ValueError) as error:
                raise NotProved("signature") from error
            return dict(decoded.claims), dict(decoded.header)
        raise NotProved("signature")

    async def _keys_of(self, client: AsyncOAuth2Client, metadata: Metadata, *, fresh: bool) -> KeySet:
        # A minute apart: a token with an invented kid must not make us ask each time.
        if self._keys is None or time.monotonic() - self._keys[0] > (_AGAIN if fresh else _KEPT):
            response = await _get(client, metadata.jwks_uri, "jwks")
            try:
                self._keys = time.monotonic(), KeySet.import_key_set(_json(response, "jwks"))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise NotProved("jwks") from error
        return self._keys[1]

    # -- Where it is -----------------------------------------------------------------------------------------

    async def metadata(self, client: AsyncOAuth2Client) -> Metadata:
        if self._metadata is None or time.monotonic() - self._metadata[0] > _KEPT:
            response = await _get(client, f"{self.oidc.issuer.rstrip('/')}/.well-known/openid-configuration", "discovery")
            try:
                found = Metadata.model_validate(_json(response, "discovery"))
            except ValidationError as error:
                raise NotProved("discovery") from error
            self._check(found)
            self._metadata = time.monotonic(), found
        return self._metadata[1]

    def _check(self, found: Metadata) -> None:
        """It is who the settings say, and sends neither people nor secrets elsewhere than where they may go."""
        if found.issuer.rstrip("/") != self.oidc.issuer.rstrip("/"):
            raise NotProved("discovery: issuer")
        scheme = urlsplit(self.oidc.issuer).scheme
        for address in (found.token_endpoint, found.userinfo_endpoint, found.jwks_uri):
            if urlsplit(address).scheme not in ("https", scheme):
                raise NotProved("discovery: endpoint")
        # The Content-Security-Policy lets a form lead to this origin alone.
        for address in (found.authorization_endpoint, found.end_session_endpoint or self.oidc.issuer):
            if not address.startswith(f"{self.oidc.origin}/"):
                raise NotProved("discovery: origin")

    @asynccontextmanager
    async def _speaking(self) -> AsyncIterator[AsyncOAuth2Client]:
        client = AsyncOAuth2Client(
            self.oidc.client_id,
            self.oidc.client_secret,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 — the name of a method  # nosec B106
            scope=SCOPE,
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
            timeout=_TIMEOUT,
            verify=self._tls,
            follow_redirects=False,
        )
        try:
            # The client's own limits are per read: a drip of bytes would never meet them.
            async with asyncio.timeout(EXCHANGE), client:
                yield client
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise ProviderDown(type(error).__name__) from error


async def fault_of(provider: Provider) -> str | None:
    """What would stop a sign-in, for `forums check`; None when its discovery document is right."""
    try:
        async with provider._speaking() as client:
            await provider.metadata(client)
    except SignInRefused as refusal:
        return refusal.detail or type(refusal).__name__
    return None


def _vouched_for(told: Mapping[str, Any]) -> str | None:
    """Their address. ProConnect has no `email_verified`: administrations give it; a provider that says it is not is believed."""
    email = told.get("email")
    return email.strip().lower() if isinstance(email, str) and told.get("email_verified", True) is True and "@" in email else None


async def _get(client: AsyncOAuth2Client, address: str, what: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    """What an address answers, when it answers; a redirect is no answer."""
    response: httpx2.Response = await client.request("GET", address, withhold_token=True, headers=headers)
    if response.status_code >= 500:
        raise ProviderDown(f"{what}: {response.status_code}")
    if response.status_code != 200:
        raise NotProved(f"{what}: {response.status_code}")
    return response


def _json(response: httpx2.Response, what: str) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError as error:
        raise NotProved(what) from error
    if not isinstance(found, dict):
        raise NotProved(what)
    return found
