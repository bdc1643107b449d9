"""How a command ends when something is wrong: words on stderr and an exit status, no traceback.

0 done · 1 a problem in what was checked or asked · 2 wrong usage or settings
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from relay.errors import BadMapping, BadSettings, DatabaseUnavailable, NoDatabase, RelayError
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
        _leave("Settings that relay cannot start with:", exc, WRONG_SETTINGS)
    except BadMapping as exc:
        _leave("A mapping file that relay cannot use:", exc, PROBLEM)
    except DatabaseUnavailable as exc:
        _leave("The database:", exc, PROBLEM)
    except NoDatabase as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - a command speaks to a person
        sys.exit(PROBLEM)
    except RelayError as exc:
        _leave("Error:", exc, PROBLEM)


def _leave(heading: str, exc: RelayError, status: int) -> NoReturn:
    lines = "\n".join(f"  {line}" for line in str(exc).splitlines())
    print(f"{heading}\n{lines}", file=sys.stderr)  # noqa: T201 - a command speaks to a person
    sys.exit(status)
