# ruff: noqa: E501 - a table of faults is read a line each
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agent_files import MINIMAL, agent_of, faults_of
from voice_agent.agent import Agent, BargeIn, Limits, OnMachine, SemanticVad, Transcription
from voice_agent.config.agent_file import read_agent
from voice_agent.config.tool_keys import HANG_UP

WHOLE = """
name: reception
numbers: ["+14255550100", +14255550101]
default: true
voice: cedar
language: de-AT
instructions: |
  You answer the phone for {{ company }}. Today is {{ now | date }}.

  The caller's number is {{ caller }}.
variables: {company: Alder Dental, seats: 12}
greeting: Thanks for calling {{ company }}!
consent: This call is recorded.
tools:
  - hang_up
  - python: tests.config.sample_tools:asynchronous
limits: {minutes: 5, idle_seconds: 0, tool_seconds: 3, transfers: 1}
timezone: Europe/Vienna
recording: text
turn_detection: {type: semantic_vad, eagerness: low}
barge_in: {after_ms: 300, greeting: protected}
on_machine: {leave: "This is {{ company }}."}
transcription: {model: whisper, prompt: "{{ company }}, Seattle"}
noise_reduction: far_field
"""


def test_two_lines_make_an_agent_with_documented_defaults() -> None:
    assert agent_of() == Agent(
        name="reception", instructions="You answer the phone.", transcription=Transcription(language="en")
    )


def test_every_key_of_an_agent_is_read() -> None:
    read = read_agent(WHOLE, "a.yaml")
    agent = read.agent

    assert agent.numbers == ("+14255550100", "+14255550101")
    assert (agent.default, agent.voice, agent.language) == (True, "cedar", "de-AT")
    assert agent.instructions == (
        "You answer the phone for {{ company }}. Today is {{ now | date }}.\n\nThe caller's number is {{ caller }}."
    )
    assert agent.variables == {"company": "Alder Dental", "seats": "12"}
    assert agent.greeting == "Thanks for calling {{ company }}!"
    assert agent.consent == "This call is recorded."
    assert [tool.name for tool in agent.tools] == ["hang_up", "asynchronous"]
    assert agent.limits == Limits(minutes=5, idle_seconds=0, tool_seconds=3, transfers=1)
    assert (agent.timezone, agent.recording, agent.noise_reduction) == ("Europe/Vienna", "text", "far_field")
    assert agent.turn_detection == SemanticVad(eagerness="low")
    assert agent.barge_in == BargeIn(after_ms=300, protect_greeting=True)
    assert agent.on_machine == OnMachine("leave", "This is {{ company }}.")
    assert agent.transcription == Transcription(model="whisper", language="de", prompt="{{ company }}, Seattle")


def test_what_must_be_unique_among_agents_keeps_its_place() -> None:
    read = read_agent(WHOLE, "a.yaml")

    assert (read.name_at, read.default_at) == ("a.yaml:2:7", "a.yaml:4:10")
    assert read.number_at == {"+14255550100": "a.yaml:3:11", "+14255550101": "a.yaml:3:27"}


def test_hang_up_asks_for_a_goodbye_in_the_same_response() -> None:
    assert agent_of("tools: [hang_up]\n").tools == (HANG_UP,)
    assert "goodbye" in HANG_UP.description


