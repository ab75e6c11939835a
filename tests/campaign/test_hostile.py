"""Broken and hostile input to every door: one sentence, or a sound result."""

import csv
import io
import json
import random
import shutil
import struct
import tarfile
import tomllib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from contract import CASES, SEED, Product, leftovers, quick
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

campaign = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""With the seed in front: the same cases whenever they are asked for."""

TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        (
            "..",
            "../../x",
            "/etc/passwd",
            "a/b",
            "\x1b[31m",
            "\u202e",
            "<script>",
            "=cmd()",
            "a|b",
            "nan",
            "",
            " ",
            "x" * 5000,
        )
    ),
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from((0, -1, 10**6, 10**9)),
)
VALUES = st.recursive(
    TEXT | NUMBERS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DEEP = 20_000


@pytest.fixture
def folder(product: Product) -> Path:
    return fresh(product)


def fresh(product: Product) -> Path:
    folder = product.place / "cases" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    return folder


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:30]) if isinstance(value, list) else ()
    return [*([at] if at else []), *(place for key, below in inner for place in places(below, (*at, key)))]


def changed(data: st.DataObject, value: Any) -> Any:
    """JSON-like data with one to three of its places replaced or dropped."""
    value = json.loads(json.dumps(value))
    for _ in range(data.draw(st.integers(1, 3))):
        where = places(value)
        if not where:
            return data.draw(VALUES)
        *path, last = data.draw(st.sampled_from(where))
        node = value
        for key in path:
            node = node[key]
        if data.draw(st.booleans()) or data.draw(st.booleans()):
            node[last] = data.draw(VALUES)
        else:
            del node[last]
    return value


def broken(data: st.DataObject, content: bytes) -> bytes:
    """Bytes that were cut, flipped, doubled, filled with zeros or replaced."""
    kind = data.draw(st.sampled_from(("flip", "cut", "remove", "insert", "long", "other")))
    at = data.draw(st.integers(0, max(0, len(content) - 1)))
    if kind == "flip":
        return (
            content[:at] + bytes([content[at] ^ 1 << data.draw(st.integers(0, 7))]) + content[at + 1 :]
            if content
            else b""
        )
    if kind == "cut":
        return content[:at]
    if kind == "remove":
        return content[:at] + content[at + data.draw(st.integers(1, 64)) :]
    if kind == "insert":
        return content[:at] + data.draw(st.binary(min_size=1, max_size=64)) + content[at:]
    if kind == "long":
        return content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :]
    return data.draw(
        st.sampled_from((b"", b"\0", b"[" * DEEP, b'{"a":' * DEEP, b"9" * 5000, b"\xff\xfe", b"null", b"PK\x03\x04"))
    )


@seed(SEED)
@campaign
@given(data=st.data())
def test_configs(product: Product, run: Path, data: st.DataObject) -> None:
    folder = fresh(product)
    text = (run / "config.toml").read_bytes()
    if data.draw(st.booleans()):
        value = changed(data, tomllib.loads(text.decode()))
        try:
            text = tomli_w.dumps(value if isinstance(value, dict) else {"value": value}).encode()
        except (TypeError, UnicodeEncodeError):
            text = json.dumps(value).encode()
    else:
        text = broken(data, text)
    (folder / "c.toml").write_bytes(text)
    product.keeps_its_word(data.draw(st.sampled_from(("summary", "config"))), "c.toml", folder=folder)
    assert {path.name for path in folder.iterdir()} == {"c.toml"}


@seed(SEED)
@campaign
@given(key=st.sampled_from(("name", "seed", "train.epochs", "network.stages", "data.root", "a.b", "")), value=VALUES)
def test_words(product: Product, key: str, value: Any) -> None:
    word = f"{key}={json.dumps(value)}".replace("\0", "0").encode("utf-8", "replace").decode()
    product.keeps_its_word("summary", "shapes", word, folder=fresh(product))


@seed(SEED)
@campaign
@given(data=st.data())
def test_run_folders(product: Product, run: Path, data: st.DataObject) -> None:
    """A file of a finished run is damaged, and the run used."""
    folder = fresh(product)
    shutil.copytree(run, folder / "run", ignore=shutil.ignore_patterns("figures", "report.html"))
    path = data.draw(st.sampled_from(sorted(path for path in (folder / "run").iterdir() if path.is_file())))
    content = path.read_bytes()
    if path.suffix == ".json" and data.draw(st.booleans()):
        path.write_text(json.dumps(changed(data, json.loads(content))))
    elif path.suffix == ".safetensors" and data.draw(st.booleans()):
        path.write_bytes(with_header(content, lambda header: changed(data, header)))
    else:
        path.write_bytes(broken(data, content))
    words = data.draw(
        st.sampled_from(
            (("report", "run"), ("evaluate", "run"), ("resume", "run"), ("export", "run", "--to", "safetensors"))
        )
    )
    outcome = product.keeps_its_word(*words, folder=folder)
    assert outcome.code == 0 or leftovers(folder) == []
    assert {path.name for path in folder.iterdir()} <= {"run", "run.safetensors"}


def with_header(content: bytes, change: Callable[[Any], Any]) -> bytes:
    """A safetensors file with another header."""
    length = struct.unpack("<Q", content[:8])[0]
    text = json.dumps(change(json.loads(content[8 : 8 + length]))).encode("utf-8", "replace")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


@seed(SEED)
@campaign
@given(data=st.data())
def test_model_files(product: Product, run: Path, photos: Path, data: st.DataObject) -> None:
    folder = fresh(product)
    kind = data.draw(st.sampled_from(("safetensors", "onnx")))
    content = (run.parent / f"m.{kind}").read_bytes()
    if kind == "safetensors" and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(("config", "tree", "input_shape", "calibration")))
        old = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])["__metadata__"][key]
        new = old.replace("width = 4", f"width = {data.draw(st.sampled_from((10**3, 10**6, 10**12)))}")
        if key != "config":
            new = json.dumps(changed(data, json.loads(old)))
        content = with_header(content, lambda header: header | {"__metadata__": header["__metadata__"] | {key: new}})
    else:
        content = broken(data, content)
    (folder / f"m.{kind}").write_bytes(content)
    product.keeps_its_word("predict", f"m.{kind}", photos / "plants/oak/1.png", "--json", folder=folder)


@seed(SEED)
@campaign
@given(data=st.data())
def test_tables_of_images(product: Product, photos: Path, data: st.DataObject) -> None:
    folder = fresh(product)
    rows = [["path", "kind", "breed", "split"]]
    for path in sorted(photos.rglob("*.png"))[::2]:
        number = int(path.stem)
        rows.append([str(path), path.parent.parent.name, path.parent.name, ("train", "test")[number % 4 == 0]])
    for _ in range(data.draw(st.integers(0, 3))):
        row = data.draw(st.integers(0, len(rows) - 1))
        rows[row][data.draw(st.integers(0, len(rows[row]) - 1))] = data.draw(TEXT)
    held = io.StringIO()
    csv.writer(held, delimiter=data.draw(st.sampled_from(",;\t"))).writerows(rows)
    content = held.getvalue().encode("utf-8", "replace")
    (folder / "t.csv").write_bytes(broken(data, content) if data.draw(st.booleans()) else content)
    product.keeps_its_word("data", "check", "t.csv", "data.image_px=32", folder=folder)


@seed(SEED)
@campaign
@given(data=st.data())
def test_pictures(product: Product, run: Path, data: st.DataObject) -> None:
    folder = fresh(product)
    kind = data.draw(st.sampled_from(("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "TGA", "JPEG2000")))
    held = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)).save(held, kind)
    (folder / f"x{data.draw(st.sampled_from(('.png', '.jpg', '.tif')))}").write_bytes(broken(data, held.getvalue()))
    product.keeps_its_word("predict", run, ".", folder=folder)


@seed(SEED)
@campaign
@given(data=st.data())
def test_archives(product: Product, data: st.DataObject) -> None:
    folder = fresh(product)
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name in data.draw(st.lists(st.sampled_from(("train.bin", "test.bin", "../x", "other")), max_size=3)):
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            member.type = data.draw(
                st.sampled_from((tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE))
            )
            member.size = data.draw(st.integers(0, 10**5)) if member.isreg() else 0
            member.linkname = data.draw(st.sampled_from(("train.bin", "/etc/passwd", member.name)))
            archive.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    content = held.getvalue()
    (folder / "cifar-100-binary.tar.gz").write_bytes(broken(data, content) if data.draw(st.booleans()) else content)
    outcome = product.keeps_its_word("summary", "cifar100", folder=folder)  # which does not read it
    assert outcome.code == 0
    words = ("data", "show", "cifar100", "data.root=cifar-100-binary.tar.gz", "--out", "s.png")
    assert product.keeps_its_word(*words, folder=folder).code == 2
    assert {path.name for path in folder.iterdir()} == {"cifar-100-binary.tar.gz"}


STUDY = {
    "name": "s",
    "recipe": "shapes",
    "config": {"train.epochs": 2},
    "axes": {"seed": [0, 1], "data.split": ["80:20", "90:10"]},
    "choices": {"optimizer": {"adam": {"optimizer.kind": "adam"}, "sgd": {"optimizer.kind": "sgd"}}},
    "extra": {"no-norm": {"of": {"optimizer": "adam"}, "change": {"network.norm": "none"}}},
}


@seed(SEED)
@campaign
@given(data=st.data())
def test_studies(product: Product, data: st.DataObject) -> None:
    folder = fresh(product)
    value = changed(data, STUDY)
    try:
        text = tomli_w.dumps(value if isinstance(value, dict) else {"value": value})
    except (TypeError, UnicodeEncodeError):
        text = json.dumps(value)
    (folder / "s.toml").write_bytes(text.encode("utf-8", "replace"))
    product.keeps_its_word("study", "s.toml", "--list", folder=folder)
    assert {path.name for path in folder.iterdir()} == {"s.toml"}


def test_numbers_far_out_of_use_in_a_real_training(product: Product, run: Path, photos: Path) -> None:
    rng = random.Random(SEED)
    numbers = [
        f"{section}.{key}"
        for section, values in tomllib.loads((run / "config.toml").read_text()).items()
        if isinstance(values, dict)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and section != "engine"
    ]
    for _ in range(max(4, CASES // 4)):
        word = f"{rng.choice(numbers)}={rng.choice((0, 1, 2, 1e-300, 1e300, 10**9, 2**63, 2**70, 0.999999, 1000))}"
        folder = fresh(product)
        words = ("train", "--data", photos, "--out", "run", *quick(epochs=1), word)
        outcome = product.run(*words, folder=folder, seconds=20)
        if not (outcome.hung and "epoch" in outcome.out):  # it may well train on
            assert outcome.broken() is None, (word, outcome.broken())
