"""The built-in studies, and where a study comes from: a name, a TOML file, or the folder of one begun."""

import difflib
from collections.abc import Callable
from pathlib import Path

from treehead.config import changed
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
"""Peak learning rates on CIFAR-100: the best of each that `rates` has tried on validation images, and Adam's without
batch normalisation, which it has still to try; docs/results/rates has them, of the network of three stages."""


def reference() -> Study:
    """Adam and SGD, ReLU and Leaky ReLU, 80:20 and 90:10 on CIFAR-100, 50 epochs each, and two ablations.

    From `cifar100-fast`, with sharpness-aware steps that begin later still, since the grid is ten runs long.
    """
    optimizers = Axis("optimizer", {"adam": _optimizer("adam", ADAM_RATE), "sgd": _optimizer("sgd", SGD_RATE)})
    axes = (optimizers, ACTIVATIONS, axis("data.split", ["80:20", "90:10"]))
    like = {"optimizer": "adam", "activation": "relu", "data.split": "90:10"}
    return Study(
        "reference",
        "Which optimizer, which activation, which split, and do batch normalisation and dropout help? The learning "
        f"rates (adam {ADAM_RATE:g}, sgd {SGD_RATE:g}) are compared with others, on validation images alone, by "
        f"`treehead study rates`; so is that of the run without batch normalisation, {NO_NORM_RATE:g}.",
        changed(recipe("cifar100-fast"), {"train.epochs": 50, "network.dropout": 0.0, "sam.begin": 0.8}),
        axes,
        default_compare(axes),
        (
            Extra("no-norm", like, {"network.norm": "none", "optimizer.learning_rate": NO_NORM_RATE}),
            Extra("dropout", like, {"network.dropout": 0.1}),
        ),
    )


def rates() -> Study:
    """The learning rate of each optimizer, and without norms, by CIFAR-100's validation images, 8 epochs each.

    Mostly at small images, so that all of it takes half an hour on two cores.
    """
    tried = {"adam": (6e-3, 1.2e-2, 2.4e-2), "sgd": (0.1, 0.2, 0.4)}
    choices = {f"{kind}-{rate:g}": _optimizer(kind, rate) for kind, some in tried.items() for rate in some}
    for rate in (NO_NORM_RATE, 1.6e-3):
        choices[f"adam-no-norm-{rate:g}"] = _optimizer("adam", rate) | {"network.norm": "none"}
    return Study(
        "rates",
        "The learning rate of each optimizer: the best validation accuracy after 8 epochs on a 90:10 split, at small "
        "images first. The test images choose nothing.",
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
    """The losses on CIFAR-100 at equal budget, three seeds each: who makes milder mistakes, and at what price?

    Most losses stand there twice, mild and strong. Short runs with Muon, so that many fit into an hour or two on two
    cores; seeds outermost, so that a study cut short has every loss as often.
    """
    losses: dict[str, dict[str, object]] = {
        "cross_entropy": {"kind": "cross_entropy"},
        "severity": {"kind": "severity", "alpha": 1.0},
        **{f"expected_severity-{weight:g}": {"kind": "expected_severity", "weight": weight} for weight in (1.0, 4.0)},
        **{f"marginal-{weight:g}": {"kind": "marginal", "weight": weight} for weight in (1.0, 3.0)},
        **{f"soft_labels-{beta:g}": {"kind": "soft_labels", "beta": beta} for beta in (10.0, 5.0)},
        **{f"hxe-{alpha:g}": {"kind": "hxe", "alpha": alpha} for alpha in (0.1, 0.4)},
    }
    choices = {name: {f"loss.{key}": value for key, value in told.items()} for name, told in losses.items()}
    axes = (axis("seed", [0, 1, 2]), Axis("loss", choices))
    return Study(
        "severity",
        "Which loss makes milder mistakes, at what price in accuracy? Every loss has the same network, epochs and "
        "seeds; the learning rates are those of cross-entropy, and no strength was tuned: most losses are shown with "
        "two.",
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
    """A small study of the embedded shapes, two seeds each: minutes on a laptop, to see how a study goes."""
    optimizers = Axis("optimizer", {"adam": _optimizer("adam", 3e-3), "sgd": _optimizer("sgd", 0.1)})
    axes = (optimizers, ACTIVATIONS, axis("seed", [0, 1]))
    like = {"optimizer": "adam", "activation": "relu"}
    return Study(
        "shapes",
        "How a study goes, on the embedded shapes and a very small network. Its learning rates were not tuned.",
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


def study_of(word: str) -> tuple[Study, Path]:
    """The study that `word` names, and the folder it belongs in unless another is asked for.

    Raises: UserError: there is no such study, file or folder.
    """
    path = Path(word)
    if (written := StudyFolder(path).study).exists():
        return read_study(written.read_text(encoding="utf-8"), str(written)), path
    if word.endswith(".toml"):
        try:
            study = read_study(path.read_text(encoding="utf-8"), word)
        except OSError as error:
            raise UserError(f"cannot read {word}: {error.strerror}") from None
        return study, Path("studies") / study.name
    if word not in STUDIES:
        nearest = difflib.get_close_matches(word, STUDIES, n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(STUDIES)}, or name a TOML file"
        raise UserError(f"there is no study {word!r}; {hint}")
    return STUDIES[word](), Path("studies") / word
