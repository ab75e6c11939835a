"""Prediction speed for images in memory and for JPEG files on disk, and peak memory.

    python benchmarks/predict.py [--model cifar100] [--images 10000] [--files 3000] [--side 32]

The images are random, the files are written to a temporary folder, `side` pixels wide and high. Each is measured
`rounds` times, the files after a warm-up with half of them; the median is reported. Memory is the process's peak, read
after half of the files and after all of them: it must not grow with their number.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import treehead
from treehead.inference.classifier import Classifier
from treehead.inference.files import predict_files
from treehead.inference.output import PredictOptions
from treehead.inference.writers import file_writer
from treehead.system import peak_memory_bytes

NEEDED = {"memory": 1_000, "disk": 300}
"""Images a second that two cores should answer for."""


def per_second(work: Callable[[], object], number: int, rounds: int) -> list[float]:
    """Things a second, once per round."""
    speeds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        speeds.append(number / (time.perf_counter() - started))
    return speeds


def write_jpegs(folder: Path, number: int, side: int) -> None:
    """`number` JPEG files in a hundred folders: coloured noise, smooth enough to compress as photographs do."""
    rng = np.random.default_rng(0)
    for i in range(number):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        place = folder / f"{i % 100:02d}" / f"{i}.jpg"
        place.parent.mkdir(exist_ok=True)
        small.resize((side, side), Image.Resampling.BICUBIC).save(place, quality=90)


def answer(classifier: Classifier, folder: Path, out: Path) -> None:
    """What `treehead predict MODEL FOLDER --out OUT` does."""
    options = PredictOptions()
    with file_writer(out, options, replace=True) as write:
        predict_files(classifier, [folder], options, write=write, on_progress=lambda done, total: None)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="cifar100", help="a run folder, an exported file or a model's name")
    for name, number in (("images", 10_000), ("files", 3_000), ("side", 32), ("rounds", 5)):
        arguments.add_argument(f"--{name}", type=int, default=number)
    asked = arguments.parse_args()
    classifier = treehead.load(asked.model)
    shape = classifier.input_shape
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name, "images"), Path(name, "predictions.csv")
        folder.mkdir()
        write_jpegs(folder, asked.files // 2, asked.side)
        answer(classifier, folder, out)
        half = peak_memory_bytes()
        write_jpegs(folder, asked.files, asked.side)
        disk = per_second(lambda: answer(classifier, folder, out), asked.files, asked.rounds)
    full = peak_memory_bytes()
    pixels = np.random.default_rng(0).integers(0, 256, (asked.images, *shape), dtype=np.uint8)
    memory = per_second(lambda: classifier.predict(pixels), asked.images, asked.rounds)
    print(f"{asked.model}: images of {' x '.join(map(str, shape))}, {torch.get_num_threads()} threads")
    for what, speeds in (("memory", memory), ("disk", disk)):
        median = statistics.median(speeds)
        verdict = "reached" if median >= NEEDED[what] else "missed"
        print(
            f"from {what:<7} {median:8.1f} images/s   ({min(speeds):.1f} to {max(speeds):.1f}); "
            f"{NEEDED[what]:,} on two cores: {verdict}"
        )
    print(f"peak memory  {half / 1e6:8.1f} MB after {asked.files // 2:,} files")
    print(f"             {full / 1e6:8.1f} MB after {asked.rounds * asked.files:,} more")


if __name__ == "__main__":
    main()
