"""`relay completion`: a script by which a shell completes relay's commands and options."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_prints_a_script_for_each_shell(command, shell):
    result = command("completion", shell)
    assert result.exit_code == 0
    assert f"_RELAY_COMPLETE={shell}_complete" in result.stdout


def test_knows_no_other_shell(command):
    assert command("completion", "tcsh").exit_code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash: not on this machine")
def test_has_bash_complete_a_command(command, tmp_path):
    relay = tmp_path / "relay"
    # As pip writes it for the entry point.
    relay.write_text(f"#!{sys.executable}\nfrom relay.cli import main\nmain()\n")
    relay.chmod(0o755)
    script = command("completion", "bash").stdout
    asked = 'COMP_WORDS=(relay rep); COMP_CWORD=1; _relay_completion relay; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": ":".join(map(str, sys.path))},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["replay"]
