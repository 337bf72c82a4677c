"""The command line: what an operator types, in a terminal or in a script."""

from api.cli.entry import main

__all__ = ["main"]
