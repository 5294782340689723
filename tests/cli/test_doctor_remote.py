import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.server.test_run import a_server
from tests.support.web import http_server, websocket_server
from voice_agent.cli.check_live import Answer, Finding
from voice_agent.cli.doctor_remote import (
    judge_certificate,
    judge_health,
    judge_metrics,
    judge_ready,
    judge_refusal,
    look_at_certificate,
    look_at_remote,
    look_at_stream,
    look_for_insiders,
    no_tls,
)
from voice_agent.emulator.tls import KEY, own_certificate

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def answer(status: int, body: str = "", location: str = "") -> Answer:
    return Answer(status, body, location, "")


def test_a_server_of_ours_that_is_ready_has_nothing_wrong(tmp_path: Path) -> None:
    async def main() -> list[Finding]:
        async with a_server(tmp_path) as call:
            return await look_at_remote(call.serving.url)

    findings = asyncio.run(main())

    assert [(found.verdict, found.what) for found in findings] == [
        ("not tried", "TLS"),
        ("ok", "/healthz"),
        ("ok", "/readyz"),
        ("ok", "/twilio/voice"),
        ("ok", "/twilio/media"),
    ]


def test_another_server_is_told_from_ours() -> None:
    async def main() -> list[Finding]:
        async with http_server(200, "<html>") as url:
            return await look_at_remote(url)

    verdicts = {found.what: found.verdict for found in asyncio.run(main())}

    assert verdicts == {
        "TLS": "not tried", "/healthz": "wrong", "/readyz": "wrong", "/twilio/voice": "wrong", "/twilio/media": "wrong",
    }  # fmt: skip


def test_where_nobody_answers_only_that_is_told() -> None:
    findings = asyncio.run(look_at_remote("http://127.0.0.1:1"))

    assert [found.what for found in findings] == ["TLS", "/healthz"]
    assert "cannot be reached" in findings[1].remark


def test_a_server_that_is_lost_in_between_spoils_nothing_that_was_found() -> None:
    async def main() -> list[Finding]:
        answers = iter([b"HTTP/1.1 200 x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"])

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(next(answers, b""))
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            return await look_at_remote(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    findings = {found.what: found for found in asyncio.run(main())}

    assert (findings["/healthz"].verdict, findings["/readyz"].verdict) == ("ok", "wrong")
    assert "is not answered" in findings["/twilio/voice"].remark


def test_a_stream_that_is_let_in_unsigned_is_wrong() -> None:
    async def main() -> Finding:
        async with websocket_server("hello") as url:
            return await look_at_stream(url.replace("ws://", "http://"))

    assert asyncio.run(main()) == Finding("wrong", "/twilio/media", "lets a stream in that Twilio did not sign")


def test_a_certificate_that_nobody_trusts_is_wrong(tmp_path: Path) -> None:
    async def main() -> Finding:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own_certificate(tmp_path), tmp_path / KEY)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
        async with server:
            return await look_at_certificate(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    finding = asyncio.run(main())

    assert (finding.verdict, finding.what) == ("wrong", "TLS")
    assert "Twilio calls nobody with such a certificate" in finding.remark


def test_a_certificate_is_looked_for_where_somebody_listens() -> None:
    assert "127.0.0.1:1 cannot be reached" in asyncio.run(look_at_certificate("https://127.0.0.1:1")).remark


@pytest.mark.parametrize(
    ("days", "left", "verdict"), [(90, 60, "ok"), (90, 9, "ok"), (90, 8, "wrong"), (6, 1, "ok"), (6, -1, "wrong")]
)
def test_a_certificate_has_to_be_renewed_in_time(days: int, left: int, verdict: str) -> None:
    until = NOW + timedelta(days=left)

    assert judge_certificate(until - timedelta(days=days), until, "TLSv1.3", NOW).verdict == verdict


@pytest.mark.parametrize(
    ("finding", "verdict", "remark"),
    [
        (no_tls("http://phone.example.com"), "wrong", "is not spoken"),
        (judge_health(answer(301, location="https://x.example/"), "u"), "wrong", "redirects to https://x.example/"),
        (judge_health(answer(502), "u"), "wrong", "a proxy without a server"),
        (judge_ready(answer(503, "stopping\n")), "wrong", "no call is taken (HTTP 503)"),
        (judge_ready(answer(200, "ready\nazure: left alone for 9 s\n")), "wrong", "azure: left alone for 9 s"),
        (judge_refusal("/twilio/voice", answer(200)), "wrong", "answers HTTP 200"),
        (judge_metrics(answer(403)), "ok", "tells strangers nothing"),
        (judge_metrics(answer(200, "voice_agent_calls 1")), "wrong", "answers HTTP 200 to a stranger"),
    ],
)
def test_what_is_wrong_is_said_with_what_it_means(finding: Finding, verdict: str, remark: str) -> None:
    assert finding.verdict == verdict
    assert remark in finding.remark


def test_a_proxy_behind_which_strangers_seem_to_be_of_this_machine_is_told(tmp_path: Path) -> None:
    async def main() -> tuple[Finding, Finding]:
        async with a_server(tmp_path) as call, http_server(200, "<html>") as another:
            return await look_for_insiders(call.serving.url), await look_for_insiders(another)

    open_, other = asyncio.run(main())

    assert (open_.verdict, other.verdict) == ("wrong", "ok")
    assert open_.remark.startswith("opens the console and /metrics to every stranger who writes it: let the proxy add")


def test_a_proxy_that_does_not_pass_upgrades_on_is_told() -> None:
    async def main() -> Finding:
        async with websocket_server(status=404) as url:
            return await look_at_stream(url.replace("ws://", "http://"))

    assert "answers HTTP 404 to an upgrade" in asyncio.run(main()).remark
