"""A small OpenID provider on loopback, as strict as ProConnect, that can be told to lie.

It refuses any parameter it does not know, accepts the secret in the body alone, checks PKCE, and
answers userinfo as plain JSON or as a signed token. `lie` replaces what the next tokens say.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.ports import free_port

CLIENT_ID = "forums"
CLIENT_SECRET = "le secret que seuls le site et le fournisseur connaissent"
KNOWN = {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method"}


class LocalProvider:
    """What it knows, what it was asked, and how it lies."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://localhost:{port}/api/v2"
        self.key = ECKey.generate_key("P-256", {"kid": "premier", "use": "sig", "alg": "ES256"}, private=True)
        self.forget()

    def forget(self) -> None:
        """As new: an agent whose address is agent@example.org, and nothing but the truth."""
        self.user: dict[str, Any] = {"sub": "sujet-1", "email": "agent@example.org"}
        self.userinfo_is = "plain"
        self.signed_by: Any = self.key
        self.algorithm = "ES256"
        self.down: set[str] = set()
        self.redirects: set[str] = set()
        self.lies: dict[str, Any] = {}
        self.userinfo_lies: dict[str, Any] = {}
        self.metadata_lies: dict[str, Any] = {}
        self.callback_lies: dict[str, str] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def discovery(self, request: Request) -> Response:
        where = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "userinfo_endpoint": "userinfo",
            "jwks_uri": "jwks",
            "end_session_endpoint": "session/end",
        }
        found = {"issuer": self.issuer} | {name: f"{self.issuer}/{path}" for name, path in where.items()}
        return self._answer("discovery", JSONResponse(found | self.metadata_lies))

    async def jwks(self, request: Request) -> Response:
        return self._answer("jwks", JSONResponse(KeySet([self.key]).as_dict(private=False)))

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.asked.append(("authorize", asked))
        if set(asked) - KNOWN:
            return PlainTextResponse("Y000400", status_code=400)
        if len(asked["state"]) < 32 or len(asked["nonce"]) < 32:
            return PlainTextResponse("state or nonce too short", status_code=400)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return RedirectResponse(
            f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer} | self.callback_lies)}"
        )

    async def token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.asked.append(("token", form))
        asked = self.codes.pop(form.get("code", ""), None)
        if "authorization" in request.headers or form.get("client_secret") != CLIENT_SECRET:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"] or not self._pkce(asked, form):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.user["sub"],
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
        } | self.lies
        token = {"access_token": "un-acces", "token_type": "Bearer", "expires_in": 60, "id_token": self.signed(claims)}
        return self._answer("token", JSONResponse(token))

    def _pkce(self, asked: dict[str, str], form: dict[str, str]) -> bool:
        if "code_challenge" not in asked:
            return "code_verifier" not in form
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        return (
            asked["code_challenge_method"] == "S256" and base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() == asked["code_challenge"]
        )

    def signed(self, claims: dict[str, Any]) -> str:
        if self.algorithm == "none":  # joserfc writes no such token
            parts = (json.dumps(each).encode() for each in ({"alg": "none"}, claims))
            return ".".join([*(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts), ""])
        header = {"alg": self.algorithm} | ({"kid": self.signed_by.kid} if self.signed_by.kid else {})
        return jwt.encode(header, claims, self.signed_by, algorithms=[self.algorithm])

    async def userinfo(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer un-acces":
            return JSONResponse({"error": "invalid_token"}, status_code=401)
        if self.userinfo_is == "plain":
            return self._answer("userinfo", JSONResponse(self.user | self.userinfo_lies))
        told = {"iss": self.issuer, "aud": CLIENT_ID, "exp": int(time.time()) + 60} | self.user | self.userinfo_lies
        return self._answer("userinfo", Response(self.signed(told), media_type="application/jwt"))

    async def end_session(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.asked.append(("end_session", asked))
        return RedirectResponse(f"{asked['post_logout_redirect_uri']}?{urlencode({'state': asked['state']})}")

    def _answer(self, what: str, response: Response) -> Response:
        if what in self.down:
            return PlainTextResponse("panne", status_code=503)
        return RedirectResponse("http://localhost:1/ailleurs") if what in self.redirects else response


def octets(secret: str) -> OctKey:
    """The key of HS256: the secret itself."""
    return OctKey.import_key(secret)


@contextmanager
def local_provider() -> Iterator[LocalProvider]:
    port = free_port()
    provider = LocalProvider(port)
    pages = (("/.well-known/openid-configuration", provider.discovery), ("/jwks", provider.jwks), ("/authorize", provider.authorize),
             ("/userinfo", provider.userinfo), ("/session/end", provider.end_session))  # fmt: skip
    routes = [Route(f"/api/v2{path}", page) for path, page in pages] + [Route("/api/v2/token", provider.token, methods=["POST"])]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), host="localhost", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join()
