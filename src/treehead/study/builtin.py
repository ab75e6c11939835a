"""The built-in studies, and the reading of a study by name, TOML file or folder."""

from collections.abc import Callable
from pathlib import Path

from treehead.config import changed
from treehead.config.study import suggestion
from treehead.inputs import MOST_CONFIG, read_text, shown, shown_path
from treehead.recipes import recipe
from treehead.runfiles import StudyFolder
from treehead.study.grid import Axis, Extra, Study, axis, default_compare, read_study
from treehead.types import UserError

ACTIVATIONS = Axis(
    "activation",
    {"relu": {"network.activation.kind": "relu"}, "leaky_relu": {"network.activation.kind": "leaky_relu"}},
)


def _optimizer(kind: str, learning_rate: float) -> dict[str, object]:
    return {"optimizer.kind": kind, "optimizer.learning_rate": learning_rate}


ADAM_RATE, SGD_RATE, NO_NORM_RATE = 2.4e-2, 0.4, 4e-4
"""Peak learning rates of `reference` on CIFAR-100. Adam's and SGD's are the best that `rates` tried, by validation
images, and the largest. Without batch normalisation `rates` found 1.6e-3 better than this one, which `reference` had
already used; docs/results/rates has the runs."""


def reference() -> Study:
    """Adam and SGD, ReLU and Leaky ReLU, 80:20 and 90:10 on CIFAR-100, 50 epochs each, and two ablations.

    The recipe is `cifar100-fast` with a later start of SAM, to save time: there are ten runs.
    """
    optimizers = Axis("optimizer", {"adam": _optimizer("adam", ADAM_RATE), "sgd": _optimizer("sgd", SGD_RATE)})
    axes = (optimizers, ACTIVATIONS, axis("data.split", ["80:20", "90:10"]))
    like = {"optimizer": "adam", "activation": "relu", "data.split": "90:10"}
    return Study(
        "reference",
        "Which optimizer, activation and split is best, and do batch normalisation and dropout help? The learning "
        f"rates are {ADAM_RATE:g} (adam), {SGD_RATE:g} (sgd) and {NO_NORM_RATE:g} (without batch normalisation); "
        "`treehead study rates` compares them with others on validation images, and finds 0.0016 better without batch "
        "normalisation: part of that difference is due to the learning rate.",
        changed(recipe("cifar100-fast"), {"train.epochs": 50, "network.dropout": 0.0, "sam.begin": 0.8}),
        axes,
        default_compare(axes),
        (
            Extra("no-norm", like, {"network.norm": "none", "optimizer.learning_rate": NO_NORM_RATE}),
            Extra("dropout", like, {"network.dropout": 0.1}),
        ),
    )


def rates() -> Study:
    """Learning rates of Adam, SGD, and Adam without normalisation, by CIFAR-100's validation images, 8 epochs each.

    Mostly on small images, so that the study takes half an hour on two cores.
    """
    candidates = {"adam": (6e-3, 1.2e-2, 2.4e-2), "sgd": (0.1, 0.2, 0.4)}
    choices = {f"{kind}-{rate:g}": _optimizer(kind, rate) for kind, rates in candidates.items() for rate in rates}
    for rate in (NO_NORM_RATE, 1.6e-3):
        choices[f"adam-no-norm-{rate:g}"] = _optimizer("adam", rate) | {"network.norm": "none"}
    return Study(
        "rates",
        "Which learning rate of each optimizer gives the best validation accuracy after 8 epochs on a 90:10 split, "
        "with small images first? The test images are not used for selection.",
        changed(
            recipe("cifar100-fast"),
            {
                "data.split": "90:10",
                "augment.shrink": [{"until": 0.6, "pixels": 20}, {"until": 0.8, "pixels": 24}],
                "sam.radius": 0.0,
                "train.epochs": 8,
            },
        ),
        (Axis("rate", choices),),
        (),
    )


