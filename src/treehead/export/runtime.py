"""Run an exported ONNX file with ONNX Runtime, without torch.

Axes: N images, K_l classes of level l.
"""

import os
from pathlib import Path

import numpy as np

from treehead.metrics.flat import SMALLEST
from treehead.types import Array, UserError

PREDICT_BATCH = 500  # images per call; the result does not depend on it


class OnnxNetwork:
    """An ONNX model in memory; `metadata` is what `export.onnx.onnx_model` was given.

    Raises: UserError: the file is missing or not an ONNX model.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read by onnxruntime on import
        import onnxruntime

        if not path.is_file():
            raise UserError(f"there is no model at {path}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: all cores
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            raise UserError(f"{path} is not a valid ONNX model: {str(error).splitlines()[0]}") from None
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        outputs = [output.name for output in self._session.get_outputs()]
        self.has_logits = any(name.startswith("logits_") for name in outputs)
        """False for files of export format 1, which have probabilities of each head instead."""
        self._outputs = [
            name for name in outputs if name.startswith("logits_" if self.has_logits else "probabilities_")
        ]

    def logits(self, pixels: Array) -> list[Array]:
        """Shapes: pixels: (N, C, H, W) uint8, N at least 1; returns per level (N, K_l) float32."""
        parts = [
            self._session.run(self._outputs, {"images": np.ascontiguousarray(pixels[start : start + PREDICT_BATCH])})
            for start in range(0, len(pixels), PREDICT_BATCH)
        ]
        levels = [np.concatenate(level) for level in zip(*parts, strict=True)]
        return levels if self.has_logits else [np.log(np.maximum(level, np.float32(SMALLEST))) for level in levels]
