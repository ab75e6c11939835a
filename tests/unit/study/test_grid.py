"""Studies as data: cells, narrowing, and what a mistake is told."""

import re
from pathlib import Path

import pytest

from treehead.config import RunConfig, changed
from treehead.study.builtin import STUDIES, reference, study_of
from treehead.study.grid import Study, axis, cells, read_study, with_changes, with_seeds, write_study
from treehead.types import UserError

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
    found = {cell.name: cell for cell in cells(study)}
    assert list(found) == [
        "adam-split80-20",
        "adam-split90-10",
        "sgd-split80-20",
        "sgd-split90-10",
        "adam-split80-20-no-norm",
    ]
    config = found["sgd-split90-10"].config
    assert (config.optimizer.kind, config.optimizer.learning_rate) == ("sgd", 0.2)
    assert (config.data.split, config.train.epochs, config.data.name) == ("90:10", 3, "shapes")
    assert found["adam-split80-20-no-norm"].config.network.norm == "none"
    assert found["adam-split80-20-no-norm"].extra == "no-norm"
    assert study.compare == (("optimizer", "adam", "sgd"), ("data.split", "80:20", "90:10"))


@pytest.mark.parametrize("name", STUDIES)
def test_built_in_studies_survive_being_written(name: str) -> None:
    study = STUDIES[name]()
    assert read_study(write_study(study), "x") == study


def test_the_reference_is_the_grid_it_promises() -> None:
    grid = [cell for cell in cells(reference()) if cell.extra is None]
    assert len(grid) == 8
    assert {cell.config.train.epochs for cell in grid} == {50}
    assert {cell.config.optimizer.kind for cell in grid} == {"adam", "sgd"}
    assert {cell.config.network.activation.kind for cell in grid} == {"relu", "leaky_relu"}
    assert {cell.config.data.split for cell in grid} == {"80:20", "90:10"}
    extras = [cell.config for cell in cells(reference()) if cell.extra]
    assert [(config.network.norm, config.network.dropout) for config in extras] == [("none", 0.0), ("batch", 0.1)]


def test_only_narrows_and_seeds_repeat() -> None:
    study = reference()
    assert len(cells(study, {"optimizer": ["adam"], "extra": ["none"]})) == 4
    assert [cell.extra for cell in cells(study, {"extra": ["no-norm"]})] == ["no-norm"]
    assert len(cells(with_seeds(study, 3))) == 3 * len(cells(study))
    assert cells(with_seeds(study, 3))[1].config.seed == 1


def test_a_study_without_axes_is_one_run() -> None:
    assert [cell.name for cell in cells(Study("one", "", RunConfig(), (), ()))] == ["one"]


def test_changes_reach_every_cell_but_what_is_varied() -> None:
    study = with_changes(reference(), {"train.epochs": 7})
    assert {cell.config.train.epochs for cell in cells(study)} == {7}
    for key in ("optimizer.kind", "optimizer.weight_decay", "data.split"):
        with pytest.raises(UserError, match=f"{key} is what the study reference varies"):
            with_changes(study, {key: "x"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = = 1", "s.toml is no TOML"),
        ("nane = 'x'", "no key 'nane'; did you mean name?"),
        ("about = 'x'", "it lacks 'name'"),
        ("name = 'a/b'", "no folder's name"),
        ("name = 'x'\n[axes]\ntrain.epoch = [1]", "no config key train.epoch"),
        ("name = 'x'\n[axes]\nseed = []", "needs values"),
        ("name = 'x'\n[axes]\nseed = 3", "s.toml is no study"),
        ("name = 'x'\n[axes]\nseed = [1, 1]", "each once"),
        ("name = 'x'\ncompare = [['seed', '1', '2']]\n[axes]\nseed = [1]", "no choice '2'"),
        ("name = 'x'\n[extra.y]\nof = {seed = 1}\nchange = {seed = 2}", "no axis 'seed'"),
        ("name = 'x'\n[choices.a]\n'x:y' = {seed = 1}\n'x.y' = {seed = 2}\n'x-y' = {seed = 3}", "would be called x-y"),
        ("name = 'x'\naxes = 3", "axes is no table"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_study(text, "s.toml")
    assert said in str(caught.value)


def test_an_unknown_study_names_the_near_one() -> None:
    with pytest.raises(UserError, match=r"no study 'referense'; did you mean reference\?"):
        study_of("referense")
    with pytest.raises(UserError, match=r"cannot read none\.toml"):
        study_of("none.toml")
    with pytest.raises(UserError, match=r"no axis 'optimiser'; did you mean optimizer\?"):
        cells(reference(), {"optimiser": ["adam"]})


def test_the_documented_study_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "study.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    study = read_study(text, "docs/how-to/study.md")
    assert study.compare == (("network", "narrow", "wide"),)
    assert len(cells(study)) == 2 * 2 * 3 + 3


def test_an_axis_along_any_key() -> None:
    study = Study("s", "", changed(RunConfig(), {}), (axis("train.batch_size", [64, 128]),), ())
    assert [cell.name for cell in cells(study)] == ["batch_size64", "batch_size128"]
