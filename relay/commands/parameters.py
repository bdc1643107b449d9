"""Option types that click does not have."""

from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import click

from relay.clock import utc_now
from relay.notation import read_duration, read_local_time


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A duration such as `6h` or `2d`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else read_duration(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class Time(click.ParamType):  # type: ignore[type-arg]
    """A time, in this machine's zone if it names none: `18:00` is the next one."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            return value if isinstance(value, datetime) else read_local_time(value, utc_now())
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class WebhookUrl(click.ParamType):  # type: ignore[type-arg]
    """A URL with its scheme, such as `https://relay.example.com/webhooks/dbt`."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        is_url = None
        with suppress(ValueError):
            url = urlsplit(value)
            is_url = url.scheme in ("http", "https") and url.hostname
        if not is_url:
            self.fail("expected a URL, like https://relay.example.com/webhooks/dbt", param, ctx)
        return value
