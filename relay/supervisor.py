"""The process of `relay up` while web and worker run: it restarts them, and ends them in order.

It is there all the time and has little to do, so it imports next to nothing: 7 MB instead of 30.
`relay.up` becomes this process when the database is ready, and this one becomes `relay.up` again
to leave it.
"""

import ctypes
import os
import queue
import signal
import subprocess
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself is half a megabyte
    from structlog.typing import FilteringBoundLogger

# -P: nothing in the working directory replaces a module of the same name.
WEB = (sys.executable, "-P", "-m", "relay.web", "-c", "python:relay.web.gunicorn_conf")
WORKER = (sys.executable, "-P", "-m", "relay", "worker")
LEAVE = (sys.executable, "-P", "-m", "relay.up")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
DRAIN_SECONDS = 27  # the worker takes 25
# Seconds; the backoff before a process that died is restarted.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
LONG_LIFE = 60.0  # seconds; a process that ran this long is restarted without increased backoff
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Run web and worker until SIGTERM or SIGINT; the arguments are what `relay.up` leaves by."""
    _Supervisor((Child("web", WEB), Child("worker", WORKER))).run()
    if joined_by := sys.argv[1:]:
        # A second signal must not end this process before the database has been stopped.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        os.execv(LEAVE[0], (*LEAVE, *joined_by))


class Child:
    """A supervised process, which is restarted when it dies."""

    def __init__(self, name: str, command: tuple[str, ...]) -> None:
        self.name = name
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_at = 0.0
        self.pause = FIRST_PAUSE

    def start(self) -> None:
        # Its own session: Ctrl-C only reaches the supervisor, which stops all processes in order.
        self.process = subprocess.Popen(
            self.command,
            start_new_session=True,
            preexec_fn=_terminate_with_parent,  # noqa: PLW1509 - there are no threads yet
        )
        self.started_at = time.monotonic()

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def schedule_restart(self) -> None:
        """Log that the process died, and schedule its restart with exponential backoff."""
        assert self.process is not None
        lived = time.monotonic() - self.started_at
        self.pause = FIRST_PAUSE if lived > LONG_LIFE else min(self.pause * 2, LONGEST_PAUSE)
        pause = FIRST_PAUSE if lived > LONG_LIFE else self.pause
        self.start_at = time.monotonic() + pause
        log = load_log()
        log.error(
            "process.died",
            process=self.name,
            exit_status=self.process.returncode,
            again_in_seconds=round(pause),
        )
        self.process = None


class _Supervisor:
    def __init__(self, children: tuple[Child, ...]) -> None:
        self._children = children
        # Not an Event: a signal handler could deadlock on the lock that it interrupted.
        self._wake_up = queue.SimpleQueue[None]()
        self._stopping = False

    def run(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: self._wake_up.put(None))
        # All: what started relay may have blocked some, SIGCHLD too, and children inherit that.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        try:
            while not self._stopping:
                self._start_due_children()
                with suppress(queue.Empty):
                    self._wake_up.get(timeout=self._seconds_until_due())
                if os.getpid() == 1:
                    self._reap_orphans()
                for child in self._children:
                    if child.has_died() and not self._stopping:
                        child.schedule_restart()
        finally:
            self._stop_children()

    def _start_due_children(self) -> None:
        for child in self._children:
            if child.process is None and child.start_at <= time.monotonic():
                child.start()

    def _seconds_until_due(self) -> float | None:
        due = [child.start_at for child in self._children if child.process is None]
        return max(min(due) - time.monotonic(), 0.01) if due else None

    def _reap_orphans(self) -> None:
        """Process 1 is given all orphans: the database server and its children, for instance.

        How our own children ended is left for Popen to learn.
        """
        own = {child.process.pid: child.process for child in self._children if child.process}
        with suppress(ChildProcessError):
            while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if dead.si_pid in own:
                    own[dead.si_pid].poll()
                else:
                    os.waitpid(dead.si_pid, os.WNOHANG)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        self._wake_up.put(None)

    def _stop_children(self) -> None:
        living = [(child.name, child.process) for child in self._children if child.process]
        for _, process in living:
            process.terminate()
        deadline = time.monotonic() + DRAIN_SECONDS
        for name, process in living:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                log = load_log()
                log.error("process.killed", process=name, after_seconds=DRAIN_SECONDS)
                os.killpg(process.pid, signal.SIGKILL)  # gunicorn's workers, too
                process.wait()


def _terminate_with_parent() -> None:
    """In the child: make the kernel send SIGTERM if the supervisor is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def load_log() -> "FilteringBoundLogger":
    """The log, which is loaded when something has gone wrong, and not before."""
    from relay import logs  # noqa: PLC0415
    from relay.errors import BadSettings  # noqa: PLC0415
    from relay.settings import Settings  # noqa: PLC0415

    with suppress(BadSettings):  # a secret's file may be gone by now; it is logged all the same
        logs.configure(Settings.from_environment())
    return logs.get_logger()


if __name__ == "__main__":
    main()
