"""The unit file that runs `relay up` as a systemd service, with the paths of this installation."""

import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from relay.errors import CannotRunAsService
from relay.notation import printable

_TEMPLATE = "relay.service"
# In the path of a program, even if quoted.
_REFUSED = re.compile(r"[\"'\\\x00-\x1f\x7f]")
# `ProtectHome` hides them from the service.
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))


@dataclass(frozen=True, slots=True)
class Installation:
    """Where relay is: the program that starts it, and the folders of its Python."""

    program: Path
    folders: tuple[Path, ...]

    @classmethod
    def running(cls) -> "Installation":
        """That of this process."""
        folders = (sys.prefix, sys.base_prefix)  # a virtual environment, the Python behind it
        return cls(
            program=Path(sysconfig.get_path("scripts"), "relay"),
            folders=tuple(Path(each).resolve() for each in folders),
        )


def write_unit(installation: Installation, *, user: str, env_file: Path, mapping: Path) -> str:
    """The text of the unit file.

    Raises CannotRunAsService if the service could not read the program or the mapping, or systemd
    does not take one of the paths.
    """
    problems = (
        *_unusable((installation.program, env_file, mapping)),
        *_hidden(installation, mapping),
    )
    if problems:
        raise CannotRunAsService("\n".join(problems))
    values = {
        "@USER@": user,
        "@ENV_FILE@": _escape_specifiers(str(env_file)),
        "@MAPPING@": _quote(_escape_specifiers(f"RELAY_MAPPING={mapping}")),
        "@EXECUTABLE@": _quote(_escape_specifiers(str(installation.program))),
    }
    text = resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _unusable(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        if _REFUSED.search(str(path)):
            yield f"the path {printable(str(path))} has a character that systemd does not take"


def _hidden(installation: Installation, mapping: Path) -> Iterator[str]:
    if not installation.program.exists():
        yield f"there is no {installation.program}: install relay with pip, and run that one"
    hidden = [each for each in installation.folders if _is_in_a_home(each)]
    if hidden:
        yield (
            f"relay's Python is in {hidden[0]}, a home folder, which is hidden from the service: "
            "install relay elsewhere, such as in /opt/relay, with a Python of the system"
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
    """In quotation marks, if systemd would split it otherwise."""
    return f'"{text}"' if " " in text or ";" in text else text
