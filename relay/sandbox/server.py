"""The simulators, served on loopback."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from threading import Thread
from types import TracebackType
from typing import Any, Self, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from relay.clock import Clock, utc_now
from relay.sandbox import story
from relay.sandbox.census import SandboxCensus
from relay.sandbox.channels import SandboxChannels
from relay.sandbox.control import control
from relay.sandbox.dbt_cloud import SandboxDbtCloud
from relay.sandbox.wire import Simulator

HOST = "127.0.0.1"
_POLL_SECONDS = 0.01  # how often a server checks whether to stop


class Sandbox:
    """dbt Cloud, Census and channels on loopback, from `start` to `stop` or as a context manager.

    Port 0 is any free port; see the `url` of each simulator. Each port also serves the routes in
    `control`.
    """

    def __init__(
        self,
        dbt_cloud: SandboxDbtCloud,
        census: SandboxCensus,
        *,
        dbt_cloud_port: int = 0,
        census_port: int = 0,
        channels: SandboxChannels | None = None,
        channels_port: int = 0,
    ) -> None:
        self.dbt_cloud = dbt_cloud
        self.census = census
        self.channels = channels or SandboxChannels()
        self._ports = (dbt_cloud_port, census_port, channels_port)
        self._stops: list[Callable[[], None]] = []

    def start(self) -> Self:
        """Serve them, in threads that end with the process."""
        control_app = control(self.dbt_cloud, self.census, self.channels)
        simulators = (self.dbt_cloud, self.census, self.channels)
        for simulator, port in zip(simulators, self._ports, strict=True):
            server = make_server(
                HOST,
                port,
                _WithControlRoutes(simulator, control_app),
                threaded=True,
                request_handler=_Quiet,
            )
            self._stops.append(_serve(server))
            simulator.url = f"http://{HOST}:{server.port}"
        return self

    def stop(self) -> None:
        """Close the ports. Running requests are completed; delayed ones are dropped."""
        self.dbt_cloud.close()
        self.census.close()
        self.channels.close()
        while self._stops:
            self._stops.pop()()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def open_sandbox(
    *,
    runs_take: timedelta | None = timedelta(seconds=20),
    clock: Clock = utc_now,
    dbt_cloud_port: int = 0,
    census_port: int = 0,
    channels_port: int = 0,
) -> Sandbox:
    """The simulators with the jobs, subscription and syncs of `story`, without runs; not started.

    `runs_take` is the duration of each sync run; None: until it is ended by a call.
    """
    dbt_cloud = SandboxDbtCloud(story.DBT_ACCOUNT_ID, story.DBT_TOKEN, clock=clock)
    for job in story.JOBS:
        dbt_cloud.add_job(job)
    dbt_cloud.add_subscription(story.SUBSCRIPTION)
    census = SandboxCensus(story.CENSUS_API_KEY, runs_take=runs_take, clock=clock)
    for sync in story.SYNCS:
        census.add_sync(sync)
    return Sandbox(
        dbt_cloud,
        census,
        dbt_cloud_port=dbt_cloud_port,
        census_port=census_port,
        channels=SandboxChannels(clock=clock),
        channels_port=channels_port,
    )


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  werkzeug's name
        pass

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        # werkzeug would wait on this connection for another request: a fault closes it.
        self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        # The Date header has the simulator's time, like the times in its responses.
        now = cast(_WithControlRoutes, self.server.app).simulator.now()
        return super().date_time_string(timestamp or now.timestamp())


def _serve(server: BaseWSGIServer) -> Callable[[], None]:
    thread = Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()

    return stop


class _WithControlRoutes:
    """A simulator with the control routes, which are not in its journal and get no faults."""

    def __init__(self, simulator: Simulator, control_app: WSGIApplication) -> None:
        self.simulator = simulator
        self._control_app = control_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_control = environ["PATH_INFO"].startswith("/sandbox/")
        return (self._control_app if is_control else self.simulator)(environ, start_response)
