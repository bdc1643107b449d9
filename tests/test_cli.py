"""The commands' names, options and help."""

import pytest
from click.testing import CliRunner

from relay.cli import main


@pytest.mark.parametrize("words", [(), *((name,) for name in main.commands)], ids=" ".join)
def test_every_command_has_help(words):
    assert CliRunner().invoke(main, [*words, "--help"]).exit_code == 0


def test_help_names_every_command():
    told = CliRunner().invoke(main, ["--help"]).stdout
    assert [name for name in main.commands if name not in told] == []
