"""A product to ask, pictures, and a finished run, shared by all campaigns of a worker."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from contract import Product, quick
from PIL import Image

CLASSES = ("animals/dog", "animals/cat", "plants/oak", "plants/rose")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The campaigns are slow; they fork and set limits, which other systems cannot."""
    here = Path(__file__).parent
    for item in (item for item in items if here in item.path.parents):
        item.add_marker(pytest.mark.slow)
        if not sys.platform.startswith("linux"):
            item.add_marker(pytest.mark.skip(reason="the campaigns need Linux"))


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    product = Product(tmp_path_factory.mktemp("campaign"))
    yield product
    product.end()


@pytest.fixture(scope="session")
def photos(product: Product) -> Path:
    rng = np.random.default_rng(0)
    for name in CLASSES:
        for number in range(10):
            path = product.place / "photos" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (36, 36, 3), np.uint8)).save(path)
    return product.place / "photos"


@pytest.fixture(scope="session")
def run(product: Product, photos: Path) -> Path:
    """A finished run, with its exports beside it."""
    product.keeps_its_word("train", "--data", photos, "--out", "run", *quick(epochs=2))
    for kind in ("onnx", "safetensors"):
        assert product.keeps_its_word("export", "run", "--to", kind, "--out", f"m.{kind}").code == 0
    return product.place / "run"
