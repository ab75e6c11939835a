"""Sample images drawn by code, of some CIFAR-100 classes; none is an image of a data set.

Coordinates are fractions of the side, x to the right, y down.
"""

from collections.abc import Callable, Sequence
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFilter

SIDE = 192
SCALE = 4
"""Images are drawn this many times larger and then reduced, for smooth edges."""


class Canvas:
    """A square image: a vertical colour gradient as background, and shapes on it."""

    def __init__(self, top: str, bottom: str) -> None:
        ends = np.array([ImageColor.getrgb(top), ImageColor.getrgb(bottom)], float)
        share = np.linspace(0, 1, SIDE * SCALE)[:, None]
        rows = ((1 - share) * ends[0] + share * ends[1]).astype(np.uint8)
        self.image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(rows[:, None], (len(rows), len(rows), 3))))
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, colour: str, *points: tuple[float, float]) -> None:
        self.draw.polygon([(x * SIDE * SCALE, y * SIDE * SCALE) for x, y in points], colour)

    def disc(self, colour: str, x: float, y: float, across: float, down: float | None = None) -> None:
        """An ellipse with centre (x, y) and radii `across` and `down`."""
        down = down or across
        box = [x - across, y - down, x + across, y + down]
        self.draw.ellipse([v * SIDE * SCALE for v in box], colour)

    def ball(self, colours: Sequence[str], x: float, y: float, radius: float) -> None:
        """Nested discs, shaded as if lit from the upper left."""
        for i, colour in enumerate(colours):
            share = i / len(colours)
            self.disc(colour, x - 0.35 * share * radius, y - 0.4 * share * radius, radius * (1 - share))

    def box(self, colour: str, left: float, top: float, right: float, bottom: float) -> None:
        self.draw.rectangle([v * SIDE * SCALE for v in (left, top, right, bottom)], colour)

    def line(self, colour: str, width: float, *points: tuple[float, float]) -> None:
        ends = [(x * SIDE * SCALE, y * SIDE * SCALE) for x, y in points]
        self.draw.line(ends, colour, round(width * SIDE * SCALE), joint="curve")

    def finished(self, *, blur: float = 2.0) -> Image.Image:
        """The image in its final size."""
        blurred = self.image.filter(ImageFilter.GaussianBlur(blur * SCALE / 2))
        return blurred.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def sunflower() -> Image.Image:
    canvas = Canvas("#5f9fe0", "#cfe6f7")
    canvas.line("#3f7d2c", 0.05, (0.5, 0.6), (0.52, 1.0))
    canvas.disc("#4c8f35", 0.68, 0.9, 0.14, 0.06)
    for ring, (length, colour) in enumerate([(0.4, "#e8a800"), (0.36, "#fbc50e")]):
        for i in range(18):
            angle = (i + ring / 2) * 2 * pi / 18
            along, across = (cos(angle), sin(angle)), (-sin(angle), cos(angle))
            reach = [(0.15, 0.0), (0.27, 0.06), (length, 0.0), (0.27, -0.06)]
            canvas.polygon(
                colour, *((0.5 + r * along[0] + w * across[0], 0.46 + r * along[1] + w * across[1]) for r, w in reach)
            )
    canvas.ball(["#4a2a10", "#5d3716", "#6b431d"], 0.5, 0.46, 0.17)
    return canvas.finished()


def orange() -> Image.Image:
    canvas = Canvas("#ffffff", "#f3f0ea")
    canvas.disc("#d9d2c6", 0.53, 0.86, 0.34, 0.06)
    canvas.ball(["#e06a00", "#ee7d05", "#f78f14", "#fca02c", "#ffb54d"], 0.5, 0.52, 0.37)
    canvas.disc("#5d7a1f", 0.5, 0.19, 0.035, 0.022)
    return canvas.finished()


