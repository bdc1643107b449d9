"""The deliveries of dbt Cloud's webhook, and what became of each."""

import msgspec

from relay.dashboard.listing import (
    ROWS,
    Listed,
    choice_in,
    id_in,
    listed,
    position_in,
    since_in,
)
from relay.dashboard.visit import Visit
from relay.store.pages.deliveries import BECAME, DeliveryFilter, DeliveryRow


class DeliveriesPage(msgspec.Struct, frozen=True, kw_only=True):
    """The list."""

    deliveries: Listed[DeliveryRow]


def view(visit: Visit) -> DeliveriesPage:
    """Filters: `became`, `job`, `since`."""
    wanted = DeliveryFilter(
        became=choice_in(visit.query, "became", BECAME),
        dbt_job_id=id_in(visit.query, "job"),
        since=since_in(visit.query, visit.now),
    )
    found = visit.pages.deliveries.newest(wanted, before=position_in(visit.query), rows=ROWS)
    return DeliveriesPage(deliveries=listed(found, visit.query))
