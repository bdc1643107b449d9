"""gunicorn's log lines in relay's format. Only web imports this: importing gunicorn is slow."""

import logging
from typing import Any

from gunicorn.glogging import Logger as _GunicornsLogger


class GunicornLogger(_GunicornsLogger):  # type: ignore[misc]
    """Passes gunicorn's lines to the root logger's handler."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True
        self.error_log.setLevel(self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO))
        self.access_log.setLevel(logging.INFO)
        self.access_log.disabled = cfg.accesslog is None

    def reopen_files(self) -> None:
        """Do nothing: there are no log files."""
