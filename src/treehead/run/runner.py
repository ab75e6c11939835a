"""One run, from its config to its finished folder."""

import dataclasses
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

from treehead.config import DataConfig, RunConfig, changed, deciding, read_config, write_config
from treehead.data.balance import class_weights
from treehead.data.dataset import Dataset, Splits, input_statistics, split
from treehead.engines.api import Engine, Trainer
from treehead.engines.objective import Objective, check_objective
from treehead.engines.weights import initial_weights
from treehead.engines.whitening import whitening_kernels
from treehead.extras import require
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import NO_IMAGES, usable_calibration
from treehead.inference.model import Model, build_engine, engine_kind, load_model, save_model
from treehead.posterior.held_out import uncalibrated
from treehead.records.run import Environment, EpochRecord, LayerRow, Metrics, Network
from treehead.run.calibration import borrowed
from treehead.run.environment import describe_environment, now
from treehead.run.evaluation import evaluate_model
from treehead.run.image_record import ImageRecord, Restored, read_record, record_of, restore, write_record
from treehead.run.losses import objective_of
from treehead.runfiles import RunFolder, alone, make_folder, write_json, write_text
from treehead.spec import NetSpec, build_spec, check_size, grown, num_multiply_adds, num_parameters, rows
from treehead.system import peak_memory_bytes
from treehead.training import resuming
from treehead.training.loop import Callback, fit
from treehead.training.schedule import build_schedule
from treehead.training.tensorboard import TensorBoardCallback
from treehead.training.work import training_work
from treehead.types import Array, UserError, Weights

