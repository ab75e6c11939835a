"""`python -m treehead` is the command `treehead`."""

from treehead.cli import main

main()
