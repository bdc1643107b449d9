"""The image's HEALTHCHECK: exit 0 if what the container runs is healthy, else 1 and why.

What it runs is read from process 1's command, also if an init (tini, docker --init) or a shell
precedes it. web is healthy if /readyz says that deliveries can be stored, a worker if its alive
file is young, `relay up` if both are; any other command (migrate, demo, a shell) always is.

Standard library only, and little of it: this starts every few seconds. Run it with -I -S.
"""

import json
import os
import socket
import sys
import time

ALIVE_SECONDS = 60.0
ANSWER_SECONDS = 8.0
ONE_MIB = 1 << 20
WEB, WORKER = "web", "worker"
PROCESSES = {
    ("relay", "up"): (WEB, WORKER),
    ("-m", "relay.supervisor"): (WEB, WORKER),  # what `relay up` becomes when it has started
    ("relay", "worker"): (WORKER,),
    ("-m", "relay.web"): (WEB,),
    ("gunicorn", "-c"): (WEB,),
    ("gunicorn", "--config"): (WEB,),
}


def main() -> int:
    """Check process 1; print what is wrong. Returns the exit status."""
    with open("/proc/1/cmdline", encoding="utf-8", errors="replace") as file:
        processes = processes_in(file.read().split("\0"))
    problems = [problem for each in processes if (problem := CHECKS[each]())]
    print("; ".join(problems) or "ok")
    return 1 if problems else 0


def processes_in(command: list[str]) -> tuple[str, ...]:
    """What a command runs of relay: web, worker, both or neither.

    An argument may be a shell's script, so it is split into words. The last match counts: what
    precedes it, such as `relay migrate &&`, has ended.
    """
    words = [word for argument in command for word in argument.split()]
    names = [word.rpartition("/")[2] for word in words]
    pairs = zip(names, words[1:], strict=False)
    found = [PROCESSES[pair] for pair in pairs if pair in PROCESSES]
    return found[-1] if found else ()


def web_problem() -> str | None:
    """Why web is unhealthy: it does not answer, or cannot reach its database."""
    try:
        database = readiness(int(os.environ.get("PORT", "").strip() or 8080))["checks"]["database"]
    except (OSError, ValueError, LookupError, TypeError) as exc:
        return f"web: {exc or type(exc).__name__}"
    return None if database == "ok" else f"web: database: {database}"


def readiness(port: int) -> dict[str, dict[str, object]]:
    """What /readyz answers. Raises OSError or ValueError if it gives no answer."""
    deadline = time.monotonic() + ANSWER_SECONDS
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        answer = b""
        while len(answer) < ONE_MIB and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            received = connection.recv(65536)
            if not received:
                break
            answer += received
    content: dict[str, dict[str, object]] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return content


def worker_problem() -> str | None:
    """Why the worker is unhealthy: its alive file is absent or old."""
    file = os.environ.get("RELAY_WORKER_ALIVE_FILE", "").strip()
    if not file:
        return None  # it writes none
    try:
        age = time.time() - os.stat(file).st_mtime
    except OSError as exc:
        return f"worker: {file}: {exc.strerror}"
    return None if age < ALIVE_SECONDS else f"worker: no sign of life for {age:.0f} seconds"


CHECKS = {WEB: web_problem, WORKER: worker_problem}

if __name__ == "__main__":
    sys.exit(main())