def apple() -> Image.Image:
    canvas = Canvas("#ffffff", "#f6f4f0")
    canvas.disc("#dcd6cc", 0.53, 0.88, 0.3, 0.05)
    for x in (0.38, 0.62):
        canvas.disc("#a50f1c", x, 0.53, 0.25, 0.33)
    for x, colour in ((0.4, "#c51b28"), (0.6, "#bb1623"), (0.36, "#d8333c")):
        canvas.disc(colour, x, 0.5, 0.19, 0.26)
    canvas.disc("#f08a8a", 0.31, 0.4, 0.05, 0.09)
    canvas.line("#5b3a1c", 0.03, (0.5, 0.27), (0.54, 0.1))
    canvas.disc("#5f9a33", 0.66, 0.14, 0.12, 0.05)
    return canvas.finished()


def sea() -> Image.Image:
    canvas = Canvas("#7db4e6", "#dcebf5")
    canvas.box("#1f5f96", 0, 0.48, 1, 1)
    for i in range(26):
        y = 0.49 + 0.5 * (i / 26) ** 1.5
        x = (i * 0.37) % 1
        canvas.line("#4f92c4" if i % 2 else "#174d80", 0.006 + 0.014 * i / 26, (x - 0.3, y), (x + 0.25, y + 0.004))
    canvas.disc("#ffffff", 0.25, 0.17, 0.16, 0.04)
    canvas.disc("#f4f8fb", 0.72, 0.27, 0.2, 0.03)
    return canvas.finished()


def mountain() -> Image.Image:
    canvas = Canvas("#4d8fd6", "#cfe2f2")
    canvas.polygon("#6f7f93", (-0.1, 0.85), (0.25, 0.35), (0.6, 0.85))
    canvas.polygon("#56657a", (0.15, 0.9), (0.58, 0.14), (1.1, 0.9))
    canvas.polygon("#445064", (0.58, 0.14), (1.1, 0.9), (0.66, 0.9))
    canvas.polygon("#f5f9fc", (0.58, 0.14), (0.42, 0.42), (0.5, 0.38), (0.56, 0.47), (0.63, 0.37), (0.75, 0.4))
    canvas.polygon("#e6eef5", (0.25, 0.35), (0.16, 0.48), (0.24, 0.45), (0.34, 0.48))
    canvas.polygon("#3c5a36", (0, 0.82), (0.5, 0.76), (1, 0.83), (1, 1), (0, 1))
    return canvas.finished()


def skyscraper() -> Image.Image:
    canvas = Canvas("#6fa8df", "#dbe9f4")
    for left, top, right, colour in ((0.05, 0.5, 0.3, "#7d8794"), (0.68, 0.42, 0.95, "#8b94a0")):
        canvas.box(colour, left, top, right, 1)
    canvas.polygon("#3f5570", (0.34, 1), (0.34, 0.14), (0.5, 0.06), (0.5, 1))
    canvas.polygon("#58708d", (0.5, 1), (0.5, 0.06), (0.66, 0.14), (0.66, 1))
    for row in range(19):
        y = 0.18 + row * 0.043
        for column in range(6):
            x = 0.355 + column * 0.05
            canvas.box("#9fc0de" if (row + column) % 3 else "#c7dcee", x, y, x + 0.032, y + 0.022)
    return canvas.finished(blur=1)


def road() -> Image.Image:
    canvas = Canvas("#7fb2e2", "#e3eef6")
    canvas.box("#6f9a4a", 0, 0.45, 1, 1)
    canvas.polygon("#55585c", (0.47, 0.45), (0.53, 0.45), (1.0, 1), (0.0, 1))
    for near, far in ((1.0, 0.86), (0.78, 0.69), (0.64, 0.58), (0.54, 0.5)):
        w, v = 0.03 * (near - 0.45) / 0.55, 0.03 * (far - 0.45) / 0.55
        canvas.polygon("#f2efe2", (0.5 - w, near), (0.5 + w, near), (0.5 + v, far), (0.5 - v, far))
    for side in (-1, 1):
        canvas.line("#e8e6dc", 0.012, (0.5 + side * 0.027, 0.46), (0.5 + side * 0.45, 1))
    return canvas.finished()


