"""The endpoint and the page, as an ASGI application over one classifier.

One request at a time is worked on, in a thread: the engine is not made to be called by many, and memory stays bounded.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, File, HTTPException, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException

from treehead.data.image_file import NotAnImage, TooManyPixels, read_image
from treehead.inference.classifier import Classifier
from treehead.inference.table import Wanted, objects
from treehead.serve.hosts import HostCheck
from treehead.serve.limits import FORMATS, MOST_BYTES, MOST_IMAGES, MOST_PIXELS, BodyLimit
from treehead.serve.replies import About, Answers, Limits, Refusal, SampleLink, Tree
from treehead.serve.samples import Sample
from treehead.types import UserError

PAGE = Path(__file__).parent / "page"
REFUSALS: dict[int | str, dict[str, Any]] = {
    413: {"model": Refusal, "description": "Too many bytes, images or pixels"},
    415: {"model": Refusal, "description": "Not an image"},
    422: {"model": Refusal, "description": "A damaged image, no image at all, or a value out of range"},
    500: {"model": Refusal, "description": "The network failed"},
}
MISDIRECTED: dict[int | str, dict[str, Any]] = {421: {"model": Refusal, "description": "Called by a strange name"}}
NO_SAMPLE: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "No such sample"},
    422: {"model": Refusal, "description": "Not a number"},
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def build_app(
    classifier: Classifier,
    *,
    name: str,
    accuracy: dict[str, float] | None = None,
    samples: Sequence[Sample] = (),
    most_bytes: int = MOST_BYTES,
    names: Collection[str] = (),
    ready: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The application that answers with `classifier`, under `name`; `ready` is called once it may be stopped.

    names: what it may be called in a Host header, beside addresses and localhost.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        ready()
        yield

    app = FastAPI(
        title=f"treehead: {name}",
        version=version("treehead"),
        description="Places images in a label tree, with probabilities at every level.",
        docs_url=None,  # they load their scripts from elsewhere; the page `docs` is our own
        redoc_url=None,
        responses=MISDIRECTED,
        lifespan=life,
    )
    app.add_middleware(BodyLimit, most=most_bytes)
    app.add_middleware(HostCheck, names=names)
    _add_headers(app)
    _add_refusals(app)
    _add_description(app, classifier, name=name, accuracy=accuracy, most_bytes=most_bytes)
    _add_predicting(app, classifier)
    _add_samples(app, samples)
    _add_pages(app)
    return app


def _add_description(
    app: FastAPI, classifier: Classifier, *, name: str, accuracy: dict[str, float] | None, most_bytes: int
) -> None:
    tree = classifier.tree
    about = About(
        name=name,
        treehead=version("treehead"),
        tree=tree.name,
        levels=list(tree.levels),
        classes=list(tree.sizes),
        input_shape=list(classifier.input_shape),
        decode=classifier.decode,
        accuracy=accuracy,
        limits=Limits(most_bytes, MOST_IMAGES, MOST_PIXELS, list(FORMATS)),
    )

    @app.get("/api/model")
    def model() -> About:
        """Describe the network that answers, and what a request may hold."""
        return about

    @app.get("/api/tree")
    def label_tree() -> Tree:
        """Give the label tree: names of every level, and who is whose parent."""
        return Tree(**tree.to_json())


def _add_predicting(app: FastAPI, classifier: Classifier) -> None:
    one_at_a_time = CapacityLimiter(1)

    @app.post("/api/predict", responses=REFUSALS)
    async def predict(
        images: Annotated[list[UploadFile], File(description="One or more image files.")],
        top: Annotated[int, Query(ge=1, description="How many paths of the tree to tell, best first.")] = 2,
        confidence: Annotated[float, Query(ge=0, le=1, description="What `confident` has to reach.")] = 0.8,
        nodes: Annotated[bool, Query(description="Tell the probability of every class of every level.")] = False,
        under: Annotated[str | None, Query(description="A node below which all images are known to lie.")] = None,
    ) -> Answers:
        """Place images in the label tree. One that cannot be read refuses the request, by name."""
        if len(images) > MOST_IMAGES:
            raise HTTPException(413, f"a request may bring {MOST_IMAGES} images, not {len(images)}; send several")
        wanted = Wanted(min(top, classifier.tree.num_leaves), nodes, confidence, under)
        try:
            return await run_sync(_answers, classifier, images, wanted, limiter=one_at_a_time)
        except UserError:
            raise
        except Exception as error:
            raise HTTPException(500, f"the network failed ({type(error).__name__}: {error})") from error


def _answers(classifier: Classifier, images: Sequence[UploadFile], wanted: Wanted) -> Any:
    names = [image.filename or "the image" for image in images]
    shape = classifier.input_shape
    pixels = np.stack(
        [
            read_image(image.file, name=name, shape=shape, formats=FORMATS, max_pixels=MOST_PIXELS)
            for image, name in zip(images, names, strict=True)
        ]
    )
    prediction = classifier.predict(pixels, under=wanted.under)
    return {"predictions": list(objects(names, prediction, wanted))}


def _add_samples(app: FastAPI, samples: Sequence[Sample]) -> None:
    @app.get("/api/samples")
    def links() -> list[SampleLink]:
        """List the images to try."""
        return [SampleLink(s.title, f"api/samples/{i}.png", s.drawn) for i, s in enumerate(samples)]

    @app.get("/api/samples/{number}.png", response_class=Response, responses=NO_SAMPLE)
    def sample(number: int) -> Response:
        """Give an image to try."""
        if not 0 <= number < len(samples):
            raise HTTPException(404, f"there is no sample {number}; there are {len(samples)}, counted from 0")
        return Response(samples[number].png, media_type="image/png")


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    app.mount("/page", StaticFiles(directory=PAGE))


def _add_headers(app: FastAPI) -> None:
    @app.middleware("http")
    async def with_headers(request: Request, answer: Any) -> Response:
        response = await answer(request)
        response.headers.update(HEADERS)
        return response


def _add_refusals(app: FastAPI) -> None:
    """Whatever is refused is told as {"detail": one sentence}."""

    @app.exception_handler(UserError)
    def refuse(request: Request, error: Exception) -> JSONResponse:
        status = 415 if isinstance(error, NotAnImage) else 413 if isinstance(error, TooManyPixels) else 422
        return JSONResponse({"detail": str(error)}, status)

    @app.exception_handler(RequestValidationError)
    def refuse_values(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        found = (f"{'.'.join(map(str, problem['loc'][1:]))}: {problem['msg']}" for problem in error.errors())
        return JSONResponse({"detail": "; ".join(found)}, 422)

    @app.exception_handler(AnyHTTPException)
    def refuse_plainly(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, AnyHTTPException)
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
