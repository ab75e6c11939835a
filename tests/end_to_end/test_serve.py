"""The JSON endpoint: responses and errors, with a classifier with known answers."""

import io
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from made_up_run import MakeRun
from PIL import Image

from treehead import cli
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.hierarchy.tree import LabelTree
from treehead.inference.classifier import Classifier
from treehead.inference.output import PredictOptions, objects
from treehead.posterior.held_out import Calibration
from treehead.runfiles import RunFolder
from treehead.serve.app import PAGE, build_app
from treehead.serve.hosts import names_of
from treehead.serve.limits import MAX_IMAGES
from treehead.serve.samples import Sample, samples_of
from treehead.types import Array

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp", "eel"]})


def by_redness(pixels: Array) -> list[Array]:
    """Red images are a cat with high confidence, others a carp with low confidence."""
    red = pixels[:, 0].mean(axis=(1, 2))[:, None] > 100
    return [np.log(np.where(red, [0.9, 0.05, 0.03, 0.02], [0.05, 0.1, 0.6, 0.25])), np.zeros((len(red), 2))]


CALIBRATION = Calibration((1.0, 0.0), 600, "600 images", "path", tuple([None] * 99 + [0.5] * 401), (0.2,) * 500)
CLASSIFIER = Classifier(PETS, (3, 4, 4), "path", CALIBRATION, by_redness)


def client(classifier: Classifier = CLASSIFIER, **choices: Any) -> TestClient:
    return TestClient(build_app(classifier, name="pets", **choices), base_url="http://localhost")


def picture(colour: str, *, kind: str = "PNG", size: tuple[int, int] = (9, 9), mode: str = "RGB") -> bytes:
    held = io.BytesIO()
    Image.new(mode, size, colour).save(held, kind)
    return held.getvalue()


RED, BLUE = picture("red"), picture("blue")


def send(to: TestClient, *files: tuple[str, bytes], **query: Any) -> Response:
    return to.post("/api/predict", files=[("images", file) for file in files], params=query)


def error(response: Response) -> tuple[int, str]:
    assert response.json().keys() == {"detail"}
    return response.status_code, response.json()["detail"]


def test_predictions_are_in_the_order_of_the_images() -> None:
    response = send(client(), ("a.png", RED), ("b.jpg", picture("blue", kind="JPEG")))
    assert response.status_code == 200
    cat, carp = response.json()["predictions"]
    assert cat["levels"] == {
        "fine": {"answer": "cat", "probability": pytest.approx(0.9)},
        "kind": {"answer": "mammal", "probability": pytest.approx(0.95)},
    }
    assert cat["confident"] == {"level": "fine", "answer": "cat", "probability": pytest.approx(0.9)}
    assert [path["path"] for path in cat["paths"]] == [["cat", "mammal"], ["dog", "mammal"]]
    assert (carp["image"], carp["confident"]["answer"], carp["nodes"]) == ("b.jpg", "fish", None)


def test_predictions_are_those_of_the_command_line() -> None:
    result = send(client(), ("a.png", BLUE), top=3, nodes=True, confidence=0.3).json()["predictions"]
    pixels = np.zeros((1, 3, 4, 4), np.uint8)
    expected = objects(["a.png"], CLASSIFIER.predict(pixels), PredictOptions(3, nodes=True, confidence=0.3))
    assert result == [entry | {"set": None} for entry in expected]


def test_guarantees_are_asked_for_by_query() -> None:
    answer = send(client(), ("a.png", BLUE), max_error=0.2, set=0.9).json()["predictions"][0]
    assert (answer["confident"]["answer"], answer["confident"]["level"]) == ("carp", "fine")
    assert [(node["answer"], node["level"]) for node in answer["set"]] == [("fish", "kind")]
    too_few = (
        "--max-error: 600 held-out images are too few for this guarantee, which needs at least 999 with a known leaf"
    )
    assert error(send(client(), ("a.png", BLUE), max_error=0.001)) == (422, too_few)
    assert error(send(client(), ("a.png", BLUE), max_error=0.2, confidence=0.5))[0] == 422


def test_no_level_may_be_confident_enough() -> None:
    assert send(client(), ("a.png", BLUE), confidence=0.99).json()["predictions"][0]["confident"] is None


def test_under_restricts_the_answers_to_a_subtree() -> None:
    result = send(client(), ("a.png", RED), under="fish").json()["predictions"][0]
    assert result["levels"]["kind"] == {"answer": "fish", "probability": 1.0}
    assert error(send(client(), ("a.png", RED), under="fsh")) == (
        422,
        "tree 'pets' has no node 'fsh'; did you mean fish?",
    )


