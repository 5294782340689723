import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.config.yaml_nodes import MAX_CHARACTERS, Document, Fields, compose, kind_of, read_json, shorten
from voice_agent.errors import ConfigError, ConfigErrors


def fields_of(text: str, *known: str) -> Fields:
    document, top = compose("a.yaml", text)
    return Fields(document, top, known)


def faults(fields: Fields) -> list[str]:
    try:
        fields.document.finish()
    except ConfigError as error:
        return str(error).splitlines()
    return []


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        compose("a.yaml", text)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'a.yaml:1:1: the file is empty; begin with "name: ..." and "instructions: ..."'),
        ("# only a comment\n", 'a.yaml:1:1: the file is empty; begin with "name: ..." and "instructions: ..."'),
        ("- one\n- two\n", 'a.yaml:1:1: expected "key: value" lines, not a list'),
        ("\n  hello\n", 'a.yaml:2:3: expected "key: value" lines, not "hello"'),
        ("a: 1\n\tb: 2\n", "a.yaml:2:1: a tab; YAML is indented with spaces"),
        (
            "a: {{ b }} c\n",
            'a.yaml:1:12: a text that begins with "{{", or holds it within braces, must stand in quotes',
        ),
        (
            "a: {b: x {{ c }}}\n",
            'a.yaml:1:10: a text that begins with "{{", or holds it within braces, must stand in quotes',
        ),
        (
            "a: We open: at eight\n",
            'a.yaml:1:11: a ": " inside a text; put the text in quotes, or indent it below a "|"',
        ),
        (
            "a: [1, 2\n",
            (
                "a.yaml:2:1: not YAML: expected ',' or ']', but got '<stream end>'"
                " (while parsing a flow sequence that begins in line 1)"
            ),
        ),
        (
            'a: "x\nb: 1\n',
            (
                "a.yaml:3:1: not YAML: found unexpected end of stream"
                " (while scanning a quoted scalar that begins in line 1)"
            ),
        ),
        (
            "a: 1\n--- \nb: 2\n",
            (
                "a.yaml:2:1: a second document begins here; one agent a file: move it to a file of its own, "
                'or take out the "---"'
            ),
        ),
        ("a: *b\n", "a.yaml:1:4: not YAML: found undefined alias 'b'"),
        ("a: 1\nb: \x00\n", "a.yaml:2:4: a character that YAML does not allow; remove it"),
        ('a: "\\U00110000"\n', "a.yaml:1:7: an escape or version that stands for no character or number"),
        ("a: " + "[" * 21 + "]" * 21, "a.yaml:1:23: nested more than 20 deep"),
        ("a: &b {c: *b}\n", 'a.yaml:1:11: the alias "*b" stands in itself'),
        ("a: &b [[*b]]\n", 'a.yaml:1:9: the alias "*b" stands in itself'),
        (
            "a: &b " + "[" * 12 + "]" * 12 + "\nc: " + "[" * 8 + "*b" + "]" * 8,
            "a.yaml:2:12: nested more than 20 deep",
        ),
        ("a: [" + "x," * 20_000 + "]\n", "a.yaml:1:39999: more than 20000 values"),
        (
            (
                "b: &b [1,1,1,1,1,1,1,1,1]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
            ),
            "a.yaml:5:11: more than 20000 values",
        ),
    ],
)
def test_a_text_that_is_no_mapping_is_refused_at_its_place(text: str, told: str) -> None:
    assert refusal(text) == told


def test_a_text_of_unbounded_length_is_refused_unparsed() -> None:
    assert refusal("a" * (MAX_CHARACTERS + 1)) == "a.yaml: longer than 262144 characters; is this an agent file?"


def test_a_byte_order_mark_does_not_count_as_a_column() -> None:
    assert faults(fields_of("\ufeffnmae: x", "name")) == ['a.yaml:1:1: unknown key "nmae"; write "name"']


def test_an_alias_is_what_it_stands_for() -> None:
    fields = fields_of("a: &b [x, [y]]\nc: {d: *b, e: *b}\n", "a", "c")
    node = fields.node("c")
    assert node is not None
    assert read_json(fields.document, node) == {"d": ["x", ["y"]], "e": ["x", ["y"]]}
    assert faults(fields) == []