@pytest.mark.parametrize(
    ("added", "read"),
    [
        ("", None),
        ("greeting: none\n", None),
        ("greeting: Hello!\n", "Hello!"),
        ("greeting: |\n  Hello!\n", "Hello!"),
    ],
)
def test_the_agent_speaks_first_only_with_a_greeting(added: str, read: str | None) -> None:
    assert agent_of(added).greeting == read


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("instuctions: x\n", '3:1: unknown key "instuctions"; write "instructions"'),
        ("greeting: ''\n", '3:11: "greeting" is empty; write "none" where the caller speaks first'),
        ("greeting: ~\n", '3:11: "greeting" must be a text, not nothing'),
        ("numbers: +14255550100\nrecording: off\n", '3:10: "numbers" must be a list, not "+14255550100"; write e.g. ["+14255550100"]'),
        ("numbers: [(425) 555]\nrecording: off\n", '3:11: "(425) 555" is no phone number; write it like "+14255550100"'),
        ("numbers: [425]\nrecording: off\n", '3:11: "425" is no phone number; write it like "+14255550100"'),
        ("numbers: ['+14255550100', '+14255550100']\nrecording: off\n", '3:27: "+14255550100" is there twice; keep one'),
        ("numbers: ['+14255550100']\n", '3:10: an agent with numbers must state "recording: audio", "text" or "off", for the law differs by place'),
        ("recording: yes\n", '3:12: "recording" cannot be "yes"; known are audio, text, off'),
        ("default: maybe\n", '3:10: "default" must be true or false, not "maybe"'),
        ("language: English\n", '3:11: "English" is no language code; write e.g. "en" or "pt-BR"'),
        ("variables: [company]\n", '3:12: "variables" must be a mapping, not a list; write e.g. {company: Alder Dental}'),
        ("variables: {now: x}\n", '3:18: "now" is set for every call; give your variable another name'),
        ("variables: {my-name: x}\n", '3:22: "my-name" is no variable name; use letters, digits and "_"'),
        ("variables: {company: [x]}\n", '3:22: "company" must be a text, not a list'),
        ("limits: {minute: 3}\n", '3:10: unknown key "minute"; write "minutes"'),
        ("limits: {minutes: 90}\n", '3:19: "minutes" must be a whole number from 1 to 60, not "90"'),
        ("limits: 5\n", '3:9: "limits" must be a mapping, not "5"; write e.g. {minutes: 15}'),
        ("timezone: EST\n", '3:11: "EST" names no place, and keeps no summer time; write e.g. "America/New_York"'),
        ("timezone: PT\n", '3:11: "PT" names no place, and keeps no summer time; write e.g. "America/Los_Angeles"'),
        ("timezone: Europe/Viena\n", '3:11: unknown time zone "Europe/Viena"; write e.g. "Europe/Vienna"'),
        ("timezone: ../../etc/passwd\n", '3:11: unknown time zone "../../etc/passwd"; write e.g. "America/Los_Angeles"'),
        ("tools: hang_up\n", '3:8: "tools" must be a list, not "hang_up"; write e.g. [hang_up]'),
        ("tools: [hangup]\n", '3:9: unknown tool "hangup"; write "hang_up"'),
        ("tools: [python]\n", '3:9: unknown tool "python"; write "python: module:function"'),
        ("tools: ['alder:hours']\n", '3:9: unknown tool "alder:hours"; write "python: module:function"'),
        ("tools: [transfer]\n", '3:9: unknown tool "transfer"; write "transfer: {to: {front_desk: "+14255550101"}}"'),
        ("tools: [{smtp: x}]\n", '3:10: unknown key "smtp"; known are hang_up, python, http, send_sms, collect_digits, send_digits, transfer, handoff, mcp'),
        ("tools: [{http: x}]\n", '3:16: "http" must be a mapping, not "x"; write e.g. {name: find_slot, description: Find free times., url: https://api.example.com/slots}'),
        ("tools: [{hang_up: now}]\n", '3:9: "hang_up" takes nothing; write "- hang_up"'),
        ("tools: [{}]\n", '3:9: a tool is "hang_up", "python: ...", "http: ...", "send_sms", "collect_digits", "send_digits", "transfer: ...", "handoff: ..." or "mcp: ...", not a mapping'),
        ("tools: [{hang_up: , python: x}]\n", '3:9: "hang_up" and "python" in one entry; begin each tool with a "- "'),
        ("tools:\n- http:\n  name: x\n  url: y\n", '4:3: "name" stands beside "http" instead of below it; indent what belongs to a tool by two more spaces'),
        ("tools: [hang_up, hang_up]\n", '3:18: a tool "hang_up" is there already; a model knows tools by name'),
        ("tools: [{python: nowhere}]\n", '3:9: "nowhere" is no tool; write "package.module:function"'),
        ("greeting: Hi {{ compny }}\nvariables: {company: x}\n", '3:17: unknown variable "compny"; write "company", or declare it under "variables"'),
        ("greeting: It is {{ now | time }}\n", '3:20: "now" needs a time zone; add e.g. "timezone: America/Los_Angeles"'),
        ("greeting: Hi {{ caller\n", "3:11: {{ }} cannot be read: unexpected end of template, expected 'end of print statement'."),
        ("greeting: Hi {{ caller | dat }}\n", "3:11: {{ }} cannot be read: No filter named 'dat'."),
        ("greeting: Hi {{ caller | date }}\n", '3:11: cannot be filled in: "date" is for "now": write "{{ now | date }}"'),
        ("greeting: Hi {{ 1 / 0 }}\n", "3:11: cannot be filled in: ZeroDivisionError: division by zero"),
        ("transcription: {prompt: '{{ x }}'}\n", '3:29: unknown variable "x"; known are caller, called, now, or declare it under "variables"'),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_its_remedy(added: str, fault: str) -> None:
    assert faults_of(added) == [f"a.yaml:{fault}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("instructions: x\n", 'a.yaml:1:1: key "name" is missing; write e.g. "name: reception"'),
        ("name: a\n", 'a.yaml:1:1: key "instructions" is missing; write e.g. "instructions: You answer the phone for a dentist."'),
        ("name: a b\ninstructions: x\n", 'a.yaml:1:7: "a b" is no name; use at most 64 letters, digits, "-" and "_"'),
        ("name: ''\ninstructions: x\n", 'a.yaml:1:7: "" is no name; use at most 64 letters, digits, "-" and "_"'),
        ("name: a\ninstructions: ' '\n", 'a.yaml:2:15: "instructions" is empty; say who the agent is and what it does'),
    ],
)  # fmt: skip
def test_a_name_and_instructions_are_required(text: str, told: str) -> None:
    assert faults_of("", minimal=text) == [told]


