"""What the pages share: templates, data for scripts, images inside the page."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image
from plotly.offline import get_plotlyjs

from treehead.report import palette, wording
from treehead.types import Array

TEMPLATES = Path(__file__).parent / "templates"
FILTERS = ("percent", "decimal", "count", "millions", "duration", "shape", "moment", "readable", "plural")
"""Functions of `wording` that templates use as filters."""


def page_environment() -> jinja2.Environment:
    """The templates, with autoescaping, the filters of `wording`, and `piece` for files to include as they are."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(wording, name) for name in FILTERS}
    environment.filters["piece"] = lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8"))
    return environment


def palettes() -> dict[str, Any]:
    """The colours of the interactive figures, on a light page and on a dark one."""
    return {
        "light": {"levels": palette.LEVELS, "density": palette.DENSITY},
        "dark": {"levels": palette.LEVELS_DARK, "density": palette.DENSITY_DARK},
    }


def plotly_script() -> Markup:
    """The source of plotly.js, safe inside a <script> element."""
    return Markup(get_plotlyjs().replace("</script", r"<\/script"))


def script_json(value: object) -> Markup:
    """JSON that is safe inside a <script> element: it cannot end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def png_uri(png: bytes) -> str:
    """A PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def image_uri(pixels: Array) -> str:
    """An image as a data URI. Shapes: pixels: (C, H, W) uint8, drawn in colour for C = 3, else its first channel."""
    planes = np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels[0]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(planes)).save(file, format="png")
    return png_uri(file.getvalue())
