"""Parts of the reference that are made from the code while the site is built, so that they cannot go stale.

A page holds `<!-- from code: NAME -->` where a part belongs; on a git host the comment is invisible.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx

import treehead
from treehead.cli.main import app as command_line
from treehead.config import RunConfig, described, written
from treehead.recipes import RECIPES

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"^<!-- from code: (\w+) -->$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#:]+)\)")
ROOT_PAGES = {"README": "index", "CHANGELOG": "changelog", "CONTRIBUTING": "contributing"}
PERCENT_IN_TABLE = re.compile(r"(?<=\d) %(?=[^\n]*\|$)", re.MULTILINE)
ROOT_LINK = re.compile(rf"\]\((?:\.\./)+({'|'.join(ROOT_PAGES)})\.md")
BESIDE = (
    "treehead.api.export_file",
    "treehead.inference.prediction.Answer",
    "treehead.inference.prediction.TopPaths",
    "treehead.hierarchy.sources.tree_from_edges",
    "treehead.hierarchy.sources.tree_from_csv",
    "treehead.hierarchy.sources.tree_from_json",
    "treehead.hierarchy.sources.tree_and_labels",
)
"""Documented beside the names of `treehead.__all__`."""


def setup(app: Sphinx) -> dict[str, bool]:
    for name, home in treehead._MODULES.items():  # autodoc looks a name up without __getattr__
        setattr(treehead, name, getattr(import_module(home), name))
    app.connect("source-read", _fill)
    app.connect("autodoc-process-signature", _without_fields)
    app.connect("autodoc-process-docstring", _paragraphs, priority=100)  # before napoleon reads Google's sections
    app.connect("autodoc-skip-member", _without_requests)
    app.connect("missing-reference", _public_reference)
    return {"parallel_read_safe": True}


def _fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Insert the parts from the code, and change what a git host can show and a site cannot.

    Links to pages of the root lead to the site's copies, links to folders become text, a study's tables get a title.
    A number in a table stays on one line with its percent sign.
    """
    text = MARK.sub(lambda mark: PARTS[mark[1]](), source[0])
    text = ROOT_LINK.sub(lambda link: f"](/{ROOT_PAGES[link[1]]}.md", text)
    place = Path(app.srcdir, page).parent
    text = LINK.sub(lambda link: link[1] if (place / link[2]).is_dir() else link[0], text)
    if page.startswith("results/") and not text.lstrip().startswith("# "):
        text = f"# Study {page.split('/')[1]}\n\n{text}"
    source[0] = PERCENT_IN_TABLE.sub("\u00a0%", text)


# Commands


def commands() -> str:
    """Every command: how it is called, what it does, its arguments and options, as `--help` has them."""
    group: Any = typer.main.get_command(command_line)
    return "\n".join(_command_lines(group, "treehead"))


def _command_lines(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        full = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from _command_lines(command, full)
            continue
        context = command.context_class(command, info_name=full)
        usage = " ".join(command.collect_usage_pieces(context))
        yield f"## {full}\n\n```text\n{full} {usage}\n```\n\n{command.help}\n"
        records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
        yield _table(
            ("argument or option", "meaning"), [(_code(left), _plain(right)) for left, right in _known(records)]
        )


def _known(records: list[tuple[str, str] | None]) -> list[tuple[str, str]]:
    return [
        (re.sub(r" <list\[\w+\]>$", "", left), right) for left, right in filter(None, records) if "--help" not in left
    ]


# Config


def config() -> str:
    """Every key of a config, section by section: default, allowed values, meaning."""
    top = [(name, field) for name, field in RunConfig.model_fields.items() if not _sections(field)]
    lines = ["## Top level\n", _key_table(RunConfig, "", [name for name, _ in top])]
    for name, field in RunConfig.model_fields.items():
        if models := _sections(field):
            lines += [f"\n## {name}\n", *_section_lines(models, name, getattr(RunConfig(), name))]
    return "\n".join(lines)


def _section_lines(models: list[type[BaseModel]], name: str, default: Any) -> Iterator[str]:
    for model in models:
        kind = model.model_fields.get("kind") if len(models) > 1 else None
        if kind:
            chosen = " (default)" if isinstance(default, model) else ""
            yield f"### {name}.kind={kind.default}{chosen}\n"
        own = [
            key for key, field in model.model_fields.items() if not _sections(field) and not (kind and key == "kind")
        ]
        yield f"{_first(inspect.cleandoc(model.__doc__ or ''))}\n"
        yield _key_table(model, f"{name}.", own)
        for key, field in model.model_fields.items():
            if inner := _sections(field):
                yield from _section_lines(inner, f"{name}.{key}", field.default)
            elif entry := _entry(field):
                yield f"### Each entry of {name}.{key}\n\n{_first(inspect.cleandoc(entry.__doc__ or ''))}\n"
                yield _key_table(entry, "", list(entry.model_fields))


def _key_table(model: type[BaseModel], prefix: str, names: list[str]) -> str:
    rows = []
    for name in names:
        field = model.model_fields[name]
        default = "(required)" if field.is_required() else _code(written(field.get_default()))
        rows.append((f"`{prefix}{name}`", default, _values(field), _plain(field.description or "")))
    return _table(("key", "default", "values", "meaning"), rows) if rows else ""


def _sections(field: FieldInfo) -> list[type[BaseModel]]:
    """The section models that a field may hold itself; none for a plain value or a list of entries."""
    kinds = [field.annotation, *get_args(field.annotation)] if get_origin(field.annotation) is not tuple else []
    return [kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)]


