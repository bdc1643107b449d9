"""`python -P -m relay.web`: the `gunicorn` command without the working directory in sys.path.

`gunicorn` puts it first. A `relay.py` or `click.py` there must not replace the installed one.
"""

import os

from gunicorn.app.wsgiapp import WSGIApplication


class _Gunicorn(WSGIApplication):  # type: ignore[misc]
    def chdir(self) -> None:
        """Change to the configured directory, but do not change sys.path."""
        os.chdir(self.cfg.chdir)


if __name__ == "__main__":
    _Gunicorn("%(prog)s [OPTIONS]", prog="relay.web").run()
