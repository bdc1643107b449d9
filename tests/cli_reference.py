"""The help texts in docs/cli.md. `.venv/bin/python tests/cli_reference.py` writes them.

Each is a `text` block that begins with `$ relay NAME --help`. A command without one gets a section
at the end of the document.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from relay import cli

DOCUMENT = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH = 80  # columns


def updated(document: str) -> str:
    """The document with the help of every command as the command prints it."""
    for name in commands():
        block = f"```text\n$ relay {name} --help\n{help_of(name)}\n```\n"
        pattern = rf"^```text\n\$ relay {name} --help\n.*?^```\n"
        there = re.search(pattern, document, re.MULTILINE | re.DOTALL)
        if there:
            document = document[: there.start()] + block + document[there.end() :]
        else:
            document = f"{document.rstrip()}\n\n## relay {name}\n\n{block}"
    return document


def commands() -> dict[str, click.Command]:
    """Every command by its words, `mapping from-census`; of a group only its commands."""
    return dict(_below(cli.main))


def _below(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {words}", inner) for words, inner in _below(command))
        else:
            yield name, command


def help_of(name: str) -> str:
    """What `relay NAME --help` prints on a terminal of WIDTH columns."""
    result = CliRunner().invoke(
        cli.main, [*name.split(), "--help"], prog_name="relay", terminal_width=WIDTH, color=False
    )
    return result.output.strip()


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text()))
