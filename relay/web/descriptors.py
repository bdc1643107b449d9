"""The limit of file descriptors, and how many connections of clients it allows."""

import resource

WANTED = 4096
RESERVED = 100  # for the database, its processes and the log
MOST_CONNECTIONS = 1000
FEWEST_CONNECTIONS = 16


def raise_limit() -> int:
    """Raise this process's soft limit as far as allowed and useful; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return WANTED if soft == resource.RLIM_INFINITY else soft


def connections_within(limit: int) -> int:
    """How many clients may be connected to one web process at this limit."""
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, limit - RESERVED))
