"""`voice-agent check --live`: tries every credential and address of the settings, and says a line about each.

Nothing is changed and nothing is paid for: a health page, Twilio's account and its numbers, a Realtime session without
audio, a list of models, the addresses of `http` tools and look-ups. All trials run at once, each for a few seconds at
most. It must not decide what a setting should be.
"""

import asyncio
import functools
import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from voice_agent.agent import Agent, HttpRequest, TextMessage
from voice_agent.call.events import ModelClosed, ModelOpened, ModelRefused
from voice_agent.config.addresses import refusal_of
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.config.variables import is_loopback, split_url
from voice_agent.errors import ConfigError, PeerError
from voice_agent.live.credentials import credential_of
from voice_agent.live.endpoints import endpoint_of
from voice_agent.live.model_leg import ModelLeg
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.numbers import NumbersApi
from voice_agent.twilio_api.rest import open_rest
from voice_agent.wire.bridge import Input
from voice_agent.wire.dialects import foreign
from voice_agent.wire.texts import ModelText

SECONDS = 8.0
"""For one trial. Twilio itself waits 5 s for a connection and 15 s for an answer."""

_BODY_BYTES = 2000

_ON_TRIAL = "Twilio speaks an excuse in place of <Stream> there, so no call reaches an agent; upgrade the account"
"""https://www.twilio.com/docs/usage/trials/try-out-voice#custom-twiml-during-trial, "Blocked verbs"."""


class Finding(NamedTuple):
    """What came of one trial."""

    verdict: Literal["ok", "wrong", "not tried"]
    what: str
    """The variable that was tried."""
    remark: str

    def __str__(self) -> str:
        return f"{self.verdict:<10} {self.what}: {self.remark}"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: str
    location: str
    """Where a redirect leads."""
    date: str
    """What time it is there, as HTTP writes it; may be empty."""


async def try_all(settings: Settings, agents: Sequence[Agent] = (), seconds: float = SECONDS) -> list[Finding]:
    """Try everything that is set, at once; what is not set is named as not tried. The order is always the same."""
    tools = [(f"{agent.name}.{tool.name}", agent, tool) for agent in agents for tool in agent.tools]
    trials: list[tuple[str, Callable[[], Awaitable[Finding]]]] = [
        ("PUBLIC_URL", lambda: try_public_url(settings)),
        *(
            (name, functools.partial(_try_twilio, settings, name, user, secret))
            for name, user, secret in _twilio_credentials(settings)
        ),
        ("REALTIME_PROVIDER", lambda: try_model(settings)),
        *(
            ("REALTIME_FALLBACKS", functools.partial(try_model, each.settings, each.name))
            for each in settings.realtime_fallbacks
        ),
        ("LLM_URL", lambda: try_llm(settings)),
        *((what, functools.partial(try_http_tool, what, request)) for what, request in _requests(agents)),
        *(
            (what, functools.partial(_try_sms, settings, what, agent, tool.sms))
            for what, agent, tool in tools
            if tool.sms
        ),
    ]
    findings = list(await asyncio.gather(*(_within(seconds, what, trial) for what, trial in trials)))
    if settings.twilio_account_sid is None:
        findings.insert(1, Finding("not tried", "TWILIO_ACCOUNT_SID", "is not set; calls cannot be ended by REST"))
    return findings


def _requests(agents: Sequence[Agent]) -> Iterator[tuple[str, HttpRequest]]:
    """List what is asked over HTTP, before a call is answered and in it."""
    for agent in agents:
        if agent.lookup is not None:
            yield f"{agent.name}.lookup", agent.lookup.request
        yield from ((f"{agent.name}.{tool.name}", tool.http) for tool in agent.tools if tool.http is not None)


