"""The commands in the order in which help lists them, and the edge at which errors become sentences."""

import errno
import os
import sys
import warnings

import typer

from treehead.cli import data, looking, training, using
from treehead.types import RunError, UserError

USER_ERROR, RUN_ERROR = 2, 1
COMMANDS = (
    training.train,
    training.resume,
    training.evaluate,
    training.study,
    using.report,
    using.predict,
    using.export,
    using.serve,
    looking.summary,
    looking.config,
)
DATA_COMMANDS = (data.get, data.check, data.show)

app = typer.Typer(
    help="One CNN, a head for every level of your label tree.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Fetch CIFAR-100, verify it, draw a sheet of samples.", no_args_is_help=True)
app.add_typer(data_app, name="data")
for command in COMMANDS:
    app.command()(command)
for command in DATA_COMMANDS:
    data_app.command()(command)


def main() -> None:
    """Run the command line; a mistake is one sentence on stderr and an exit code, never a traceback."""
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")  # it is refused, with a sentence
    warnings.formatwarning = lambda message, *_, **__: f"treehead: warning: {message}\n"
    try:
        app()
    except UserError as error:
        _fail(str(error), USER_ERROR)
    except RunError as error:
        _fail(str(error), RUN_ERROR)
    except OSError as error:
        full = "; free some space and run the same command again" if error.errno == errno.ENOSPC else ""
        where = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{where}{full}", RUN_ERROR)
    except Exception as error:
        if os.environ.get("TREEHEAD_TRACEBACK"):
            raise
        _fail(
            f"this is a mistake of treehead's ({type(error).__name__}: {error}); please report it with what "
            "TREEHEAD_TRACEBACK=1 prints",
            RUN_ERROR,
        )


def _fail(message: str, code: int) -> None:
    print(f"treehead: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