@pytest.mark.parametrize(
    ("name", "content", "status", "sentence"),
    [
        ("notes.txt", b"nothing", 415, "notes.txt is not an image in any of the formats JPEG, PNG"),
        ("empty.png", b"", 415, "empty.png is not an image in any of"),
        ("x.eps", picture("red", kind="EPS"), 415, "x.eps is not an image in any of the formats"),
        ("half.png", picture("red", size=(99, 99))[:150], 422, "cannot read half.png"),
        ("vast.png", picture("white", size=(9000, 9000), mode="1"), 413, "vast.png has too many pixels"),
    ],
)
def test_an_unreadable_image_is_named(name: str, content: bytes, status: int, sentence: str) -> None:
    code, message = error(send(client(), ("a.png", RED), (name, content)))
    assert code == status
    assert message.startswith(sentence)


@pytest.mark.parametrize(
    ("query", "sentence"), [({"top": 0}, "top: "), ({"confidence": 2}, "confidence: "), ({"nodes": "so"}, "nodes: ")]
)
def test_a_value_out_of_range_is_named(query: dict[str, Any], sentence: str) -> None:
    status, message = error(send(client(), ("a.png", RED), **query))
    assert status == 422
    assert message.startswith(sentence)


def test_a_request_without_images_is_refused() -> None:
    assert error(client().post("/api/predict")) == (422, "images: Field required")
    assert error(client().post("/api/predict", data={"images": "text"}))[0] == 422
    assert error(client().get("/api/nothing")) == (404, "Not Found")


@pytest.mark.parametrize("declared", [True, False])
def test_the_body_is_limited_whatever_length_is_declared(declared: bool) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n' + b"0" * 5000 + b"\r\n--x--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=x"}
    for most, status in ((4096, 413), (8192, 415)):
        content = body if declared else iter([body[:2000], body[2000:4000], body[4000:]])
        code, message = error(client(max_bytes=most).post("/api/predict", content=content, headers=headers))
        assert code == status
        assert message.startswith(
            "a request is limited to 0.00390625 MB" if status == 413 else "a is not an image in any of"
        )


def test_too_many_images_are_refused() -> None:
    assert error(send(client(), *[("a.png", RED)] * (MAX_IMAGES + 1)))[0] == 413
    assert send(client(), *[("a.png", RED)] * MAX_IMAGES).status_code == 200


def test_parallel_requests_are_predicted_one_at_a_time() -> None:
    inside, most = [0], [0]
    counting = threading.Lock()

    def watched(pixels: Array) -> list[Array]:
        with counting:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        threading.Event().wait(0.01)
        with counting:
            inside[0] -= 1
        return by_redness(pixels)

    with client(Classifier(PETS, (3, 4, 4), "path", CALIBRATION, watched)) as served, ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(lambda i: send(served, (f"{i}.png", (RED, BLUE)[i % 2])).json(), range(20)))
    predictions = [response["predictions"][0] for response in responses]
    answers = [(prediction["image"], prediction["levels"]["fine"]["answer"]) for prediction in predictions]
    assert answers == [(f"{i}.png", ("cat", "carp")[i % 2]) for i in range(20)]
    assert [prediction["paths"][0]["path"][0] for prediction in predictions] == ["cat", "carp"] * 10
    assert most == [1]


def test_a_failing_network_is_a_server_error() -> None:
    def failing(pixels: Array) -> list[Array]:
        raise RuntimeError("out of memory")

    result = error(send(client(Classifier(PETS, (3, 4, 4), "path", CALIBRATION, failing)), ("a.png", RED)))
    assert result == (500, "the network failed (RuntimeError: out of memory)")


def test_the_model_and_its_tree_are_described() -> None:
    served = client(accuracy={"fine": 0.7, "kind": 0.9})
    about = served.get("/api/model").json()
    assert (about["name"], about["classes"], about["accuracy"]["fine"]) == ("pets", [4, 2], 0.7)
    assert about["calibration"] == "600 images"
    assert about["bounds"] == [{"max_error": 0.1, "threshold": 0.5}, {"max_error": 0.2, "threshold": 0.5}]
    assert about["limits"]["images"] == MAX_IMAGES
    assert served.get("/api/tree").json() == PETS.to_json()


