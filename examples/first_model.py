"""Train a first model on nested folders of images, and classify one of them.

    python examples/first_model.py

The folders are nested like the label tree: images/patterned/striped/0.png. Replace them by your own images.
"""

import tempfile
from pathlib import Path

from PIL import Image

import treehead
from treehead.data.shapes import shapes


def main(*, images: int = 60, epochs: int = 15) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        draw(root / "images", per_class=images)
        config = treehead.changed(
            treehead.recipe("folder"),
            {
                "data.root": root / "images",
                "data.cache": root / "cache",  # for the resized images; by default the cache folder of the platform
                "data.image_px": 32,
                "network.stages": [{"width": 32}, {"width": 64}, {"width": 96}],
                "train.epochs": epochs,
                "train.batch_size": 32,
            },
        )
        run = treehead.train(config, root / "run")
        print(f"accuracy {100 * run.metrics['accuracy']['class']:.0f} % on {run.metrics['images']} held-out images")

        image = next((root / "images").rglob("*.png"))
        for level, entry in treehead.load(run.root).predict([image]).as_dicts()[0].items():
            print(f"  {level:<7} {entry['answer']:<16} {100 * entry['probability']:.0f} %")


def draw(folder: Path, *, per_class: int) -> None:
    """Draw plain, striped, dotted and checked shapes into nested folders, `per_class` of every outline."""
    dataset = shapes(train_per_leaf=per_class, test_per_leaf=1)
    for number, (pixels, labels) in enumerate(zip(dataset.train.pixels, dataset.train.labels, strict=True)):
        _, texture, group = dataset.tree.path_names(int(labels[0]))
        place = folder / group / texture
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(place / f"{number}.png")


if __name__ == "__main__":
    main()
