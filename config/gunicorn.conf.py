"""How gunicorn serves relay's web process where the Procfile starts it.

The values and their reasons are in relay/web/gunicorn_conf.py. To change one, set it below the
import. `relay up` does not read this file.
"""

from relay.web.gunicorn_conf import *  # noqa: F403 - every value: a missing one is a missing limit
