"""A first model from a folder of folders: draw some pictures, train on them, ask about one.

    python examples/first_model.py

The folders nest as the labels do: pictures/angular/star/0.png. Your own photos may lie there instead.
"""

import tempfile
from pathlib import Path

from PIL import Image

import treehead
from treehead.data.shapes import shapes


def main(*, pictures: int = 60, epochs: int = 15) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        draw(root / "pictures", each=pictures)
        config = treehead.changed(
            treehead.recipe("folder"),
            {
                "data.root": root / "pictures",
                "data.cache": root / "cache",  # where the decoded images are kept; left out, the platform's own
                "data.image_px": 32,
                "network.stages": [{"width": 32}, {"width": 64}, {"width": 96}],
                "train.epochs": epochs,
                "train.batch_size": 32,
            },
        )
        run = treehead.train(config, root / "run")
        print(
            f"{100 * run.metrics['accuracy']['class']:.0f} % of the {run.metrics['images']} pictures held out are right"
        )

        picture = next((root / "pictures").rglob("*.png"))
        for level, said in treehead.load(run.root).predict([picture]).as_dicts()[0].items():
            print(f"  {level:<7} {said['answer']:<16} {100 * said['probability']:.0f} %")


def draw(folder: Path, *, each: int) -> None:
    """Draw discs, rings, lenses, triangles, squares and stars, `each` of every pattern, into folders of folders."""
    drawn = shapes(train_per_leaf=each, test_per_leaf=1)
    for number, (pixels, labels) in enumerate(zip(drawn.train.pixels, drawn.train.labels, strict=True)):
        _, outline, group = drawn.tree.path_names(int(labels[0]))
        place = folder / group / outline
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(place / f"{number}.png")


if __name__ == "__main__":
    main()
