"""File descriptors: how many connections of clients leave some for the database."""

import resource

ENOUGH = 4096
RESERVED = 100  # for the database, its programs and the log
MOST_CONNECTIONS = 1000
FEWEST_CONNECTIONS = 16


def raise_limit() -> int:
    """Raise this process's soft limit as far as it may be and is useful; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def connections_within(limit: int) -> int:
    """How many clients may be connected to one web process at this limit."""
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, limit - RESERVED))
