"""The arithmetic of a training, counted from its config: the same on every machine."""

from dataclasses import replace

from treehead.config import RunConfig
from treehead.data.augment import size_px, steps_per_epoch
from treehead.spec import NetSpec, num_training_multiply_adds
from treehead.training.schedule import sam_radii

PETA = 1e15


def training_work(config: RunConfig, spec: NetSpec, *, num_images: int) -> float:
    """Floating-point operations of the convolutions and linear layers of a whole training, in PFLOP.

        2 * sum_epochs images * passes * multiply_adds(image size)

    Args:
        config: The config of the run.
        spec: Its network.
        num_images: Number of training images.

    Returns:
        PFLOP, 1e15 operations; a multiply-add is two. An image counts once for every time it is trained on: those of an
        incomplete last batch are not, and an epoch with SAM has two passes. `multiply_adds` are those of a forward and
        a backward pass, see `spec.num_training_multiply_adds`, at the size of the epoch's images. Norms, activations,
        pooling, losses, augmentation, the optimizer's step and the validation after each epoch are not counted.
    """
    num_epochs = config.train.epochs
    radii = sam_radii(config.sam, num_epochs=num_epochs)
    batch = min(config.train.batch_size, num_images)
    images = steps_per_epoch(num_images, batch) * batch
    operations = 0.0
    for epoch, radius in enumerate(radii, 1):
        passes = 2 if radius > 0 else 1
        size = size_px(config.augment, epoch=epoch, num_epochs=num_epochs)
        operations += 2 * images * passes * num_training_multiply_adds(_at_size(spec, size))
    return operations / PETA


def _at_size(spec: NetSpec, size: int | None) -> NetSpec:
    """The same network for square images of that size; None leaves it as it is."""
    return spec if size is None else replace(spec, input_shape=(spec.input_shape[0], size, size))
