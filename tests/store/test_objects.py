from pathlib import Path

import pytest

from voice_agent.errors import CommandError
from voice_agent.store.objects import ObjectStore, explained


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.call"
    path.write_bytes(b"a call")
    return path


def test_what_is_put_can_be_got_listed_by_folder_and_deleted(tmp_path: Path, file: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/store/")
    store.put(file, "2026-11-27/one.call")
    store.put(file, "2026-11-28/two.call")
    store.put(file, "alone.call")

    assert store.get("2026-11-27/one.call") == b"a call"
    assert store.folders() == ["2026-11-27", "2026-11-28"]
    assert store.names() == ["2026-11-27/one.call", "2026-11-28/two.call", "alone.call"]
    assert store.names("2026-11-28") == ["2026-11-28/two.call"]
    assert store.address("alone.call") == f"file://{tmp_path}/store/alone.call"
    assert [store.delete("alone.call"), store.delete("alone.call")] == [True, False]
    assert store.get("alone.call") is None


def test_what_is_put_again_takes_the_place_of_the_other(tmp_path: Path, file: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/store")
    store.put(file, "one.call")
    file.write_bytes(b"longer than before")
    store.put(file, "one.call")

    assert store.get("one.call") == b"longer than before"
    assert store.names() == ["one.call"]


def test_a_store_that_cannot_be_used_is_one_line(tmp_path: Path, file: Path) -> None:
    (tmp_path / "store").write_text("no folder")
    store = ObjectStore(f"file://{tmp_path}/store")
    faults = []
    for work in (lambda: store.put(file, "a"), store.names, store.folders, lambda: store.get("a")):
        with pytest.raises(CommandError) as fault:
            work()
        faults.append(str(fault.value))

    assert all(line.startswith(f"{store.url} cannot be used (") for line in faults)
    assert all(line.endswith("see RECORDINGS_URL") and "\n" not in line for line in faults)


def test_a_file_that_is_gone_is_no_fault_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"gone\.call is not there any more"):
        ObjectStore(f"file://{tmp_path}/store").put(tmp_path / "gone.call", "a")


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("Error performing PUT x: 404:\n<Error>\n  <Code>ContainerNotFound</Code>\n", "ContainerNotFound"),
        ("PUT https://a/b?sig=secret&se=1 in 3ms\n\nDebug source:\n", "PUT https://a/b?… in 3ms"),
        ("Generic error\nCustom { error: Connection refused (111)", "Generic error: Connection refused (111)"),
    ],
)
def test_a_page_of_a_service_is_told_in_a_few_words_and_without_signatures(page: str, line: str) -> None:
    assert explained(OSError(page)) == line
