"""The unit file that runs `relay up` as a systemd service, with the paths of this installation."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from relay.errors import CannotRunAsService

_TEMPLATE = "relay.service"
# `ProtectHome` hides them from the service.
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))


@dataclass(frozen=True, slots=True)
class Installation:
    """Where relay is: the program that starts it, and every folder that this needs."""

    program: Path
    folders: tuple[Path, ...]

    @classmethod
    def running(cls) -> "Installation":
        """That of this process: `relay` beside its Python, and the Python behind a venv."""
        python = Path(sys.executable)
        return cls(
            program=python.with_name("relay"),
            folders=(python.parent, Path(sys.prefix), python.resolve().parent),
        )


def write_unit(installation: Installation, *, user: str, env_file: Path, mapping: Path) -> str:
    """The text of the unit file.

    Raises CannotRunAsService if the service could not read the program or the mapping.
    """
    problems = tuple(_problems(installation, mapping))
    if problems:
        raise CannotRunAsService("\n".join(problems))
    values = {
        "@USER@": user,
        "@ENV_FILE@": _escape_specifiers(str(env_file)),
        "@MAPPING@": _quote(_escape_specifiers(f"RELAY_MAPPING={mapping}")),
        # systemd replaces variables in a command, but not in an environment.
        "@EXECUTABLE@": _quote(_escape_specifiers(str(installation.program)).replace("$", "$$")),
    }
    text = resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _problems(installation: Installation, mapping: Path) -> Iterator[str]:
    if not installation.program.exists():
        yield f"there is no {installation.program}: install relay with pip, and run that one"
    hidden = [each for each in installation.folders if _is_in_a_home(each)]
    if hidden:
        yield (
            f"relay is installed in {hidden[0]}, a home folder, which is hidden from the service: "
            "install it elsewhere, such as in /opt/relay, with a Python of the system"
        )
    if _is_in_a_home(mapping):
        yield (
            f"the mapping file {mapping} is in a home folder, which is hidden from the service: "
            "move it, such as to /etc/relay, and name it with --mapping"
        )


def _is_in_a_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in _HOMES)


def _escape_specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quote(text: str) -> str:
    """In quotation marks if systemd would split or change it otherwise."""
    if not any(character in text for character in " \t\"'\\;"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