async def _within(seconds: float, what: str, trial: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            return await trial()
    except TimeoutError:
        return Finding("wrong", what, f"no answer within {seconds:g} s; check the address and the network")
    except (PeerError, ConfigError) as error:
        return Finding("wrong", what, str(error))


# --- this server as Twilio sees it -----------------------------------------------------------------------------------


async def try_public_url(settings: Settings) -> Finding:
    """Ask for this server's health page by the way that Twilio comes."""
    url, what = settings.public_url, "PUBLIC_URL"
    if url == f"http://127.0.0.1:{settings.port}":
        return Finding(
            "not tried", what, "is of this machine alone; a real call needs the https address of a tunnel or a proxy"
        )
    local = f"http://{settings.host}:{settings.port}"
    try:
        answer = await ask(f"{url}/healthz")
    except PeerError as error:
        remedy = f"run voice-agent serve and lead a tunnel to {local}"
        return Finding("wrong", what, f"{url} cannot be reached ({error}); {remedy}")
    if answer.status == 200 and answer.body.strip() == "ok":
        return Finding("ok", what, f"{url} leads to this server; Twilio's webhook is POST {url}/twilio/voice")
    if answer.location:
        return Finding("wrong", what, f"{url} redirects to {answer.location[:100]}; set the address it leads to")
    if answer.status in (502, 503, 504):
        return Finding("wrong", what, f"{url} is a tunnel to nothing (HTTP {answer.status}); run voice-agent serve")
    return Finding("wrong", what, f"another server answers at {url} (HTTP {answer.status}); lead the tunnel to {local}")


# --- Twilio ----------------------------------------------------------------------------------------------------------


def _twilio_credentials(settings: Settings) -> list[tuple[str, str, Secret]]:
    """List every secret of the account with the name of its variable and the user that it belongs to."""
    sid = settings.twilio_account_sid
    if sid is None:
        return []
    secrets = [
        ("TWILIO_AUTH_TOKEN", sid, settings.twilio_auth_token),
        ("TWILIO_AUTH_TOKEN_SECONDARY", sid, settings.twilio_auth_token_secondary),
        ("TWILIO_API_SECRET", settings.twilio_api_key or "", settings.twilio_api_secret),
    ]
    return [(name, user, secret) for name, user, secret in secrets if secret is not None]


async def _try_twilio(settings: Settings, what: str, user: str, secret: Secret) -> Finding:
    assert settings.twilio_account_sid is not None, "credentials are listed only with an account"
    base_url = settings.twilio_api_base_url or ""
    api = CallsApi(settings.twilio_account_sid, user, secret.reveal(), base_url, timeout_s=SECONDS)
    try:
        account = await api.account()
    finally:
        api.close()
    if account.status not in ("", "active"):
        return Finding("wrong", what, f"the account is {account.status}; see console.twilio.com")
    name = f'opens the account "{account.name}"' if account.name else "is accepted"
    if account.trial:
        return Finding("wrong", what, f"{name}, which is on trial: {_ON_TRIAL}")
    return Finding("ok", what, name)


# --- the model -------------------------------------------------------------------------------------------------------


async def try_model(settings: Settings, name: str = "") -> Finding:
    """Open a session as a call does, and wait for its first word. `name`: of an endpoint in `REALTIME_FALLBACKS`."""
    what = "REALTIME_FALLBACKS" if name else "REALTIME_PROVIDER"
    if settings.realtime_provider == "emulator" and settings.realtime_url is None and not name:
        return Finding("not tried", what, "is the local Realtime server, which needs no account")
    name = name or settings.realtime_provider
    where = endpoint_of(settings)
    first: asyncio.Future[Input] = asyncio.get_running_loop().create_future()

    def feed(event: Input) -> None:
        if not isinstance(event, ModelOpened) and not first.done():
            first.set_result(event)

    credential = credential_of(settings, where)
    leg = ModelLeg(where, credential)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(leg.run(feed))
            try:
                event = await first
            finally:
                leg.close("tried")
                running.cancel()
    finally:
        if credential is not None:
            await credential.close()
    match event:
        case ModelText(text=text):
            problem = _problem_of_first(text, where.dialect)
        case ModelRefused(detail=detail):
            problem = detail
        case ModelClosed(reason=reason):
            problem = reason
        case _:
            problem = "not a Realtime endpoint: its first message is no text"
    if problem:
        return Finding("wrong", what, f"{name}: {problem}")
    return Finding("ok", what, f"{name} opens a session at {where.shown}")


class _Error(msgspec.Struct):
    message: str = ""
    code: str | None = None


class _First(msgspec.Struct):
    """The first message of a session, as far as it tells whether there is one."""

    type: str = ""
    error: _Error | None = None
    session: dict[str, Any] = {}


def _problem_of_first(text: str, dialect: str) -> str:
    try:
        first = msgspec.json.decode(text, type=_First)
    except (ValueError, RecursionError):
        return "not a Realtime endpoint: its first message is not one of the API"
    if first.type == "session.created":
        return foreign(first.session, dialect)
    if first.error is not None:
        code = f"{first.error.code}: " if first.error.code else ""
        return f"the session is refused: {' '.join((code + first.error.message).split())[:300]}"
    return f'not a Realtime endpoint: it begins with "{first.type[:60]}" instead of session.created'


# --- the local Realtime server's brain -------------------------------------------------------------------------------


async def try_llm(settings: Settings) -> Finding:
    """Ask the chat endpoint for its models, which costs nothing."""
    url, what = settings.llm_url, "LLM_URL"
    if url is None:
        return Finding("not tried", what, "is not set; the local Realtime server answers from dialogue files")
    key = settings.llm_api_key
    try:
        answer = await ask(f"{url}/models", {"Authorization": f"Bearer {key.reveal()}"} if key is not None else {})
    except PeerError as error:
        return Finding("wrong", what, f"{url} cannot be reached ({error}); is the model's server running?")
    if answer.status in (401, 403):
        return Finding("wrong", "LLM_API_KEY", f"is refused by {url} (HTTP {answer.status})")
    if answer.status != 200:
        return Finding(
            "wrong", what, f"{url}/models answers HTTP {answer.status}; an OpenAI-compatible URL ends in /v1"
        )
    return Finding("ok", what, f"{url} answers")


# --- tools -----------------------------------------------------------------------------------------------------------


async def try_http_tool(what: str, request: HttpRequest) -> Finding:
    """Look its host up, and ask nothing of it: a request may book what nobody wants."""
    parts = split_url(request.url.partition("?")[0])
    assert parts is not None, "the file's reader has taken it for an address"
    host = parts.hostname or ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return Finding("wrong", what, f"{host} cannot be looked up ({getattr(error, 'strerror', None) or error})")
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    refusals = [refusal_of(address, allow_private=request.allow_private) for address in addresses]
    if all(refusals):
        return Finding("wrong", what, f"{host}: {refusals[0]}")
    allowed = [address for address, refusal in zip(addresses, refusals, strict=True) if not refusal]
    found_at = "" if allowed == [host] else f" is {', '.join(allowed[:3])}, and"
    return Finding("ok", what, f"{host}{found_at} was not asked anything")


async def _try_sms(settings: Settings, what: str, agent: Agent, message: TextMessage) -> Finding:
    """Look whether the account has the numbers to send from; nothing is sent."""
    senders = [message.sender] if message.sender else list(agent.numbers)
    if not senders:
        return Finding("not tried", what, "sends from the called number, and the agent names none")
    api = open_rest(NumbersApi, settings, SECONDS)
    if api is None:
        return Finding("not tried", what, "needs TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, which are not set")
    try:
        found = {number.number: number for number in await api.all()}
    finally:
        api.close()
    for sender in senders:
        if sender not in found:
            return Finding("wrong", what, f"{sender} is no number of this account; voice-agent numbers lists them")
        if not found[sender].sms:
            return Finding("wrong", what, f"{sender} cannot send messages; choose a number with the capability SMS")
    return Finding("ok", what, f"{', '.join(senders)} can send messages; none was sent")


# --- HTTP ------------------------------------------------------------------------------------------------------------


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Twilio follows none to a stream, and a key must not travel on."""

    def redirect_request(self, *_args: object) -> None:
        return None


async def ask(url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Send GET, or POST with a `body`, and follow no redirect; raises `PeerError` when there is no answer at all."""
    return await asyncio.to_thread(_ask_now, url, headers or {}, body)


def _ask_now(url: str, headers: dict[str, str], body: bytes | None) -> Answer:
    # A proxy of the environment leads away from this machine.
    direct = (urllib.request.ProxyHandler({}),) if is_loopback(url) else ()
    opener = urllib.request.build_opener(_NoRedirect, *direct)
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - `Settings` allows http and https only
    try:
        with opener.open(request, timeout=SECONDS / 2) as answer:
            text = answer.read(_BODY_BYTES).decode(errors="replace")
            return Answer(answer.status, text, "", answer.headers.get("Date", ""))
    except urllib.error.HTTPError as error:
        with error:
            location = error.headers.get("Location", "") if 300 <= error.code < 400 else ""
            return Answer(error.code, "", " ".join(location.split()), error.headers.get("Date", ""))
    except urllib.error.URLError as error:
        raise PeerError(" ".join(str(error.reason).split())[:200]) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PeerError(" ".join(str(error).split())[:200] or type(error).__name__) from None
