"""The help texts in docs/cli.md. `.venv/bin/python tests/cli_reference.py` writes them.

Each is a `text` block that begins with `$ relay NAME --help`. A command without one gets a section
at the end of the document.
"""

import re
from pathlib import Path

from click.testing import CliRunner

from relay import cli

DOCUMENT = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH = 80  # columns


def updated(document: str) -> str:
    """The document with the help of every command as the command prints it."""
    for name in cli.main.commands:
        block = f"```text\n$ relay {name} --help\n{help_of(name)}\n```\n"
        pattern = rf"^```text\n\$ relay {name} --help\n.*?^```\n"
        there = re.search(pattern, document, re.MULTILINE | re.DOTALL)
        if there:
            document = document[: there.start()] + block + document[there.end() :]
        else:
            document = f"{document.rstrip()}\n\n## relay {name}\n\n{block}"
    return document


def help_of(name: str) -> str:
    """What `relay NAME --help` prints on a terminal of WIDTH columns."""
    result = CliRunner().invoke(
        cli.main, [name, "--help"], prog_name="relay", terminal_width=WIDTH, color=False
    )
    return result.output.strip()


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text()))
