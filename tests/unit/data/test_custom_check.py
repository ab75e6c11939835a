"""What `data check` finds before a training: tables, names and pictures that are not what they seem."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from treehead.config import DataConfig
from treehead.data.custom import read_custom, read_images
from treehead.data.custom_check import check_lines
from treehead.data.folder import list_folder
from treehead.data.manifest import list_manifest
from treehead.hierarchy.subtree import leaves_under
from treehead.types import UserError, UserErrors


def draw(file: Path, seed: int, channels: tuple[int, ...] = (0, 1, 2)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((34, 34, 3), np.uint8)
    pixels[..., channels] = np.random.default_rng(seed).integers(0, 256, (34, 34, len(channels)), np.uint8)
    Image.fromarray(pixels).save(file)


def config_of(root: Path, **keys: object) -> DataConfig:
    return DataConfig.model_validate(
        {"name": "folder" if root.is_dir() else "manifest", "root": root, "image_px": 32, **keys}
    )


def checked(root: Path, tmp_path: Path) -> list[str]:
    config = config_of(root)
    images = read_images(config, cache=tmp_path / "cache", log=lambda text: None, on_progress=lambda done, total: None)
    return list(check_lines(images, config))


def problems(root: Path, tmp_path: Path) -> str:
    return "\n".join(line for line in checked(root, tmp_path) if line.startswith(("!", "   ")))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(24):
        draw(tmp_path / "photos" / ("ant", "bee")[number % 2] / f"{number}.png", number)
    return tmp_path / "photos"


def test_sound_images_have_no_problem(photos: Path, tmp_path: Path) -> None:
    assert "! " not in problems(photos, tmp_path).replace("! classes with fewer", "")


def test_blank_pictures_are_listed(photos: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (7, 8, 9)).save(photos / "ant" / "blank.png")
    found = problems(photos, tmp_path)
    assert "! images of one colour, with nothing to see (1):" in found
    assert "blank.png" in found


def test_channels_that_never_vary_are_named(tmp_path: Path) -> None:
    for number in range(8):
        draw(tmp_path / "cells" / ("dim", "bright")[number % 2] / f"{number}.png", number, channels=(1,))
    assert "the channel red and blue" in problems(tmp_path / "cells", tmp_path)


def test_assumptions_about_depth_are_told_by_check_and_in_training(tmp_path: Path) -> None:
    values = np.linspace(0, 4095, 34 * 34).reshape(34, 34).astype(np.uint16)
    for number in range(6):
        place = tmp_path / "scans" / ("left", "right")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(values, number, axis=0)).save(place)
    sentence = "16-bit images whose values end at 4,095 are read as 12-bit images (6 of them)"
    assert sentence in problems(tmp_path / "scans", tmp_path)
    for _ in range(2):  # also where the pixels come from the cache
        told: list[str] = []
        read_custom(
            config_of(tmp_path / "scans"), cache=tmp_path / "cache", log=told.append, on_progress=lambda *_: None
        )
        assert sentence in told


def test_a_level_with_one_class_is_found(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "outer").mkdir()
    photos.rename(tmp_path / "outer" / "photos")
    assert "the level group has a single class, 'photos', so its accuracy is always 100 %" in problems(
        tmp_path / "outer", tmp_path
    )


@pytest.mark.parametrize(
    "twins", [("Ant", "ant"), ("red fox", "red_fox"), ("caf\u00e9", "cafe\u0301"), ("ﬁsh", "fish")]
)
def test_names_that_look_alike_are_found(tmp_path: Path, twins: tuple[str, str]) -> None:
    for number in range(8):
        draw(tmp_path / f"{number}.png", number)
    rows = [f"{number}.png,{twins[number % 2]}" for number in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(["path,kind", *rows]), encoding="utf-8")
    found = problems(tmp_path / "t.csv", tmp_path)
    assert "differ only in case, spaces, dashes, underscores or their Unicode form" in found
    if unicodedata.normalize("NFC", twins[1]) == twins[0]:
        assert "'caf\\xe9' and 'cafe\\u0301'" in found  # written apart, as they look the same


def test_a_missing_value_as_a_class_is_found(tmp_path: Path) -> None:
    for number in range(8):
        draw(tmp_path / f"{number}.png", number)
    rows = [f"{number}.png,{('ant', 'nan')[number % 2]}" for number in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(["path,kind", *rows]), encoding="utf-8")
    assert "the class 'nan' may be a missing value" in problems(tmp_path / "t.csv", tmp_path)


def test_check_explains_images_of_which_none_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,kind\nx.png,ant\ny.png,bee\n", encoding="utf-8")
    lines = checked(tmp_path / "t.csv", tmp_path)
    assert any("x.png" in line for line in lines)
    assert any(line.startswith("not trainable: 2 of 2 images of") for line in lines)


def test_a_table_made_on_windows(photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.glob("*/*.png"))
    rows = [f"photos\\{file.parent.name}\\{file.name};{file.parent.name}" for file in files]
    (tmp_path / "win.csv").write_bytes("\r\n".join(["path;kind", *rows]).encode("utf-8-sig"))
    assert [entry.path for entry in list_manifest(tmp_path / "win.csv").entries] == files


def test_accents_in_another_form_find_the_file(tmp_path: Path) -> None:
    draw(tmp_path / "cafe\u0301.png", 1)
    draw(tmp_path / "b.png", 2)
    (tmp_path / "t.csv").write_text("path,kind\ncaf\u00e9.png,a\nb.png,b\n", encoding="utf-8")
    assert all(entry.path.exists() for entry in list_manifest(tmp_path / "t.csv").entries)


def test_a_node_is_found_however_its_accents_are_composed(tmp_path: Path) -> None:
    for number, name in enumerate(("cafe\u0301", "b")):
        draw(tmp_path / "photos" / name / "1.png", number)
    tree = list_folder(tmp_path / "photos").tree_and_labels()[0]
    assert leaves_under(tree, "caf\u00e9").sum() == 1


# ---- columns that are no levels


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "__index_level_0__"])
def test_numbers_of_rows_are_no_level(tmp_path: Path, index: str) -> None:
    rows = [f"{number},{number}.png,{'ant' if number % 2 else 'bee'}" for number in range(12)]
    (tmp_path / "t.csv").write_text("\n".join([f"{index},path,kind", *rows]), encoding="utf-8")
    listing = list_manifest(tmp_path / "t.csv")
    assert listing.levels == ("kind",)
    assert listing.warnings == (f"the column {index!r} numbers the rows and is no level",)


def test_an_id_and_numbers_are_told(tmp_path: Path) -> None:
    rows = [f"{number}.png,{'ant' if number % 2 else 'bee'},{number},x{number}" for number in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["path,kind,number,id", *rows]), encoding="utf-8")
    told = " ".join(list_manifest(tmp_path / "t.csv").warnings)
    assert "the column 'id' was taken for a level, and has another class in every row; data.levels names" in told
    assert "the column 'number' was taken for a level, and has another class" in told


def test_conflicts_name_the_columns_and_the_setting_and_are_listed_at_once(tmp_path: Path) -> None:
    rows = [f"{number}.png,{('ant', 'bee', 'cow')[number % 3]},{(40, 50)[number % 2]}" for number in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["path,kind,width", *rows]), encoding="utf-8")
    with pytest.raises(UserErrors) as refused:
        list_manifest(tmp_path / "t.csv").tree_and_labels()
    assert len(refused.value.problems) == 4  # 40 and 50, each below two others than the first
    assert "'40' is at two places of tree 't': ant/40 and cow/40" in str(refused.value)
    assert 'the columns kind, width were taken for levels, data.levels=["width"]' in str(refused.value)
    assert "and 3 more, which `treehead data check` lists" in str(refused.value)


def test_every_bad_row_is_listed(tmp_path: Path) -> None:
    text = "path,kind,split\na.png,,train\n,ant,train\nb.png,ant,holdout\nc.png,ant,train\nc.png,bee,train\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserErrors) as refused:
        list_manifest(tmp_path / "t.csv")
    assert [problem.split("row ")[1][0] for problem in refused.value.problems] == ["1", "2", "3", "5"]


def test_a_missing_number_of_a_parquet_table_is_no_class(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"path": ["a", "b", "c"], "kind": ["x", "x", "y"], "size": [3.0, float("nan"), 2.5]})
    parquet.write_table(table, tmp_path / "t.parquet")
    entries = list_manifest(tmp_path / "t.parquet").entries
    assert [entry.label for entry in entries] == [("3", "x"), ("x",), ("2.5", "y")]


def test_folders_beside_train_and_test_are_named_with_their_consequence(tmp_path: Path) -> None:
    for number, name in enumerate(("train/ant", "train/bee", "test/ant", "test/bee", "extra/cow")):
        draw(tmp_path / "photos" / name / "1.png", number)
    with pytest.raises(UserError, match="not as a part of the split, because of the other folders: extra"):
        list_folder(tmp_path / "photos").tree_and_labels()
