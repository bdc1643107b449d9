"""How a command ends when something is wrong: words on stderr and an exit status, no traceback.

0 done · 1 a problem in what was checked or asked · 2 wrong usage or settings
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from relay.errors import BadMapping, BadSettings, RelayError
from relay.settings import Settings

PROBLEM = 1
WRONG_SETTINGS = 2

AnySettings = TypeVar("AnySettings", bound=Settings)


def settings_or_exit(needed: type[AnySettings]) -> AnySettings:
    """The settings, or every problem in them and exit status 2."""
    with exit_on_error():
        return needed.from_environment()


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn relay's own errors into words and an exit status."""
    try:
        yield
    except BadSettings as exc:
        _leave("Error: invalid settings:", exc, WRONG_SETTINGS)
    except BadMapping as exc:
        _leave("Error: invalid mapping file:", exc, PROBLEM)
    except RelayError as exc:
        _leave("Error:", exc, PROBLEM)


def _leave(heading: str, exc: RelayError, status: int) -> NoReturn:
    lines = str(exc).splitlines()
    text = f" {lines[0]}" if len(lines) == 1 else "".join(f"\n  {line}" for line in lines)
    print(f"{heading}{text}", file=sys.stderr)  # noqa: T201 - a command speaks to a person
    sys.exit(status)