def test_nesting_within_the_limit_is_composed() -> None:
    assert fields_of("a: " + "[" * 18 + "]" * 18, "a").node("a") is not None


def test_every_fault_of_a_mapping_is_told_in_the_order_of_the_file() -> None:
    fields = fields_of(
        "b: 1\nnmae: x\nzzzzzz: 1\nb: 2\n? [c]\n: 3\n<<: {b: 4}\nn: !python/name:os.system x\n", "b", "name", "n"
    )
    fields.integer("b", 0, 5, 9)

    assert faults(fields) == [
        'a.yaml:1:4: "b" must be a whole number from 5 to 9, not "1"',
        'a.yaml:2:1: unknown key "nmae"; write "name"',
        'a.yaml:3:1: unknown key "zzzzzz"; known are b, name, n',
        'a.yaml:4:1: key "b" is there twice (line 1); keep one',
        "a.yaml:5:3: a key must be one word, not a list",
        'a.yaml:7:1: merge keys ("<<") are not supported; write the keys out',
        'a.yaml:8:4: the tag "tag:yaml.org,2002:python/name:os.system" is not supported; write the plain value'.replace(
            "tag:yaml.org,2002:python/name:os.system", "!python/name:os.system"
        ),
    ]


def test_one_fault_alone_is_a_plain_error_with_its_place() -> None:
    fields = fields_of("a: 1\n")
    fields.document.fault(fields.at, "wrong")

    with pytest.raises(ConfigError) as raised:
        fields.document.finish()

    assert not isinstance(raised.value, ConfigErrors)
    assert (raised.value.where, raised.value.what) == ("a.yaml:1:1", "wrong")


def test_the_same_fault_met_twice_is_told_once() -> None:
    fields = fields_of("a: &x !odd 1\nb: *x\n", "a", "b")

    assert len(faults(fields)) == 1


def test_a_document_is_faultless_until_a_fault_is_noted() -> None:
    fields = fields_of("a: 1\n", "a")

    assert fields.document.faultless
    fields.number("a", 0.5, 2, 3)
    assert not fields.document.faultless


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("yes", "yes"),
        ("007", "007"),
        ("+14255550100", "+14255550100"),
        ("2026-11-22", "2026-11-22"),
        ('" a "', "a"),
        ("!!str 5", "5"),
        ("|\n  a\n  b\n", "a\nb"),
    ],
)
def test_a_text_is_what_was_typed(typed: str, text: str) -> None:
    assert fields_of(f"a: {typed}", "a").text("a", None) == text


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", '"a" must be a text, not nothing'),
        ("~", '"a" must be a text, not nothing'),
        ("[1]", '"a" must be a text, not a list'),
        ("{b: 1}", '"a" must be a text, not a mapping'),
        ("{{ b }}", '"a" must be a text, not a mapping; a text that begins with "{{" must stand in quotes'),
        (r'"\a"', '"a" holds a control character; remove it'),
        (r'"\ud800"', '"a" holds a control character; remove it'),
        (r'"b\x85b"', '"a" holds a control character; remove it'),
    ],
)
def test_what_is_no_text_is_a_fault(typed: str, told: str) -> None:
    fields = fields_of(f"a: {typed}", "a")

    assert fields.text("a", "default") == "default"
    assert faults(fields) == [f"a.yaml:1:{4 if typed else 3}: {told}"]


def test_a_number_that_python_or_yaml_would_read_in_its_own_way_is_a_fault() -> None:
    for typed in ("0x10", "1_0", "1:30", "1e3", "٣", "ten", "1.5", "", "[1]", "9" * 5000):
        fields = fields_of(f"a: {typed}", "a")

        assert fields.integer("a", 7, 0, 100) == 7
        assert len(faults(fields)) == 1


def test_numbers_within_bounds_are_read() -> None:
    fields = fields_of("a: -3\nb: 0.25\nc: .5\nd: 1\n", "a", "b", "c", "d")

    assert [fields.integer("a", 0, -3, 3), fields.number("b", 0, 0, 1), fields.number("c", 0, 0, 1)] == [-3, 0.25, 0.5]
    assert fields.number("d", 0, 0, 1) == 1.0
    assert fields.integer("absent", 4, 0, 1) == 4
    assert fields.number("absent", 0.4, 0, 1) == 0.4
    assert faults(fields) == []


