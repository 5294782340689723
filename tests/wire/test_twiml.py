from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.errors import PeerError
from voice_agent.wire import twiml
from voice_agent.wire.twiml import Connect, Dial, Hangup, Pause, Play, Record, Redirect, Reject, Say, Verb

URL = "wss://agent.example.com/twilio/media"

# What XML can hold and what nobody strips or normalises: no control characters, no space at the ends.
TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1).map(str.strip)
WORDS = TEXTS.filter(bool)
METHODS = st.sampled_from(["GET", "POST"])
VERBS: st.SearchStrategy[Verb] = st.one_of(
    st.builds(Say, WORDS, TEXTS, TEXTS),
    st.builds(Play, TEXTS, st.text("0123456789*#wW")),
    st.builds(Pause, st.integers(0, 99999)),
    st.builds(
        Connect,
        url=st.just(URL),
        name=TEXTS,
        parameters=st.dictionaries(WORDS.map(lambda text: text[:200]), TEXTS.map(lambda text: text[:200])),
        action=TEXTS,
        method=METHODS,
        status_callback=TEXTS,
    ),
    st.builds(Dial, number=WORDS, action=TEXTS, method=METHODS, timeout_s=st.integers(0, 99999), caller_id=TEXTS),
    st.builds(Dial, sip=WORDS, action=TEXTS),
    st.builds(Dial, conference=WORDS, ends_conference=st.booleans()),
    st.builds(Record, TEXTS, st.integers(0, 99999)),
    st.builds(Redirect, TEXTS, METHODS),
    st.just(Hangup()),
    st.builds(Reject, st.sampled_from(["rejected", "busy"])),
)

NOBODY_DIALLED = "TwiML: <Dial> without one number, SIP address or conference is not known here"


@given(st.lists(VERBS, max_size=3))
def test_what_is_written_reads_the_same(verbs: list[Verb]) -> None:
    assert twiml.parse(twiml.render(verbs)) == verbs


@given(st.text() | st.lists(VERBS, max_size=2).map(twiml.render).flatmap(lambda xml: st.permutations(xml.split("<"))))
def test_garbage_is_a_peer_error_of_one_line(xml: str | list[str]) -> None:
    text = xml if isinstance(xml, str) else "<".join(xml)

    assert problem_of(text).isprintable()


def problem_of(xml: str) -> str:
    try:
        twiml.parse(xml)
    except PeerError as error:
        return str(error)
    return ""


def test_a_call_is_streamed_with_its_parameters() -> None:
    xml = twiml.connect_stream(URL, {"token": "a&b<\"'>"}, "https://agent.example.com/twilio/after-stream?a=1&b=2")

    assert xml == (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Response><Connect action="https://agent.example.com/twilio/after-stream?a=1&amp;b=2">'
        f'<Stream url="{URL}"><Parameter name="token" value="a&amp;b&lt;&quot;\'&gt;" /></Stream>'
        "</Connect></Response>"
    )


def test_a_consent_line_is_said_before_the_stream() -> None:
    xml = twiml.connect_stream(URL, {}, "/after", say="Calls are recorded & kept.", language="en-US")

    assert twiml.parse(xml) == [Say("Calls are recorded & kept.", "en-US"), Connect(url=URL, action="/after")]


def test_keys_are_pressed_before_the_stream() -> None:
    xml = twiml.connect_stream(URL, {}, "/after", press="1w2#")

    assert twiml.parse(xml) == [Play(digits="1w2#"), Connect(url=URL, action="/after")]


@pytest.mark.parametrize("digits", ["12a", "1 2", "A"])
def test_what_cannot_be_pressed_is_not_written(digits: str) -> None:
    with pytest.raises(ValueError, match="cannot be pressed"):
        twiml.connect_stream(URL, {}, "/after", press=digits)


def test_a_call_is_ended_with_or_without_a_word() -> None:
    assert twiml.parse(twiml.hang_up()) == [Hangup()]
    assert twiml.parse(twiml.hang_up("Goodbye.", "en")) == [Say("Goodbye.", "en"), Hangup()]


@pytest.mark.parametrize(
    ("url", "parameters", "problem"),
    [
        ("https://agent.example.com/", {}, "the stream's url must begin with wss:// (Twilio error 31922)"),
        ("", {}, "the stream's url must begin with wss:// (Twilio error 31922)"),
        ("wss://", {}, "the stream's url names no host (Twilio error 31923)"),
        ("wss://[", {}, "the stream's url is not an address (Twilio error 31923)"),
        (f"{URL}?", {}, "the stream's url must have no query string (Twilio error 31920); use parameters"),
        (URL, {"a": "x" * 499}, "parameter 'a': name and value must have 1 to 499 characters together"),
        (URL, {"": "x"}, "parameter '': name and value must have 1 to 499 characters together"),
    ],
)
def test_a_stream_that_twilio_refuses_is_neither_written_nor_read(
    url: str, parameters: dict[str, str], problem: str
) -> None:
    inner = "".join(f'<Parameter name="{name}" value="{value}"/>' for name, value in parameters.items())

    with pytest.raises(ValueError) as written:  # noqa: PT011 - the whole text is compared below
        twiml.connect_stream(url, parameters, "")
    with pytest.raises(PeerError) as read:
        twiml.parse(f'<Response><Connect><Stream url="{url}">{inner}</Stream></Connect></Response>')

    assert str(written.value) == problem
    assert str(read.value) == f"TwiML: {problem}"