Loader: TypeAlias = Callable[[DataConfig], Dataset]


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder, with its results.

    Attributes:
        root: The path of the run folder.
    """

    root: Path

    @property
    def metrics(self) -> Metrics:
        """Every metric on the test images, as in `metrics.json`; see `records.run.Metrics`.

        Raises:
            UserError: The run is not finished.
        """
        folder = RunFolder(self.root)
        return folder.read_json(folder.metrics)

    @property
    def history(self) -> list[EpochRecord]:
        """One record per finished epoch, as in `history.jsonl`; see `records.run.EpochRecord`."""
        return RunFolder(self.root).read_history()


def start(
    config: RunConfig, root: Path, *, load: Loader, callback: Callback, objective: Objective | None = None
) -> Run:
    """Train a new run in the folder `root` and evaluate it.

    Conventions: an `objective` replaces the config's loss, which is stored as loss.kind = "custom".
    Raises: UserError: the folder contains a run already or cannot be made, or the config does not fit data or machine;
        RunError: the training failed.
    """
    folder = RunFolder(root)
    _check_empty(folder)
    if objective is not None:
        config = _with_custom_loss(config)
    _check_machine(config)  # before the data is read, which may take long
    dataset = load(config.data)
    splits = splits_of(config, dataset)
    record = record_of(splits)
    setup = _set_up(config, dataset.tree, splits, objective)  # an error before anything is written leaves no folder
    if (setup.model.std == 1).any():  # only a channel that does not vary has this deviation
        text = "a channel of the images never varies; the network sees 0 there and learns nothing from it"
        warnings.warn(text, UserWarning, stacklevel=2)
    make_folder(root)
    with alone(folder):
        _check_empty(folder)  # another process may have been faster
        write_text(folder.config, write_config(config))
        write_json(folder.tree, dataset.tree.to_json())
        write_record(folder, record)
        write_json(folder.network, network_json(setup.model.spec))
        engine = setup.trainer.engine
        environment = describe_environment(engine.accelerator) | _engine_facts(config, engine)
        work = training_work(config, setup.model.spec, num_images=len(setup.splits.train))
        facts = {"tree_digest": dataset.tree.digest, "work_pflop": round(work, 6)}
        write_json(folder.environment, environment | facts)
        return _train(setup, folder, record, callback)


def _check_empty(folder: RunFolder) -> None:
    if folder.environment.exists():
        raise UserError(
            f"{folder.root} contains a run already; `treehead resume {folder.root}` continues it, or choose another "
            "folder"
        )


def resume(
    root: Path,
    *,
    load: Loader,
    callback: Callback,
    changes: Mapping[str, object] | None = None,
    objective: Objective | None = None,
) -> Run:
    """Continue the run in `root` after its last finished epoch; a finished one is only evaluated again.

    Conventions: `changes` hold for this call alone; the folder's config is not modified.
    Raises: UserError: not a run folder; the run was started with an objective and none is given, or the reverse.
    """
    folder = RunFolder(root).checked()
    config = changed(read_config(folder.read_text(folder.config)), changes or {})
    if objective is not None and config.loss.kind != "custom":
        raise UserError(f"{root} was started with loss.kind = {config.loss.kind!r}; resume it without an objective")
    with alone(folder):
        _check_machine(config)
        tree = LabelTree.from_json(folder.read_tree())
        record, restored = _restored(folder, config, tree, load)
        if restored.lost or restored.relabelled:
            raise UserError(
                f"the images have changed since {root} was begun, so it cannot go on: {'; '.join(restored.notes)}; "
                "restore them, or start a new run with treehead train"
            )
        _warn_of(restored)
        return _train(_set_up(config, tree, restored.splits, objective), folder, record, callback)


def _restored(
    folder: RunFolder, config: RunConfig, tree: LabelTree, load: Loader, *, take_new: bool = False
) -> tuple[ImageRecord, Restored]:
    """The record of a run's images, and the images themselves, found again in the data as it is now.

    Raises: UserError: the data is not there, or does not fit the run.
    """
    data = config.data
    if data.root is not None and not data.root.exists():
        raise UserError(
            f"the images of {folder.root} are not at {data.root} any more; if they were moved, name the new place: "
            "data.root=PATH"
        )
    record, dataset = read_record(folder, tree), load(data)
    if record is None:
        record = _former_record(folder, dataset, config)
    where = str(data.root) if data.root is not None else f"the data set {dataset.name}"
    return record, restore(record, tree, dataset, where=where, take_new=take_new)


def _former_record(folder: RunFolder, dataset: Dataset, config: RunConfig) -> ImageRecord:
    """The record of a run of an earlier version, which kept none; only where the split did not depend on places."""
    if dataset.train.digests is not None:
        raise UserError(
            f"{folder.root} has no {folder.images.name}, as an earlier version of treehead left it, so which of its "
            "images are the test images is not known; train it again"
        )
    return record_of(splits_of(config, dataset))


def _warn_of(restored: Restored) -> None:
    """A warning for each change of the images."""
    for note in restored.notes:
        warnings.warn(note, UserWarning, stacklevel=3)


def _with_custom_loss(config: RunConfig) -> RunConfig:
    kept = {f"loss.{key}": getattr(config.loss, key) for key in ("level_weights", "final_level_weights")}
    return changed(config, {"loss.kind": "custom"} | kept)


@dataclass(frozen=True, slots=True, eq=False)
class _Setup:
    model: Model
    splits: Splits
    trainer: Trainer


def _check_machine(config: RunConfig) -> None:
    """Raises: UserError: this machine lacks what the config needs; takes no time."""
    if config.output.tensorboard:
        require("tensorboard")
    engine_kind(config.engine).check(config.engine)


def _set_up(config: RunConfig, tree: LabelTree, splits: Splits, objective: Objective | None) -> _Setup:
    spec = spec_of(config, splits.train.pixels.shape[1:], tree)
    network = grown(config.network, min(spec.input_shape[1:]))
    for part in config.augment.shrink:
        check_size(network, part.pixels, part.pixels)
    objective = _objective_for(config, tree, splits, objective)
    mean, std = input_statistics(splits.train.pixels)
    weights = first_weights(config, spec, splits.train.pixels, mean=mean, std=std)
    calibration = uncalibrated(len(tree.levels), NO_IMAGES)
    model = Model(config, tree, spec, weights, mean, std, calibration)
    return _Setup(model, splits, build_engine(model).trainer(objective, config.optimizer, splits.train))


def first_weights(config: RunConfig, spec: NetSpec, pixels: Array, *, mean: Array, std: Array) -> Weights:
    """The initial weights of a run, which depend on its training images if it whitens their patches."""
    network, whitening = config.network, None
    if network.whitening_px:
        whitening = whitening_kernels(pixels, mean=mean, std=std, kernel_size=network.whitening_px)
    return initial_weights(spec, seed=config.seed, init=network.init, head_init=network.head_init, whitening=whitening)


def _objective_for(config: RunConfig, tree: LabelTree, splits: Splits, objective: Objective | None) -> Objective:
    """The given objective, checked, or that of the config; with class weights where the config asks for them."""
    objective = objective_of(config.loss, tree) if objective is None else objective
    check_objective(objective, tree.levels, tree.sizes)
    if config.data.balance != "weights":
        return objective
    if objective.class_weights is not None:
        raise UserError("data.balance = 'weights' would replace objective.class_weights; use one of them")
    return dataclasses.replace(objective, class_weights=class_weights(splits.train.labels, tree.sizes))


def _train(setup: _Setup, folder: RunFolder, record: ImageRecord, callback: Callback) -> Run:
    model, trainer = setup.model, setup.trainer
    config, levels = model.config, model.tree.levels
    if config.output.tensorboard:
        callback = TensorBoardCallback(folder.events, callback)
    schedule = build_schedule(config, setup.splits.train, num_levels=len(levels))
    belongs_to = {
        resuming.CONFIG: json.dumps(deciding(config)),
        resuming.TREE: model.tree.digest,
        resuming.IMAGES: record.digest,
    }
    validation = setup.splits.validation
    fit(trainer, validation, schedule, levels=levels, folder=folder, belongs_to=belongs_to, callback=callback)
    calibration = usable_calibration(folder, model.tree)  # what a finished run has taken over from another one
    model = dataclasses.replace(model, weights=trainer.engine.weights(), calibration=calibration)
    save_model(folder, model)
    environment: Environment = folder.read_json(folder.environment) | _engine_facts(config, trainer.engine)
    seconds = sum(record["seconds"] for record in folder.read_history())
    environment.update(finished=now(), seconds=round(seconds, 1), peak_memory_bytes=peak_memory_bytes())
    write_json(folder.environment, environment)
    evaluate_model(trainer.engine, model, setup.splits, folder)
    return Run(folder.root)


def _engine_facts(config: RunConfig, engine: Engine) -> dict[str, str]:
    return {"engine": config.engine.kind, "device": engine.device, "precision": engine.precision}


def evaluate(root: Path, *, load: Loader, changes: Mapping[str, object] | None = None, take_new: bool = False) -> Run:
    """Evaluate a trained run on its test images again, perhaps with another decoder or engine; replaces its metrics.

    Conventions: another decoder becomes that of the run's config. The test images are those of the training, found by
        their content; a warning tells how many are gone, new or labelled otherwise. `take_new` takes new images of
        known classes as test images too.
    Raises: UserError: the run is not finished, or its data set is missing or does not fit it.
    """
    folder = RunFolder(root).checked()
    with alone(folder):
        model = load_model(folder, changes, refit=True)
        config = model.config
        _, restored = _restored(folder, config, model.tree, load, take_new=take_new)
        _warn_of(restored)
        evaluate_model(build_engine(model), model, restored.splits, folder)
        if "decode" in (changes or {}):  # later predictions answer as these metrics say
            stored = read_config(folder.read_text(folder.config))
            write_text(folder.config, write_config(changed(stored, {"decode": config.decode})))
    return Run(root)


def calibrate(root: Path, donor: Path, *, load: Loader) -> Run:
    """Take over the calibration of another run, for a run that held no images out, and evaluate it again.

    Conventions: a run keeps what it took over: later evaluations use it too.
    Raises: UserError: a run is not finished, the donor is not calibrated or has another tree, or the run has held-out
        images of its own.
    """
    folder, theirs = RunFolder(root).checked(), load_model(RunFolder(donor).checked())
    with alone(folder):
        model = load_model(folder, refit=True)
        if theirs.tree != model.tree:
            raise UserError(f"{donor} was trained on another label tree than {root}; name a run of the same tree")
        name = donor.resolve().name
        taken = borrowed(theirs.calibration, donor=name, theirs=theirs.config, ours=model.config)
        _, restored = _restored(folder, model.config, model.tree, load)
        _warn_of(restored)
        if restored.splits.held_out is not None:
            raise UserError(
                f"{root} has {len(restored.splits.held_out):,} held-out images of its own; `treehead evaluate {root}` "
                "fits on them"
            )
        evaluate_model(build_engine(model), dataclasses.replace(model, calibration=taken), restored.splits, folder)
    return Run(root)


def splits_of(config: RunConfig, dataset: Dataset) -> Splits:
    """The parts of the data set that this config names."""
    data = config.data
    return split(dataset, data.split, pool=data.pool, calibration=data.calibration, seed=config.seed)


def spec_of(config: RunConfig, image_shape: tuple[int, ...], tree: LabelTree) -> NetSpec:
    """The network of this config for images of this shape (C, H, W)."""
    channels, height, width = image_shape
    shape = (channels, height, width)
    return build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes)


def network_json(spec: NetSpec) -> Network:
    """The parameter table."""
    return {
        "input": list(spec.input_shape),
        "layers": [cast("LayerRow", dataclasses.asdict(row)) for row in rows(spec)],
        "parameters": num_parameters(spec),
        "multiply_adds": num_multiply_adds(spec),
    }
