"""Twilio's REST API, as far as a call in progress and `check --live` need it, on top of the `twilio` package.

Its synchronous client runs in threads of its own: requests are rare (one at the end of a call), and the package's async
client would keep an aiohttp session for them that belongs to one event loop. Threads of its own, because a tool that
blocks the loop's default threads must not delay a hang-up. Every failure becomes one line that says what to do.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from voice_agent.errors import PeerError

TIMEOUT_S = 5.0
"""For a whole request: a call that cannot be ended by then is ended by closing its stream."""

THREADS = 4
"""Requests at once; more of them wait their turn."""

NOT_ENDED = frozenset({"queued", "initiated", "ringing", "in-progress"})
"""Statuses of a call that Twilio still has. https://www.twilio.com/docs/voice/api/call-resource#call-status-values"""

_GONE = frozenset({"20404", "21220"})
"""Error codes: no such resource; the call is not in a state for the change. Both mean that it is over."""

_T = TypeVar("_T")


class Account(msgspec.Struct, frozen=True):
    """What the credentials open."""

    sid: str
    name: str = ""
    """Empty with an API key: a standard key may not read the account."""
    status: str = ""
    """active, suspended or closed; empty with an API key."""
    trial: bool | None = None
    """On trial Twilio blocks media streams; `None` with an API key."""


class CallsApi:
    """The calls of one account. Close it after use."""

    def __init__(
        self, account_sid: str, user: str, password: str, base_url: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        """`user`, `password`: the account's SID and Auth Token, or an API key's SID (SK...) and secret.

        `base_url` stands for `https://api.twilio.com` if it is given: the emulator, a proxy, a regional host.
        """
        self._account_sid = account_sid
        self._with_key = user != account_sid
        self._host = base_url or "https://api.twilio.com"
        self._timeout_s = timeout_s
        self._http = _HttpClient(base_url, timeout_s)
        self._client = Client(user, password, account_sid=account_sid, http_client=self._http)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="twilio-api")

    async def hang_up(self, call_sid: str) -> str:
        """End a call; give "" when it is over, also when it was over before, else one line that says why not."""
        try:
            await self._ask(lambda: self._client.calls(call_sid).update(status="completed"))
        except _GoneError:
            return ""
        except PeerError as error:
            return str(error)
        return ""

    async def status(self, call_sid: str) -> str | None:
        """Tell a call's status in Twilio's words; `None`: there is no such call. Raises `PeerError`: one line."""
        try:
            return await self._ask(lambda: _text(self._client.calls(call_sid).fetch().status))
        except _GoneError:
            return None

    async def is_in_progress(self, call_sid: str) -> bool | None:
        """Tell whether Twilio still has a call; `None`: it cannot be known now."""
        try:
            return await self.status(call_sid) in NOT_ENDED
        except PeerError:
            return None

    async def account(self) -> Account:
        """Try the credentials. Raises `PeerError`: one line that says what is wrong."""
        if self._with_key:
            await self._ask(lambda: self._client.calls.list(limit=1))
            return Account(self._account_sid)
        account = await self._ask(lambda: self._client.api.v2010.accounts(self._account_sid).fetch())
        return Account(self._account_sid, str(account.friendly_name), str(account.status), account.type == "Trial")

    def close(self) -> None:
        """Drop the connections; requests under way are left to their timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    async def _ask(self, request: Callable[[], _T]) -> _T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, request)
        except (TwilioRestException, TwilioServiceException) as error:
            if str(error.status) == "404" or str(error.code) in _GONE:
                raise _GoneError(_refusal(error)) from error
            raise PeerError(_refusal(error)) from error
        except (TimeoutError, requests.Timeout) as error:
            raise PeerError(f"{self._host} did not answer within {self._timeout_s:g} s: try again") from error
        except requests.exceptions.SSLError as error:
            raise PeerError(f"{self._host} has no valid TLS certificate: check TWILIO_API_BASE_URL") from error
        except requests.RequestException as error:
            raise PeerError(f"{self._host} cannot be reached: check the network and TWILIO_API_BASE_URL") from error
        except (TwilioException, ValueError, TypeError, AttributeError, KeyError) as error:
            # The package reads what it believes to be Twilio's JSON without checking it.
            raise PeerError(f"{self._host} does not answer as Twilio does: check TWILIO_API_BASE_URL") from error


class _GoneError(PeerError):
    """There is no such thing, or the call is over."""


class _HttpClient(TwilioHttpClient):  # type: ignore[misc]  # the package has no types
    """The package's own client, at another address and without its log of every request, phone numbers included."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        super().__init__(timeout=timeout_s)
        self._base_url = base_url.rstrip("/")
        # A proxy of the environment leads away from this machine.
        self.session.trust_env = not _is_loopback(base_url)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Send one request to the same path at the other address."""
        if self._base_url:
            parts = urlsplit(url)
            url = f"{self._base_url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return super().request(method, url, *args, **kwargs)

    def log_request(self, kwargs: dict[str, Any]) -> None:
        """Log nothing."""

    def log_response(self, status_code: int, response: Any) -> None:
        """Log nothing."""

    def close(self) -> None:
        """Drop the connections."""
        self.session.close()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a call without a status")
    return value


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(error: Any) -> str:
    """Put what Twilio said into one line, with what to do about it."""
    # Texts, because the package takes both from the answer's body without looking.
    status, code = str(error.status), str(error.code)
    if status == "401":
        return "Twilio refuses the credentials: check TWILIO_ACCOUNT_SID with its TWILIO_AUTH_TOKEN, or the API key"
    if status == "403":
        return f"Twilio forbids this to these credentials (error {code}): use the Auth Token or a standard API key"
    if status == "429":
        return f"Twilio is asked too often (error {code}): try again in a moment"
    if status.startswith("5"):
        return f"Twilio has trouble of its own (HTTP {status}): try again, see https://status.twilio.com"
    said = " ".join(str(getattr(error, "msg", None) or getattr(error, "title", "")).split())[:200]
    return f"Twilio refuses: {said} (HTTP {status}): see https://www.twilio.com/docs/errors/{code}"