def test_a_folder_of_the_time_zone_database_is_no_time_zone() -> None:
    [fault] = faults_of("timezone: America\n")

    assert fault.startswith('a.yaml:3:11: unknown time zone "America"; write e.g. "America/')


def test_all_faults_of_a_file_are_told_at_once() -> None:
    assert faults_of("voise: marin\nlimits: {minutes: 0}\ntools: [hangup]\n") == [
        'a.yaml:3:1: unknown key "voise"; write "voice"',
        'a.yaml:4:19: "minutes" must be a whole number from 1 to 60, not "0"',
        'a.yaml:5:9: unknown tool "hangup"; write "hang_up"',
    ]


def test_a_fault_in_a_block_of_text_is_placed_on_its_own_line() -> None:
    block = "name: a\ninstructions: |\n  Hello.\n\n  You are {{ compny }}.\n"
    broken = "name: a\ninstructions: |\n  Hello.\n\n  You are {{ company.\n"

    assert faults_of("", minimal=block)[0].startswith('a.yaml:5:14: unknown variable "compny"; ')
    assert faults_of("", minimal=broken)[0].startswith("a.yaml:5:3: {{ }} cannot be read")


def test_only_the_variable_within_braces_is_meant() -> None:
    assert faults_of("greeting: The day is {{ caller.day }} and {% if day %}good{% endif %}\n")[0].startswith(
        'a.yaml:3:49: unknown variable "day"'
    )


KEYS = ("name", "numbers", "default", "voice", "language", "instructions", "variables", "greeting", "consent", "tools",
        "limits", "timezone", "recording", "turn_detection", "barge_in", "on_machine", "transcription", "noise_reduction", "x")  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(
        ["", "~", "none", "off", "true", "5", "-1", "0.5", "'+14255550100'", "hang_up", "marin", "'{{ now }}'", "'{{ x'",
         "'{% for a in caller %}{{ a }}{% endfor %}'", "server_vad", "semantic_vad", "at_once", "Europe/Vienna", "en", "&a b",
         "!x y", r'"\ud800"', "audio", "near_field", "tests.config.sample_tools:everything", "a:b", "'{{ ((((1)))) }}'"]
    )
    | st.text(st.characters(codec="utf-8"), max_size=8).map(lambda text: "'" + text.replace("'", "''") + "'"),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    | st.dictionaries(
        st.sampled_from([*KEYS, "type", "threshold", "eagerness", "after_ms", "minutes", "python", "hang_up", "prompt"]),
        inner,
        max_size=3,
    ).map(lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"),
    max_leaves=6,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=6), st.booleans())
def test_any_file_is_an_agent_or_lines_that_say_where_it_is_wrong(lines: list[tuple[str, str]], minimal: bool) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in lines)

    assert all(line.startswith("a.yaml:") for line in faults_of(text, MINIMAL if minimal else ""))


@given(st.text(st.characters(codec="utf-8")))
def test_any_instructions_make_an_agent_or_a_line(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"

    assert all(line.startswith("a.yaml:") for line in faults_of("", f"name: a\ninstructions: {quoted}\n"))


def test_a_tag_is_refused_wherever_it_stands() -> None:
    told = "is not supported; write the plain value"

    assert faults_of("numbers: [!x '+14255550100']\nrecording: off\n") == [f'a.yaml:3:11: the tag "!x" {told}']
    assert faults_of("consent: !x y\n") == [f'a.yaml:3:10: the tag "!x" {told}']


def test_an_agent_may_speak_several_languages_the_first_of_them_to_begin_with() -> None:
    agent = agent_of("language: [en, es, pt-BR]\n")

    assert (agent.language, agent.languages) == ("en", ("es", "pt-BR"))
    assert agent.transcription is not None
    assert agent.transcription.language is None


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("[]", '"language" is empty; write e.g. "en" or [en, es]'),
        ("[en, Spanish]", '"Spanish" is no language code'),
        ("[en, es, en]", '"en" is there twice; keep one'),
        ("[en, en, es]", '"en" is there twice; keep one'),
        ("[[en]]", "a language must be a text"),
    ],
)
def test_languages_must_be_codes(language: str, told: str) -> None:
    assert any(told in fault for fault in faults_of(f"language: {language}\n"))
