"""`python -P -m relay.web`: the `gunicorn` command, for an application that is installed.

`gunicorn` itself puts the working directory first on sys.path, because an application usually
lies there. A `relay.py` or `click.py` in that directory must not replace the installed one.
"""

import os

from gunicorn.app.wsgiapp import WSGIApplication


class _Gunicorn(WSGIApplication):  # type: ignore[misc]
    def chdir(self) -> None:
        """Change to the configured directory, but leave sys.path alone."""
        os.chdir(self.cfg.chdir)


if __name__ == "__main__":
    _Gunicorn("%(prog)s [OPTIONS]", prog="relay.web").run()
