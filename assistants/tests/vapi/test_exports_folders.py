"""Exports out of files and folders."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistants.tests.vapi.exported import ASSISTANT, NUMBER, SQUAD, TOOL, kinds
from assistants.vapi.exports import ExportError, export_read_path


def save(folder: Path, name: str, value: object) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))
    return file


def test_a_folder_is_read_with_the_folders_inside_it(tmp_path: Path) -> None:
    save(tmp_path, "b.json", [TOOL])
    save(tmp_path, "a.json", ASSISTANT)
    save(tmp_path, "more/squads.json", [SQUAD])
    save(tmp_path, "more/even/deeper.json", NUMBER)
    save(tmp_path, ".hidden.json", NUMBER)
    save(tmp_path, ".git/config.json", NUMBER)
    (tmp_path / "notes.txt").write_text("not read")
    (tmp_path / "folder.json").mkdir()

    export = export_read_path(tmp_path)

    assert [item.where for item in export.items] == [
        str(tmp_path / "a.json"),
        f"{tmp_path / 'b.json'}, item 1",
        f"{tmp_path / 'more' / 'squads.json'}, item 1",
    ]


def path_complaint(path: Path) -> str:
    with pytest.raises(ExportError) as caught:
        export_read_path(path)
    return str(caught.value)


def test_a_folder_without_json_says_what_to_save_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")

    message = path_complaint(tmp_path)

    assert message.startswith(f"{tmp_path} holds no file that ends in .json.")
    assert "Save there what GET /assistant" in message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert path_complaint(tmp_path / "x.json") == (
        f"{tmp_path / 'x.json'} does not exist. Check the spelling and the folder."
    )


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path, "x.json", ASSISTANT)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root reads whatever its mode says

    expected = f"{file} cannot be read (Permission denied). Check its permissions."
    assert path_complaint(file) == path_complaint(tmp_path) == expected


def test_a_folder_inside_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, "a.json", ASSISTANT)
    closed = save(tmp_path, "closed/b.json", TOOL).parent
    is_open = Path.iterdir

    def refuse(self: Path) -> Iterator[Path]:
        if self == closed:
            raise PermissionError(13, "Permission denied")
        return is_open(self)

    monkeypatch.setattr(Path, "iterdir", refuse)

    assert path_complaint(tmp_path) == (
        f"{closed} cannot be read (Permission denied). Check its permissions."
    )


def test_one_bad_file_in_a_folder_is_named(tmp_path: Path) -> None:
    save(tmp_path, "a.json", ASSISTANT)
    save(tmp_path, "b.json", {"id": "c", "type": "webCall"})

    assert path_complaint(tmp_path).startswith(f"{tmp_path / 'b.json'}: this is a call")


def test_the_limit_is_for_a_folder_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistants.vapi.exports.MAX_BYTES", 200)
    save(tmp_path, "a.json", ASSISTANT)
    save(tmp_path, "b.json", {**ASSISTANT, "id": "a2"})
    assert len(export_read_path(tmp_path).items) == 2
    save(tmp_path, "c.json", {**ASSISTANT, "id": "a3"})

    assert path_complaint(tmp_path).startswith(f"{tmp_path} is larger than 20 MiB")


def test_in_a_folder_only_files_are_read_and_what_was_passed_over_is_told(tmp_path: Path) -> None:
    save(tmp_path, "a.json", ASSISTANT)
    (tmp_path / "linked.json").symlink_to(save(tmp_path, "more/even/tool.json", TOOL))
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")

    export = export_read_path(tmp_path)

    assert kinds(export) == ["assistant", "tool"]
    assert export.notes == tuple(
        f"{tmp_path / name}: passed over, because it is a pipe, a socket or a device and not a file."
        for name in ("device.json", "pipe.json")
    )


def test_a_folder_with_nothing_but_a_pipe_says_that_it_was_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")

    assert f"{tmp_path / 'pipe.json'}: passed over" in path_complaint(tmp_path)


def test_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").symlink_to(tmp_path / "none.json")

    assert path_complaint(tmp_path).startswith(f"{tmp_path / 'x.json'} does not exist")


def test_a_name_that_is_no_text_can_be_stored(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"f_\xff")
    save(folder, "a.json", ASSISTANT)
    save(folder, "empty.json", [])
    os.mkfifo(folder / "pipe.json")

    export = export_read_path(folder)

    shown = f"{tmp_path}/f_\ufffd"
    assert [item.where for item in export.items] == [f"{shown}/a.json"]
    assert [note.partition(":")[0] for note in export.notes] == [f"{shown}/pipe.json", f"{shown}/empty.json"]
    assert path_complaint(folder / "none.json").startswith(f"{shown}/none.json does not exist")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes by name")
def test_a_pipe_is_read_like_a_file() -> None:
    reader, writer = os.pipe()
    os.write(writer, json.dumps(ASSISTANT).encode())
    os.close(writer)
    try:
        assert len(export_read_path(Path(f"/dev/fd/{reader}")).items) == 1
    finally:
        os.close(reader)
