"""Start the server for a model, and stop it on Ctrl-C."""

import errno
import json
import socket
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from treehead.extras import require
from treehead.inference.classifier import SHIPPED, folder_of, load
from treehead.inference.exported import exported_metrics
from treehead.inputs import say
from treehead.runfiles import RunFolder
from treehead.system import on_hangup
from treehead.types import UserError


def serve(source: str, *, host: str, port: int, show: bool, names: Sequence[str] = ()) -> None:
    """Load a model and serve it until Ctrl-C; the address is printed when the server is ready.

    Conventions: port 0 chooses a free one. `show` opens the page in the browser. `names` are further host names that
        requests may use, such as a proxy's.
    Raises: UserError: no such model, an unusable address, or the extra `serve` is missing.
    """
    require("fastapi", "uvicorn", "python_multipart")
    from treehead.serve.app import build_app
    from treehead.serve.connections import server_of
    from treehead.serve.hosts import LOOPBACK, names_of
    from treehead.serve.samples import samples_of

    with _listening(host, port) as listener:  # before the model is loaded, so that an unusable address fails at once
        classifier = load(source)
        folder = None if Path(source).suffix in (".onnx", ".safetensors") else folder_of(source)
        name = source if source in SHIPPED else Path(source).resolve().name
        address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        app = build_app(
            classifier,
            name=name,
            accuracy=_accuracy(source, folder),
            samples=samples_of(classifier.tree, folder),
            names=names_of(host) | set(names),
            ready=lambda: _announce(name, address, open_to_others=host not in LOOPBACK, show=show),
        )
        server = server_of(app)
        try:
            with on_hangup(server.handle_exit):
                server.run(sockets=[listener])
        except KeyboardInterrupt:  # raised again by uvicorn after a graceful shutdown
            say("\nstopped", file=sys.stderr)


def _announce(name: str, address: str, *, open_to_others: bool, show: bool) -> None:
    say(f"serving {name} at {address} (JSON endpoint: {address}/docs); stop with Ctrl-C")
    if open_to_others:
        say(
            "whoever reaches this machine can send images to this server; use --host 127.0.0.1 to prevent it",
            file=sys.stderr,
        )
    if show:
        webbrowser.open(address)


def _listening(host: str, port: int) -> socket.socket:
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except (OSError, OverflowError) as error:
        if listener:
            listener.close()
        code = getattr(error, "errno", None)
        if code == errno.EADDRINUSE:
            raise UserError(f"port {port} of {host} is in use; --port 0 chooses a free one") from None
        raise UserError(f"cannot listen on {host}, port {port}: {getattr(error, 'strerror', None) or error}") from None
    return listener


def _accuracy(source: str, folder: RunFolder | None) -> dict[str, float] | None:
    """Accuracy per level on the test images, if the model comes with its metrics."""
    if folder is None:
        return exported_metrics(Path(source)).get("accuracy") if source.endswith(".safetensors") else None
    return json.loads(folder.read_text(folder.metrics))["accuracy"] if folder.metrics.exists() else None
