"""How gunicorn serves relay's web process. Every value has its reason beside it."""

from relay.web.gunicorn_hooks import (  # noqa: F401 - gunicorn looks them up by these names
    SETTINGS,
    on_exit,
    on_starting,
    when_ready,
)

wsgi_app = "relay.web.app:application()"
bind = f"0.0.0.0:{SETTINGS.port}"
workers = SETTINGS.web_concurrency

# A thread is taken for as long as a client dawdles over its header or body, so there are more
# of them than the slow clients one should survive; they are made as they are needed.
worker_class = "gthread"
threads = 256
worker_connections = 1000

# The application is loaded once and shared by the workers: less memory.
preload_app = True

timeout = 30  # seconds without a sign of life until a worker is replaced
graceful_timeout = 20  # for the requests under way after SIGTERM
keepalive = 75  # longer than the usual proxy keeps its connections

# Its control socket would be a file in the home folder, which may be read-only.
control_socket_disable = True

# relay logs a line for each delivery itself; set accesslog to "-" for gunicorn's own.
logger_class = "relay.web.gunicorn_logs.GunicornLogger"
accesslog = None
