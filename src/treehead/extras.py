"""Optional libraries: what each is for, and the `pip` line that installs it."""

from dataclasses import dataclass
from importlib.util import find_spec

from treehead.types import UserError


@dataclass(frozen=True, slots=True)
class Library:
    """An optional dependency: what needs it, the name to install it by, and the extra that brings it."""

    purpose: str
    package: str
    extra: str


LIBRARIES = {
    "fastapi": Library("treehead serve", "fastapi", "serve"),
    "onnx": Library("exporting to ONNX", "onnx", "onnx"),
    "onnxruntime": Library("running an ONNX model", "onnxruntime", "onnx"),
    "pyarrow": Library("Parquet", "pyarrow", "parquet"),
    "python_multipart": Library("treehead serve", "python-multipart", "serve"),
    "sklearn": Library("TreeHeadClassifier", "scikit-learn", "sklearn"),
    "tensorboard": Library("output.tensorboard", "tensorboard", "tensorboard"),
    "uvicorn": Library("treehead serve", "uvicorn", "serve"),
}
"""By the name under which they are imported."""


def require(*modules: str) -> None:
    """Check that libraries are installed, without importing them.

    Raises: UserError: one is missing; the message has the `pip` line.
    """
    if missing := [LIBRARIES[module] for module in modules if find_spec(module) is None]:
        purpose, extra = missing[0].purpose, missing[0].extra
        packages = ", ".join(library.package for library in missing)
        raise UserError(f"{purpose} needs {packages}: pip install 'treehead[{extra}]'")