def severity() -> Study:
    """The losses on CIFAR-100 at equal cost, three seeds each: which makes fewer severe mistakes, at what accuracy?

    Most losses occur twice, weak and strong. The runs are short, with Muon, so that many fit into an hour or two on two
    cores; seeds are the first axis, so that a study stopped early has the same number of seeds of every loss.
    """
    losses: dict[str, dict[str, object]] = {
        "cross_entropy": {"kind": "cross_entropy"},
        "severity": {"kind": "severity", "alpha": 1.0},
        **{f"expected_severity-{weight:g}": {"kind": "expected_severity", "weight": weight} for weight in (1.0, 4.0)},
        **{f"marginal-{weight:g}": {"kind": "marginal", "weight": weight} for weight in (1.0, 3.0)},
        **{f"soft_labels-{beta:g}": {"kind": "soft_labels", "beta": beta} for beta in (10.0, 5.0)},
        **{f"hxe-{alpha:g}": {"kind": "hxe", "alpha": alpha} for alpha in (0.1, 0.4)},
    }
    choices = {name: {f"loss.{key}": value for key, value in keys.items()} for name, keys in losses.items()}
    axes = (axis("seed", [0, 1, 2]), Axis("loss", choices))
    return Study(
        "severity",
        "Which loss makes fewer severe mistakes, and at what accuracy? Every loss has the same network, epochs and "
        "seeds; the learning rates are those of cross-entropy, and the strengths of the losses were not tuned: most "
        "losses have two.",
        changed(
            recipe("cifar100-fast"),
            {
                "data.split": "90:10",
                "optimizer": {"kind": "muon"},
                "augment.cutmix": 0.0,
                "augment.shrink": [{"until": 0.5, "pixels": 20}, {"until": 0.75, "pixels": 24}],
                "sam.radius": 0.0,
                "train.epochs": 4,
                "train.batch_size": 512,
            },
        ),
        axes,
        default_compare(axes),
    )


def shapes() -> Study:
    """A small study of the built-in shapes, two seeds each: an example that takes minutes on a laptop."""
    optimizers = Axis("optimizer", {"adam": _optimizer("adam", 3e-3), "sgd": _optimizer("sgd", 0.1)})
    axes = (optimizers, ACTIVATIONS, axis("seed", [0, 1]))
    like = {"optimizer": "adam", "activation": "relu"}
    return Study(
        "shapes",
        "An example study on the built-in shapes, with a very small network. The learning rates were not tuned.",
        changed(
            recipe("shapes"),
            {
                "data.split": "90:10",
                "network.stages": [{"width": 16}, {"width": 24}, {"width": 32}],
                "network.dropout": 0.1,
                "train.epochs": 4,
            },
        ),
        axes,
        default_compare(axes),
        (
            Extra("no-norm", like, {"network.norm": "none", "optimizer.learning_rate": 3e-4}),
            Extra("no-dropout", like, {"network.dropout": 0.0}),
        ),
    )


STUDIES: dict[str, Callable[[], Study]] = {
    "reference": reference,
    "rates": rates,
    "severity": severity,
    "shapes": shapes,
}


def study_of(name: str) -> tuple[Study, Path]:
    """The study of a built-in name, a TOML file or a study's folder, and its default folder.

    Raises: UserError: there is no such study, file or folder.
    """
    path = Path(name)
    if (written := StudyFolder(path).study).exists():
        return read_study(StudyFolder(path).read_text(written), str(written)), path
    if name.endswith(".toml"):
        try:
            study = read_study(read_text(path, most=MOST_CONFIG), name)
        except OSError as error:
            raise UserError(f"cannot read {shown_path(name)}: {error.strerror}") from None
        return study, Path("studies") / study.name
    if name not in STUDIES:
        raise UserError(f"there is no study, study file or study folder {shown(name)}; {suggestion(name, STUDIES)}")
    return STUDIES[name](), Path("studies") / name
