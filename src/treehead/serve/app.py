"""The JSON endpoint and the web page, as an ASGI application for one classifier.

Images are decoded one request at a time, in a thread, so that memory stays bounded; requests that wait for the network
are predicted together.
"""

import errno
import sys
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import anyio
import numpy as np
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, File, HTTPException, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException

from treehead.data.image_file import NotAnImage, TooManyPixels, read_image
from treehead.hierarchy.subtree import leaves_under
from treehead.inference.classifier import Classifier
from treehead.inference.output import PredictOptions, objects
from treehead.inputs import say
from treehead.serve.batches import MOST_WAITING, Batches
from treehead.serve.guards import OneLength, SafeHeaders, SameSite
from treehead.serve.hosts import HostCheck
from treehead.serve.limits import FORMATS, MAX_BYTES, MAX_IMAGES, MAX_PIXELS, BodyLimit
from treehead.serve.replies import Bound, Error, Limits, ModelInfo, Predictions, SampleLink, Tree
from treehead.serve.samples import Sample
from treehead.types import Array, UserError

PAGE = Path(__file__).parent / "page"
CONFIDENCE = 0.8
"""Threshold of a request that names none."""
Responses: TypeAlias = dict[int | str, dict[str, Any]]
PREDICT_ERRORS: Responses = {
    413: {"model": Error, "description": "Too many bytes, images or pixels"},
    415: {"model": Error, "description": "Not an image"},
    422: {"model": Error, "description": "No image, a damaged image, or a parameter out of range"},
    403: {"model": Error, "description": "Sent by a page of another site"},
    408: {"model": Error, "description": "Sent too slowly"},
    500: {"model": Error, "description": "The network failed"},
    507: {"model": Error, "description": "The server has no room to store the request"},
}
HOST_ERRORS: Responses = {421: {"model": Error, "description": "The Host header is not allowed"}}
SAMPLE_ERRORS: Responses = {
    404: {"model": Error, "description": "No such sample"},
    422: {"model": Error, "description": "Not a number"},
}


