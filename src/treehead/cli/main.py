"""The commands, in the order in which --help lists them, and the conversion of errors to messages and exit codes."""

import errno
import os
import sys
import warnings

import typer

from treehead.cli import data, inference, inspect, training
from treehead.types import RunError, UserError

USER_ERROR, RUN_ERROR = 2, 1
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
for command in COMMANDS:
    app.command()(command)
for command in DATA_COMMANDS:
    data_app.command()(command)


def main() -> None:
    """Run the command line. An error is one sentence on stderr and an exit code, never a traceback."""
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")  # such images are refused by a UserError
    warnings.formatwarning = lambda message, *_, **__: f"treehead: warning: {message}\n"
    try:
        app()
    except UserError as error:
        _fail(str(error), USER_ERROR)
    except RunError as error:
        _fail(str(error), RUN_ERROR)
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
    print(f"treehead: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
