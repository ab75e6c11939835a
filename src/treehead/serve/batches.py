"""Requests that wait for the network are answered together: a batch takes little longer than one image.

Axes: N images of a batch.
"""

import asyncio
from dataclasses import dataclass

import numpy as np
from anyio.to_thread import run_sync

from treehead.inference.classifier import Classifier
from treehead.inference.prediction import Prediction
from treehead.types import Array

MOST_AT_ONCE, MOST_WAITING = 256, 1024
"""Images that are predicted at once; images of requests that wait, the others' wait before they are decoded."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    pixels: Array
    under: str | None
    answer: asyncio.Future[Prediction]


class Batches:
    """Predicts the images of many requests, one batch after another: the engine is not thread-safe.

    Conventions: while a batch is predicted, requests gather for the next one. A request is never split.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._waiting: list[_Request] = []
        self._worker: asyncio.Task[None] | None = None

    async def predict(self, pixels: Array, under: str | None) -> Prediction:
        """The prediction for pixels (N, C, H, W). Raises: whatever `Classifier.predict` raises."""
        request = _Request(pixels, under, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await request.answer

    async def _work(self) -> None:
        while batch := self._next():
            together = np.concatenate([request.pixels for request in batch])
            try:
                prediction = await run_sync(self._predicted, together, batch[0].under)
            except BaseException as error:
                self._fail(batch, error)
                if not isinstance(error, Exception):
                    raise
                continue
            start = 0
            for request in batch:
                stop = start + len(request.pixels)
                if not request.answer.done():
                    request.answer.set_result(prediction[start:stop])
                start = stop

    def _predicted(self, pixels: Array, under: str | None) -> Prediction:
        return self._classifier.predict(pixels, under=under)

    def _next(self) -> list[_Request]:
        """The requests of the next batch: the first that waits, and as many after it as agree with it and fit."""
        self._waiting = [request for request in self._waiting if not request.answer.done()]  # some clients are gone
        chosen: list[_Request] = []
        for request in self._waiting:
            total = sum(len(each.pixels) for each in chosen) + len(request.pixels)
            if chosen and (request.under != chosen[0].under or total > MOST_AT_ONCE):
                continue
            chosen.append(request)
        self._waiting = [request for request in self._waiting if request not in chosen]
        return chosen

    @staticmethod
    def _fail(batch: list[_Request], error: BaseException) -> None:
        for request in batch:
            if not request.answer.done():
                request.answer.set_exception(error if isinstance(error, Exception) else RuntimeError("stopped"))
