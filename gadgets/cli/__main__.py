"""``python -m gadgets.cli``: the malibu command where only the interpreter is known."""

from gadgets.cli.main import main

main()
