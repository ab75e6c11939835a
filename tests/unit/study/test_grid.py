"""Studies as data: their TOML, their cells, the selection of cells, and error messages."""

import re
from pathlib import Path

import pytest

from treehead.config import RunConfig, changed
from treehead.study.builtin import STUDIES, reference, study_of
from treehead.study.grid import Study, axis, cells, read_study, with_changes, with_seeds, write_study
from treehead.types import UserError

RESULTS = Path(__file__).parents[3] / "docs" / "results"
TEXT = """
name = "depth"
recipe = "shapes"
[config]
train.epochs = 3
[axes]
data.split = ["80:20", "90:10"]
[choices.optimizer]
adam = {optimizer.kind = "adam", optimizer.learning_rate = 0.004}
sgd = {optimizer.kind = "sgd", optimizer.learning_rate = 0.2}
[extra.no-norm]
of = {optimizer = "adam", data.split = "80:20"}
change = {network.norm = "none"}
"""


def test_a_study_in_toml_is_its_cells() -> None:
    study = read_study(TEXT, "depth.toml")
    by_name = {cell.name: cell for cell in cells(study)}
    assert list(by_name) == [
        "adam-split80-20",
        "adam-split90-10",
        "sgd-split80-20",
        "sgd-split90-10",
        "adam-split80-20-no-norm",
    ]
    config = by_name["sgd-split90-10"].config
    assert (config.optimizer.kind, config.optimizer.learning_rate) == ("sgd", 0.2)
    assert (config.data.split, config.train.epochs, config.data.name) == ("90:10", 3, "shapes")
    assert by_name["adam-split80-20-no-norm"].config.network.norm == "none"
    assert by_name["adam-split80-20-no-norm"].extra == "no-norm"
    assert study.compare == (("optimizer", "adam", "sgd"), ("data.split", "80:20", "90:10"))


@pytest.mark.parametrize("name", STUDIES)
def test_built_in_studies_survive_being_written(name: str) -> None:
    study = STUDIES[name]()
    assert read_study(write_study(study), "x") == study


def test_the_reference_study_has_the_documented_grid() -> None:
    grid = [cell for cell in cells(reference()) if cell.extra is None]
    assert len(grid) == 8
    assert {cell.config.train.epochs for cell in grid} == {50}
    assert {cell.config.optimizer.kind for cell in grid} == {"adam", "sgd"}
    assert {cell.config.network.activation.kind for cell in grid} == {"relu", "leaky_relu"}
    assert {cell.config.data.split for cell in grid} == {"80:20", "90:10"}
    extras = [cell.config for cell in cells(reference()) if cell.extra]
    assert [(config.network.norm, config.network.dropout) for config in extras] == [("none", 0.0), ("batch", 0.1)]


def test_only_selects_cells_and_seeds_repeat_them() -> None:
    study = reference()
    assert len(cells(study, {"optimizer": ["adam"], "extra": ["none"]})) == 4
    assert [cell.extra for cell in cells(study, {"extra": ["no-norm"]})] == ["no-norm"]
    assert len(cells(with_seeds(study, 3))) == 3 * len(cells(study))
    assert cells(with_seeds(study, 3))[1].config.seed == 1


def test_a_study_without_axes_is_one_run() -> None:
    assert [cell.name for cell in cells(Study("one", "", RunConfig(), (), ()))] == ["one"]


def test_changes_apply_to_every_cell_but_not_to_varied_keys() -> None:
    study = with_changes(reference(), {"train.epochs": 7})
    assert {cell.config.train.epochs for cell in cells(study)} == {7}
    for key in ("optimizer.kind", "optimizer.weight_decay", "data.split"):
        with pytest.raises(UserError, match=f"{key} cannot be changed: the study reference varies it along its axis"):
            with_changes(study, {key: "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = = 1", "s.toml is not valid TOML"),
        ("nane = 'x'", "s.toml: unknown key nane; did you mean name?"),
        ("about = 'x'", "s.toml: the key name is missing"),
        ("name = 'a/b'", "s.toml: name = 'a/b': this cannot be a folder name"),
        (
            "name = 'x'\n[axes]\ntrain.epoch = [1]",
            "s.toml: there is no config key train.epoch; did you mean train.epochs?",
        ),
        ("name = 'x'\n[axes]\nseed = []", "s.toml: the axis seed needs at least one value"),
        ("name = 'x'\n[axes]\nseed = 3", "s.toml: axes.seed = 3: input should be a valid list"),
        ("name = 'x'\n[extra.y]\nof = {}", "s.toml: the key extra.y.change is missing"),
        (
            "name = 'x'\n[axes]\nseed = [1, 1]",
            "s.toml: the axis seed needs at least one value, and each value once, not [1, 1]",
        ),
        (
            "name = 'x'\ncompare = [['seed', '1', '2']]\n[axes]\nseed = [1]",
            "s.toml: the axis seed has no choice '2'; available: 1",
        ),
        (
            "name = 'x'\n[extra.y]\nof = {seed = 1}\nchange = {seed = 2}",
            "s.toml: the study x has no axis 'seed'; available: extra",
        ),
        (
            "name = 'x'\n[choices.a]\n'x:y' = {seed = 1}\n'x.y' = {seed = 2}\n'x-y' = {seed = 3}",
            "s.toml: two runs would have the same name, x-y",
        ),
        ("name = 'x'\naxes = 3", "s.toml: axes = 3: input should be a valid table"),
        ("name = 'x'\n[extra.y]\nchnge = {seed = 2}", "s.toml: unknown key extra.y.chnge; did you mean change?"),
        ("name = 'x'\n[extra.y]\nchange = {}\nfrom = {}", "s.toml: unknown key extra.y.from; available: of, change"),
        ("name = 'x'\ncompare = [['seed', '1']]", "s.toml: the key compare.0.2 is missing"),
        ("name = 'x'\nrecipe = 'shape'", "s.toml: there is no recipe 'shape'; did you mean shapes?"),
    ],
)
def test_errors_name_the_file_and_the_key(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_study(text, "s.toml")
    assert message in str(caught.value)


def test_an_unknown_study_suggests_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r"no study, study file or study folder 'referense'; did you mean reference\?"):
        study_of("referense")
    with pytest.raises(UserError, match=r"cannot read none\.toml"):
        study_of("none.toml")
    with pytest.raises(UserError, match=r"no axis 'optimiser'; did you mean optimizer\?"):
        cells(reference(), {"optimiser": ["adam"]})


def test_the_documented_study_can_be_read() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "study.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    study = read_study(text, "docs/how-to/study.md")
    assert study.compare == (("network", "narrow", "wide"),)
    assert len(cells(study)) == 2 * 2 * 3 + 3


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*/study.toml")), ids=lambda path: path.parent.name)
def test_published_studies_can_be_read(path: Path) -> None:
    study = read_study(path.read_text(encoding="utf-8"), str(path))
    runs = {run.name for run in (path.parent / "runs").iterdir() if run.is_dir()}
    assert runs
    assert runs <= {cell.name for cell in cells(study)}


def test_an_axis_along_any_key() -> None:
    study = Study("s", "", changed(RunConfig(), {}), (axis("train.batch_size", [64, 128]),), ())
    assert [cell.name for cell in cells(study)] == ["batch_size64", "batch_size128"]
