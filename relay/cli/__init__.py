"""relay's command line: each command's name, options and help. `commands/` does what they say."""

from relay.cli.program import main

__all__ = ["main"]
