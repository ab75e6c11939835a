"""Many uploads at once, sound and broken ones, to a real server: all are answered."""

import asyncio
import io
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from contract import CASES, SEED
from PIL import Image

EDGE = b"edge7d1f"


def upload(content: bytes) -> bytes:
    body = b'--%s\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n%s\r\n--%s--\r\n' % (
        EDGE,
        content,
        EDGE,
    )
    head = b"POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    kind = b"Content-Type: multipart/form-data; boundary=" + EDGE
    return b"%s%s\r\nContent-Length: %d\r\n\r\n%s" % (head, kind, len(body), body)


async def status_of(port: int, data: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(), 120)
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1])


def test_uploads_at_once(run: Path) -> None:
    rng = random.Random(SEED)
    held = io.BytesIO()
    Image.fromarray(np.random.default_rng(SEED).integers(0, 256, (200, 200, 3), np.uint8)).save(held, "JPEG")
    sound = held.getvalue()
    contents = [sound if rng.random() < 0.7 else sound[: rng.randrange(len(sound))] for _ in range(min(200, 4 * CASES))]
    command = [sys.executable, "-m", "treehead", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r":(\d+) ", server.stdout.readline())
        assert found is not None
        port = int(found[1])

        async def all_at_once() -> list[int]:
            return await asyncio.gather(*(status_of(port, upload(content)) for content in contents))

        statuses = asyncio.run(all_at_once())
        server.terminate()
        _, said = server.communicate(timeout=60)
    for content, status in zip(contents, statuses, strict=True):
        assert status == 200 if content == sound else status in (200, 415, 422)
    assert said.strip() in ("", "stopped")