def test_samples_are_listed_and_served() -> None:
    served = client(samples=[Sample("cat", RED, drawn=True)])
    assert served.get("/api/samples").json() == [{"title": "cat", "href": "api/samples/0.png", "drawn": True}]
    assert served.get("/api/samples/0.png").content == RED
    assert error(served.get("/api/samples/1.png")) == (404, "no sample 1; there are 1, numbered from 0")


def test_the_samples_of_a_run_are_used(run_folder: MakeRun) -> None:
    folder = RunFolder(run_folder())
    tree = LabelTree.from_json(folder.read_json(folder.tree))
    samples = samples_of(tree, folder)
    assert len(samples) == 12
    arrays = folder.read_arrays(folder.samples)
    assert samples[0].title == tree.names[0][arrays["labels"][0, 0]]
    first = np.asarray(Image.open(io.BytesIO(samples[0].png)))
    assert np.array_equal(first.transpose(2, 0, 1), arrays["pixels"][0])


def test_drawn_samples_are_of_classes_in_the_tree() -> None:
    drawn = samples_of(cifar100_tree("haf8"), None)
    assert len(drawn) == 12
    assert {sample.title for sample in drawn} <= set(cifar100_tree("haf8").names[0])
    assert len({sample.png for sample in drawn}) == 12
    assert samples_of(PETS, None) == []


def test_openapi_lists_the_errors() -> None:
    described = client().get("/openapi.json").json()
    predict = described["paths"]["/api/predict"]["post"]
    assert predict["responses"].keys() == {"200", "403", "408", "413", "415", "421", "422", "500", "507"}
    assert "multipart/form-data" in predict["requestBody"]["content"]
    assert all(path.startswith("/api/") for path in described["paths"])


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8100", "localhost.", "127.0.0.1:8100", "[::1]:8100", "10.1.2.3", "pets.example:80"]
)
def test_allowed_hosts_are_served(host: str) -> None:
    for path in ("/", "/api/model", "/openapi.json"):
        assert client(names=["Pets.example"]).get(path, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8100",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil@localhost",
        "[::1",
        "",
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    served = client(names=["pets.example"])
    for response in (served.get("/", headers={"host": host}), served.get("/api/tree", headers={"host": host})):
        assert error(response)[0] == 421
        assert repr(host) in error(response)[1]
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    sent = served.post("/api/predict", files=[("images", ("a.png", RED))], headers={"host": host})
    assert error(sent)[0] == 421


def test_host_names_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    assert names_of("127.0.0.1") == {"127.0.0.1"}
    assert names_of("0.0.0.0") == {"0.0.0.0", "box", "box.local"}
    assert names_of("pets.example") == {"pets.example", "box", "box.local"}


def test_pages_load_nothing_from_other_hosts() -> None:
    served = client()
    for path in ("/", "/docs", *(f"/page/{file.name}" for file in PAGE.iterdir())):
        response = served.get(path)
        assert response.status_code == 200
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", response.text) == [], path
        assert "default-src 'self'" in response.headers["content-security-policy"]
    assert served.get("/page/../app.py").status_code == 404


def run_cli(
    arguments: Sequence[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, str]:
    monkeypatch.setattr("sys.argv", ["treehead", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


def test_a_server_that_cannot_start_prints_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_cli(["serve", "--port", str(port)], capsys, monkeypatch)
        assert result == (2, f"treehead: port {port} of 127.0.0.1 is in use; --port 0 chooses a free one\n")
    result = run_cli(["serve", "--port", "0", "--host", "256.0.0.1"], capsys, monkeypatch)
    assert result[0] == 2
    assert result[1].startswith("treehead: cannot listen on 256.0.0.1, port 0: ")
    result = run_cli(["serve", str(tmp_path / "no"), "--port", "0"], capsys, monkeypatch)
    assert result == (2, f"treehead: there is no run folder at {tmp_path / 'no'}\n")
    monkeypatch.setattr("treehead.extras.find_spec", lambda name: None if name == "uvicorn" else True)
    assert run_cli(["serve"], capsys, monkeypatch) == (
        2,
        "treehead: treehead serve needs uvicorn: pip install 'treehead[serve]'\n",
    )


@pytest.mark.slow
def test_the_address_is_printed_and_ctrl_c_stops_the_server() -> None:
    command = [sys.executable, "-m", "treehead", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = re.match(r"serving cifar100 at http://127\.0\.0\.1:(\d+) ", process.stdout.readline())
    assert line is not None
    socket.create_connection(("127.0.0.1", int(line[1]))).close()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "\nstopped\n")