def clock() -> Image.Image:
    canvas = Canvas("#efe8dc", "#e0d6c4")
    canvas.disc("#2d2f33", 0.5, 0.5, 0.42)
    canvas.disc("#fbfaf6", 0.5, 0.5, 0.36)
    for hour in range(12):
        x, y = sin(hour * pi / 6), -cos(hour * pi / 6)
        inner = 0.27 if hour % 3 == 0 else 0.3
        canvas.line("#2d2f33", 0.022, (0.5 + inner * x, 0.5 + inner * y), (0.5 + 0.33 * x, 0.5 + 0.33 * y))
    canvas.line("#1b1c1f", 0.032, (0.5, 0.5), (0.36, 0.4))
    canvas.line("#1b1c1f", 0.022, (0.5, 0.5), (0.62, 0.26))
    canvas.disc("#b3261e", 0.5, 0.5, 0.025)
    return canvas.finished(blur=1)


def pine_tree() -> Image.Image:
    canvas = Canvas("#9cc4ea", "#e6f0f7")
    canvas.box("#7c9a55", 0, 0.87, 1, 1)
    canvas.box("#5a4028", 0.46, 0.8, 0.54, 0.93)
    for i, colour in enumerate(["#1c4a2b", "#225734", "#2a653d", "#317145"]):
        low, wide = 0.84 - i * 0.17, 0.33 - i * 0.065
        canvas.polygon(colour, (0.5, low - 0.34), (0.5 + wide, low), (0.5, low - 0.05), (0.5 - wide, low))
    return canvas.finished()


def plain() -> Image.Image:
    canvas = Canvas("#5b9be0", "#dfeaf2")
    canvas.box("#a9a04a", 0, 0.55, 1, 1)
    for i in range(20):
        y = 0.56 + 0.44 * (i / 20) ** 1.3
        canvas.line("#b9b05a" if i % 2 else "#97903c", 0.01, (0, y), (1, y + 0.01))
    canvas.disc("#ffffff", 0.3, 0.2, 0.2, 0.05)
    canvas.disc("#f3f7fa", 0.75, 0.3, 0.18, 0.03)
    return canvas.finished()


def cup() -> Image.Image:
    canvas = Canvas("#f7f4ef", "#e7dfd3")
    canvas.disc("#cfc5b4", 0.47, 0.86, 0.36, 0.06)
    canvas.disc("#2f6ea8", 0.74, 0.52, 0.16, 0.18)
    canvas.disc("#efe9df", 0.75, 0.52, 0.095, 0.11)
    canvas.box("#3a7dba", 0.18, 0.26, 0.7, 0.8)
    canvas.disc("#3a7dba", 0.44, 0.8, 0.26, 0.07)
    canvas.box("#5a9bd3", 0.22, 0.28, 0.32, 0.83)
    canvas.disc("#d7e6f3", 0.44, 0.26, 0.26, 0.08)
    canvas.disc("#4b2c18", 0.44, 0.27, 0.22, 0.06)
    return canvas.finished()


def rocket() -> Image.Image:
    canvas = Canvas("#0e2a57", "#5d93cf")
    for x, y, r in ((0.36, 0.98, 0.14), (0.62, 1.0, 0.16), (0.5, 0.94, 0.12)):
        canvas.disc("#e9edf1", x, y, r)
    canvas.polygon("#ffb02e", (0.43, 0.74), (0.57, 0.74), (0.5, 0.98))
    canvas.polygon("#c5352b", (0.42, 0.56), (0.3, 0.76), (0.42, 0.73))
    canvas.polygon("#a92a22", (0.58, 0.56), (0.7, 0.76), (0.58, 0.73))
    canvas.box("#f1f3f5", 0.42, 0.26, 0.58, 0.74)
    canvas.box("#cdd4db", 0.52, 0.26, 0.58, 0.74)
    canvas.polygon("#d8423a", (0.42, 0.27), (0.5, 0.08), (0.58, 0.27))
    canvas.disc("#2c5f94", 0.5, 0.38, 0.04)
    return canvas.finished()


DRAWINGS: dict[str, Callable[[], Image.Image]] = {
    drawing.__name__: drawing
    for drawing in (sunflower, sea, orange, skyscraper, rocket, mountain, apple, road, clock, pine_tree, plain, cup)
}
"""By the CIFAR-100 name of the class they show."""
