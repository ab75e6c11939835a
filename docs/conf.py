"""Sphinx configuration: Markdown pages in this folder, reference pages from the code. `make docs` builds the site."""

import sys
import tomllib
from pathlib import Path

import numpy as np

import treehead.types

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# Before any other module is imported: signatures say `Array`, not what the alias stands for.
treehead.types.__dict__["Array"] = type("Array", (np.ndarray,), {"__module__": "treehead.types"})

project = "treehead"
release = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "from_code"]
highlight_language = "text"
default_role = "code"
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "results/README.md"]

# Pages also read well on a git host: plain Markdown, links to .md files, headings as anchors.
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # ```floors, a block that a test reads

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

# A link to a public name must resolve; types of other projects and inner ones are named without a link.
_public = "|".join([*treehead.__all__, "TreeHeadClassifier"])
nitpick_ignore_regex = [(r"py:.*", rf"(?!treehead\.({_public})$).*")]

copybutton_prompt_text = "$ "
html_theme = "furo"
html_title = f"treehead {release}"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5fa5", "color-brand-content": "#0b5fa5"},
    "dark_css_variables": {"color-brand-primary": "#6db6f2", "color-brand-content": "#6db6f2"},
}
