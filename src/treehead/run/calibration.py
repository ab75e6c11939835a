"""Where a run's calibration comes from: images held out of its training, or those of another run.

Axes: N images, L levels, K_l classes of level l.
"""

import dataclasses
from collections.abc import Sequence

from treehead.config import RunConfig, deciding
from treehead.data.dataset import Splits
from treehead.engines.api import Engine
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import NO_IMAGES
from treehead.inference.model import Model
from treehead.metrics.flat import expected_calibration_error, log_loss, softmax
from treehead.posterior.held_out import Calibration, fit, uncalibrated
from treehead.records.run import CalibrationErrors, CalibrationFigures
from treehead.run.predictions import rounded
from treehead.types import Array, UserError


def calibrate(engine: Engine, model: Model, splits: Splits) -> Calibration:
    """Fit on the run's own held-out images; without any, keep what was taken from another run, else the leaf head.

    Conventions: training images are no substitute. The network is more confident on images it has memorised, so
        weights fitted on them would make it more overconfident, not less.
    """
    images, tree = splits.held_out, model.tree
    if images is None:
        return model.calibration if model.calibration.is_fitted else uncalibrated(len(tree.levels), NO_IMAGES)
    source = f"{len(images):,} images held out of the training (data.split {splits.name})"
    return fit(rounded(engine.predict(images.pixels)), images.labels, tree, decoder=model.config.decode, source=source)


def borrowed(calibration: Calibration, *, donor: str, theirs: RunConfig, ours: RunConfig) -> Calibration:
    """Another run's calibration, with a source that says which run, and how its training differed.

    Raises: UserError: the other run is not calibrated, or took its calibration from a third one.
    """
    if not calibration.is_fitted:
        raise UserError(
            f"{donor} has no calibration to give: {calibration.source}; train it with data.split=90:10 or "
            "data.calibration=0.1"
        )
    if calibration.donor is not None:
        raise UserError(f"{donor} has its calibration from the run {calibration.donor}; name that one")
    one, two = deciding(theirs), deciding(ours)
    different = (key for key in sorted(one.keys() | two.keys()) if one.get(key) != two.get(key))
    differences = "; ".join(f"{key} = {one.get(key)} instead of {two.get(key)}" for key in different)
    source = f"run {donor}: {calibration.source}; {differences or 'the same config'}"
    return dataclasses.replace(calibration, source=source, donor=donor)


def calibration_figures(
    calibration: Calibration, tree: LabelTree, *, logits: Sequence[Array], nodes: Sequence[Array], labels: Array
) -> CalibrationFigures:
    """Log-loss and calibration error of every level on the test images: of each head alone, and of the posterior.

    Shapes: logits, nodes: per level (N, K_l); labels: (N, L) class ids; images with label -1 are left out.
    """
    return {
        "weights": dict(zip(tree.levels, calibration.weights, strict=True)),
        "images": calibration.images,
        "source": calibration.source,
        "before": _errors(tree, [softmax(level) for level in logits], labels),
        "after": _errors(tree, nodes, labels),
    }


def _errors(tree: LabelTree, probabilities: Sequence[Array], labels: Array) -> CalibrationErrors:
    known = [(ids[ids >= 0], level[ids >= 0]) for level, ids in zip(probabilities, labels.T, strict=True)]
    return {
        "loss": {name: log_loss(*pair) for name, pair in zip(tree.levels, known, strict=True)},
        "calibration_error": {
            name: expected_calibration_error(*pair) for name, pair in zip(tree.levels, known, strict=True)
        },
    }
