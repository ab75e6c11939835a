"""Files and names of others: bounded, regular, and shown without harm."""

import io
import json
import os
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import treehead
from treehead.config import RunConfig, changed, read_config
from treehead.config.study import read_study_file
from treehead.data.cifar100 import FOLDER, Release
from treehead.data.cifar100 import read as read_cifar100
from treehead.data.image_file import read_image
from treehead.data.manifest import list_manifest
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.hierarchy.sources import tree_from_csv, tree_from_json
from treehead.hierarchy.tree import LabelTree
from treehead.inference.writers import FORMULA, harmless
from treehead.inputs import (
    check_file_name,
    check_regular,
    is_file_name,
    json_line,
    parsed_json,
    parsed_toml,
    printable,
    read_text,
    shown,
)
from treehead.recipes import config_of
from treehead.report.files import save_report
from treehead.runfiles import RunFolder, StudyFolder, read_npz
from treehead.spec import build_spec
from treehead.study.grid import read_study
from treehead.study.markdown import escaped, markdown_table
from treehead.types import UserError

names = st.text(max_size=80)

# ---- shown without harm


@given(names)
def test_a_terminal_gets_no_control_character(text: str) -> None:
    kinds = {unicodedata.category(character) for character in printable(text)}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert printable(printable(text)) == printable(text)
    printable(text).encode()  # no lone surrogate either


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_letters_of_every_script_stay(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("\x1b[31mred", "\\x1b[31mred"), ("a\rb\nc", "a\\x0db\\x0ac"), ("\u202eabc", "\\u202eabc"), ("\ud800", "\\ud800")],
)
def test_control_characters_by_hand(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.recursive(names | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(names, inner)))
def test_shown_values_are_short_lines(value: object) -> None:
    assert len(shown(value)) <= 210
    assert shown(value).isprintable()


def test_enormous_values_are_shown() -> None:
    assert shown(10**5000) == "an integer of about 5,000 digits"
    assert shown([10**5000]) == "a list"
    assert len(shown("x" * 10**6)) <= 210


@given(st.dictionaries(names, names))
def test_json_on_a_line_is_json_and_invisible_characters_are_escaped(value: dict[str, str]) -> None:
    text = json_line(value)
    assert json.loads(text) == value
    assert not any(unicodedata.category(character) in ("Cc", "Cf") for character in text.replace("\u200d", ""))


# ---- names of files


@given(names)
def test_a_file_name_stays_in_its_folder(name: str) -> None:
    if is_file_name(name):
        assert Path("folder", name).parent == Path("folder")
        assert Path("folder", name).name == name
        assert os.path.normpath(f"folder/{name}.png") == os.path.join("folder", f"{name}.png")


HOSTILE = ("", ".", "..", "a/b", "/etc/x", "../../x", "a\\b", "a\0b", "a\nb", "x" * 101, " a", "a.", "\x1b[31m")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_where_they_enter_and_where_a_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        check_file_name(name, "the run")
    with pytest.raises(UserError, match="rename the level"):
        LabelTree("t", (name,), (("a", "b"),), ())
    with pytest.raises(UserError, match="name = "):
        changed(RunConfig(), {"name": name})
    with pytest.raises(UserError, match="name = "):
        read_study_file(f"name = {json.dumps(name)}", "s.toml")
    folder = StudyFolder(tmp_path)
    for place in (folder.run, folder.asked, folder.log):
        with pytest.raises(UserError):
            place(name)
    if name not in ("", "."):  # after a word, a dot and no name are harmless
        with pytest.raises(UserError):
            save_report(RunFolder(tmp_path / "in" / "run"), {name: b"x"}, "page")
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_names_that_are_no_text_are_refused() -> None:
    with pytest.raises(UserError, match="is not valid text"):
        LabelTree("t", ("fine",), (("a", "\ud800"),), ())


# ---- regular files


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    os.mkfifo(tmp_path / "pipe.png")
    return tmp_path / "pipe.png"


