"""What the resources of Twilio's REST API have in common: form fields, addresses, dates, pages of lists.

It must not know which resources there are. https://www.twilio.com/docs/usage/twilios-response
"""

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request

PREFIX = "/2010-04-01/Accounts"
API_VERSION = "2010-04-01"

PAGE_SIZE = 50
MOST_A_PAGE = 1000


async def form_of(request: Request) -> list[tuple[str, str]]:
    """Read a form; a name may be there more than once."""
    return parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True)


async def fields_of(request: Request) -> dict[str, str]:
    """Read a form; of a name that is there more than once, the last value."""
    return dict(await form_of(request))


def is_url(text: str) -> bool:
    """Tell whether Twilio would take an address."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text)


def rfc_2822(moment: datetime | None) -> str | None:
    """Write a date as the API does."""
    return None if moment is None else format_datetime(moment)


def friendly(number: str) -> str:
    """Write a number as people do, where it is North American."""
    parts = re.fullmatch(r"\+1([0-9]{3})([0-9]{3})([0-9]{4})", number)
    return f"({parts[1]}) {parts[2]}-{parts[3]}" if parts else number


def page_of(key: str, found: Sequence[dict[str, Any]], request: Request) -> dict[str, Any]:
    """Give the page of a list that a request asks for, with the addresses of those around it."""
    query = dict(request.query_params)
    size = min(_number(query.get("PageSize", ""), PAGE_SIZE) or PAGE_SIZE, MOST_A_PAGE)
    page = _number(query.get("Page", ""), 0)
    filters = {name: value for name, value in query.items() if name not in ("PageSize", "Page", "PageToken")}

    def address(number: int) -> str:
        return f"{request.url.path}?{urlencode({**filters, 'PageSize': size, 'Page': number})}"

    shown = list(found[page * size : (page + 1) * size])
    return {
        key: shown,
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(0, len(shown) - 1),
        "uri": address(page),
        "first_page_uri": address(0),
        "previous_page_uri": address(page - 1) if page else None,
        "next_page_uri": address(page + 1) if (page + 1) * size < len(found) else None,
    }


def _number(text: str, usual: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else usual
