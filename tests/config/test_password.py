import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.config.password import Password, hashed
from voice_agent.errors import ConfigError

HASH = hashed("correct horse", b"0123456789abcdef")


@pytest.mark.parametrize("setting", ["correct horse", HASH])
def test_the_password_is_known_by_itself_and_by_its_hash(setting: str) -> None:
    password = Password(setting)

    assert password.is_("correct horse")
    assert not password.is_("correct horse ")
    assert not password.is_("")
    assert not password.is_("\ud800")
    assert setting == "correct horse" or not password.is_(setting)


def test_a_hash_is_written_as_others_write_it() -> None:
    # RFC 7914 12, third vector: P "pleaseletmein", S "SodiumChloride", N 16384, r 8, p 1.
    written = (
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf04"
        "6/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
    )

    assert Password(written).is_("pleaseletmein")


def test_a_password_does_not_stand_in_its_hash() -> None:
    assert "correct" not in HASH
    assert hashed("correct horse", b"another salt 123") != HASH


@pytest.mark.parametrize(
    "setting",
    [
        "$2b$12$abcdefghijklmnopqrstuv",
        "$scrypt$",
        HASH[:-30],
        HASH.replace("ln=14", "ln=0"),
        HASH.replace("ln=14", "ln=19"),
        HASH.replace("r=8", "r=0"),
        HASH.replace("p=5", "p=99"),
    ],
)
def test_what_begins_as_a_hash_and_is_none_is_said_at_once(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"CONSOLE_PASSWORD.*hash-password"):
        Password(setting)


@given(st.text())
def test_whatever_is_set_is_a_password_or_a_fault_that_is_told(setting: str) -> None:
    try:
        assert Password(setting).is_(setting)
    except ConfigError:
        assert setting.startswith("$")
