"""Draw the picture of the first page: the label tree of CIFAR-100 with an answer of the shipped model lit up.

    python tools/draw_tree.py            # writes docs/images/tree.svg

The image in the middle is drawn by `treehead.serve.drawings`; the probabilities are those the model gives for it. The
picture has no ground of its own and follows the reader's light or dark setting.
"""

import base64
import io
import sys
from collections.abc import Iterator
from math import cos, pi, sin
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import treehead
from treehead.hierarchy.tree import LabelTree
from treehead.inference.prediction import Prediction
from treehead.runfiles import write_text
from treehead.serve.drawings import DRAWINGS

TARGET = Path(__file__).parents[1] / "docs" / "images" / "tree.svg"
SUBJECT = "cup"
WIDTH, HEIGHT = 920, 520
CENTRE = (262, 260)
IMAGE, RINGS = 84, (246, 190, 138)
"""Radius of the image, and of the ring of each level, leaves first."""
LIT = 0.02
"""Probability from which a node is lit."""
STYLE = """
svg { --ink: #1c2024; --muted: #5f6a75; --line: #d3dae1; --dot: #bcc6cf; --lit: #d06c00; --bar: #eceff2 }
@media (prefers-color-scheme: dark) {
  svg { --ink: #f0f3f6; --muted: #a4afba; --line: #465059; --dot: #66727d; --lit: #ffab40; --bar: #2a3138 }
}
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif }
.level { font-size: 25px; fill: var(--muted) }
.name { font-size: 33px; font-weight: 600; fill: var(--ink) }
.share { font-size: 34px; font-weight: 600; fill: var(--lit); text-anchor: end }
.edge { fill: none; stroke: var(--line); stroke-width: 1.6 }
.edge.lit { stroke: var(--lit); stroke-linecap: round }
.node { fill: var(--dot) }
.node.lit { fill: var(--lit) }
.frame { fill: none; stroke: var(--lit); stroke-width: 5 }
.bar { fill: var(--bar) }
.bar.lit { fill: var(--lit) }
"""


def main(target: Path = TARGET) -> Path:
    write_text(target, picture(predicted(), DRAWINGS[SUBJECT]()))
    return target


def predicted() -> Prediction:
    """What the shipped model answers for the drawing, as an image file."""
    classifier = treehead.load("cifar100", changes={"engine.device": "cpu", "engine.precision": "float32"})
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{SUBJECT}.png"
        DRAWINGS[SUBJECT]().save(file)
        return classifier.predict([file])


def rows(prediction: Prediction) -> list[tuple[str, str, float]]:
    """(level, answer, probability) from the widest level down to the leaf."""
    (answer,) = prediction.as_dicts()
    return [(level, part["answer"].replace("_", " "), part["probability"]) for level, part in answer.items()][::-1]


def picture(prediction: Prediction, drawing: Image.Image) -> str:
    """The whole SVG."""
    told = ", ".join(f"{level} {name} {100 * share:.0f} %" for level, name, share in rows(prediction))
    shares = [level[0] for level in prediction.probabilities]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{told}">',
            f"<style>{STYLE}</style>",
            f'<g transform="translate({CENTRE[0]} {CENTRE[1]})">',
            *_tree(prediction.tree, shares, prediction.answers[0]),
            *_image(drawing),
            "</g>",
            *_answers(rows(prediction)),
            "</svg>\n",
        ]
    )


def _tree(tree: LabelTree, shares: list[np.ndarray], answer: np.ndarray) -> Iterator[str]:
    """Edges, then nodes; unlit ones first, so that the lit ones lie on top."""
    angles = _angles(tree, answer)
    edges, nodes = [], []
    for level, share in enumerate(shares):
        for i, p in enumerate(share):
            top = level + 1 == len(tree.levels)
            above = angles[level][i] if top else angles[level + 1][tree.parents[level][i]]
            start = _point(IMAGE if top else RINGS[level + 1], above)
            end = _point(RINGS[level], angles[level][i])
            middle = (RINGS[level] + (IMAGE if top else RINGS[level + 1])) / 2
            bends = f"C{_pair(_point(middle, above))} {_pair(_point(middle, angles[level][i]))}"
            path = f"M{_pair(start)}{bends} {_pair(end)}"
            chosen = i == answer[level]
            if p < LIT and not chosen:
                edges.append((0.0, f'<path class="edge" d="{path}"/>'))
                nodes.append((0.0, f'<circle class="node" cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="{3 + level}"/>'))
                continue
            weight = 1.0 if chosen else 0.25 + 0.5 * float(p)
            look = f'style="stroke-width: {2.5 + 6 * float(p):.1f}; opacity: {weight:.2f}"'
            edges.append((weight, f'<path class="edge lit" d="{path}" {look}/>'))
            radius = 4 + 8 * float(p) ** 0.5
            look = f'r="{radius:.1f}" opacity="{weight:.2f}"'
            nodes.append((weight, f'<circle class="node lit" cx="{end[0]:.1f}" cy="{end[1]:.1f}" {look}/>'))
    for _, shape in sorted(edges) + sorted(nodes):
        yield shape


def _angles(tree: LabelTree, answer: np.ndarray) -> list[np.ndarray]:
    """Per level the angle of every node; leaves evenly around, the answer's widest class to the right."""
    order = tree.leaf_order
    leaves = np.empty(len(order))
    leaves[order] = 2 * pi * np.arange(len(order)) / len(order)
    angles = [
        np.array([leaves[tree.ancestors[level] == i].mean() for i in range(size)])
        for level, size in enumerate(tree.sizes)
    ]
    return [level - angles[-1][answer[-1]] for level in angles]


def _image(drawing: Image.Image) -> Iterator[str]:
    file = io.BytesIO()
    drawing.resize((160, 160), Image.Resampling.LANCZOS).quantize(96).save(file, "PNG", optimize=True)
    data, r = base64.b64encode(file.getvalue()).decode(), IMAGE - 8
    box = f'x="{-r}" y="{-r}" width="{2 * r}" height="{2 * r}"'
    yield f'<clipPath id="round"><circle r="{r}"/></clipPath>'
    yield f'<image href="data:image/png;base64,{data}" {box} clip-path="url(#round)"/>'
    yield f'<circle class="frame" r="{r}"/>'


def _answers(told: list[tuple[str, str, float]]) -> Iterator[str]:
    """A row per level: its name, the answer, the probability as a number and as a bar."""
    left, right, step = 552, WIDTH - 14, 138
    for row, (level, name, share) in enumerate(told):
        y = CENTRE[1] - step + row * step
        yield f'<text class="level" x="{left}" y="{y - 30}">{level}</text>'
        yield f'<text class="name" x="{left}" y="{y + 8}">{name}</text>'
        yield f'<text class="share" x="{right}" y="{y - 30}">{100 * share:.0f} %</text>'
        for kind, width in (("bar", right - left), ("bar lit", (right - left) * share)):
            yield f'<rect class="{kind}" x="{left}" y="{y + 26}" width="{width:.1f}" height="10" rx="5"/>'


def _point(radius: float, angle: float) -> tuple[float, float]:
    return radius * cos(angle), radius * sin(angle)


def _pair(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


if __name__ == "__main__":
    print(main(*map(Path, sys.argv[1:])))
