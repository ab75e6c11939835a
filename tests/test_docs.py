"""Pages checked against the code: snippets run, links resolve, commands exist, the map is whole, the site builds."""

import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

import draw_tree
import treehead
from test_house import FLOORS
from treehead.cli.main import app, main
from treehead.config import RunConfig, described
from treehead.data.load import find_cifar100
from treehead.spec import Layer

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts),
]
LANDING_PAGE_BYTES = 8192
NOT_RUN = "<!-- not run -->"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|\b(?:src|href)=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page. `marked`: the line above says that it is not run."""

    page: str
    line: int
    language: str
    text: str
    marked: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path, text: str) -> list[Block]:
    fenced = []
    for match in FENCE.finditer(text):
        above = text[: match.start()].splitlines()
        marked = bool(above) and above[-1].strip() == NOT_RUN
        name = page.relative_to(ROOT).as_posix()
        fenced.append(Block(name, len(above) + 1, match[1], match[2], marked))
    return fenced


BLOCKS = [block for page in PAGES for block in blocks(page, page.read_text(encoding="utf-8"))]
PYTHON = [block for block in BLOCKS if block.language == "python"]
CONSOLE = [block for block in BLOCKS if block.language == "console" and not block.marked]


def test_blocks_are_found_with_their_marks() -> None:
    text = "\n".join(["a", NOT_RUN, "```python", "train()", "```", "", "```python", "1", "```", ""])
    assert [(block.line, block.text, block.marked) for block in blocks(ROOT / "README.md", text)] == [
        (3, "train()\n", True),
        (7, "1\n", False),
    ]
    assert PYTHON
    assert CONSOLE


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = compile(block.text, str(block), "exec")
    if not block.marked:
        monkeypatch.chdir(tmp_path)
        exec(code, {"__name__": "docs"})


def shown(block: Block) -> list[tuple[str, list[str]]]:
    """(command, lines shown below it) for each `$ command` of a console block."""
    commands: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append((line.removeprefix("$ "), []))
        elif line.strip() not in ("", "..."):
            commands[-1][1].append(" ".join(line.split()))
    return commands


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=str(block), marks=[pytest.mark.data] * ("treehead data check" in block.text))
        for block in CONSOLE
    ],
)
def test_commands_print_what_is_shown(
    block: Block,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if "treehead data check" in block.text:
        release = find_cifar100(request.getfixturevalue("cifar100_root"), environment={})
        assert release is not None
        Path("cifar-100-binary").symlink_to(release)
    for command, lines in shown(block):
        program, *words = command.split()
        assert program == "treehead", command
        monkeypatch.setattr("sys.argv", [program, *words])
        with pytest.raises(SystemExit):
            main()
        captured = capsys.readouterr()
        printed = [" ".join(line.split()) for line in (captured.out + captured.err).splitlines()]
        assert [line for line in lines if line not in printed] == [], command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [link or source for link, source in LINK.findall(text)]
    relative = [target.partition("#")[0] for target in targets if not re.match(r"\w+:|#", target)]
    assert [target for target in relative if not (page.parent / target).exists()] == []


def test_named_commands_exist() -> None:
    commands = {
        command.name or (command.callback.__name__ if command.callback else "") for command in app.registered_commands
    } | {group.name for group in app.registered_groups}
    code = [block.text for block in BLOCKS if block.language != "python"]
    for page in PAGES:
        code += re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))
    named = {name for part in code for name in re.findall(r"(?:^|[\s|/])treehead ([a-z]+)", part, re.MULTILINE)}
    assert named == commands


def test_the_first_page_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= LANDING_PAGE_BYTES


def test_the_picture_shows_what_the_model_answers() -> None:
    picture = draw_tree.TARGET.read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for _, name, share in draw_tree.rows(draw_tree.predicted()):
        assert f">{name}</text>" in picture
        (drawn,) = re.findall(rf">{name}</text>\n<text class=\"share\"[^>]*>(\d+) %", picture)
        assert float(drawn) == pytest.approx(100 * share, abs=0.6)
        assert re.search(rf"{name} with\s+{drawn} %", readme)


def test_the_reference_lists_every_command_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    parts = import_module("from_code").PARTS
    commands, config, api = parts["commands"](), parts["config"](), parts["api"]()
    for name in ("train", "study", "data check", "data get"):
        assert f"## treehead {name}\n" in commands
    assert "`--against RUN`" in commands
    assert [key for key, _, _ in described(RunConfig()) if f"`{key}`" not in config and "kind" not in key] == []
    assert "### optimizer.kind=muon\n" in config
    assert [name for name in treehead.__all__ if f":: treehead.{name}\n" not in api] == []


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-n", "-W", "--keep-going", "docs", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    missing = [str(page) for page in (ROOT / "docs").glob("[a-z]*/*.md") if not page_of(tmp_path, page).exists()]
    assert missing == []


def page_of(site: Path, page: Path) -> Path:
    """The HTML file of a Markdown page."""
    return (site / page.relative_to(ROOT / "docs")).with_suffix(".html")


def test_the_map_is_drawn_as_the_test_has_it() -> None:
    (drawn,) = [block for block in BLOCKS if block.page == "docs/architecture.md" and block.language == "floors"]
    assert [set(line.split(" | ")) for line in drawn.text.splitlines()] == FLOORS


def test_every_room_and_layer_has_its_line() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    source = ROOT / "src" / "treehead"
    rooms = [path.parent.name + "/" for path in source.glob("*/__init__.py")]
    files = [path.name for path in source.glob("*.py") if not path.name.startswith("__")]
    assert [name for name in sorted(rooms + files) if f"\n  {name} " not in page] == []
    assert [layer.__name__ for layer in Layer.__args__ if layer.__name__ not in page] == []
