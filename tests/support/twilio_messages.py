"""Messages of a media stream for property tests, and ways to break them."""

from hypothesis import strategies as st

from voice_agent.wire import twilio

_NAMES = st.text(st.characters(codec="utf-8"), max_size=20)
_NUMBERS = st.integers(0, 2**53 - 1)
_AUDIO = st.binary(max_size=400)

_STARTS = st.builds(
    twilio.Start,
    _NAMES,
    st.builds(
        twilio.StartBody,
        _NAMES,
        _NAMES,
        st.builds(twilio.MediaFormat, _NAMES, _NUMBERS, _NUMBERS) | st.just(twilio.MediaFormat()),
        st.lists(_NAMES, max_size=2).map(tuple),
        st.dictionaries(_NAMES, _NAMES, max_size=3),
        _NAMES,
    ),
    _NUMBERS,
)
_MEDIA = st.builds(
    twilio.Media,
    _NAMES,
    st.builds(twilio.MediaBody, _NUMBERS, _AUDIO, st.sampled_from(["inbound", "outbound"]) | _NAMES, _NUMBERS),
    _NUMBERS,
)
_MARKS = st.builds(twilio.Mark, _NAMES, st.builds(twilio.MarkBody, _NAMES), _NUMBERS)

FROM_TWILIO: st.SearchStrategy[twilio.FromTwilio] = st.one_of(
    st.builds(twilio.Connected, _NAMES, _NAMES),
    _STARTS,
    _MEDIA,
    st.builds(twilio.Dtmf, _NAMES, st.builds(twilio.DtmfBody, st.sampled_from("0123456789*#"), _NAMES), _NUMBERS),
    _MARKS,
    st.builds(twilio.Stop, _NAMES, st.builds(twilio.StopBody, _NAMES, _NAMES), _NUMBERS),
)

TO_TWILIO: st.SearchStrategy[twilio.ToTwilio] = st.one_of(
    st.builds(twilio.OutgoingMedia, _NAMES, st.builds(twilio.OutgoingMediaBody, _AUDIO)),
    st.builds(twilio.OutgoingMark, _NAMES, st.builds(twilio.OutgoingMarkBody, _NAMES)),
    st.builds(twilio.Clear, _NAMES),
)


@st.composite
def mutated(
    draw: st.DrawFn, messages: st.SearchStrategy[twilio.FromTwilio] | st.SearchStrategy[twilio.ToTwilio]
) -> str:
    """A valid text with a stretch of it replaced: by nothing, by other JSON, by garbage."""
    text = twilio.encode(draw(messages))
    begin = draw(st.integers(0, len(text)))
    end = draw(st.integers(begin, min(len(text), begin + 12)))
    patch = draw(st.sampled_from(["", "-", "null", "[]", "{}", '"', '":5,"', "9" * 400, "\\ud800", "\x00"]) | st.text())
    return text[:begin] + patch + text[end:]
