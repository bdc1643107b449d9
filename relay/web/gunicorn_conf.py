"""gunicorn's configuration of the web process, with the reason for every value."""

from relay.web.descriptors import connections_within, raise_limit
from relay.web.gunicorn_hooks import (  # noqa: F401 - gunicorn looks hooks up by their names
    SETTINGS,
    on_exit,
    on_starting,
    when_ready,
    worker_exit,
)

wsgi_app = "relay.web.app:application()"
bind = f"0.0.0.0:{SETTINGS.port}"
workers = SETTINGS.web_concurrency

# No thread waits for a client (relay/web/gunicorn_worker.py has the reason), but for four at most
# that wait while a response over a hundred kilobytes is read. Threads wait for the
# database, together; they are created on demand.
worker_class = "relay.web.gunicorn_worker.ReceivingWorker"
threads = 256
# 1,000, or fewer if the limit of open files is low. Beyond that, the connection that has waited
# longest is closed.
worker_connections = connections_within(raise_limit())

# The application is loaded once and shared by the workers: less memory.
preload_app = True

timeout = 30  # seconds without a heartbeat until a worker is replaced
graceful_timeout = 20  # seconds for the requests in progress after SIGTERM
keepalive = 75  # seconds: longer than the usual proxy keeps its connections

# relay uses neither the scheme nor the script name. gunicorn would respond with 400 if two headers
# of a proxy disagree on the scheme, and with 500 if a path does not begin with SCRIPT_NAME.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""

# Its control socket would be a file in the home folder, which may be read-only.
control_socket_disable = True

# relay logs a line for each delivery itself; set accesslog to "-" for gunicorn's own.
logger_class = "relay.web.gunicorn_logs.GunicornLogger"
accesslog = None
