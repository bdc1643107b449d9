"""How fast web responds to a genuine delivery during an attack, and its memory afterwards.

The attackers are those of tests/hostile, on loopback. Meanwhile deliveries are sent one after the
other, each over a new connection, like those of a webhook.
"""

import argparse
import itertools
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import psutil
from harness.background import in_background
from harness.benchmark import Report, at_most, none_of, options, run, table
from harness.load import Target, Template
from harness.measure import MEGABYTE
from harness.processes import CHECKOUT
from harness.service import Service, Started, serving

from relay.sandbox import story
from relay.sandbox.command import environment

sys.path.append(str(CHECKOUT / "tests" / "hostile"))
import attackers

LONGEST_MS = 5000.0  # until a 202: the contract's
SETTLE = 3.0  # seconds after an attack, before memory is measured
BETWEEN = 0.02  # seconds between two deliveries
SEEN = 0.02  # seconds between two measurements of memory

Attack = Callable[[int], AbstractContextManager[object]]


def _repeated(attack: Callable[[int], object]) -> Attack:
    def attacking(port: int) -> AbstractContextManager[None]:
        def attack_again(stopping: threading.Event) -> None:
            while not stopping.is_set():
                attack(port)

        return in_background(attack_again)

    return attacking


def _slow(port: int) -> AbstractContextManager[object]:
    kinds = itertools.cycle(attackers.SLOW.values())
    drip: AbstractContextManager[object] = attackers.Drip(
        port, list(itertools.islice(kinds, 300)), seconds_between=6
    )
    return drip


def _readyz(port: int) -> None:
    call = b"GET /readyz HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n"
    with attackers.crowd(port, call, 150) as clients:
        for sock in clients:
            attackers.received(sock)


KEPT = attackers.HEALTHZ.replace(b"close", b"keep-alive")
ATTACKS: dict[str, Attack] = {
    "none": lambda _: nullcontext(),
    "30 clients that leave their side open": lambda port: attackers.crowd(
        port, attackers.HEALTHZ, 30
    ),
    "30 requests that are sent by half": lambda port: attackers.crowd(
        port, attackers.SLOW["a head"], 30
    ),
    "300 clients, one byte each 6 s": _slow,
    "1,200 idle clients": lambda port: attackers.crowd(port, KEPT, 1_200),
    "30 clients that read no answer": lambda port: attackers.clients_that_read_nothing(port, 30),
    "1 MiB in chunks of one byte": _repeated(attackers.send_single_bytes),
    "250 bodies of 1 MiB, unsigned": _repeated(
        lambda port: attackers.send_bodies(port, 250, signature=None)
    ),
    "250 bodies of 1 MiB, signed wrongly": _repeated(lambda port: attackers.send_bodies(port, 250)),
    "150 calls of /readyz at once": _repeated(_readyz),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One attack: ms until the 202s, and the MB that web's worker held."""

    attack: str
    answered: int
    other: int  # responses other than 202, and missing ones
    median: float
    worst: float
    before: float
    most: float
    after: float


def measure(given: argparse.Namespace) -> Report:
    """One attack after the other, on the same web."""
    settings = environment("http://127.0.0.1:9", "http://127.0.0.1:9")
    with serving(settings, ["census_sync_id: 1, depends_on: a"], webs=1, workers=0) as service:
        deliveries = _deliveries(service)
        rows = [_row(service, name, deliveries, given.seconds) for name in ATTACKS]
    columns = {
        "attack": "{.attack}",
        "202s": "{.answered}",
        "others": "{.other}",
        "median ms": "{.median:.0f}",
        "worst ms": "{.worst:.0f}",
        "MB before": "{.before:.0f}",
        "most": "{.most:.0f}",
        "after": "{.after:.0f}",
    }
    return Report(
        title="Under attack",
        how=f"{given.seconds:g} s each.",
        packages=("gunicorn", "flask", "psycopg"),
        parts=[table(rows, columns)],
        targets=(
            none_of("deliveries without a 202", sum(row.other for row in rows)),
            at_most("each worst ms", max(row.worst for row in rows), LONGEST_MS, ".0f"),
        ),
        numbers=rows,
    )


def _row(service: Service, attack: str, deliveries: Iterator[bytes], seconds: float) -> Row:
    (web,) = service.webs
    before = _held(web)
    with ExitStack() as stack:
        most = stack.enter_context(_most_held(web))
        genuine = stack.enter_context(
            attackers.Regular(web.port, deliveries, expected=202, between=BETWEEN)
        )
        stack.enter_context(ATTACKS[attack](web.port))
        time.sleep(seconds)
    time.sleep(SETTLE)
    return Row(
        attack=attack,
        answered=len(genuine.seconds),
        other=len(genuine.others),
        median=statistics.median(genuine.seconds) * 1e3,
        worst=max(genuine.seconds) * 1e3,
        before=before,
        most=max(most),
        after=_held(web),
    )


@contextmanager
def _most_held(web: Started) -> Iterator[list[float]]:
    seen = [_held(web)]

    def look(stopping: threading.Event) -> None:
        while not stopping.wait(SEEN):
            seen.append(_held(web))

    with in_background(look):
        yield seen


def _held(web: Started) -> float:
    """The resident MB of gunicorn's workers, without the master."""
    workers = psutil.Process(web.pid).children()
    return sum(int(worker.memory_info().rss) for worker in workers) / MEGABYTE


def _deliveries(service: Service) -> Iterator[bytes]:
    (web,) = service.webs
    template, target = Template.of_sandbox(), Target(web.port)
    for number in itertools.count(story.FIRST_DBT_RUN_ID + 1):
        yield from template.deliveries(target, range(number, number + 1))


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, seconds=14.0)))
