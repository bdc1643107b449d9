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


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--newest", "-1"),
        ("status", "--newest", str(2**63)),
        ("plan", "--run", "0"),
        ("explain", "--sync", str(2**63), "--last"),
        ("trigger", "0"),
        ("replay", "--since", "366d"),
    ],
    ids=" ".join,
)
def test_a_number_beyond_its_bounds_is_refused_before_anything_is_read(words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
