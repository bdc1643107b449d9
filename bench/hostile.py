"""How fast web responds to a genuine delivery during an attack, and its memory afterwards.

The attackers are those of tests/hostile, on loopback. Meanwhile deliveries are sent one after the
other, each over a new connection, like those of a webhook.
"""

import argparse
import itertools
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from harness.load import Target, Template
from harness.measure import MEGABYTE
from harness.processes import CHECKOUT
from harness.report import machine, markdown
from harness.service import Service, Started, serving

from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.server import open_sandbox

sys.path.append(str(CHECKOUT / "tests" / "hostile"))
import attackers

LONGEST = 5.0  # seconds for a 202: the contract's
SETTLE = 3.0  # seconds after an attack, before memory is measured
BETWEEN = 0.02  # seconds between two deliveries
SEEN = 0.02  # seconds between two measurements of memory

Attack = Callable[[int, float], AbstractContextManager[object]]


@contextmanager
def _nobody(port: int, seconds: float) -> Iterator[None]:
    yield


@contextmanager
def _open_sides(port: int, seconds: float) -> Iterator[None]:
    with attackers.crowd(port, attackers.HEALTHZ, 30):
        yield


@contextmanager
def _half_sent(port: int, seconds: float) -> Iterator[None]:
    with attackers.crowd(port, attackers.SLOW["a head"], 30):
        yield


@contextmanager
def _slow(port: int, seconds: float) -> Iterator[None]:
    kinds = itertools.cycle(attackers.SLOW.values())
    with attackers.Drip(port, list(itertools.islice(kinds, 300)), seconds_between=6):
        yield


@contextmanager
def _idle(port: int, seconds: float) -> Iterator[None]:
    kept = attackers.HEALTHZ.replace(b"close", b"keep-alive")
    with attackers.crowd(port, kept, 1_200):
        yield


@contextmanager
def _readers_of_nothing(port: int, seconds: float) -> Iterator[None]:
    with attackers.clients_that_read_nothing(port, 30):
        yield


def _repeated(attack: Callable[[int], object]) -> Attack:
    @contextmanager
    def attacking(port: int, seconds: float) -> Iterator[None]:
        until = time.monotonic() + seconds

        def attack_again() -> None:
            while time.monotonic() < until:
                attack(port)

        thread = threading.Thread(target=attack_again)
        thread.start()
        yield
        thread.join()

    return attacking


def _readyz(port: int) -> None:
    call = b"GET /readyz HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n"
    with attackers.crowd(port, call, 150) as clients:
        for sock in clients:
            attackers.received(sock)


ATTACKS: dict[str, Attack] = {
    "none": _nobody,
    "30 clients that leave their side open": _open_sides,
    "30 requests that are sent by half": _half_sent,
    "300 clients, one byte each 6 s": _slow,
    "1,200 idle clients": _idle,
    "30 clients that read no answer": _readers_of_nothing,
    "1 MiB in chunks of one byte": _repeated(attackers.send_single_bytes),
    "250 bodies of 1 MiB, unsigned": _repeated(
        lambda port: attackers.send_bodies(port, 250, signature=None)
    ),
    "250 bodies of 1 MiB, signed wrongly": _repeated(lambda port: attackers.send_bodies(port, 250)),
    "150 calls of /readyz at once": _repeated(_readyz),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One attack: seconds until the 202s, and the bytes web's process held."""

    attack: str
    answered: int
    other: int  # responses other than 202, and missing ones
    median: float
    worst: float
    before: int
    most: int
    after: int

    @property
    def is_met(self) -> bool:
        return not self.other and self.worst < LONGEST


def main() -> int:
    """Measure and print; 1 if a delivery did not get a 202 in time."""
    options = _options()
    template = _template()
    settings = environment("http://127.0.0.1:9", "http://127.0.0.1:9")
    with serving(settings, ["census_sync_id: 1, depends_on: a"], webs=1, workers=0) as service:
        numbers = itertools.count(story.FIRST_DBT_RUN_ID + 1)
        rows = [
            _row(service, name, _deliveries(service, template, numbers), options.seconds)
            for name in ATTACKS
        ]
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else _table(rows))
    if options.write:
        how = f"{machine('gunicorn', 'flask', 'psycopg')}. {options.seconds:g} s each."
        options.write.write_text(f"# Under attack\n\n{how}\n\n{_table(rows)}\n", encoding="utf-8")
    return 0 if all(row.is_met for row in rows) else 1


def _row(service: Service, attack: str, deliveries: Iterator[bytes], seconds: float) -> Row:
    (web,) = service.webs
    before = _held(web)
    with ExitStack() as stack:
        most = stack.enter_context(_most_held(web))
        genuine = stack.enter_context(
            attackers.Regular(web.port, deliveries, expected=202, between=BETWEEN)
        )
        stack.enter_context(ATTACKS[attack](web.port, seconds))
        time.sleep(seconds)
    time.sleep(SETTLE)
    return Row(
        attack=attack,
        answered=len(genuine.seconds),
        other=len(genuine.others),
        median=statistics.median(genuine.seconds),
        worst=max(genuine.seconds),
        before=before,
        most=max(most),
        after=_held(web),
    )


@contextmanager
def _most_held(web: Started) -> Iterator[list[int]]:
    seen = [_held(web)]
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(SEEN):
            seen.append(_held(web))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield seen
    stop.set()
    thread.join()


def _held(web: Started) -> int:
    """The resident bytes of gunicorn's workers, without the master."""
    workers = psutil.Process(web.pid).children()
    return sum(int(each.memory_info().rss) for each in workers)


def _deliveries(service: Service, template: Template, numbers: Iterator[int]) -> Iterator[bytes]:
    (web,) = service.webs
    target = Target(web.port, "/webhooks/dbt", story.WEBHOOK_SECRET.encode())
    for number in numbers:
        yield from template.deliveries(target, range(number, number + 1))


def _template() -> Template:
    dbt_cloud = open_sandbox().dbt_cloud
    dbt_cloud.add_run(story.nightly_run())
    body = dbt_cloud.completed_event(story.FIRST_DBT_RUN_ID)
    event_id = json.loads(body)["eventId"]
    return Template(body, event_id.encode(), str(story.FIRST_DBT_RUN_ID).encode())


def _table(rows: list[Row]) -> str:
    heading = ("attack", "202s", "others", "median ms", "worst ms", "MB before", "most", "after")
    return markdown(heading, [_cells(row) for row in rows])


def _cells(row: Row) -> tuple[str, ...]:
    held = (f"{size / MEGABYTE:.0f}" for size in (row.before, row.most, row.after))
    seconds = (f"{value * 1000:.0f}" for value in (row.median, row.worst))
    return (row.attack, str(row.answered), str(row.other), *seconds, *held)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A genuine delivery while web is attacked.")
    parser.add_argument("--json", action="store_true", help="print every number as JSON")
    parser.add_argument("--seconds", type=float, default=14.0, help="length of an attack")
    parser.add_argument("--write", type=Path, help="keep the table in this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
