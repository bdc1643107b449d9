"""How a command ends on an error: a message on stderr and an exit status, no traceback.

0 success · 1 a problem in what was checked or requested · 2 wrong usage or settings
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from relay.errors import BadMapping, BadSettings, BadSyncFile, NoDatabase, RelayError
from relay.settings import Settings

PROBLEM = 1
WRONG_SETTINGS = 2

AnySettings = TypeVar("AnySettings", bound=Settings)


def settings_or_exit(needed: type[AnySettings]) -> AnySettings:
    """The settings; if they are invalid, print every problem and exit with status 2."""
    with exit_on_error():
        return needed.from_environment()


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn relay's own errors into a message and an exit status."""
    try:
        yield
    except BadSettings as exc:
        _exit_with("Error: invalid settings:", exc, WRONG_SETTINGS)
    except BadMapping as exc:
        _exit_with("Error: invalid mapping file:", exc, PROBLEM)
    except BadSyncFile as exc:
        _exit_with(
            "Error: nothing was sent, because the file of the sync is invalid:", exc, PROBLEM
        )
    except NoDatabase as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - a command speaks to a person
        sys.exit(PROBLEM)
    except RelayError as exc:
        _exit_with("Error:", exc, PROBLEM)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make SIGTERM and SIGINT end the block at once, with exit status 0.

    For the startup of a process, until it sets its own handlers. The kernel delivers no signal to
    process 1 without a handler, so its startup could not be ended at all.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def end(*_: Any) -> NoReturn:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # already exiting
        sys.exit(0)

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is end:
                signal.signal(number, handler)


def _exit_with(heading: str, exc: RelayError, status: int) -> NoReturn:
    lines = str(exc).splitlines()
    text = f" {lines[0]}" if len(lines) == 1 else "".join(f"\n  {line}" for line in lines)
    print(f"{heading}{text}", file=sys.stderr)  # noqa: T201 - a command speaks to a person
    sys.exit(status)
