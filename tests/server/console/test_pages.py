import asyncio
import re

import pytest

from tests.support.console import a_browser
from voice_agent.server.console.pages import HERE, PAGES, Page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_is_there_with_all_files_that_it_names(page: Page) -> None:
    async def main() -> None:
        async with a_browser() as browser:
            answer = await browser.get(page.path.replace("{key}", "1"))
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/html")
            assert f"<title>{page.title} - voice-agent</title>" in answer.text
            files = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', answer.text)
            assert len(files) >= 4
            for file in files:
                assert (await browser.get(file)).status_code == 200

    asyncio.run(main())


@pytest.mark.parametrize("page", [page for page in PAGES if page.listed], ids=lambda page: page.name)
def test_a_page_is_there_by_its_path_with_a_slash_behind_it(page: Page) -> None:
    async def main() -> None:
        async with a_browser() as browser:
            assert (await browser.get(f"{page.path}/")).text == (await browser.get(page.path)).text

    asyncio.run(main())


def test_every_module_imports_files_that_are_there() -> None:
    for path in (HERE / "static").glob("*.js"):
        for name in re.findall(r'(?:from|import) "\./([^"]+)"', path.read_text(encoding="utf-8")):
            assert (HERE / "static" / name).is_file(), f"{path.name} imports {name}"


@pytest.mark.parametrize(
    ("file", "kind"), [("dom.js", "text/javascript"), ("console.css", "text/css"), ("icon.svg", "image/svg+xml")]
)
def test_a_file_is_what_its_type_says_and_is_not_sent_twice(file: str, kind: str) -> None:
    async def main() -> None:
        async with a_browser() as browser:
            first = await browser.get(f"/console/static/{file}")
            again = await browser.get(f"/console/static/{file}", if_none_match=first.headers["etag"])
        assert first.headers["content-type"].split(";")[0] == kind
        assert again.status_code == 304
        assert again.headers["content-security-policy"] == first.headers["content-security-policy"]

    asyncio.run(main())


@pytest.mark.parametrize("path", ["../pages.py", "..%2fpages.py", "%2e%2e/pages.py", "nothing.js", "", "x" * 300])
def test_only_files_for_browsers_are_served(path: str) -> None:
    async def main() -> None:
        async with a_browser() as browser:
            assert (await browser.get(f"/console/static/{path}")).status_code in {404, 405}

    asyncio.run(main())
