"""What `doctor --remote` looks at: a deployed server, as Twilio and as a stranger meet it. Nothing is begun there.

It must not know who is told.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from voice_agent.cli.check_live import SECONDS, Answer, Finding, ask
from voice_agent.config.variables import is_loopback
from voice_agent.errors import PeerError
from voice_agent.live.clock import utc_now

LEFT = 0.1
"""Of a certificate's time; one that has less left was not renewed when it should have been, which is at a third."""

CALL_SID = "CA" + "0" * 32


async def look_at_remote(url: str) -> list[Finding]:
    """Look at everything; `url`: scheme, host and port. If nobody answers at all, only that is told."""
    secure = url.startswith("https:")
    findings = [await look_at_certificate(url) if secure else no_tls(url)]
    try:
        health = await ask(f"{url}/healthz")
    except PeerError as error:
        return [*findings, Finding("wrong", "/healthz", f"{url} cannot be reached ({error})")]
    voice = "/twilio/voice"
    findings += [
        judge_health(health, url),
        await _judged(url, "/readyz", judge_ready),
        await _judged(url, voice, partial(judge_refusal, voice), f"CallSid={CALL_SID}".encode()),
        await look_at_stream(url),
    ]
    # To this machine itself they are shown.
    if is_loopback(url):
        return findings
    return [*findings, await _judged(url, "/metrics", judge_metrics), await look_for_insiders(url)]


async def _judged(url: str, path: str, judge: Callable[[Answer], Finding], body: bytes | None = None) -> Finding:
    try:
        return judge(await ask(f"{url}{path}", body=body))
    except PeerError as error:
        return Finding("wrong", path, f"is not answered ({error})")


def no_tls(url: str) -> Finding:
    """Say that calls need TLS."""
    if is_loopback(url):
        return Finding("not tried", "TLS", "is not spoken; Twilio reaches https addresses only")
    return Finding("wrong", "TLS", "is not spoken: a stranger on the way could read and change calls; write https://")


async def look_at_certificate(url: str) -> Finding:
    """Shake hands, as a careful client."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        since, until, version = await asyncio.wait_for(asyncio.to_thread(_handshake, host, port), SECONDS)
    except ssl.SSLCertVerificationError as error:
        return Finding("wrong", "TLS", f"{host}: {error.verify_message}; Twilio calls nobody with such a certificate")
    except (OSError, TimeoutError) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        return Finding("wrong", "TLS", f"{host}:{port} cannot be reached ({why})")
    return judge_certificate(since, until, version, utc_now())


def _handshake(host: str, port: int) -> tuple[datetime, datetime, str]:
    with (
        socket.create_connection((host, port), timeout=SECONDS / 2) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
    ):
        certificate = secure.getpeercert()
        assert certificate is not None, "a context that verifies has one"
        since, until = (ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter"))
        return datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC), str(secure.version())


def judge_certificate(since: datetime, until: datetime, version: str, now: datetime) -> Finding:
    """Judge how long the certificate is good."""
    ends = f"the certificate is good until {until:%Y-%m-%d %H:%M} UTC"
    if until - now < (until - since) * LEFT:
        return Finding("wrong", "TLS", f"{ends}, which is soon: is it renewed by itself?")
    return Finding("ok", "TLS", f"{version}, {ends}")


def judge_health(answer: Answer, url: str) -> Finding:
    """Judge `/healthz`."""
    if answer.status == 200 and answer.body.strip() == "ok":
        return Finding("ok", "/healthz", "the server runs")
    if answer.location:
        return Finding("wrong", "/healthz", f"redirects to {answer.location[:100]}: Twilio needs that address")
    what = "a proxy without a server" if answer.status in (502, 503, 504) else "another server"
    return Finding("wrong", "/healthz", f"{what} answers at {url} (HTTP {answer.status})")


def judge_ready(answer: Answer) -> Finding:
    """Judge `/readyz`."""
    if answer.status == 200 and answer.body.startswith("ready"):
        resting = [line for line in answer.body.splitlines() if "left alone" in line]
        told = f"calls are taken, but past an endpoint: {'; '.join(resting)[:200]}" if resting else "calls are taken"
        return Finding("wrong" if resting else "ok", "/readyz", told)
    return Finding("wrong", "/readyz", f"no call is taken (HTTP {answer.status}): does the server just stop?")


def judge_refusal(what: str, answer: Answer) -> Finding:
    """Judge what a webhook says that nobody has signed."""
    if answer.status == 403:
        return Finding("ok", what, "refuses what Twilio did not sign")
    return Finding("wrong", what, f"answers HTTP {answer.status} to what Twilio did not sign, instead of 403")


def judge_metrics(answer: Answer) -> Finding:
    """Judge what a stranger gets of the metrics."""
    if answer.status in (401, 403, 404):
        return Finding("ok", "/metrics", "tells strangers nothing")
    return Finding("wrong", "/metrics", f"answers HTTP {answer.status} to a stranger, instead of 403")


async def look_for_insiders(url: str) -> Finding:
    """Ask as whoever pretends to be a program of that machine: a proxy has to say that it is none."""
    what, shown = "Host: localhost", []
    for path, sign in (("/console/api/session", "can_sign_out"), ("/metrics", "voice_agent_")):
        try:
            answer = await ask(f"{url}{path}", {"Host": "localhost"})
        except PeerError as error:
            return Finding("wrong", what, f"is not answered ({error})")
        if answer.status == 200 and sign in answer.body:
            shown.append("the console" if "console" in path else path)
    if not shown:
        return Finding("ok", what, "opens nothing to strangers")
    told = f"opens {' and '.join(shown)} to every stranger who writes it"
    return Finding("wrong", what, f"{told}: let the proxy add X-Forwarded-For (HAProxy: option forwardfor)")


async def look_at_stream(url: str) -> Finding:
    """Ask for a stream that nobody has signed: the upgrade has to get through the proxies, and to be refused."""
    what = "/twilio/media"
    address = f"ws{url.removeprefix('http')}{what}"
    try:
        async with asyncio.timeout(SECONDS), connect(address, compression=None):
            return Finding("wrong", what, "lets a stream in that Twilio did not sign")
    except InvalidStatus as error:
        status = error.response.status_code
    except (OSError, TimeoutError, WebSocketException) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        return Finding("wrong", what, f"a WebSocket cannot be opened ({why}): does the proxy pass upgrades on?")
    if status == 403:
        return Finding("ok", what, "refuses a stream that Twilio did not sign")
    return Finding("wrong", what, f"answers HTTP {status} to an upgrade, instead of 403: does the proxy pass it on?")
