"""Figures and tables of the report, on arrays small enough to check by hand."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.font_manager import fontManager, get_font
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from treehead.hierarchy.tree import LabelTree
from treehead.records.run import EpochFigures, EpochRecord, Metrics
from treehead.report import wording
from treehead.report.drawing import FONTS, NO_FONT, png
from treehead.report.level_view import boundaries, level_view, row_shares
from treehead.report.palette import SEVERITIES
from treehead.report.run import figures, interactive, tables
from treehead.report.run.matrix import confusion
from treehead.report.run.read import RunRecord

# Leaves 0, 2 under a; 1, 3 under b; 4 under c. a, c under x; b under y.
TREE = LabelTree(
    name="toy",
    levels=("fine", "family", "kingdom"),
    names=(("l0", "l1", "l2", "l3", "l4"), ("a", "b", "c"), ("x", "y")),
    parents=((0, 1, 0, 1, 2), (0, 1, 0)),
)
COUNTS = np.array([[8, 0, 2, 0, 0], [0, 5, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 4, 0], [0, 0, 0, 0, 0]])


def history(epochs: int) -> list[EpochRecord]:
    figures: EpochFigures = {
        "loss": 3.0,
        "losses": {"fine": 2.0, "family": 1.0},
        "accuracy": {"fine": 0.4, "family": 0.6},
    }
    pace = {"learning_rate": 0.1, "seconds": 1.0, "images_per_second": 100.0, "train": figures, "validation": figures}
    return [cast("EpochRecord", {"epoch": epoch, **pace}) for epoch in range(1, epochs + 1)]


def record(samples: dict[str, Any] | None = None) -> RunRecord:
    """A record with the parts that the tables of mistakes and classes read."""
    overlap = {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    figures = {"accuracy": {"fine": 0.75}, "hd": {"1": 0.5}, "mistake_severity": 2.0, "hierarchical": overlap}
    figures |= {"confusion": {"fine": COUNTS.tolist()}, "full_path_accuracy": 0.5, "tree_inconsistency": 0.25}
    nothing = cast("Any", {})
    return RunRecord("toy", "", {}, nothing, TREE, nothing, [], cast("Metrics", figures), samples)


def test_level_view_orders_by_tree_and_measures_severity_from_the_leaves() -> None:
    leaves, families = level_view(TREE, "fine"), level_view(TREE, "family")
    assert leaves.order.tolist() == [0, 2, 4, 1, 3]
    np.testing.assert_array_equal(leaves.severity, TREE.heights)
    assert families.order.tolist() == [0, 2, 1]
    assert families.severity.tolist() == [[0, 3, 2], [3, 0, 3], [2, 3, 0]]
    assert families.blocks.tolist() == [[0, 1, 0]]


def test_level_view_refuses_an_unknown_level() -> None:
    with pytest.raises(ValueError, match="genus"):
        level_view(TREE, "genus")


def test_boundaries_of_equal_blocks() -> None:
    view = level_view(TREE, "fine")
    assert boundaries(view.blocks[0], view.order) == [(0, 2), (2, 3), (3, 5)]
    assert boundaries(view.blocks[1], view.order) == [(0, 3), (3, 5)]


def test_row_shares_leave_a_class_without_images_at_zero() -> None:
    shares = row_shares(COUNTS)
    assert shares[0].tolist() == [0.8, 0, 0.2, 0, 0]
    assert shares[4].tolist() == [0, 0, 0, 0, 0]


def test_matrix_shows_shares_in_tree_order_and_outlines_every_block() -> None:
    view = level_view(TREE, "fine")
    axes = confusion(COUNTS, view).axes[0]
    image = next(child for child in axes.get_children() if isinstance(child, AxesImage))
    shown = np.ma.filled(np.ma.asarray(image.get_array()), 0.0)
    np.testing.assert_allclose(shown, row_shares(COUNTS)[np.ix_(view.order, view.order)])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["l0", "l2", "l4", "l1", "l3"]
    squares = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [square.get_width() for square in squares] == [2, 1, 2, 3, 2]


def test_matrix_of_hostile_names_and_no_images_draws() -> None:
    names = ("$x$", r"\frac{", "a_b", "<b>", "漢字")
    tree = dataclasses.replace(TREE, names=(names, *TREE.names[1:]))
    figure = confusion(np.zeros((5, 5), int), level_view(tree, "fine"), title="$ 1")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert png(figure).startswith(b"\x89PNG")
    has_font = any(get_font(font.fname).get_char_index(ord("漢")) for font in fontManager.ttflist if font.name in FONTS)
    assert [str(warning.message) for warning in told] == ([] if has_font else [NO_FONT])
    assert not any(isinstance(child, QuadMesh) for child in figure.axes[0].get_children())


def test_matrix_by_severity_has_a_colour_per_severity_stronger_where_frequent() -> None:
    view = level_view(TREE, "fine")
    figure = confusion(COUNTS, view, by_severity=True)
    (image,) = (child for child in figure.axes[0].get_children() if isinstance(child, AxesImage))
    cells = np.asarray(image.get_array())
    at = {leaf: place for place, leaf in enumerate(view.order.tolist())}
    colours = [to_rgb(colour) for colour in SEVERITIES]
    np.testing.assert_allclose(cells[at[0], at[0]], colours[0])  # right, 8 of 10
    np.testing.assert_allclose(cells[at[0], at[2]], colours[1])  # 2 of 10 taken for a sibling: full
    np.testing.assert_allclose(cells[at[2], at[1]], colours[3])  # half of its images in the other kingdom
    np.testing.assert_allclose(cells[at[0], at[1]], 1)  # never: paper
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "right",
        "severity 1",
        "severity 2",
        "severity 3",
    ]


def test_curves_draw_both_parts_of_every_head() -> None:
    left, right = figures.curves(history(3), ["fine", "family"]).axes
    assert len(left.lines) == len(right.lines) == 4
    assert np.asarray(right.lines[0].get_ydata()).tolist() == [40.0] * 3


def test_curves_of_one_epoch_are_points_and_of_none_an_error() -> None:
    assert figures.curves(history(1), ["fine"]).axes[0].lines[0].get_marker() == "o"
    with pytest.raises(ValueError, match="history is empty"):
        figures.curves([], ["fine"])


def test_severity_bars_are_drawn_beside_chance() -> None:
    axes = figures.severity([0.5, 0.3, 0.2], [0.1, 0.2, 0.7], TREE.levels).axes[0]
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]  # pyright: ignore
    np.testing.assert_allclose(widths, [[50, 30, 20], [10, 20, 70]])
    assert png(figures.severity(None, [0.1, 0.2, 0.7], TREE.levels))


def test_interactive_cell_names_classes_count_share_and_severity() -> None:
    figure = interactive.confusion(COUNTS, level_view(TREE, "fine"), TREE.levels)
    heat = figure["data"][0]
    assert list(heat["x"]) == ["l0", "l2", "l4", "l1", "l3"]
    assert heat["text"][0][1].replace("\N{NO-BREAK SPACE}", " ") == (
        "2 of 10 · 20.0 %<br>severity 1: wrong fine class, right family"
    )
    assert heat["z"][0][2] is None
    assert heat["customdata"][0] == [0, 1, 2, 3, 3]
    assert len(figure["layout"]["shapes"]) == 5


def test_interactive_names_are_escaped_and_distinct() -> None:
    tree = LabelTree("t", ("fine",), (("<b>", "a_b", "a b"),), ())
    figure = interactive.confusion(np.eye(3, dtype=int), level_view(tree, "fine"), tree.levels)
    names = figure["data"][0]["x"]
    assert names[0] == "&lt;b&gt;"
    assert len(set(names)) == 3


def test_frequent_confusions_have_sample_images() -> None:
    pixels = np.zeros((2, 1, 4, 4), np.uint8)
    samples = {"pixels": pixels, "labels": np.array([[0, 0, 0]] * 2), "answers": np.array([[2, 0, 0], [1, 1, 1]])}
    rows = tables.frequent_confusions(record(samples))
    assert [(row.true, row.predicted, row.count, row.severity) for row in rows] == [
        ("l0", "l2", 2, 1),
        ("l2", "l0", 1, 1),
        ("l2", "l1", 1, 3),
    ]
    assert [len(row.images) for row in rows] == [1, 0, 0]
    assert rows[0].images[0].startswith("data:image/png;base64,")


def test_costliest_confusions_weigh_by_severity() -> None:
    rows = tables.costliest_confusions(record())
    assert [(row.true, row.predicted, row.count * row.severity) for row in rows] == [
        ("l2", "l1", 3),
        ("l0", "l2", 2),
        ("l2", "l0", 1),
    ]


def test_class_recalls_leave_out_classes_without_images() -> None:
    rows = tables.class_recalls(record())
    assert [(row.name, row.share, row.rival) for row in rows] == [
        ("l1", 1.0, None),
        ("l3", 1.0, None),
        ("l0", 0.8, "l2"),
        ("l2", 0.0, "l0"),
    ]
    best, worst = tables.extremes(rows)
    assert [row.name for row in best + worst] == ["l1", "l3", "l2", "l0"]


def test_mistake_severity_is_shown_with_accuracy() -> None:
    row = tables.tree_rows(record())[0]
    assert row.name == "Mean mistake severity"
    assert "75.0" in row.figures[0]
    assert "accuracy" in row.figures[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wording.percent(0.7532), "75.3 %"),
        (wording.percent(None), "–"),
        (wording.count(1234567), "1 234 567"),
        (wording.millions(2_484_000), "2.48 M"),
        (wording.millions(812), "812"),
        (wording.duration(59.04), "59.0 s"),
        (wording.duration(59.97), "1 min 00 s"),
        (wording.duration(3599.6), "1 h 00 min"),
        (wording.size(1_700_000_000), "1.70 GB"),
        (wording.plural("family"), "families"),
        (wording.plural("superclass"), "superclasses"),
        (wording.plural("fine"), "fine classes"),
        (wording.plural("group4"), "group4 classes"),
        (wording.moment("2026-01-05T09:30:00+00:00"), "2026-01-05 09:30 UTC"),
    ],
)
def test_numbers_as_text(text: str, expected: str) -> None:
    plain = text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert plain == expected


def test_report_does_not_import_pyplot() -> None:
    report = Path(wording.__file__).parent
    assert not any("pyplot" in line for file in report.rglob("*.py") for line in imports(file))


def imports(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(("import ", "from "))]
