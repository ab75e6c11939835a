"""Run a trained network in another process with ONNX Runtime, without treehead or torch.

    python examples/onnx_elsewhere.py        # pip install 'treehead[onnx]'

The first process exports the model of the package and draws an image; the second reads only these two files.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

import treehead
from treehead.api import export_file

ELSEWHERE = """
import json, sys

import numpy as np
import onnxruntime
from PIL import Image

model, image = sys.argv[1:]
session = onnxruntime.InferenceSession(model)
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])

pixels = np.asarray(Image.open(image).convert("RGB")).transpose(2, 0, 1)[None]
outputs = [f"probabilities_{level}" for level in classes] + ["path"]
*probabilities, path = session.run(outputs, {"images": pixels})
for (level, names), rows, answer in zip(classes.items(), probabilities, path[0], strict=True):
    print(f"  {level:<12} {names[answer]:<30} {100 * rows[0, answer]:5.1f} %")

assert not {"treehead", "torch"} & sys.modules.keys()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        model, image = Path(place, "cifar100.onnx"), Path(place, "sunset.png")
        export_file("cifar100", kind="onnx", out=model)
        draw_sunset().save(image)

        print("ONNX Runtime", flush=True)
        environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
        subprocess.run([sys.executable, "-c", ELSEWHERE, str(model), str(image)], check=True, env=environment)

        print("treehead")
        prediction = treehead.load("cifar100").predict([image])
        [[(path, _)]] = prediction.top_paths(1)
        for level, name in zip(prediction.tree.levels, path, strict=True):
            print(f"  {level:<12} {name}")


def draw_sunset() -> Image.Image:
    """32 x 32 pixels of a red sun above the sea."""
    image = Image.new("RGB", (32, 32), (250, 170, 90))
    draw = ImageDraw.Draw(image)
    draw.ellipse((10, 8, 22, 20), fill=(255, 80, 40))
    draw.rectangle((0, 19, 32, 32), fill=(30, 60, 110))
    return image


if __name__ == "__main__":
    main()
