"""Configs: defaults, changes, renamed keys, and the messages of errors."""

from pathlib import Path

import pytest

from treehead.config import (
    AdamConfig,
    RunConfig,
    SgdConfig,
    changed,
    described,
    read_config,
    renamed,
    write_config,
    written,
)
from treehead.config.reading import UNION_TAGS
from treehead.recipes import RECIPES, recipe
from treehead.types import UserError


def test_a_change_is_checked_and_leaves_the_original() -> None:
    config = RunConfig()
    assert changed(config, {"train.epochs": 7}).train.epochs == 7
    assert config.train.epochs == 50


def test_a_changed_kind_resets_its_section() -> None:
    config = changed(RunConfig(), {"optimizer.learning_rate": 0.3, "optimizer.kind": "sgd"})
    assert config.optimizer == SgdConfig(learning_rate=0.3)
    assert isinstance(changed(config, {"optimizer.kind": "adam"}).optimizer, AdamConfig)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.epoch": 5}, "no config key train.epoch; did you mean train.epochs?"),
        ({"trian.epochs": 5}, "did you mean train.epochs?"),
        ({"optimizer.momentum": 0.5}, "no config key optimizer.momentum"),
        ({"train.epochs": 0}, "train.epochs = 0: input should be greater than or equal to 1"),
        ({"train.epochs": "many"}, "train.epochs = 'many'"),
        ({"data.split": "80-20"}, "data.split = '80-20'"),
        ({"optimizer.kind": "adagrad"}, "'adagrad'"),
        ({"optimizer.learning_rate": float("nan")}, "optimizer.learning_rate"),
        ({"name.x": 1}, "no config key name.x"),
    ],
)
def test_errors_name_the_key(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        changed(RunConfig(), changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_unchanged_by_writing_and_reading(name: str) -> None:
    assert read_config(write_config(recipe(name))) == recipe(name)


def test_broken_toml_and_unknown_keys_are_named() -> None:
    with pytest.raises(UserError, match="not valid TOML"):
        read_config("epochs = = 3")
    with pytest.raises(UserError, match=r"did you mean train\.epochs"):
        read_config("[train]\nepoks = 3")


def test_an_unknown_recipe_names_similar_ones() -> None:
    with pytest.raises(UserError, match=r"no recipe 'cifar10'; did you mean cifar100 or cifar100-fast\?"):
        recipe("cifar10")


def test_every_key_has_a_description() -> None:
    assert [key for key, _, meaning in described(RunConfig()) if not meaning] == []


def test_values_are_written_as_on_the_command_line() -> None:
    assert written((1.0, 0.3)) == "[1.0, 0.3]"
    assert (written(None), written(True), written("adam")) == ("", "true", "adam")


def test_progressive_resizing_is_in_order() -> None:
    parts = [{"until": 0.6, "pixels": 24}, {"until": 0.3, "pixels": 20}]
    with pytest.raises(UserError, match=r"augment.shrink = .*: the parts must be in increasing order"):
        changed(RunConfig(), {"augment.shrink": parts})


def test_errors_do_not_contain_the_kinds_of_unions() -> None:
    assert {"relu", "muon", "hxe", "custom"} <= UNION_TAGS
    assert not UNION_TAGS & {"pytorch", "scratch"}  # `engine.kind` is a plain choice
    with pytest.raises(UserError, match=r"^network\.activation\.slope = 2\.0"):
        changed(RunConfig(), {"network.activation": {"kind": "leaky_relu", "slope": 2.0}})


def test_old_names_in_a_file_still_work() -> None:
    with pytest.warns(FutureWarning, match="the config key sharpness is now called sam; the old name still works"):
        config = read_config("[sharpness]\nradius = 0.1\nbegin = 0.5")
    assert (config.sam.radius, config.sam.begin) == (0.1, 0.5)
    with pytest.raises(UserError, match="the config has both sharpness and sam, its current name; remove sharpness"):
        read_config("[sharpness]\nradius = 0.1\n[sam]\nradius = 0.2")


def test_old_names_in_overrides_still_work() -> None:
    with pytest.warns(FutureWarning, match=r"the config key sharpness\.radius is now called sam\.radius") as caught:
        assert changed(RunConfig(), {"sharpness.radius": 0.1}).sam.radius == 0.1
    assert caught[0].filename == __file__
    with pytest.warns(FutureWarning, match="the config key sharpness is now called sam"):
        assert changed(RunConfig(), {"sharpness": {"radius": 0.2}}).sam.radius == 0.2


def test_a_single_renamed_key_moves_between_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(renamed.RENAMED, "schedule.epochs", "train.epochs")
    with pytest.warns(FutureWarning):
        assert read_config("[schedule]\nepochs = 3\nwarmup = 0.5").train.epochs == 3
    with pytest.warns(FutureWarning):
        assert changed(RunConfig(), {"schedule.epochs": 4}).train.epochs == 4


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("src/treehead/models/*/config.toml")), ids=str)
def test_configs_of_shipped_models_use_current_names(path: Path) -> None:
    read_config(path.read_text(encoding="utf-8"))