def test_a_number_out_of_bounds_is_a_fault() -> None:
    fields = fields_of("a: 1.5\nb: .inf\n", "a", "b")

    assert fields.number("a", 0.5, 0.0, 1.0) == 0.5
    assert fields.number("b", 0.5, 0.0, 1.0) == 0.5
    assert faults(fields) == [
        'a.yaml:1:4: "a" must be a number from 0.0 to 1.0, not "1.5"',
        'a.yaml:2:4: "b" must be a number from 0.0 to 1.0, not ".inf"',
    ]


def test_a_flag_is_true_or_false_and_nothing_else() -> None:
    fields = fields_of("a: true\nb: Off\nc: 1\nd: []\n", "a", "b", "c", "d")

    assert [fields.flag(key, False) for key in ("a", "b", "c", "d")] == [True, False, False, False]
    assert fields.flag("absent", True)
    assert faults(fields) == [
        'a.yaml:3:4: "c" must be true or false, not "1"',
        'a.yaml:4:4: "d" must be true or false, not a list',
    ]


def test_a_choice_names_the_nearest_or_all() -> None:
    fields = fields_of("a: audoi\nb: [x]\nc: off\n", "a", "b", "c")
    choices = ("audio", "text", "off")

    assert [fields.choice(key, choices, "text") for key in ("a", "b", "c", "absent")] == ["text", "text", "off", "text"]
    assert faults(fields) == [
        'a.yaml:1:4: "a" cannot be "audoi"; write "audio"',
        'a.yaml:2:4: "b" cannot be a list; known are audio, text, off',
    ]


def test_lists_and_mappings_say_how_they_are_written() -> None:
    fields = fields_of("a: x\nb: [1]\nc: 1\nd: {e: 1}\n", "a", "b", "c", "d")

    assert fields.items("a", "[one]") == []
    assert len(fields.items("b", "")) == 1
    assert fields.items("absent", "") == []
    assert fields.fields("c", (), "{k: v}") is None
    assert fields.fields("absent", (), "") is None
    inner = fields.fields("d", (), "")
    assert inner is not None
    assert [key for key, _ in inner.nodes()] == ["e"]
    assert faults(fields) == [
        'a.yaml:1:4: "a" must be a list, not "x"; write e.g. [one]',
        'a.yaml:3:4: "c" must be a mapping, not "1"; write e.g. {k: v}',
    ]


def test_an_error_shows_a_value_short_and_on_one_line() -> None:
    assert shorten("a\x1b[31m\nb") == "a [31m b"
    assert shorten("x" * 41) == "x" * 39 + "…"


def test_what_a_node_is_is_said_in_plain_words() -> None:
    fields = fields_of("a: {}\nb: []\nc:\nd: x\n", "a", "b", "c", "d")

    assert [kind_of(node) for _, node in fields.nodes()] == ["a mapping", "a list", "nothing", '"x"']


def test_places_are_counted_from_one() -> None:
    assert Document("a.yaml", "").place(0, 0) == "a.yaml:1:1"


YAML_PIECES = st.sampled_from(list("aé:-[]{}&*!|>\"'\\#?~1,% \n\t\r\ufeff\x85\u2028\U0001f600")) | st.sampled_from(
    ["name", ": ", "\n  ", "- ", "&x ", "*x", "!!int ", "\\x", "%YAML 1.1\n", "---", "...", "? ", "<<"]
)


def lines_of(text: str) -> list[str]:
    """Compose a text that may be right: then there are no lines."""
    try:
        document, top = compose("a.yaml", text)
        Fields(document, top, ("a", "name"))
        document.finish()
    except ConfigError as error:
        return str(error).split("\n")
    return []


@given(st.one_of(st.text(), st.lists(YAML_PIECES, max_size=40).map("".join)))
def test_any_text_composes_or_is_refused_with_one_clear_line(text: str) -> None:
    assert all(line.startswith("a.yaml:") for line in lines_of(text))
