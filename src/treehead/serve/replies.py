"""The responses of the endpoint, as the types of its OpenAPI schema."""

from dataclasses import dataclass, field


def doc(text: str) -> dict[str, str]:
    """Metadata of a field that becomes its description in the OpenAPI schema."""
    return {"description": text}


@dataclass(frozen=True, slots=True)
class LevelAnswer:
    """The answer at one level."""

    answer: str = field(metadata=doc("Name of the class."))
    probability: float = field(metadata=doc("Its probability: the sum of those of the leaves below it."))


@dataclass(frozen=True, slots=True)
class Node:
    """A class of some level."""

    level: str = field(metadata=doc("Name of the level."))
    answer: str = field(metadata=doc("Name of the class."))
    probability: float = field(metadata=doc("Its probability: the sum of those of the leaves below it."))


@dataclass(frozen=True, slots=True)
class Path:
    """A path of the tree."""

    path: list[str] = field(metadata=doc("Names of the classes, leaf first."))
    probability: float = field(metadata=doc("Probability of its leaf."))


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one image."""

    image: str = field(metadata=doc("File name in the request."))
    levels: dict[str, LevelAnswer] = field(metadata=doc("The answer at every level."))
    confident: Node | None = field(
        metadata=doc("The answer at the deepest level that reaches the threshold; null if none does.")
    )
    paths: list[Path] = field(metadata=doc("The best paths, best first; the first is the answer."))
    set: list[Node] | None = field(
        default=None, metadata=doc("If requested, the fewest nodes that hold the truth with the given probability.")
    )
    nodes: dict[str, dict[str, float]] | None = field(
        default=None, metadata=doc("If requested, the probability of every class of every level.")
    )


@dataclass(frozen=True, slots=True)
class Predictions:
    """One prediction per image."""

    predictions: list[Prediction] = field(metadata=doc("In the order of the images in the request."))


@dataclass(frozen=True, slots=True)
class Tree:
    """The label tree."""

    name: str
    levels: list[str] = field(metadata=doc("Names of the levels, leaves first."))
    names: list[list[str]] = field(metadata=doc("names[l][i] is class i of level l."))
    parents: list[list[int]] = field(metadata=doc("parents[l][i] is the index of its parent at level l + 1."))


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request."""

    bytes: int = field(metadata=doc("Size of the request."))
    images: int = field(metadata=doc("Number of images."))
    pixels: int = field(metadata=doc("Pixels per image."))
    formats: list[str] = field(metadata=doc("Image formats that can be read."))


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound on the fraction of wrong answers."""

    max_error: float = field(metadata=doc("Largest fraction of images that is answered wrongly."))
    threshold: float = field(metadata=doc("Confidence that an answer needs for it."))


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The network, and the limits of a request."""

    name: str
    treehead: str = field(metadata=doc("Version of treehead."))
    tree: str = field(metadata=doc("Name of the label tree."))
    levels: list[str] = field(metadata=doc("Names of the levels, leaves first."))
    classes: list[int] = field(metadata=doc("Number of classes of every level."))
    input_shape: list[int] = field(metadata=doc("Channels, height and width of the network's input."))
    decode: str = field(metadata=doc("How probabilities become one answer per level."))
    calibration: str = field(metadata=doc("Which held-out images calibrate the probabilities, or why there are none."))
    bounds: list[Bound] = field(metadata=doc("Some values of max_error that the held-out images allow."))
    accuracy: dict[str, float] | None = field(metadata=doc("Of every level on test images; null if unknown."))
    limits: Limits = field(metadata=doc("Limits of a request."))


@dataclass(frozen=True, slots=True)
class SampleLink:
    """A sample image."""

    title: str = field(metadata=doc("Name of the class it shows."))
    href: str = field(metadata=doc("Address of the PNG."))
    drawn: bool = field(metadata=doc("true: drawn for the web page; false: an image of the data set."))


@dataclass(frozen=True, slots=True)
class Error:
    """What is wrong, and how to correct it."""

    detail: str = field(metadata=doc("One sentence."))
