"""The kernels of a patch-whitening convolution, computed from images.

Axes: N images, C channels, H W image, R S kernel, D = C * R * S the values of a patch.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from treehead.types import Array

MOST_IMAGES = 5000
"""Images whose patches are used, evenly spaced; more change the fourth digit."""
EPS = 5e-4
"""Added to the variances, so that directions in which patches hardly vary are not amplified without bound."""
CHUNK = 250  # images at a time


def whitening_kernels(pixels: Array, *, mean: Array, std: Array, kernel_size: int) -> Array:
    """Kernels whose outputs are uncorrelated and of equal variance over the patches of the images, and their negatives.

        M = mean over patches of x x^T,  x = (pixel / 255 - mean) / std         M = V diag(variance) V^T
        weight[i] = V[:, i] / sqrt(variance[i] + EPS),  weight[D + i] = -weight[i]

    Shapes: pixels: (N, C, H, W) uint8; mean, std: (C,); returns (2 * D, C, R, S) float32.
    Conventions: directions by falling variance; the largest component of each is positive. The second moments of the
        bytes are sums of integers, exact in float64, so they do not depend on the order of summation. An activation
        cuts off one sign of its input; with the negatives it sees both.
    Source: Coates & Ng 2012, "Learning feature representations with k-means" (whitening of patches); as a frozen
        first layer: Page 2019, "How to train your ResNet", and Jordan 2024, arXiv:2404.00498.
    """
    chosen = pixels[:: -(-len(pixels) // MOST_IMAGES)]
    first, second, count = _moments(chosen, kernel_size)
    scale, shift = (np.repeat(part.astype(np.float64), kernel_size**2) for part in (1 / (255 * std), -mean / std))
    mean_x = first / count * scale
    moments = second / count * np.outer(scale, scale) + np.outer(mean_x, shift) + np.outer(shift, mean_x + shift)
    variances, directions = np.linalg.eigh(moments)
    kernels = (directions / np.sqrt(np.maximum(variances, 0) + EPS)).T[::-1]
    largest = np.take_along_axis(kernels, np.abs(kernels).argmax(axis=1)[:, None], axis=1)
    kernels = kernels * np.sign(largest)
    shape = (-1, pixels.shape[1], kernel_size, kernel_size)
    return np.concatenate([kernels, -kernels]).reshape(shape).astype(np.float32)


def _moments(pixels: Array, kernel_size: int) -> tuple[Array, Array, int]:
    """Sums over all patches of the bytes b and of b b^T, and the number of patches. Shapes: (D,), (D, D)."""
    num_values = pixels.shape[1] * kernel_size**2
    first, second, count = np.zeros(num_values), np.zeros((num_values, num_values)), 0
    for start in range(0, len(pixels), CHUNK):
        windows = sliding_window_view(pixels[start : start + CHUNK], (kernel_size, kernel_size), axis=(2, 3))
        patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, num_values).astype(np.float64)
        first, second, count = first + patches.sum(axis=0), second + patches.T @ patches, count + len(patches)
    return first, second, count
