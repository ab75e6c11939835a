"""An exported ONNX file, computing with ONNX Runtime: no torch.

Axes: N images, K_l classes of level l.
"""

import os
from pathlib import Path

import numpy as np

from treehead.types import Array, UserError

PREDICT_BATCH = 500  # images at a time; the result does not depend on it


class OnnxNetwork:
    """One file in memory. `about` is its metadata, as `export.onnx.onnx_model` was given it.

    Raises: UserError: the file is missing or no ONNX model.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
        import onnxruntime

        if not path.is_file():
            raise UserError(f"there is no model at {path}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: all
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own exceptions have no common parent
            raise UserError(f"{path} is no ONNX model that can be read: {str(error).splitlines()[0]}") from None
        self.about: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._outputs = [output.name for output in self._session.get_outputs()]

    def probabilities(self, pixels: Array) -> list[Array]:
        """Shapes: pixels: (N, C, H, W) uint8, N at least 1; returns per level (N, K_l) float64, rows sum to 1."""
        parts = [
            self._session.run(
                self._outputs[:-1], {"images": np.ascontiguousarray(pixels[start : start + PREDICT_BATCH])}
            )
            for start in range(0, len(pixels), PREDICT_BATCH)
        ]
        levels = (np.concatenate(level).astype(np.float64) for level in zip(*parts, strict=True))
        return [level / level.sum(axis=1, keepdims=True) for level in levels]