def build_app(
    classifier: Classifier,
    *,
    name: str,
    accuracy: dict[str, float] | None = None,
    samples: Sequence[Sample] = (),
    max_bytes: int = MAX_BYTES,
    names: Collection[str] = (),
    ready: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The application that serves `classifier` as `name`.

    accuracy: per level, on test images. names: allowed in the Host header, beside IP addresses and localhost. ready: is
    called when the server accepts requests.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ready()
        yield

    app = FastAPI(
        title=f"treehead: {name}",
        version=version("treehead"),
        description="Classifies images at every level of a label tree.",
        docs_url=None,  # FastAPI's pages load scripts from a CDN; docs.html does not
        redoc_url=None,
        responses=HOST_ERRORS,
        lifespan=lifespan,
    )
    app.add_middleware(BodyLimit, max_bytes=max_bytes)
    app.add_middleware(SameSite, names=names)
    app.add_middleware(HostCheck, names=names)
    app.add_middleware(OneLength)
    app.add_middleware(SafeHeaders)
    _add_error_handlers(app)
    _add_model(app, classifier, name=name, accuracy=accuracy, max_bytes=max_bytes)
    _add_predict(app, classifier)
    _add_samples(app, samples)
    _add_pages(app)
    return app


def _add_model(
    app: FastAPI, classifier: Classifier, *, name: str, accuracy: dict[str, float] | None, max_bytes: int
) -> None:
    tree = classifier.tree
    info = ModelInfo(
        name=name,
        treehead=version("treehead"),
        tree=tree.name,
        levels=list(tree.levels),
        classes=list(tree.sizes),
        input_shape=list(classifier.input_shape),
        decode=classifier.decode,
        calibration=classifier.calibration.source,
        bounds=[Bound(*pair) for pair in classifier.calibration.bounds(classifier.decode).items()],
        accuracy=accuracy,
        limits=Limits(max_bytes, MAX_IMAGES, MAX_PIXELS, list(FORMATS)),
    )

    @app.get("/api/model")
    def model() -> ModelInfo:
        """Describe the network, and the limits of a request."""
        return info

    @app.get("/api/tree")
    def label_tree() -> Tree:
        """Get the label tree."""
        return Tree(**tree.to_json())


def _add_predict(app: FastAPI, classifier: Classifier) -> None:
    one_at_a_time, batches = CapacityLimiter(1), Batches(classifier)
    waiting = anyio.Semaphore(MOST_WAITING // MAX_IMAGES * 4)  # so many requests are decoded and wait for the network

    @app.post("/api/predict", responses=PREDICT_ERRORS)
    async def predict(
        images: Annotated[list[UploadFile], File(description="One or more image files.")],
        top: Annotated[int, Query(ge=1, description="Number of paths of the tree, best first.")] = 2,
        confidence: Annotated[
            float | None, Query(ge=0, le=1, description="Threshold for the confident answer; 0.8 without max_error.")
        ] = None,
        max_error: Annotated[
            float | None,
            Query(gt=0, lt=1, description="Choose the threshold so that at most this fraction is answered wrongly."),
        ] = None,
        coverage: Annotated[
            float | None,
            Query(alias="set", gt=0, lt=1, description="Include the fewest nodes that hold the truth this often."),
        ] = None,
        nodes: Annotated[bool, Query(description="Include the probability of every class of every level.")] = False,
        under: Annotated[
            str | None, Query(description="A node of the tree; only classes below it are considered.")
        ] = None,
    ) -> Predictions:
        """Classify images. If one of them cannot be read, the request fails and the error names it."""
        if len(images) > MAX_IMAGES:
            raise HTTPException(
                413, f"a request is limited to {MAX_IMAGES} images, not {len(images)}; send several requests"
            )
        if confidence is None and max_error is None:
            confidence = CONFIDENCE
        options = PredictOptions(min(top, classifier.tree.num_leaves), nodes, confidence, max_error, coverage, under)
        options.check(classifier)
        try:
            if under is not None:
                leaves_under(classifier.tree, under)  # an unknown node fails before anything is decoded
            async with waiting:
                pixels = await run_sync(_decoded, images, classifier.input_shape, limiter=one_at_a_time)
                prediction = await batches.predict(pixels, under)
        except UserError:
            raise
        except Exception as error:
            raise HTTPException(500, f"the network failed ({type(error).__name__}: {error})") from error
        answers = [{"set": None, "nodes": None, **entry} for entry in objects(_names(images), prediction, options)]
        return JSONResponse({"predictions": answers})  # pyright: ignore[reportReturnType]


def _names(images: Sequence[UploadFile]) -> list[str]:
    return [image.filename or "the image" for image in images]


def _decoded(images: Sequence[UploadFile], shape: tuple[int, int, int]) -> Array:
    return np.stack(
        [
            read_image(image.file, name=name, shape=shape, formats=FORMATS, max_pixels=MAX_PIXELS)
            for image, name in zip(images, _names(images), strict=True)
        ]
    )


def _add_samples(app: FastAPI, samples: Sequence[Sample]) -> None:
    @app.get("/api/samples")
    def links() -> list[SampleLink]:
        """List the sample images."""
        return [SampleLink(s.title, f"api/samples/{i}.png", s.drawn) for i, s in enumerate(samples)]

    @app.get("/api/samples/{number}.png", response_class=Response, responses=SAMPLE_ERRORS)
    def sample(number: int) -> Response:
        """Get a sample image."""
        if not 0 <= number < len(samples):
            raise HTTPException(404, f"no sample {number}; there are {len(samples)}, numbered from 0")
        return Response(samples[number].png, media_type="image/png")


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    app.mount("/page", StaticFiles(directory=PAGE))


def _add_error_handlers(app: FastAPI) -> None:
    """Every error is {"detail": one sentence}."""

    @app.exception_handler(UserError)
    def user_error(request: Request, error: Exception) -> JSONResponse:
        status = 415 if isinstance(error, NotAnImage) else 413 if isinstance(error, TooManyPixels) else 422
        return JSONResponse({"detail": str(error)}, status)

    @app.exception_handler(RequestValidationError)
    def invalid_parameter(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        problems = (f"{'.'.join(map(str, problem['loc'][1:]))}: {problem['msg']}" for problem in error.errors())
        return JSONResponse({"detail": "; ".join(problems)}, 422)

    @app.exception_handler(AnyHTTPException)
    def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, AnyHTTPException)
        if isinstance(error.__cause__, OSError):  # a body that does not fit on the disk is no fault of the client
            reason = f"the server cannot store the request ({error.__cause__.strerror or error.__cause__})"
            return _server_error(507 if error.__cause__.errno in NO_ROOM else 500, reason)
        if error.status_code >= 500:
            return _server_error(error.status_code, str(error.detail))
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)

    @app.exception_handler(OSError)
    def disk_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, OSError)
        return _server_error(507 if error.errno in NO_ROOM else 500, f"the server failed ({error.strerror or error})")


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _server_error(status: int, reason: str) -> JSONResponse:
    """An answer to a request that failed through no fault of the client, and a line in the log."""
    say(f"treehead: a request failed with status {status}: {reason}", file=sys.stderr)
    return JSONResponse({"detail": reason}, status)
