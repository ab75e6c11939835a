"""The `treehead` command: words in, sentences and exit codes out. It computes nothing itself."""

from treehead.cli.main import main as main