def test_a_parameter_just_under_the_limit_passes() -> None:
    parameters = {"a": "x" * 498}

    assert twiml.parse(twiml.connect_stream(URL, parameters, "")) == [Connect(url=URL, parameters=parameters)]


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\ud800", "\uffff"])
@pytest.mark.parametrize("build", [twiml.hang_up, lambda text: twiml.connect_stream(URL, {}, text)])
def test_what_xml_cannot_hold_is_refused(build: Callable[[str], str], character: str) -> None:
    with pytest.raises(ValueError, match="TwiML cannot hold the character"):
        build(f"a{character}b")


def test_other_servers_twiml_is_understood() -> None:
    xml = """\ufeff<?xml version="1.0" encoding="UTF-8"?>
        <!-- from another server -->
        <Response>
          <Say voice="Polly.Joanna">Please <emphasis>hold</emphasis> on.</Say>
          <Play loop="1"> https://example.com/tune.mp3 </Play>
          <Play digits="1w2"/>
          <Pause/>
          <Pause length="7"/>
          <Connect method="get" action="/next"><Stream name="s" url="wss://example.com/media"
              statusCallback="/stream">
            <Parameter name="a" value="1"/><Parameter name="b"/>
          </Stream></Connect>
          <Dial callerId="+14255550100" timeout="10"><Number>+14255550101</Number></Dial>
          <Dial>+14255550102</Dial>
          <Dial><Conference endConferenceOnExit="true" waitUrl="">room</Conference></Dial>
          <Dial><Sip>sip:desk@pbx.example.com?x-a=1&amp;x-b=2</Sip></Dial>
          <Redirect method="GET">/again</Redirect>
          <Hangup/>
        </Response>"""

    assert twiml.parse(xml) == [
        Say("Please hold on.", voice="Polly.Joanna"),
        Play("https://example.com/tune.mp3"),
        Play(digits="1w2"),
        Pause(1),
        Pause(7),
        Connect(
            url="wss://example.com/media",
            name="s",
            parameters={"a": "1", "b": ""},
            action="/next",
            method="GET",
            status_callback="/stream",
        ),
        Dial(number="+14255550101", caller_id="+14255550100", timeout_s=10),
        Dial(number="+14255550102"),
        Dial(conference="room", ends_conference=True),
        Dial(sip="sip:desk@pbx.example.com?x-a=1&x-b=2"),
        Redirect("/again", "GET"),
        Hangup(),
    ]


def test_an_empty_response_has_no_verbs() -> None:
    assert twiml.parse("<Response/>") == []
    assert twiml.parse(twiml.render([])) == []


@pytest.mark.parametrize(
    ("xml", "problem"),
    [
        ("", "TwiML: not XML (no element found: line 1, column 0)"),
        ("<Response>", "TwiML: not XML (no element found: line 1, column 10)"),
        ("<Response>&nbsp;</Response>", "TwiML: not XML (undefined entity: line 1, column 10)"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><Response/>', "TwiML: a document type declaration is not allowed"),
        ("<html/>", "TwiML: the root is <html>, not <Response>"),
        ("<Response><Gather/></Response>", "TwiML: the verb <Gather> is not known here"),
        (
            "<Response><Connect><Room>x</Room></Connect></Response>",
            "TwiML: <Connect> without <Stream> is not known here",
        ),
        ("<Response><Dial><Queue>x</Queue></Dial></Response>", NOBODY_DIALLED),
        ("<Response><Dial><Sip>x</Sip><Number>+1</Number></Dial></Response>", NOBODY_DIALLED),
        (
            "<Response><Play digits='1a'/></Response>",
            "TwiML: digits='1a' of <Play> are not 0-9, *, #, w and W",
        ),
        ("<Response><Pause length='1s'/></Response>", "TwiML: length='1s' of <Pause> is not a number of seconds"),
        (
            "<Response><Redirect method='PUT'>/</Redirect></Response>",
            "TwiML: method='PUT' of <Redirect> is neither GET nor POST",
        ),
    ],
)
def test_what_a_carrier_would_not_take_is_said_in_one_line(xml: str, problem: str) -> None:
    assert problem_of(xml) == problem


def test_lone_surrogates_are_no_xml() -> None:
    assert problem_of("<Response>\ud800</Response>").startswith("TwiML: not XML (")
