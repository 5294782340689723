import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools import sample_tools
from voice_agent.agent import HttpRequest, TextMessage, Tool
from voice_agent.config.python_tools import python_tool
from voice_agent.errors import ConfigError
from voice_agent.tools.cause import LONGEST, one_line, place_of, raised

PARTS = st.sampled_from(
    ["token=", "https://", "a@b", "?k=", "Bearer ", "cookie: ", "'", '"', "\n", "\x1b[2J", "a1" * 12]
)


@given(st.lists(st.one_of(PARTS, st.text(max_size=20)), max_size=80).map("".join))
def test_whatever_is_said_becomes_one_printable_line(text: str) -> None:
    line = one_line(text)

    assert line.isprintable()
    assert len(line) <= LONGEST
    assert one_line("x" * 5000) == "x" * (LONGEST - 1) + "…"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("GET https://ann:Sesame@api.example.com/slots?key=Sesame#Sesame", "GET https://…@api.example.com/slots?…"),
        ("postgresql://crm:Ses/ame@db.example.com/crm", "postgresql://…@db.example.com/crm"),
        ("https://api.example.com/slots?mail=ann@example.com&key=Sesame", "https://…"),
        (
            "HTTPSConnectionPool(host='api.example.com'): Max retries exceeded with url: /slots?key=Sesame (x)",
            "HTTPSConnectionPool(host='api.example.com'): Max retries exceeded with url: /slots?… (x)",
        ),
        ("401 for url 'https://api.example.com/slots?key=Sesame'", "401 for url 'https://api.example.com/slots?…'"),
        ("Authorization: Bearer Sesame", "Authorization: …"),
        ("{'Authorization': 'Basic Sesame', 'Accept': '*/*'}", "{'Authorization': '…', 'Accept': '*/*'}"),
        ('the headers "Cookie: a=Sesame; b=Sesame" are refused', 'the headers "Cookie: …" are refused'),
        ("sent Bearer Sesame, refused", "sent Bearer …, refused"),
        ("api_key=Sesame, day=Monday", "api_key=…, day=Monday"),
        ('{"client_secret": "Ses ame", "day": 1}', '{"client_secret": …, "day": 1}'),
        (json.dumps(json.dumps({"password": "Ses ame"})), '"{\\"password\\": …}"'),
        ("Incorrect API key provided: sk-proj-Ses4ame_Ses4ameSes4ame.", "Incorrect API key provided: …."),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.x is stale", "….….x is stale"),
        ("no account 0123456789abcdef0123456789abcdef", "no account …"),
    ],
)
def test_what_gives_entry_is_left_out(said: str, told: str) -> None:
    assert one_line(said) == told


SIGNS = st.text("ab1:/?#@%&=.;-", max_size=12)


@given(SIGNS, SIGNS, SIGNS, st.sampled_from(["get ", "url='", "(", '{"url":"']))
def test_no_address_is_told_with_its_user_or_query(one: str, two: str, three: str, before: str) -> None:
    assert "Sesame" not in one_line(f"{before}https://{one}Sesame{two}@example.com/{three}")
    assert "Sesame" not in one_line(f"{before}https://example.com/{one}?{two}Sesame{three}")


@pytest.mark.parametrize(
    "said",
    [
        "HTTP 500: Internal Server Error",
        "Cannot connect to host slots-api-v2-production-eu.example.com:443 ssl:default [Connection refused]",
        "169.254.169.254 is a link-local address; the file must not lead there",
        "KeyError: 'slots'",
        "Basic authentication failed for 7f8d9c1e-0000-4000-8000-aabbccddeeff",
        "desk_tools, line 12: JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "404 at 2026-11-27T10:00:00+00:00, is the day free?",
    ],
)
def test_what_says_why_stays(said: str) -> None:
    assert one_line(said) == said


def test_a_tool_is_named_by_whom_it_asks_without_arguments() -> None:
    http = HttpRequest(method="POST", url="https://api.example.com/days/{{ day }}?key={{ key }}")

    assert place_of(Tool("book", "", {}, "http", http=http)) == "POST https://api.example.com/days/{{ day }}"
    assert place_of(Tool("send_sms", "", {}, "send_sms", sms=TextMessage())) == "Twilio"
    assert place_of(Tool("book", "", {}, "python", "desk:book")) == "desk:book"


def test_an_exception_is_told_with_the_line_of_the_tools_own_module() -> None:
    tool = python_tool(f"{sample_tools.__name__}:breaks", "")
    with pytest.raises(KeyError) as caught:
        sample_tools.breaks()

    assert re.fullmatch(r"tests\.tools\.sample_tools, line \d+: KeyError: .*\n", raised(caught.value, tool))
    assert raised(StopIteration(), tool) == "StopIteration\n"
    assert raised(ConfigError('no module "gone"'), tool) == 'no module "gone"'


class _Mute(Exception):  # noqa: N818 - named by what it does
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_say_anything_is_named() -> None:
    assert "_Mute" in raised(_Mute(), Tool("book", "", {}, "python", "desk:book"))
