"""The commands, in the order in which --help lists them, and the conversion of errors to messages and exit codes."""

import contextlib
import errno
import functools
import io
import os
import sys
import warnings
from collections.abc import Callable

import typer

from treehead.cli import data, inference, inspect, training
from treehead.cli.arguments import INTERRUPTED
from treehead.inputs import cut, printable, say
from treehead.system import termination_as_interrupt
from treehead.types import Note, RunError, UserError

USER_ERROR, RUN_ERROR = 2, 1
LONGEST = 390
"""Characters of an error message, which is one sentence."""
COMMANDS = (
    training.train,
    training.resume,
    training.evaluate,
    training.calibrate,
    training.study,
    training.report,
    inference.predict,
    inference.export,
    inference.serve,
    inspect.summary,
    inspect.config,
)
DATA_COMMANDS = (data.get, data.check, data.show)

app = typer.Typer(
    help="One CNN, a head for every level of your label tree.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Download CIFAR-100, check data sets, draw sample sheets.", no_args_is_help=True)
app.add_typer(data_app, name="data")


def stoppable(command: Callable[..., object]) -> Callable[..., object]:
    """A command that ends in one line and exit code 130 on Ctrl-C and on signals to stop, after it has cleaned up."""

    @functools.wraps(command)
    def run(*arguments: object, **options: object) -> object:
        try:
            with termination_as_interrupt():
                return command(*arguments, **options)
        except KeyboardInterrupt:
            say("treehead: stopped", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None

    return run


for command in COMMANDS:
    app.command()(stoppable(command))
for command in DATA_COMMANDS:
    data_app.command()(stoppable(command))


def main() -> None:
    """Run the command line. An error is one sentence on stderr and an exit code, never a traceback."""
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")  # such images are refused by a UserError
    warnings.showwarning = _show_warning
    _lenient_output()
    try:
        app()
    except UserError as error:
        _fail(str(error), USER_ERROR)
    except RunError as error:
        _fail(str(error), RUN_ERROR)
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        _fail(f"there is not enough memory{reason}; try smaller images, a smaller batch or network", RUN_ERROR)
    except OSError as error:
        hint = "; free some space and run the same command again" if error.errno == errno.ENOSPC else ""
        file = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{file}{hint}", RUN_ERROR)
    except Exception as error:
        if os.environ.get("TREEHEAD_TRACEBACK"):
            raise
        _fail(
            f"internal error ({type(error).__name__}: {error}); please report it, with the traceback that "
            "TREEHEAD_TRACEBACK=1 prints",
            RUN_ERROR,
        )


def _fail(message: str, code: int) -> None:
    with contextlib.suppress(OSError):  # whoever reads it may be gone
        say(f"treehead: {cut(printable(' '.join(message.split())), LONGEST)}", file=sys.stderr)
    sys.exit(code)


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Print a warning as a line on stderr, and a note on stdout."""
    is_note = issubclass(category, Note)
    say(f"{'note' if is_note else 'warning'}: {message}", file=sys.stdout if is_note else sys.stderr)


def _lenient_output() -> None:
    """Print letters that the encoding of the output lacks as \\uNNNN: an old code page is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # whoever reads it may be gone
                stream.reconfigure(errors="backslashreplace")
