import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.server.carrier_errors import _MEANINGS, meaning_of, stream_error, webhook_error

OF_STREAMS = ("31901", "31902", "31910", "31920", "31921", "31922", "31923", "31924", "31930", "31950", "31951")
"""Twilio's documentation of Media Streams, the errors of a stream."""


@pytest.mark.parametrize("code", _MEANINGS)
def test_each_error_says_what_it_means_and_what_to_do_in_one_line(code: str) -> None:
    assert re.fullmatch(r"[a-z][^\n]{30,200}", meaning_of(code))
    assert ": " in meaning_of(code)


@pytest.mark.parametrize("code", OF_STREAMS)
def test_every_error_of_streams_is_known(code: str) -> None:
    told = stream_error({"StreamEvent": "stream-error", "StreamError": f"{code} - it failed"})

    assert told == f"the call could not be streamed: {code} - it failed; {meaning_of(code)}"


def test_an_error_without_a_number_or_of_another_one_is_told_in_the_carriers_words() -> None:
    for text, said in (("no\nroute to 99999", "no route to 99999"), ("", "it is not said why")):
        told = stream_error({"StreamEvent": "stream-error", "StreamError": text})
        assert told == f"the call could not be streamed: {said}"


@pytest.mark.parametrize("event", ["stream-started", "stream-stopped", ""])
def test_a_stream_that_begins_or_ends_is_no_error(event: str) -> None:
    assert stream_error({"StreamEvent": event, "StreamError": "x"}) == ""


def test_a_webhook_that_stands_in_for_one_that_failed_says_why() -> None:
    told = webhook_error({"ErrorCode": "11200", "ErrorUrl": "https://phone.example/twilio/voice"})

    assert told.startswith("the carrier had no answer before this one: error 11200 of https://phone.example/twilio/v")
    assert told.endswith(meaning_of("11200"))
    assert webhook_error({}) == ""


@given(st.text(), st.text())
def test_whatever_is_reported_is_one_line_of_a_bound_length(code: str, text: str) -> None:
    errors = {"StreamEvent": "stream-error", "StreamError": text, "ErrorCode": code, "ErrorUrl": text}
    for told in (stream_error(errors), webhook_error({**errors, "ErrorCode": code or "1"})):
        assert "\n" not in told
        assert len(told) < 600
