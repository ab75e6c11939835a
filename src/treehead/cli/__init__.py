"""The `treehead` command: arguments in, messages and exit codes out. It computes nothing itself."""

from treehead.cli.main import main as main
