"""The heartbeat: a dead man's switch elsewhere raises the alarm when it stays away."""

from relay.errors import VendorError
from relay.logs import get_logger
from relay.secret import Secret
from relay.store.observations import HEARTBEAT
from relay.vendors.heartbeat import send_beat
from relay.worker.services import Services

log = get_logger()


def send_heartbeat(services: Services) -> None:
    """Send one if the mapping file on disk is valid; that this job runs shows the rest.

    Only a change is logged: the first failure, and the first success after it.
    """
    url = services.settings.heartbeat_url
    services.mapping.refresh()
    if url is None or services.mapping.problems:
        return
    problem = _send(url)
    observations = services.store.observations
    before = observations.get(HEARTBEAT)
    is_well = problem is None
    if before is not None and before.value == is_well:
        return
    observations.record(HEARTBEAT, "", float(is_well), problem or "", services.clock())
    if not is_well:
        log.warning("heartbeat.failed", problem=problem)
    elif before is not None:
        log.info("heartbeat.recovered")


def _send(url: Secret) -> str | None:
    """The problem, None if it arrived."""
    try:
        send_beat(url)
    except VendorError as exc:
        return str(exc)
    return None