READERS: dict[str, Callable[[Path], object]] = {
    "image": lambda path: read_image(path, shape=(3, 8, 8)),
    "text": read_text,
    "arrays": read_npz,
    "table": list_manifest,
    "tree": tree_from_json,
    "weights": lambda path: treehead.load(path.rename(path.with_suffix(".safetensors"))),
    "config": lambda path: config_of([str(path.rename(path.with_suffix(".toml")))]),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_named_pipe_is_not_waited_for(pipe: Path, reader: Callable[[Path], object]) -> None:
    with pytest.raises(UserError, match=r"is a pipe, a device or a socket, not a file"):
        reader(pipe)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder, not a file"):
        check_regular(tmp_path)


def test_text_is_utf8_with_any_ends_of_lines(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbfa\r\nb\rc")
    assert read_text(tmp_path / "t") == "a\nb\nc"
    (tmp_path / "t").write_bytes(b"ab\xff")
    with pytest.raises(UserError, match=r"is not UTF-8 text \(byte 2\)"):
        read_text(tmp_path / "t")
    with pytest.raises(UserError, match="has 3 bytes, more than the 2 that are read"):
        read_text(tmp_path / "t", most=2)


# ---- deep, long and enormous


@pytest.mark.parametrize("text", ["[" * 20_000, '{"a":' * 20_000, "9" * 5_000])
def test_json_that_breaks_a_parser(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parsed_json(text)
    (tmp_path / "t.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="is not valid JSON"):
        tree_from_json(tmp_path / "t.json")


@pytest.mark.parametrize("text", ["a = " + "[" * 20_000, "a = " + "{b = " * 20_000, "seed = " + "9" * 5_000])
def test_toml_that_breaks_a_parser(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parsed_toml(text)
    with pytest.raises(UserError, match="not valid TOML"):
        read_config(text)


@pytest.mark.parametrize(
    "change",
    [
        {"train.epochs": 10**9},
        {"seed": 10**5000},
        {"network.stages": [{"width": 10**6}]},
        {"network.stages": [{"width": 8, "residuals": 20_000}]},
        {"network.hidden": [10**7]},
        {"train.batch_size": 10**12},
        {"name": "x" * 10**6},
    ],
    ids=lambda change: next(iter(change)),
)
def test_numbers_far_out_of_use_are_refused_in_a_short_sentence(change: dict[str, object]) -> None:
    with pytest.raises(UserError) as refused:
        changed(RunConfig(), change)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("stages", "side", "message"),
    [
        ([{"width": 8, "residuals": 900}] * 2, 32, "layers, at most 5,000 are supported"),
        ([{"width": 8000, "middle": 8000}], 32, "parameters, at most 100,000,000 are supported"),
        ([{"width": 8000, "shrink": "none", "residuals": 0}], 224, "values per image after one of its layers"),
        ([{"width": 8}], 10**5, "images of shape"),
    ],
)
def test_a_network_that_would_fill_the_memory_is_not_built(stages: list[object], side: int, message: str) -> None:
    config = changed(RunConfig(), {"network.stages": stages})
    with pytest.raises(UserError, match=message):
        build_spec(config.network, input_shape=(3, side, side), levels=("a",), sizes=(2,))


def test_a_study_of_millions_of_runs_is_not_enumerated() -> None:
    numbers = ",".join(map(str, range(1, 3000)))
    with pytest.raises(UserError, match=r"has up to 8,994,001 runs, more than 5,000"):
        read_study(f'name = "s"\n[axes]\nseed = [{numbers}]\ntrain.epochs = [{numbers}]', "s.toml")


def test_a_table_with_enormous_cells_gets_a_short_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("[" * 50_000 + "\n", encoding="utf-8")
    with pytest.raises(UserError) as refused:
        list_manifest(tmp_path / "t.csv")
    assert len(str(refused.value)) < 600
    (tmp_path / "t.csv").write_text("kind,breed\n ,\n", encoding="utf-8")
    with pytest.raises(UserError):
        tree_from_csv(tmp_path / "t.csv")


# ---- archives and arrays that unpack to gigabytes


def bomb(path: Path, *, shape: tuple[int, ...], written: int) -> None:
    """An .npz whose array says it has this shape, with so many bytes of zeros."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.write(bytes(written))


def test_arrays_that_would_fill_the_memory_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treehead.runfiles.ALWAYS_READ", 2**20)
    bomb(tmp_path / "a.npz", shape=(2**24,), written=2**24)
    with pytest.raises(ValueError, match="would unpack to more than"):
        read_npz(tmp_path / "a.npz")


def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    bomb(tmp_path / "a.npz", shape=(2**40,), written=2**20)
    with pytest.raises(ValueError, match="does not fit its"):
        read_npz(tmp_path / "a.npz")
    with pytest.raises(UserError, match="is damaged"):
        RunFolder(tmp_path).read_arrays(tmp_path / "a.npz")


def test_arrays_come_back(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "text": np.array("80:20"), "empty": np.zeros((0, 3), np.float16)}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    again = read_npz(tmp_path / "a.npz")
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


SMALL = Release((("train.bin", 2), ("test.bin", 1)))


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for member in members:
            packed.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    return path


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(f"{FOLDER}/{name}")
    info.size, info.type, info.linkname = size, kind, link
    return info


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([member("train.bin", 2**24)], r"expected 614,800 bytes, found 16,777,216"),
        ([member("other", 2**24)], r"is larger than the whole release"),
        ([member("train.bin", 0, tarfile.SYMTYPE, "train.bin")], r"train.bin is not a file"),
        ([member("train.bin", 0, tarfile.LNKTYPE, f"{FOLDER}/train.bin")], r"train.bin is not a file"),
        ([member("train.bin", 0, tarfile.FIFOTYPE)], r"train.bin is not a file"),
        ([member("other", 10)], r"it has no cifar-100-binary/test.bin"),
    ],
)
def test_archives_of_others(tmp_path: Path, members: list[tarfile.TarInfo], message: str) -> None:
    place = archive(tmp_path / "c.tar.gz", *members)
    with pytest.raises(UserError, match=message):
        read_cifar100(place, cifar100_tree("haf8"), SMALL)


def test_a_header_of_an_archive_is_read_in_small_pieces(tmp_path: Path) -> None:
    header = member("x", 2**33)
    header.type = tarfile.XHDTYPE  # the following 8 GiB are said to be a header
    import gzip

    (tmp_path / "c.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)))
    with pytest.raises(UserError, match="is not an archive of CIFAR-100's binary release, or damaged: a header of"):
        read_cifar100(tmp_path / "c.tar.gz", cifar100_tree("haf8"), SMALL)


def test_a_sparse_file_of_the_release_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "train.bin").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match=r"train.bin: expected 614,800 bytes, found 1,099,511,627,776"):
        read_cifar100(tmp_path, cifar100_tree("haf8"), SMALL)


# ---- tables and pages


@given(names)
def test_no_cell_is_a_formula_and_the_name_is_still_there(name: str) -> None:
    assert not harmless(name).startswith(FORMULA)
    assert harmless(name).removeprefix("'") == name or harmless(name) == name


@given(names)
def test_markdown_has_no_html_and_no_link(name: str) -> None:
    text = escaped(name)
    assert "<" not in text
    assert ">" not in text
    assert "\n" not in text
    (row,) = markdown_table(["a"], [[name]])[2:]
    assert row.replace("\\\\", "").replace("\\|", "").count("|") == 2


def test_markdown_by_hand() -> None:
    assert escaped("<img src=x> a|b [x](y) `c` &lt; R&D 5 & 6") == (
        "&lt;img src=x&gt; a\\|b \\[x](y) \\`c\\` &amp;lt; R&amp;D 5 & 6"
    )
