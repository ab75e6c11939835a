"""What the endpoint answers, as the types its OpenAPI description is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LevelAnswer:
    """The answer at one level, and its head's probability of it."""

    answer: str
    probability: float


@dataclass(frozen=True, slots=True)
class ConfidentAnswer:
    """The answer at the deepest level that is sure enough."""

    level: str
    answer: str
    probability: float


@dataclass(frozen=True, slots=True)
class Path:
    """A path of the tree, leaf first, and its share of what the heads give to all paths."""

    path: list[str]
    share: float


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """All that is told of one image. `confident` is null where no level is sure enough; `nodes` only if asked for."""

    image: str
    levels: dict[str, LevelAnswer]
    confident: ConfidentAnswer | None
    paths: list[Path]
    nodes: dict[str, dict[str, float]] | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """One answer per image, in the order they were sent."""

    predictions: list[ImageAnswer]


@dataclass(frozen=True, slots=True)
class Tree:
    """The label tree: names[l][i] is class i of level l, leaves first; parents[l][i] its parent's number at l + 1."""

    name: str
    levels: list[str]
    names: list[list[str]]
    parents: list[list[int]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may hold: bytes and images in all, pixels of one image; and the formats that are read."""

    bytes: int
    images: int
    pixels: int
    formats: list[str]


@dataclass(frozen=True, slots=True)
class About:
    """The network that answers. `accuracy`: per level, on the test images of its data set, where that is known."""

    name: str
    treehead: str
    tree: str
    levels: list[str]
    classes: list[int]
    input_shape: list[int]
    decode: str
    accuracy: dict[str, float] | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class SampleLink:
    """An image to try, and what it shows."""

    title: str
    href: str
    drawn: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """One sentence: what is wrong and the way out."""

    detail: str
