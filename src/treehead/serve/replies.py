"""The responses of the endpoint, as the types of its OpenAPI schema."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LevelAnswer:
    """The answer at one level, with its probability by the head of this level."""

    answer: str
    probability: float


@dataclass(frozen=True, slots=True)
class ConfidentAnswer:
    """The answer at the deepest level whose probability is at least `confidence`."""

    level: str
    answer: str
    probability: float


@dataclass(frozen=True, slots=True)
class Path:
    """A path of the tree, leaf first. share: the product of its probabilities, divided by the sum over all paths."""

    path: list[str]
    share: float


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """The answer for one image. confident: null if no level is confident enough. nodes: null unless requested."""

    image: str
    levels: dict[str, LevelAnswer]
    confident: ConfidentAnswer | None
    paths: list[Path]
    nodes: dict[str, dict[str, float]] | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """One answer per image, in the order of the request."""

    predictions: list[ImageAnswer]


@dataclass(frozen=True, slots=True)
class Tree:
    """The label tree. names[l][i]: class i of level l, leaves first. parents[l][i]: its parent at level l + 1."""

    name: str
    levels: list[str]
    names: list[list[str]]
    parents: list[list[int]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request: total bytes, number of images, pixels per image, image formats."""

    bytes: int
    images: int
    pixels: int
    formats: list[str]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The network. accuracy: per level, on the test images of its data set; null if unknown."""

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
    """A sample image. title: the class it shows. drawn: whether it was drawn for this page."""

    title: str
    href: str
    drawn: bool


@dataclass(frozen=True, slots=True)
class Error:
    """What is wrong, and how to correct it, in one sentence."""

    detail: str
