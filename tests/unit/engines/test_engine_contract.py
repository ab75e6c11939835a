"""The contract of every engine: batches, losses, weights, optimizer state and predictions. Runs once per engine."""

import numpy as np
import pytest
import torch
from tiny_network import BATCH, FLOAT32, LEVELS, OBJECTIVE, SIZES, SPEC, WEIGHTS, engine_of, images, plan, trainer_of
from torch.nn import functional

from treehead.config import (
    AdamConfig,
    AugmentConfig,
    EngineConfig,
    MuonConfig,
    NetworkConfig,
    Optimizer,
    SgdConfig,
    ShrinkConfig,
    StageConfig,
)
from treehead.data.augment import EpochPlan
from treehead.engines.api import Trainer
from treehead.engines.weights import initial_weights
from treehead.spec import build_spec
from treehead.types import Array, UserError, Weights

OPTIMIZERS: list[Optimizer] = [AdamConfig(learning_rate=3e-3), SgdConfig(learning_rate=0.05), MuonConfig()]
BARE = SgdConfig(momentum=0, nesterov=False, weight_decay=0)
STILL = AugmentConfig(crop_px=0, flip=False)


@pytest.fixture(params=["scratch", "pytorch"])
def config(request: pytest.FixtureRequest) -> EngineConfig:
    return FLOAT32[request.param]


def network_input(trainer: Trainer, drawn: EpochPlan, step: int) -> Array:
    """The batch that the network receives at a step, (B, C, H, W)."""
    received: list[Array] = []
    network = trainer.engine.network  # pyright: ignore[reportAttributeAccessIssue]
    if hasattr(network, "register_forward_pre_hook"):
        network.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0].clone().numpy()))
    else:
        forward = network.forward
        network.forward = lambda x, mode: (received.append(x.transpose(0, 3, 1, 2).copy()), forward(x, mode))[1]
    trainer.train(drawn, step, np.array([1e-3]), WEIGHTS)
    return received[0]


def gathered(drawn: EpochPlan, step: int) -> Array:
    """Cropped, reflected and flipped images of a step, standardised."""
    augmented = images().pixels[drawn.order[step]][
        np.arange(BATCH)[:, None, None, None],
        np.arange(3)[:, None, None],
        drawn.rows[step][:, None, :, None],
        drawn.columns[step][:, None, None, :],
    ]
    return (augmented / 255 - 0.5) / 0.25


def boxes(drawn: EpochPlan, step: int) -> Array:
    return drawn.box_rows[step][:, None, :, None] & drawn.box_columns[step][:, None, None, :]


def test_a_batch_is_the_plans_gather_with_blank_squares(config: EngineConfig) -> None:
    drawn = plan(augment=AugmentConfig(crop_px=2, cutout_px=3))
    expected = np.where(boxes(drawn, 2), 0, gathered(drawn, 2))
    np.testing.assert_allclose(network_input(trainer_of(config), drawn, 2), expected, atol=1e-5)


def test_a_mixed_batch_contains_its_partners_pixels(config: EngineConfig) -> None:
    drawn = plan(augment=AugmentConfig(crop_px=2, cutmix=0.7))
    plain, partners = gathered(drawn, 1), drawn.partners[1]
    assert 0 < (partners >= 0).sum() < BATCH
    expected = np.where(boxes(drawn, 1), plain[partners], plain)
    np.testing.assert_allclose(network_input(trainer_of(config), drawn, 1), expected, atol=1e-5)


def test_a_shrunk_batch_is_averaged(config: EngineConfig) -> None:
    drawn = plan(augment=AugmentConfig(crop_px=0, shrink=(ShrinkConfig(until=1, pixels=4),)))
    expected = gathered(drawn, 0).reshape(BATCH, 3, 4, 2, 4, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(network_input(trainer_of(config), drawn, 0), expected, atol=1e-5)


def test_images_of_unknown_label_are_not_counted(config: EngineConfig) -> None:
    drawn, labelled = plan(), images()
    labelled.labels[drawn.order[0][:3], 0] = -1
    trainer = engine_of(config).trainer(OBJECTIVE, AdamConfig(), labelled)
    results = trainer.train(drawn, 0, np.array([1e-3]), WEIGHTS)
    assert results.known.tolist() == [[7, 10, 10]]
    assert (results.correct <= results.known).all()


def test_a_level_of_weight_0_is_not_trained(config: EngineConfig) -> None:
    trainer = trainer_of(config, BARE)
    before = trainer.engine.weights()
    trainer.train(plan(), 0, np.array([0.1]), np.array([1.0, 0.0, 0.0]))
    after = trainer.engine.weights()
    assert (after["heads.group.weight"] == before["heads.group.weight"]).all()
    assert (after["heads.fine.weight"] != before["heads.fine.weight"]).any()


def test_losses_are_torchs_cross_entropy(config: EngineConfig) -> None:
    """On a network without norms and dropout, whose logits do not depend on the mode."""
    network = NetworkConfig(stages=(StageConfig(width=8, residuals=0),), norm="none")
    spec = build_spec(network, input_shape=(3, 8, 8), levels=LEVELS, sizes=SIZES)
    trainer, still, labelled = trainer_of(config, spec=spec), plan(augment=STILL), images()
    logits = trainer.engine.predict(labelled.pixels[still.order[0]])
    labels = torch.from_numpy(labelled.labels[still.order[0]])
    expected = [
        functional.cross_entropy(torch.from_numpy(head), label, label_smoothing=0.1).item()
        for head, label in zip(logits, labels.T, strict=True)
    ]
    results = trainer.train(still, 0, np.array([1e-3]), WEIGHTS)
    np.testing.assert_allclose(results.losses[0], expected, rtol=1e-4)
    assert results.correct[0].tolist() == [
        (head.argmax(axis=1) == label.numpy()).sum() for head, label in zip(logits, labels.T, strict=True)
    ]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer.kind)