def _entry(field: FieldInfo) -> type[BaseModel] | None:
    """The model of the entries of a list."""
    kinds = get_args(field.annotation) if get_origin(field.annotation) is tuple else ()
    return next((kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)), None)


def _values(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {getattr(part, key)}" for part in field.metadata for key, sign in signs.items() if hasattr(part, key)
    ]
    named = {bool: "true, false", int: "integer", float: "number", str: "text", Path: "path"}
    kinds = [field.annotation, *get_args(field.annotation)]
    kind = next((named[part] for part in kinds if part in named), "list")
    return f"{'list' if get_origin(field.annotation) is tuple or kind == 'list' else kind} {', '.join(limits)}".strip()


# Recipes


def recipes() -> str:
    """What every recipe is, and the keys it sets apart from the defaults."""
    defaults = {key: written(value) for key, value, _ in described(RunConfig())}
    lines = []
    for name, make in RECIPES.items():
        keys = [(key, written(value)) for key, value, _ in described(make())]
        changed = "\n".join(f"{key} = {value}" for key, value in keys if defaults.get(key) != value)
        lines.append(f"## {name}\n\n{inspect.getdoc(make)}\n\n```text\n{changed}\n```\n")
    return "\n".join(lines)


# Python


def api() -> str:
    """The public names of treehead, from their docstrings."""
    names = [f"treehead.{name}" for name in (*treehead.__all__, "TreeHeadClassifier")]
    functions, classes = [], []
    for name in names:
        (classes if inspect.isclass(_found(name)) else functions).append(name)
    parts = [("Functions", functions), ("Classes", classes), ("Also documented", list(BESIDE))]
    return "\n".join(line for title, listed in parts for line in (f"## {title}\n", *map(_documented, listed)))


def records() -> str:
    """The typed records of a run and of a study, from the source of `treehead.records`."""
    folder = ROOT / "src" / "treehead" / "records"
    modules = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[a-z]*.py"))}
    kinds = {part.name for module in modules.values() for part in module.body if isinstance(part, ast.ClassDef)}
    return "\n".join(line for name, module in modules.items() for line in _record_lines(name, module, kinds))


def _record_lines(name: str, module: ast.Module, kinds: set[str]) -> Iterator[str]:
    yield f"## treehead.records.{name}\n\n{ast.get_docstring(module) or ''}\n"
    for kind in module.body:
        if isinstance(kind, ast.ClassDef):
            above = [ast.unparse(base) for base in kind.bases if ast.unparse(base) != "TypedDict"]
            more = (
                f"\n\nIt also has the keys of {' and '.join(_linked(base, kinds) for base in above)}." if above else ""
            )
            yield f"### {kind.name}\n\n{ast.get_docstring(kind) or ''}{more}\n"
            yield _table(("key", "type", "meaning"), list(_record_keys(kind, kinds)))


def _record_keys(kind: ast.ClassDef, kinds: set[str]) -> Iterator[tuple[str, str, str]]:
    """Name, type and docstring of every key."""
    for key, below in zip_longest(kind.body, kind.body[1:]):
        if isinstance(key, ast.AnnAssign):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            yield f"`{ast.unparse(key.target)}`", _linked(ast.unparse(key.annotation), kinds), _plain(str(text))


