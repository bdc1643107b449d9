"""Says which channels of the mapping cannot be used; syncs are triggered all the same."""

from relay.logs import get_logger
from relay.vendors.channels import problems_of
from relay.worker.services import Services

log = get_logger()


class ChannelCheck:
    """Checks the variables of the channels once for each mapping that this worker takes up."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._checked: str | None = None  # the digest of a mapping

    def check(self) -> None:
        """Log each channel that cannot be used, unless it was done for this mapping."""
        mapping = self._services.mapping.current
        if mapping.digest == self._checked:
            return
        self._checked = mapping.digest
        for channel in mapping.channels.values():
            problems = problems_of(channel, self._services.settings.environment)
            if problems:
                log.error(
                    "notify.not_usable",
                    channel=channel.name,
                    kind=channel.kind,
                    problems=[str(problem) for problem in problems],
                )
