"""Configs: defaults, changes, and what a mistake is told."""

import pytest

from treehead.config import AdamConfig, RunConfig, SgdConfig, changed, described, read_config, write_config, written
from treehead.recipes import RECIPES, recipe
from treehead.types import UserError


def test_a_change_is_checked_and_leaves_the_original() -> None:
    config = RunConfig()
    assert changed(config, {"train.epochs": 7}).train.epochs == 7
    assert config.train.epochs == 50


def test_a_changed_kind_starts_its_section_anew() -> None:
    config = changed(RunConfig(), {"optimizer.learning_rate": 0.3, "optimizer.kind": "sgd"})
    assert config.optimizer == SgdConfig(learning_rate=0.3)
    assert isinstance(changed(config, {"optimizer.kind": "adam"}).optimizer, AdamConfig)


@pytest.mark.parametrize(
    ("changes", "said"),
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
def test_mistakes_are_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as caught:
        changed(RunConfig(), changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_being_written(name: str) -> None:
    assert read_config(write_config(recipe(name))) == recipe(name)


def test_broken_toml_and_unknown_keys_are_named() -> None:
    with pytest.raises(UserError, match="no TOML"):
        read_config("epochs = = 3")
    with pytest.raises(UserError, match=r"did you mean train\.epochs"):
        read_config("[train]\nepoks = 3")


def test_an_unknown_recipe_names_the_near_ones() -> None:
    with pytest.raises(UserError, match=r"no recipe 'cifar10'; did you mean cifar100 or cifar100-fast\?"):
        recipe("cifar10")


def test_every_key_has_a_meaning() -> None:
    assert [key for key, _, meaning in described(RunConfig()) if not meaning] == []


def test_values_are_written_as_one_types_them() -> None:
    assert written((1.0, 0.3)) == "[1.0, 0.3]"
    assert (written(None), written(True), written("adam")) == ("", "true", "adam")


def test_smaller_images_come_in_order() -> None:
    parts = [{"until": 0.6, "pixels": 24}, {"until": 0.3, "pixels": 20}]
    with pytest.raises(UserError, match=r"augment.shrink = .*: its parts must stand in order"):
        changed(RunConfig(), {"augment.shrink": parts})
