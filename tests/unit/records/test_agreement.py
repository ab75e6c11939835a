"""Values of JSON against the types of records."""

from typing import NotRequired, TypedDict

import pytest

from treehead.records.agreement import disagreement


class Inner(TypedDict):
    share: float
    count: int | None


class Outer(TypedDict):
    name: str
    inner: Inner
    rows: list[list[int]]
    more: NotRequired[dict[str, float]]


GOOD = {"name": "x", "inner": {"share": 1, "count": None}, "rows": [[1, 2], []], "other": "ignored"}


def test_a_record_agrees() -> None:
    assert disagreement(GOOD, Outer) is None
    assert disagreement(GOOD | {"more": {"a": 0.5}}, Outer) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "name is no str"),
        ({"inner": []}, "inner is no object"),
        ({"inner": {"share": 1}}, "key 'count' is missing in inner"),
        ({"inner": {"share": "1", "count": 1}}, "inner.share is no float"),
        ({"inner": {"share": float("nan"), "count": 1}}, "inner.share is no float"),
        ({"inner": {"share": True, "count": 1}}, "inner.share is no float"),
        ({"inner": {"share": 1.5, "count": 1.5}}, "inner.count is no int"),
        ({"rows": {}}, "rows is no list"),
        ({"rows": [[1], [None]]}, "rows[1][0] is no int"),
        ({"more": {"a": None}}, "more[a] is no float"),
    ],
)
def test_a_difference_is_named_by_its_place(change: dict[str, object], message: str) -> None:
    assert disagreement(GOOD | change, Outer) == message


def test_no_record_at_all() -> None:
    assert disagreement(7, Outer) == "it is no object"
    assert disagreement({}, Outer) == "key 'name' is missing"
