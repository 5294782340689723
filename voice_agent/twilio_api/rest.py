"""One account at Twilio's REST API, on top of the `twilio` package: its connections, its threads, its errors.

Its synchronous client runs in threads of its own: requests are rare (one at the end of a call), and the package's async
client would keep an aiohttp session for them that belongs to one event loop. Threads of its own, because a tool that
blocks the loop's default threads must not delay a hang-up. Every failure becomes one line that says what to do. It must
not know which resources there are.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from voice_agent.config.settings import Settings
from voice_agent.errors import PeerError, RefusedError, UnreachedError
from voice_agent.twilio_api.refusals import meaning_of

TIMEOUT_S = 5.0
"""For a whole request: a call that cannot be ended by then is ended by closing its stream."""

THREADS = 4
"""Requests at once; more of them wait their turn."""

_GONE = frozenset({"20404", "21220"})
"""Error codes: no such resource; the call is not in a state for the change. Both mean that it is over."""

_T = TypeVar("_T")


class GoneError(PeerError):
    """There is no such thing, or the call is over."""


class TwilioRest:
    """What is asked of one account. Close it after use."""

    def __init__(
        self, account_sid: str, user: str, password: str, base_url: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        """`user`, `password`: the account's SID and Auth Token, or an API key's SID (SK...) and secret.

        `base_url` stands for `https://api.twilio.com` if it is given: the emulator, a proxy, a regional host.
        """
        self.account_sid = account_sid
        self.with_key = user != account_sid
        self._host = base_url or "https://api.twilio.com"
        self._timeout_s = timeout_s
        self._http = _HttpClient(base_url, timeout_s)
        self._client = Client(user, password, account_sid=account_sid, http_client=self._http)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="twilio-api")

    def close(self) -> None:
        """Drop the connections; requests under way are left to their timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    async def ask(self, question: Callable[[Client], _T]) -> _T:
        """Ask through the package, in a thread; raises `PeerError`, one line, or `GoneError`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, question, self._client)
        except (TwilioRestException, TwilioServiceException) as error:
            if str(error.status) == "404" or str(error.code) in _GONE:
                raise GoneError(_refusal(error)) from error
            if str(error.status).startswith("5"):
                # It may have done what was asked before it failed.
                raise PeerError(_refusal(error)) from error
            raise RefusedError(_refusal(error), str(error.code)) from error
        except (TimeoutError, requests.Timeout) as error:
            raise PeerError(f"{self._host} did not answer within {self._timeout_s:g} s: try again") from error
        except requests.exceptions.SSLError as error:
            raise PeerError(f"{self._host} has no valid TLS certificate: check TWILIO_API_BASE_URL") from error
        except requests.RequestException as error:
            kind = UnreachedError if _never_left(error) else PeerError
            raise kind(f"{self._host} cannot be reached: check the network and TWILIO_API_BASE_URL") from error
        except (TwilioException, ValueError, TypeError, AttributeError, KeyError) as error:
            if (refused := _refused_page(error)) is not None:
                raise PeerError(_refusal(refused)) from error
            # The package reads what it believes to be Twilio's JSON without checking it.
            raise PeerError(f"{self._host} does not answer as Twilio does: check TWILIO_API_BASE_URL") from error


Rest = TypeVar("Rest", bound=TwilioRest)


def open_rest(kind: type[Rest], settings: Settings, timeout_s: float = TIMEOUT_S) -> Rest | None:
    """Open the account that the settings name; an API key goes before the Auth Token. `None`: they name none."""
    sid, base_url = settings.twilio_account_sid, settings.twilio_api_base_url or ""
    if sid is None:
        return None
    if settings.twilio_api_key is not None and settings.twilio_api_secret is not None:
        return kind(sid, settings.twilio_api_key, settings.twilio_api_secret.reveal(), base_url, timeout_s)
    if settings.twilio_auth_token is None:
        return None
    return kind(sid, sid, settings.twilio_auth_token.reveal(), base_url, timeout_s)


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


def _never_left(error: requests.RequestException) -> bool:
    """Tell whether no connection was made; what broke later may have arrived."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused_page(error: Exception) -> TwilioRestException | None:
    """Read the refusal of a list, which the package hands on unread."""
    answer = error.args[1] if isinstance(error, TwilioException) and len(error.args) > 1 else None
    if not isinstance(answer, Response):
        return None
    try:
        body = msgspec.json.decode(answer.text, type=_Refusal)
    except (ValueError, RecursionError):
        body = _Refusal()
    return TwilioRestException(answer.status_code, "", body.message, body.code)


class _Refusal(msgspec.Struct):
    code: int | None = None
    message: str = ""


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
    if meaning := meaning_of(code):
        return f"Twilio refuses: {meaning} (error {code})"
    said = " ".join(str(getattr(error, "msg", None) or getattr(error, "title", "")).split())[:200]
    return f"Twilio refuses: {said} (HTTP {status}): see https://www.twilio.com/docs/errors/{code}"
