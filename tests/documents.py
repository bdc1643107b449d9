"""The parts of a document: its blocks of commands, of output, of code."""

import re

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(document, language):
    """The fenced blocks of a language, without the indentation of their list."""
    return [
        "\n".join(line.removeprefix(indent) for line in text.splitlines())
        for indent, kind, text in FENCE.findall(document.read_text())
        if kind == language
    ]
