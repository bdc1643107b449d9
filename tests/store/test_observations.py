"""What a worker saw of the service itself."""

from relay.store.observations import MAPPING, VENDOR_PAUSED_UNTIL


def test_the_last_observation_of_each_name_and_subject_is_kept(store, clock):
    store.observations.record(MAPPING, "", 1, "", clock())
    store.observations.record(VENDOR_PAUSED_UNTIL, "census/default", 5, "", clock())
    store.observations.record(VENDOR_PAUSED_UNTIL, "dbt_cloud", 6, "", clock())
    clock.tick(60)
    store.observations.record(MAPPING, "", 0, "syncs.yml:3\nunknown key", clock())
    seen = [(each.name, each.subject, each.value, each.detail) for each in store.observations.all()]
    assert seen == [
        (MAPPING, "", 0, "syncs.yml:3 unknown key"),
        (VENDOR_PAUSED_UNTIL, "census/default", 5, ""),
        (VENDOR_PAUSED_UNTIL, "dbt_cloud", 6, ""),
    ]
    assert store.observations.get(MAPPING).seen_at == clock()
    assert store.observations.get(MAPPING, "of another") is None