def _linked(annotation: str, kinds: set[str]) -> str:
    """The annotation, as a link to the record that it names."""
    record = next((word for word in re.findall(r"\w+", annotation) if word in kinds), "")
    return f"[{_code(annotation)}](#{record.lower()})" if record else _code(annotation)


def _documented(name: str) -> str:
    thing = _found(name)
    if not inspect.isclass(thing):
        return f"```{{eval-rst}}\n.. autofunction:: {name}\n```\n"
    members = "" if issubclass(thing, (BaseModel, Exception)) else "   :members:\n"
    if members and not re.search("^(Args|Attributes):$", inspect.getdoc(thing) or "", re.MULTILINE):
        members += "   :undoc-members:\n"  # else its fields are listed once, with their meaning
    return f"```{{eval-rst}}\n.. autoclass:: {name}\n{members}```\n"


def _found(name: str) -> Any:
    module, _, last = name.rpartition(".")
    return getattr(import_module(module), last)


def _without_fields(app: Sphinx, what: str, name: str, thing: Any, *rest: Any) -> tuple[str, None] | None:
    """No signature of fifteen fields for a config: its keys have a page of their own."""
    return (
        ("", None)
        if inspect.isclass(thing) and (issubclass(thing, (BaseModel, dict)) or getattr(thing, "_is_protocol", False))
        else None
    )


def _paragraphs(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make reStructuredText of compact contracts (`Shapes: ...`, continued with an indent); Google's sections stay.

    A block that is indented after an empty line is a formula: set as it is.
    """
    made: list[str] = []
    formula = False
    for line in lines:
        indented = line[:1] == " "
        if indented and made and not made[-1] and not formula and not _in_section(made):
            made += ["::", ""]
            formula = True
        elif line and not indented:
            formula = False
        if formula or not line:
            made.append(line)
            continue
        continues = indented and made and made[-1][:1].strip() and not made[-1].endswith(":")
        line = re.sub(r"(?<![`\w])(\w+_)(?![`\w(])", r"``\1``", line)
        if continues and made[-1][:2] not in ("- ", "* "):
            made[-1] += f" {line.strip()}"
        elif label := re.match(r"(Shapes|Conventions|Source|Axes|Raises|Returns|Fitted attributes): (?=\S)", line):
            made += ["", f"**{label[1]}:** {line[label.end() :]}"]
        else:
            made.append(line)
    lines[:] = made


def _in_section(lines: list[str]) -> bool:
    """Whether the last paragraph belongs to a section such as `Args:`."""
    return next((line for line in reversed(lines) if line), "")[:1] == " "


def _without_requests(app: Sphinx, what: str, name: str, *rest: Any) -> bool | None:
    """Leave out scikit-learn's generated methods for metadata routing."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def _public_reference(app: Sphinx, env: Any, node: Any, text: Any) -> Any:
    """Link `treehead.inference.classifier.Classifier`, as signatures have it, to the public `treehead.Classifier`."""
    target = node.get("reftarget", "")
    public = f"treehead.{target.rpartition('.')[2]}"
    if node.get("refdomain") != "py" or target == public:
        return None
    domain = env.get_domain("py")
    for known, entry in domain.objects.items():
        if known == public or known.endswith(f".{target}"):
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", known, node, text) if entry else None
    return None


# Other pages of the repository


def changelog() -> str:
    """CHANGELOG.md without its title, and without the brackets of versions."""
    return re.sub(r"^## \[(.*?)\]", r"## \1", _root_page("CHANGELOG.md"), flags=re.MULTILINE)


def contributing() -> str:
    """CONTRIBUTING.md without its title."""
    return _root_page("CONTRIBUTING.md")


def _root_page(name: str) -> str:
    """A page of the repository's root without its title, its links as seen from docs/."""
    text = (ROOT / name).read_text(encoding="utf-8").partition("\n")[2]
    text = re.sub(r"\]\((?!\w+:|#)", "](../", text)
    return text.replace("](../docs/", "](")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n" if rows else ""


def _code(text: str) -> str:
    return f"`{_plain(text)}`" if text else ""


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _first(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


PARTS = {part.__name__: part for part in (commands, config, recipes, api, records, changelog, contributing)}
