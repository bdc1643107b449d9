"""How gunicorn serves relay's web process where the Procfile starts it.

The values and their reasons are in relay/web/gunicorn_conf.py. To change one, set it below the
import. `relay up` does not read this file.
"""

from relay.web.gunicorn_conf import (  # noqa: F401 - gunicorn looks them up by these names
    accesslog,
    bind,
    control_socket_disable,
    graceful_timeout,
    keepalive,
    logger_class,
    on_exit,
    on_starting,
    preload_app,
    threads,
    timeout,
    when_ready,
    worker_class,
    worker_connections,
    workers,
    wsgi_app,
)
