"""Every compiled kernel against its NumPy version, in float32, on shapes that do not fill a block or a register."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import treehead.engines.scratch.engine
from treehead.engines.scratch import compiled
from treehead.engines.scratch.kernels import KERNELS
from treehead.types import Array

pytest.importorskip("numba")
assert treehead.engines.scratch.engine  # importing it registers every kernel

Case = Callable[[np.random.Generator], tuple[tuple[object, ...], tuple[int, ...]]]


def floats(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def nothing(*shape: int, dtype: type = np.float32) -> Array:
    return np.full(shape, 77, dtype)


def norm_parts(rng: np.random.Generator) -> tuple[Array, ...]:
    x, channels = floats(rng, 3, 5, 4, 19), 19
    return x, floats(rng, *x.shape), floats(rng, *x.shape), floats(rng, channels), floats(rng, channels)


# the arguments of each kernel, and the positions of those it writes to; a kernel that writes to none returns its result
CASES: dict[str, list[Case]] = {
    "transform_input": [
        lambda rng: ((floats(rng, 3, 6, 9, 19), nothing(36, 18, 19), 1, 3), (1,)),
        lambda rng: ((floats(rng, 2, 4, 4, 32), nothing(36, 2, 32), 0, 2), (1,)),
    ],
    "transform_input_gradient": [lambda rng: ((floats(rng, 36, 18, 19), nothing(3, 6, 9, 19), 1, 3), (1,))],
    "transform_output": [lambda rng: ((floats(rng, 36, 18, 19), nothing(3, 6, 9, 19), 1, 3), (1,))],
    "transform_output_gradient": [lambda rng: ((floats(rng, 3, 6, 9, 19), nothing(36, 18, 19), 1, 3), (1,))],
    "silu": [lambda rng: ((100 * floats(rng, 50), nothing(50), nothing(50)), (1, 2))],
    "unroll": [
        lambda rng: ((floats(rng, 2, 5, 7, 3), nothing(2, 4, 6, 2, 2, 3), 1), (1,)),
        lambda rng: ((floats(rng, 2, 5, 7, 3), nothing(2, 5, 7, 3, 3, 3), 1), (1,)),
        lambda rng: ((floats(rng, 2, 5, 7, 3), nothing(2, 3, 4, 5, 5, 3), 2), (1,)),
    ],
    "roll_up": [
        lambda rng: ((floats(rng, 2, 4, 6, 2, 2, 4), nothing(2, 5, 7, 4), 1), (1,)),
        lambda rng: ((floats(rng, 2, 5, 7, 3, 3, 4), nothing(2, 5, 7, 4), 1), (1,)),
        lambda rng: ((floats(rng, 2, 3, 4, 3, 3, 4), nothing(2, 5, 7, 4), 2), (1,)),
    ],
    "statistics_sums": [lambda rng: ((floats(rng, 3, 5, 4, 19), floats(rng, 19)), ())],
    "scale_shift_activate": [
        lambda rng: ((*norm_parts(rng)[::3], floats(rng, 19), None, np.float32(0.1), nothing(3, 5, 4, 19)), (5,)),
        lambda rng: (
            (*norm_parts(rng)[::3], floats(rng, 19), norm_parts(rng)[1], np.float32(0), nothing(3, 5, 4, 19)),
            (5,),
        ),
    ],
    "gradient_sums": [lambda rng: ((*norm_parts(rng), np.float32(0.1)), ())],
    "gradient_input": [
        lambda rng: (
            (*norm_parts(rng)[:3], floats(rng, 3, 19), np.float32(0.1), nothing(3, 5, 4, 19), nothing(3, 5, 4, 19)),
            (5, 6),
        ),
        lambda rng: ((*norm_parts(rng)[:3], floats(rng, 3, 19), np.float32(0), nothing(3, 5, 4, 19), None), (5,)),
    ],
    "largest": [
        lambda rng: ((floats(rng, 2, 4, 6, 19), 2, nothing(2, 2, 3, 19), nothing(2, 2, 3, 19, dtype=np.uint8)), (2, 3)),
        lambda rng: (
            (np.round(floats(rng, 2, 7, 8, 5)), 3, nothing(2, 2, 2, 5), nothing(2, 2, 2, 5, dtype=np.uint8)),
            (2, 3),
        ),
    ],
    "spread_to_largest": [
        lambda rng: (
            (floats(rng, 2, 2, 3, 5), rng.integers(4, size=(2, 2, 3, 5), dtype=np.uint8), 2, nothing(2, 4, 6, 5)),
            (3,),
        ),
        lambda rng: (
            (floats(rng, 2, 2, 2, 5), rng.integers(9, size=(2, 2, 2, 5), dtype=np.uint8), 3, nothing(2, 7, 8, 5)),
            (3,),
        ),
    ],
    "adam_step": [
        lambda rng: (
            (
                *floats(rng, 3, 50),
                rng.random(50, np.float32),
                tuple(map(np.float32, (0.99, 1e-3, 0.4, 0.9, 0.999, 1e-8))),
            ),
            (0, 2, 3),
        )
    ],
    "gather": [
        lambda rng: (
            (
                rng.integers(256, size=(9, 5, 6, 3), dtype=np.uint8),
                rng.integers(9, size=4),
                rng.integers(5, size=(4, 5), dtype=np.int16),
                rng.integers(6, size=(4, 6), dtype=np.int16),
                floats(rng, 3),
                floats(rng, 3),
                nothing(4, 5, 6, 3),
            ),
            (6,),
        )
    ],
}


def test_every_kernel_has_a_case() -> None:
    assert CASES.keys() == KERNELS.keys()
    text = "".join(path.read_text() for path in Path(str(compiled.__file__)).parent.glob("*.py"))
    assert text.count("@kernel\n") == len(KERNELS), "every compiled kernel has a NumPy version"


@pytest.mark.parametrize("name", CASES)
def test_the_compiled_kernel_agrees(name: str) -> None:
    kernel = KERNELS[name]
    assert kernel.compiled is not None
    assert kernel.compiled is not kernel.plain
    for case in CASES[name]:
        (ours, places), (theirs, _) = (case(np.random.default_rng(0)) for _ in range(2))
        answers = [(kernel.compiled(*ours), kernel.plain(*theirs))] if not places else []
        if places:
            assert kernel.compiled(*ours) is None
            assert kernel.plain(*theirs) is None
        for mine, plain in answers + [(ours[place], theirs[place]) for place in places]:
            np.testing.assert_allclose(mine, plain, rtol=1e-4, atol=2e-5 * np.abs(plain).max(), err_msg=name)
            assert mine.dtype == plain.dtype
