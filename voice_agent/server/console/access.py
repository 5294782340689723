"""Who gets into the console: by the password, or without one from this machine alone. It must not know what is there.

A session is a cookie that tells when it ends, sealed with a key that all servers of an account have; nothing is stored.
Another password ends all sessions.
"""

import asyncio
import base64
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from typing import Literal

from starlette.requests import HTTPConnection

from voice_agent.config.password import Password
from voice_agent.config.secret import Secret
from voice_agent.live.clock import wall_seconds
from voice_agent.server.insiders import is_of_this_machine, split

SESSION_SECONDS = 12 * 3600

MOST_WRONG = 10
WRONG_SECONDS = 60
"""So many wrong passwords in so many seconds, whoever sends them: behind a proxy all have one address. Whoever is in
already stays in."""

TOKEN_HEADER = "x-console-token"  # noqa: S105 - the name of a header
TOKEN_PARAMETER = "token"  # noqa: S105 - the name of a parameter

Verdict = Literal["in", "sign in", "this machine only", "another origin", "no token"]


class Access:
    """One for a server."""

    def __init__(
        self,
        password: Secret | None,
        key: bytes,
        public_url: str,
        now_s: Callable[[], int] = wall_seconds,
    ) -> None:
        """`key`: secret, the same on all servers of the account. Raises `ConfigError` for a broken hash."""
        self.asks = password is not None
        """Whether there is a password."""
        told = "" if password is None else password.reveal()
        self._password = Password(told)
        self._key = hmac.digest(key, b"voice-agent console\0" + told.encode(), "sha256")
        self._public = split(public_url)
        self._now_s = now_s
        self._wrong: deque[int] = deque()

    # --- each request ------------------------------------------------------------------------------------------------

    def judge(self, request: HTTPConnection) -> Verdict:
        """Say whether a request may pass. One that changes something, and a WebSocket, must come from our own page."""
        if not self.asks and not is_of_this_machine(request):
            return "this machine only"
        changes = request.scope["type"] == "websocket" or request.scope["method"] not in {"GET", "HEAD"}
        if not self._is_of_our_page(request):
            return "another origin"
        if self.asks and not self._session(request):
            return "sign in"
        if changes and not self._shows_token(request):
            return "no token"
        return "in"

    def may_knock(self, request: HTTPConnection) -> Verdict:
        """The same for what is needed in order to sign in."""
        if not self.asks and not is_of_this_machine(request):
            return "this machine only"
        return "in" if self._is_of_our_page(request) else "another origin"

    def token(self, request: HTTPConnection) -> str:
        """Give the token that the session's requests must show."""
        return _text(hmac.digest(self._key, b"token\0" + self._session(request).encode(), "sha256"))

    # --- signing in --------------------------------------------------------------------------------------------------

    def wait_seconds(self) -> int:
        """Say how long nobody may try another password; 0: it may be tried now."""
        while self._wrong and self._wrong[0] <= self._now_s() - WRONG_SECONDS:
            self._wrong.popleft()
        if len(self._wrong) < MOST_WRONG:
            return 0
        return max(1, self._wrong[0] + WRONG_SECONDS - self._now_s())

    async def sign_in(self, given: str) -> str | None:
        """Give the session of whoever knows the password; `None`: it is wrong. Look at `wait_seconds` before."""
        assert self.asks, "without a password nobody signs in"
        # Counted before it is known, for many may be tried at once.
        tried_s = self._now_s()
        self._wrong.append(tried_s)
        if not await asyncio.to_thread(self._password.is_, given):
            return None
        if tried_s in self._wrong:
            self._wrong.remove(tried_s)
        told = f"{self._now_s() + SESSION_SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{told}.{self._seal(told)}"

    def cookie(self, request: HTTPConnection) -> tuple[str, bool]:
        """Give the name of the cookie that holds the session, and whether it is for https alone."""
        origin = split(request.headers.get("origin", ""))
        at_public = request.headers.get("host") == self._public.netloc
        secure = origin.scheme == "https" or (at_public and self._public.scheme == "https")
        # https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
        return ("__Host-console", True) if secure else ("console", False)

    def _session(self, request: HTTPConnection) -> str:
        """Give the valid session of a request, or nothing."""
        for name in ("__Host-console", "console"):
            told, _, seal = request.cookies.get(name, "").rpartition(".")
            if not hmac.compare_digest(seal.encode(), self._seal(told).encode()):
                continue
            if int(told.partition(".")[0]) > self._now_s():
                return told
        return ""

    def _seal(self, told: str) -> str:
        return _text(hmac.digest(self._key, b"session\0" + told.encode(), "sha256"))

    def _shows_token(self, request: HTTPConnection) -> bool:
        given = request.headers.get(TOKEN_HEADER) or request.query_params.get(TOKEN_PARAMETER, "")
        return hmac.compare_digest(given.encode(), self.token(request).encode())

    def _is_of_our_page(self, request: HTTPConnection) -> bool:
        """Tell whether a request comes from a page of ours, from the address line, or from a program.

        https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
        """
        site = request.headers.get("sec-fetch-site", "none")
        navigates = request.headers.get("sec-fetch-mode") == "navigate" and request.scope.get("method") == "GET"
        if site not in {"same-origin", "none"} and not navigates:
            return False
        origin = request.headers.get("origin")
        # A proxy may say another `Host` than the browser did; what Twilio reaches, the browser may reach, too.
        return origin is None or split(origin).netloc in {request.headers.get("host"), self._public.netloc}


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
