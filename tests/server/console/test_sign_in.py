import asyncio
from typing import Any

import pytest

from tests.support.console import a_browser, an_access
from voice_agent.config.password import hashed
from voice_agent.server.console.access import MOST_WRONG
from voice_agent.server.console.application import application

AT = "https://phone.example"


@pytest.mark.parametrize("setting", ["long enough", hashed("long enough", b"0" * 16)])
def test_the_password_opens_the_console(setting: str) -> None:
    async def main() -> None:
        async with a_browser(password=setting, at=AT, peer="192.0.2.1") as browser:
            assert (await browser.sign_in("wrong")).status_code == 403
            assert (await browser.get("/console")).status_code == 401
            assert (await browser.sign_in("long enough")).status_code == 204
            assert (await browser.get("/console")).status_code == 200
            assert (await browser.session())["can_sign_out"] is True
            assert (await browser.post("/console/api/logout")).status_code == 204
            assert (await browser.get("/console")).status_code == 401

    asyncio.run(main())


def flags_of(cookie: str) -> set[str]:
    return {part.strip().lower() for part in cookie.split(";")[1:]}


@pytest.mark.parametrize(
    ("at", "name", "secure"), [(AT, "__Host-console", True), ("http://127.0.0.1:8080", "console", False)]
)
def test_no_script_sees_the_cookie_and_no_other_site_sends_it(at: str, name: str, secure: bool) -> None:
    async def main() -> None:
        async with a_browser(password="long enough", at=at) as browser:
            cookie = (await browser.sign_in("long enough")).headers["set-cookie"]

        assert cookie.startswith(f"{name}=")
        assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= flags_of(cookie)
        assert ("secure" in flags_of(cookie)) is secure

    asyncio.run(main())


def test_whoever_guesses_has_to_wait_and_the_right_password_too() -> None:
    async def main() -> None:
        async with a_browser(password="long enough", at=AT) as browser:
            answers = [await browser.sign_in(f"guess {number}") for number in range(MOST_WRONG)]
            assert {answer.status_code for answer in answers} == {403}
            late = await browser.sign_in("long enough")
            assert late.status_code == 429
            assert late.headers["retry-after"] == "60"
            assert "60 s" in late.json()["detail"]

    asyncio.run(main())


def test_many_guesses_at_once_are_counted_before_they_are_judged() -> None:
    async def main() -> None:
        async with a_browser(password=hashed("long enough", b"0" * 16), at=AT) as browser:
            answers = await asyncio.gather(*(browser.sign_in("wrong") for _ in range(MOST_WRONG + 5)))
            assert sorted(answer.status_code for answer in answers) == [403] * MOST_WRONG + [429] * 5

    asyncio.run(main())


def test_a_page_elsewhere_signs_nobody_in() -> None:
    async def main() -> None:
        async with a_browser(password="long enough", at=AT) as browser:
            assert (await browser.sign_in("long enough", origin="https://evil.example")).status_code == 403

    asyncio.run(main())


@pytest.mark.parametrize("body", [None, [], {"password": 1}, {"pasword": "x"}, {"password": "x" * 5000}])
def test_what_holds_no_password_is_refused(body: Any) -> None:
    async def main() -> None:
        async with a_browser(password="long enough", at=AT) as browser:
            answer = await browser.http.post("/console/login", json=body)
            assert answer.status_code in {413, 422}

    asyncio.run(main())


def test_it_is_told_when_somebody_who_is_in_opens_a_page() -> None:
    told: list[str] = []

    async def main() -> None:
        app = application(an_access("long enough"), [], opened=lambda: told.append("opened"))
        async with a_browser(app, at=AT) as browser:
            await browser.get("/console/login")
            assert (await browser.get("/console/api/session")).status_code == 401
            assert told == []
            await browser.sign_in("long enough")
            await browser.session()
            assert told == ["opened"]

    asyncio.run(main())


def test_without_a_password_nobody_signs_in() -> None:
    async def main() -> None:
        async with a_browser() as browser:
            assert (await browser.sign_in("anything")).status_code == 409
            assert (await browser.session())["can_sign_out"] is False

    asyncio.run(main())
