"""Rules of the house, held against the code. Layers are contracts of import-linter, in pyproject.toml."""

import ast
import importlib
import pkgutil
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import treehead

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "treehead"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
FLOORS = [set(layer.split(" | ")) for layer in CONTRACTS[0]["layers"]]
"""The layers, from the top: a package imports only from layers below, and not from packages of its own layer."""
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
    "filelock": ("treehead.system",),
    "psutil": ("treehead.system",),
    "fcntl": ("treehead.system",),
    "resource": ("treehead.system",),
}
"""Libraries that only some modules import."""
PLATFORM = {"SIGHUP", "sched_getaffinity", "sched_setaffinity", "sysconf", "fork", "getuid"}
"""What some platforms lack: only `system` may use it."""
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 400, 45, 7
NAMELESS = {"utils", "helpers", "common", "misc", "base"}


def imported_by(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def source_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def broken_rules(module: str, imports: set[str]) -> list[str]:
    return [
        f"{module} imports {library}; only {', '.join(homes)} may"
        for other in sorted(imports)
        for library, homes in ONLY_IN.items()
        if inside(other, library) and not any(inside(module, home) for home in homes)
    ]


def modules() -> list[tuple[str, Path]]:
    named = []
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(("treehead", *path.relative_to(SOURCE).with_suffix("").parts))
        named.append((module.removesuffix(".__init__"), path))
    return named


def test_the_import_contracts_are_kept() -> None:
    assert len(CONTRACTS) == 4
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_libraries_stay_in_their_packages() -> None:
    rules = [rule for module, path in modules() for rule in broken_rules(module, imported_by(source_of(path)))]
    assert rules == []
    assert broken_rules("treehead.report.run.figures", {"torch"})
    assert broken_rules("treehead.study.scheduler", {"fcntl"})


def test_only_system_depends_on_the_platform() -> None:
    used = {
        f"{module}: {node.attr}"
        for module, path in modules()
        for node in ast.walk(ast.parse(source_of(path)))
        if isinstance(node, ast.Attribute) and node.attr in PLATFORM and module != "treehead.system"
    }
    assert used == set()


def functions() -> list[tuple[str, ast.FunctionDef]]:
    return [
        (f"{module}.{node.name}", node)
        for module, path in modules()
        for node in ast.walk(ast.parse(source_of(path)))
        if isinstance(node, ast.FunctionDef)
    ]


def test_functions_are_short() -> None:
    def lines(node: ast.FunctionDef) -> int:
        """Without the docstring, which may have a formula and a contract."""
        first = node.body[0]
        has_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        text = (first.end_lineno or 0) - first.lineno + 1 if has_text else 0
        return (node.end_lineno or 0) - node.lineno + 1 - text

    assert {name: lines(node) for name, node in functions() if lines(node) > LONGEST_FUNCTION} == {}


def test_public_functions_take_few_parameters() -> None:
    """Not counting keyword options with a default."""

    def required(node: ast.FunctionDef) -> int:
        options = node.args
        positional = [arg.arg for arg in (*options.posonlyargs, *options.args) if arg.arg not in ("self", "cls")]
        return len(positional) + sum(default is None for default in options.kw_defaults)

    many = {name: required(node) for name, node in functions() if required(node) > MOST_PARAMETERS}
    commands = {name for name in many if name.startswith("treehead.cli.")}  # their options have names and defaults
    private = {name for name in many if name.rpartition(".")[2].startswith("_")}
    assert many.keys() - commands - private == set()


def test_files_are_opened_with_an_encoding() -> None:
    """So that text means the same on every platform."""
    silent = [
        f"{module}: line {node.lineno}"
        for module, path in modules()
        for node in ast.walk(ast.parse(source_of(path)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("read_text", "write_text")
        and not any(keyword.arg == "encoding" for keyword in node.keywords)
        and len(node.args) < (1 if node.func.attr == "read_text" else 2)
    ]
    assert silent == []


def test_public_names_survive_the_import_of_every_module() -> None:
    for module in pkgutil.walk_packages(treehead.__path__, "treehead."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for _ in range(2):
        for name in (*treehead.__all__, "TreeHeadClassifier"):
            assert callable(getattr(treehead, name)), name


def test_every_package_is_in_a_layer() -> None:
    packages = {module.split(".")[1] for module, _ in modules() if "." in module} - {"__main__"}
    assert packages == set().union(*FLOORS)


def layer_classes() -> set[str]:
    """Every class of the scratch engine with a `forward` of its own, but the protocol and the whole network."""
    classes = set()
    for module, path in modules():
        if inside(module, "treehead.engines.scratch"):
            for node in ast.walk(ast.parse(source_of(path))):
                if isinstance(node, ast.ClassDef):
                    methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
                    classes |= {node.name} if "forward" in methods else set()
    return classes - {"Layer", "Network"}


@pytest.mark.parametrize("table", ["gradients/test_gradients.py", "parity/test_layers.py"])
def test_every_layer_is_proved(table: str) -> None:
    """Every layer by hand stands in the table of gradient checks and in that of parity with PyTorch."""
    tree = ast.parse(source_of(Path(__file__).parent / table))
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


def test_files_are_short_and_have_a_name_that_says_what_they_are() -> None:
    for module, path in modules():
        assert len(source_of(path).splitlines()) <= LONGEST_FILE, module
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