def test_chunks_and_a_resumed_run_change_no_bit(config: EngineConfig, optimizer: Optimizer) -> None:
    """Steps in one call, in chunks, and continued by a new trainer: bit-identical weights and optimizer state."""
    rates = np.linspace(1e-2, 1e-3, 4)
    whole, parts = trainer_of(config, optimizer), trainer_of(config, optimizer)
    for epoch in (1, 2):
        whole.train(plan(epoch), 0, rates, WEIGHTS)
    parts.train(plan(1), 0, rates[:1], WEIGHTS)
    parts.train(plan(1), 1, rates[1:], WEIGHTS)
    resumed = trainer_of(config, optimizer)
    resumed.engine.load_weights(parts.engine.weights())
    resumed.load_optimizer_state(parts.optimizer_state())
    resumed.train(plan(2), 0, rates, WEIGHTS)
    assert_equal(resumed.engine.weights(), whole.engine.weights())
    assert_equal(resumed.optimizer_state(), whole.optimizer_state())


def assert_equal(ours: Weights, theirs: Weights) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_a_trainer_without_steps_has_no_optimizer_state_to_restore(config: EngineConfig) -> None:
    trainer = trainer_of(config)
    trainer.load_optimizer_state(trainer.optimizer_state())
    assert np.isfinite(trainer.train(plan(), 0, np.array([1e-3]), WEIGHTS).losses).all()


def test_a_small_set_is_learned_by_heart(config: EngineConfig) -> None:
    trainer = trainer_of(config, AdamConfig())
    first = trainer.train(plan(1, STILL), 0, np.full(4, 1e-2), WEIGHTS).losses.mean(axis=0)
    last = [trainer.train(plan(epoch, STILL), 0, np.full(4, 1e-2), WEIGHTS) for epoch in range(2, 40)][-1]
    assert (last.losses.mean(axis=0) < 0.7 * first).all()
    labelled = images()
    assert (trainer.engine.predict(labelled.pixels)[0].argmax(1) == labelled.labels[:, 0]).mean() > 0.9


def test_weight_decay_shrinks_kernels_alone(config: EngineConfig) -> None:
    decays = (0.0, 30.0)
    trainers = [trainer_of(config, AdamConfig(weight_decay=decay)) for decay in decays]
    for trainer in trainers:
        trainer.train(plan(), 0, np.full(4, 1e-2), WEIGHTS)
    free, decayed = (trainer.engine.weights() for trainer in trainers)
    kernel, norm = "trunk.stage1_conv.weight", "trunk.stage1_norm.weight"
    assert np.linalg.norm(decayed[kernel]) < 0.5 * np.linalg.norm(free[kernel])
    np.testing.assert_allclose(decayed[norm], free[norm], atol=0.1)


def test_weights_are_returned_as_they_were_loaded(config: EngineConfig) -> None:
    assert_equal(engine_of(config).weights(), initial_weights(SPEC, seed=1))


def test_weights_of_another_network_are_refused(config: EngineConfig) -> None:
    engine = engine_of(config)
    weights, name = engine.weights(), "heads.fine.weight"
    with pytest.raises(UserError, match=f"belong to another network: {name} is missing"):
        engine.load_weights({key: value for key, value in weights.items() if key != name})
    with pytest.raises(UserError, match=r"belong to another network: .* is \(3,\), expected \(6, 12\)"):
        engine.load_weights(weights | {name: np.zeros(3)})


def test_results_are_copies(config: EngineConfig) -> None:
    """Weights and logits obtained before a step do not change with it."""
    trainer = trainer_of(config)
    weights, logits = trainer.engine.weights(), trainer.engine.predict(images().pixels)
    kept_weights = {name: value.copy() for name, value in weights.items()}
    kept_logits = [level.copy() for level in logits]
    trainer.train(plan(), 0, np.full(4, 1e-2), WEIGHTS)
    assert_equal(weights, kept_weights)
    for level, kept in zip(logits, kept_logits, strict=True):
        np.testing.assert_array_equal(level, kept)


def test_predictions_do_not_depend_on_the_other_images(config: EngineConfig) -> None:
    engine, pixels = engine_of(config), images(30).pixels
    pixels.flags.writeable = False  # as those of a file mapped into memory
    together, alone = engine.predict(pixels), engine.predict(pixels[7:8])
    assert [level.shape for level in together] == [(30, size) for size in SIZES]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[7:8], b, atol=1e-5)
