"""Everything that depends on the platform: locks, signals, processor cores, memory."""

import _thread
import ctypes
import importlib
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import psutil

from treehead.types import UserError

try:
    fcntl: Any = importlib.import_module("fcntl")
except ModuleNotFoundError:  # not on Windows, where filelock locks in another way
    fcntl = None

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # numbers of glibc's malloc.h


@contextmanager
def exclusive(path: Path, message: str) -> Iterator[Callable[[], bool]]:
    """Hold the lock file at `path`; it is released when the block or the process ends, however that ends.

    Yields: a function that says whether the lock file is still the one that is held; it is not where its folder was
        removed meanwhile.
    Conventions: the lock file is removed at the end, where the platform can tell that a file which is locked is no
        longer the one at its path; so two processes never hold two files of one path.
    Raises: UserError: another process holds it; `message` says what that means.
    """
    try:
        lock = _acquired(path)
    except OSError as error:
        raise UserError(f"cannot lock {path}: {error.strerror or error}") from None
    if lock is None:
        raise UserError(message)
    try:
        yield lambda: _is_at(lock, path)
    finally:
        _release(lock, path)


def reuse_freed_memory() -> None:
    """Let this process keep the memory it frees, where the C library can be told to (glibc).

    By default large arrays are returned to the system at once, and a new one costs a page fault every 4 kB: a training
    step that allocates the same arrays again was 11 % slower.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock file at `path`."""
    if not path.exists():
        return False
    try:
        lock = _acquired(path)
    except FileNotFoundError:  # it was removed a moment ago
        return False
    if lock is None:
        return True
    _release(lock, path)
    return False


def _acquired(path: Path) -> Any:
    """A descriptor, or without `fcntl` a lock, that holds the file; None where another process has it."""
    if fcntl is None:
        try:
            return filelock.FileLock(path).acquire(timeout=0).lock
        except filelock.Timeout:
            return None
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            os.close(handle)
            raise
        if _is_at(handle, path):
            return handle
        os.close(handle)  # whoever held it has removed it a moment ago


def _is_at(held: Any, path: Path) -> bool:
    """Whether what is held is still the file at `path`."""
    if fcntl is None:
        return path.exists()
    try:
        return os.path.samestat(os.fstat(held), os.stat(path))
    except OSError:
        return False


def _release(held: Any, path: Path) -> None:
    if fcntl is None:
        held.release()
        return
    if _is_at(held, path):
        with suppress(OSError):
            path.unlink()
    os.close(held)


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP, where the platform has them, raise KeyboardInterrupt as Ctrl-C does.

    Conventions: a signal that the process was started to ignore (nohup) stays ignored; only in the main thread. An
        interrupt that comes while Python runs a callback, which cannot raise, is raised again after it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    names = ("SIGTERM", "SIGHUP")
    kinds = [getattr(signal, name) for name in names if hasattr(signal, name)]
    kinds = [kind for kind in kinds if signal.getsignal(kind) is not signal.SIG_IGN]
    before = {kind: signal.signal(kind, interrupt) for kind in kinds}
    hook, sys.unraisablehook = sys.unraisablehook, _raised_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _raised_again(unraisable: Any) -> None:
    """An unraisable hook: of weak references and finalizers, whose exceptions Python prints and then drops."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        again = threading.Timer(0.02, _interrupt_main)  # from another thread, when this hook has returned
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(unraisable)


def _interrupt_main() -> None:
    """Ctrl-C, as a signal where the platform can send one to a thread: it also ends a wait."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


@contextmanager
def on_hangup(handler: Callable[[int, Any], object]) -> Iterator[None]:
    """Call `handler` on SIGHUP, where the platform has it and the process was not started to ignore it (nohup)."""
    kind = getattr(signal, "SIGHUP", None)
    if kind is None or signal.getsignal(kind) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(kind, handler)
    try:
        yield
    finally:
        signal.signal(kind, before)


def own_process_group() -> Mapping[str, Any]:
    """Arguments of `subprocess.Popen` for a process that does not get the terminal's Ctrl-C itself."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}


def interrupt_signal() -> int:
    """The signal that stops a process as Ctrl-C does, or ends it where it was started to ignore Ctrl-C (nohup)."""
    if sys.platform == "win32":
        return signal.CTRL_BREAK_EVENT
    return signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT


def usable_cores() -> int:
    """Number of processor cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def share_of_cores(place: int, shares: int) -> Iterator[None]:
    """Restrict processes started in this block to the share `place` of the cores; no restriction on some platforms."""
    if shares == 1 or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[place::shares] or cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def most_open_files() -> int:
    """Files and connections that this process may have open at once; a guess where the platform does not say."""
    try:
        import resource
    except ImportError:
        return 2048
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft if soft != resource.RLIM_INFINITY else 65_536


def total_memory_bytes() -> int:
    """Memory of this machine."""
    return psutil.virtual_memory().total


def peak_memory_bytes() -> int:
    """Most memory that this process has held at once."""
    try:
        import resource
    except ImportError:
        usage = psutil.Process().memory_info()
        return getattr(usage, "peak_wset", usage.rss)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB on Linux


def processor_name() -> str:
    """The processor's model, or its architecture where the model is not known."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return next(names, platform.machine())
    return platform.processor() or platform.machine()
