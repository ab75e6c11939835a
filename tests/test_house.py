"""The map of the house, held against the code. Its twin is drawn in docs/architecture.md."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "treehead"

FLOORS = [  # a room may import only rooms on floors below it; same-floor rooms are strangers
    {"cli"},
    {"api", "estimator"},
    {"study", "run", "serve"},
    {"inference", "progress"},
    {"training"},
    {"engines", "export"},
    {"report", "data", "metrics", "decode", "spec", "recipes"},
    {"hierarchy", "config", "runfiles"},
    {"extras", "system"},
    {"types", "records"},
]
ONLY_IN = {
    "torch": ("treehead.engines.pytorch",),
    "matplotlib": ("treehead.report",),
    "plotly": ("treehead.report",),
    "onnx": ("treehead.export",),
    "onnxruntime": ("treehead.export",),
    "sklearn": ("treehead.estimator",),
    "pyarrow": ("treehead.data.manifest", "treehead.inference.writers"),
    "pydantic": ("treehead.config",),
    "typer": ("treehead.cli",),
    "fastapi": ("treehead.serve",),
    "starlette": ("treehead.serve",),
    "anyio": ("treehead.serve",),
    "uvicorn": ("treehead.serve",),
    "numba": ("treehead.engines.scratch",),
    "tensorboard": ("treehead.training.tensorboard",),
}
STRANGERS = [
    ("treehead.engines.scratch", "treehead.engines.pytorch"),
    ("treehead.report", "treehead.engines"),  # a report reads files
    ("treehead.report", "treehead.training"),
    ("treehead.engines", "treehead.hierarchy"),  # a tree never enters an engine: it gets arrays
]
LONGEST_FILE = 400
NAMELESS = {"utils", "helpers", "common", "misc", "base"}


def imported_by(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def broken_rules(module: str, imports: set[str]) -> list[str]:
    floor = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}
    broken = []
    for other in sorted(imports):
        for library, homes in ONLY_IN.items():
            if inside(other, library) and not any(inside(module, home) for home in homes):
                broken.append(f"{module} imports {library}; only {', '.join(homes)} may")
        for a, b in (*STRANGERS, *((b, a) for a, b in STRANGERS)):
            if inside(module, a) and inside(other, b):
                broken.append(f"{module} imports {other}, a stranger")
        if inside(other, "treehead") and "." in module and "." in other:
            here, there = module.split(".")[1], other.split(".")[1]
            if here not in ("__init__", "__main__") and here != there and floor.get(there, -1) <= floor.get(here, 99):
                broken.append(f"{module} imports {other}, which is not on a floor below")
    return broken


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(("treehead", *path.relative_to(SOURCE).with_suffix("").parts))
        found.append((module.removesuffix(".__init__"), path))
    return found


def test_rooms_only_import_downwards() -> None:
    assert len(modules()) > 30
    assert [rule for module, path in modules() for rule in broken_rules(module, imported_by(path.read_text()))] == []


@pytest.mark.parametrize(
    ("module", "imports"),
    [
        ("treehead.spec", {"treehead.engines.api"}),
        ("treehead.metrics.flat", {"treehead.data.dataset.Images"}),
        ("treehead.report.run.figures", {"torch"}),
        ("treehead.engines.pytorch.engine", {"treehead.hierarchy.tree.LabelTree"}),
        ("treehead.report.run.page", {"treehead.run.runner"}),
    ],
)
def test_the_rules_can_be_broken(module: str, imports: set[str]) -> None:
    assert broken_rules(module, imports)


def test_every_room_is_on_a_floor() -> None:
    rooms = {module.split(".")[1] for module, _ in modules() if "." in module} - {"__main__"}
    assert rooms <= set().union(*FLOORS)


def layer_classes() -> set[str]:
    """Every class of the scratch engine with a `forward` of its own, but the protocol and the whole network."""
    found = set()
    for module, path in modules():
        if inside(module, "treehead.engines.scratch"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
                    found |= {node.name} if "forward" in methods else set()
    return found - {"Layer", "Network"}


@pytest.mark.parametrize("table", ["gradients/test_gradients.py", "parity/test_layers.py"])
def test_every_layer_is_proved(table: str) -> None:
    """Every layer by hand stands in the table of gradient checks and in that of parity with PyTorch."""
    tree = ast.parse((Path(__file__).parent / table).read_text())
    cases = next(node for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "CASES")
    helpers = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    used: set[str] = set()
    waiting: list[ast.AST] = [cases]
    while waiting:
        names = {node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)} - used
        used |= names
        waiting += [helpers[name] for name in names if name in helpers]
    assert len(layer_classes()) >= 10
    assert layer_classes() <= used


def test_files_are_short_and_named() -> None:
    for module, path in modules():
        assert len(path.read_text().splitlines()) <= LONGEST_FILE, module
        assert module.split(".")[-1] not in NAMELESS, module


def test_importing_treehead_does_not_import_torch() -> None:
    import subprocess
    import sys

    heavy = {"torch", "numba", "matplotlib", "sklearn"}
    code = f"import sys, treehead, treehead.cli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_public_name_is_also_a_module() -> None:
    """Importing a module sets its name in the package, where it would hide the public name."""
    import treehead

    assert set(treehead.__all__) & {path.stem for path in SOURCE.iterdir()} == set()
