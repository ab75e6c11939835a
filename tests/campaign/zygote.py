"""Runs commands in forked children of a process that has imported everything: a case costs milliseconds, not seconds.

One JSON object per line in, one out; see `contract.Product`. It computes nothing itself, so it has no threads when it
forks.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MOST_OUTPUT = 20_000
"""Characters of a child's output that are told."""


def import_everything() -> None:
    import treehead

    for module in pkgutil.walk_packages(treehead.__path__, "treehead."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def die_at(number: int) -> None:
    """Kill this process before or after its file operation with this number, whichever comes."""
    seen = 0

    def point() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(call: Any) -> Any:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            point()
            result = call(*arguments, **options)
            point()
            return result

        return wrapped

    os.replace, os.rename, os.fsync = dying(os.replace), dying(os.rename), dying(os.fsync)
    tempfile.mkstemp, tempfile.mkdtemp = dying(tempfile.mkstemp), dying(tempfile.mkdtemp)


def child(case: dict[str, Any], told: Path) -> None:
    """Run one command; never returns."""
    code = 70
    try:
        os.setsid()
        for name, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(told / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if case["gigabytes"]:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            most = used + int(case["gigabytes"] * 2**30)
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        if case["room"] is not None:  # no file may grow beyond: as a disk that is full
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (case["room"], resource.RLIM_INFINITY))
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(case["folder"])
        if case["die_at"]:
            die_at(case["die_at"])
        from treehead.cli.main import main

        sys.argv = ["treehead", *case["words"]]
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)


def run(case: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="campaign-") as place:
        started, hung, shot = time.monotonic(), False, case["shot"]
        pid = os.fork()
        if pid == 0:
            child(case, Path(place))
        while True:
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                break
            spent = time.monotonic() - started
            if shot and spent >= shot[0]:
                os.kill(pid, shot[1])
                shot = None
            if spent > case["seconds"] and not hung:
                hung = True
                os.killpg(pid, signal.SIGKILL)
            time.sleep(0.002)
        out, err = (
            (Path(place) / name).read_text("utf-8", "replace")[-MOST_OUTPUT:] if (Path(place) / name).exists() else ""
            for name in ("out", "err")
        )
    return {
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "out": out,
        "err": err,
        "gigabytes": usage.ru_maxrss / 2**20,
        "seconds": time.monotonic() - started,
        "hung": hung,
    }


if __name__ == "__main__":
    import_everything()
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
