"""gunicorn's lines among relay's own. Only web loads this: importing gunicorn takes a while."""

import logging
from typing import Any

from gunicorn.glogging import Logger as _GunicornsLogger


class GunicornLogger(_GunicornsLogger):  # type: ignore[misc]
    """gunicorn's lines among relay's own: it keeps no handlers, so that the root's speaks."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True
        self.error_log.setLevel(self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO))
        self.access_log.setLevel(logging.INFO)
        self.access_log.disabled = cfg.accesslog is None

    def reopen_files(self) -> None:
        """There are none."""
