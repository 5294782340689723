from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.config.variables import Variables, is_loopback, split_url


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=file\nB=file\nC=file\n")

    variables = Variables({"A": "environment", "B": " "}, file)

    assert [variables.text(name) for name in "ABCD"] == ["environment", "file", "file", None]
    assert variables.names == ["A", "B", "C"]


def test_a_value_from_the_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# comment\n\nA=x\n")
    variables = Variables({"B": "y"}, file)

    assert variables.where("A") == f"A ({file}:3)"
    assert variables.where("B") == "B"
    assert variables.where("C") == "C"


def test_the_file_is_read_as_dotenv_files_are(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"\xef\xbb\xbfexport A='single # quoted'\r\nB=\"two\\nlines\"\r\nC=pa$$word ${A} # comment\nD=\n")
    variables = Variables({}, file)

    assert variables.text("A") == "single # quoted"
    assert variables.text("C") == "pa$$word ${A}"
    assert "D" not in variables.names
    assert variables.text("B") is None
    assert [str(error) for error in variables.errors] == [
        f"B ({file}:2): holds a control character or a line break; write it anew"
    ]


def test_lines_that_set_nothing_are_faults(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nB\nC 'x\n")

    assert [str(error) for error in Variables({}, file).errors] == [
        f'{file}:2: expected "NAME=value"',
        f'{file}:3: expected "NAME=value"',
    ]


def test_no_file_is_no_fault_but_an_unreadable_one_is(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"A=\xff\n")

    assert Variables({}, tmp_path / "none").errors == []
    assert [str(error) for error in Variables({}, tmp_path).errors] == [f"{tmp_path}: cannot be read: Is a directory"]
    assert [str(error) for error in Variables({}, tmp_path / "binary").errors] == [
        f"{tmp_path}/binary: cannot be read: not UTF-8 text"
    ]


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://x.example", "https://x.example"),
        ("https://x.example/base/", "https://x.example/base"),
        ("https://x.example:8443/", "https://x.example:8443"),
        ("https://[::1]:80", "https://[::1]:80"),
    ],
)
def test_a_url_is_read_without_its_final_slash(url: str, read: str) -> None:
    assert Variables({"U": url}, None).url("U", ("https",)) == read


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("x.example", "not a URL with a host"),
        ("https://", "not a URL with a host"),
        ("https://x:port", "not a URL with a host"),
        ("https://[x", "not a URL with a host"),
        ("https://a b", "not a URL with a host"),
        ("https://a..b", "not a URL with a host"),
        (f"https://{'a' * 64}.example", "not a URL with a host"),
        ("ftp://x", "must begin with https:// or http://"),
        ("https://user:password@x", "must hold no user, query or fragment"),
        ("https://x?a=b", "must hold no user, query or fragment"),
        ("https://x#a", "must hold no user, query or fragment"),
        ("https://x?", "must hold no user, query or fragment"),
        ("https://x/#", "must hold no user, query or fragment"),
    ],
)
def test_a_fault_of_a_url_does_not_repeat_it(url: str, told: str) -> None:
    variables = Variables({"U": url}, None)

    assert variables.url("U", ("https", "http")) is None
    assert [str(error) for error in variables.errors] == [f"U: {told}; write e.g. https://host.example"]


def test_a_query_is_kept_where_it_is_allowed() -> None:
    assert Variables({"U": "wss://x/v1?model=a"}, None).url("U", ("wss",), query=True) == "wss://x/v1?model=a"


def test_a_scheme_is_the_same_in_capital_letters() -> None:
    assert Variables({"U": "HTTP://X.example/A/"}, None).url("U", ("https", "http")) == "http://X.example/A"


def test_what_stands_in_the_place_of_a_secret_s_name_is_not_repeated() -> None:
    variables = Variables({"SID": "geheim"}, None)

    assert variables.matching("SID", "AC", "AC", beside_secret=True) is None
    assert [str(error) for error in variables.errors] == ["SID: is not AC; copy it anew"]


def test_a_fault_of_a_secret_does_not_repeat_it() -> None:
    variables = Variables({"A": "geheim\u00fc", "B": "gehe\nim"}, None)

    assert variables.secret("A") is None
    assert variables.secret("B") is None
    assert variables.secret("C") is None
    assert "gehe" not in " ".join(map(str, variables.errors))
    assert len(variables.errors) == 2


def test_numbers_and_words_are_read_within_bounds() -> None:
    variables = Variables({"N": "70000", "M": "x", "O": "80", "W": "Jsn", "X": "JSON"}, None)

    assert [variables.integer(name, 0, 65535) for name in "NMO"] == [None, None, 80]
    assert [variables.choice(name, ("text", "json")) for name in "WX"] == [None, "json"]
    assert variables.matching("M", "y", "a y") is None
    assert [str(error) for error in variables.errors] == [
        'N: must be a whole number from 0 to 65535, not "70000"',
        'M: must be a whole number from 0 to 65535, not "x"',
        'W: cannot be "Jsn"; write "json"',
        'M: "x" is not a y',
    ]


def test_amounts_of_money_are_read() -> None:
    variables = Variables({"A": "20", "B": "0.50", "C": "0", "D": "-1", "E": "1e3", "F": "nan", "G": "1,5"}, None)

    assert [variables.amount(name) for name in "ABCDEFGH"] == [20, 0.5, None, None, None, None, None, None]
    assert [str(error) for error in variables.errors] == [
        f'{name}: must be an amount like 20 or 0.50, not "{text}"'
        for name, text in (("C", "0"), ("D", "-1"), ("E", "1e3"), ("F", "nan"), ("G", "1,5"))
    ]


@pytest.mark.parametrize(
    "url", ["http://localhost", "http://a.localhost:80", "http://127.0.0.1", "http://127.9.9.9", "ws://[::1]:9000"]
)
def test_addresses_of_this_machine_are_loopback(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url", ["http://0.0.0.0", "http://10.0.0.1", "https://x.example", "http://localhost.example", "http://[x", ""]
)
def test_all_other_addresses_are_not(url: str) -> None:
    assert not is_loopback(url)


@given(st.text())
def test_any_text_can_be_asked_whether_it_is_a_url(text: str) -> None:
    split_url(text)
    is_loopback(text)
