"""What is wrong with the account's webhook subscriptions is told to who can mend it."""

import dataclasses

import pytest

from relay.dbt.subscriptions import WebhookSubscription, problems_of

GOOD = WebhookSubscription(
    subscription_id="wsu_1",
    name="relay",
    client_url="https://relay.example.com/webhooks/dbt",
    is_active=True,
    event_types=("job.run.completed",),
)
NAMED = "webhook subscription 'relay' (wsu_1) to https://relay.example.com/webhooks/dbt"


def but(**fields):
    return dataclasses.replace(GOOD, **fields)


def jobs(*dbt_job_ids):
    return but(dbt_job_ids=frozenset(dbt_job_ids))


@pytest.mark.parametrize(
    ("subscriptions", "mapped_job_ids"),
    [
        ([GOOD], None),
        ([GOOD], {1, 2}),
        ([but(event_types=("job.run.started", "job.run.completed"))], None),
        ([but(client_url="https://example.com/behind/a/proxy/webhooks/dbt?team=crm")], None),
        ([jobs(1)], None),
        ([jobs(1, 2, 3)], {1, 2}),
        ([jobs(1), jobs(2)], {1, 2}),
        ([jobs(1), GOOD], {1, 2}),
        ([jobs(1)], set()),
        ([GOOD, but(client_url="https://hooks.slack.com/x", is_active=False)], None),
    ],
)
def test_a_subscription_that_reports_the_runs_is_no_problem(subscriptions, mapped_job_ids):
    mapped = None if mapped_job_ids is None else frozenset(mapped_job_ids)
    assert problems_of(subscriptions, mapped_job_ids=mapped) == ()


@pytest.mark.parametrize(
    "subscriptions",
    [
        [],
        [but(client_url="https://hooks.slack.com/services/1")],
        [but(client_url="https://relay.example.com/webhooks/dbt/")],
        [but(client_url="https://example.com/?to=/webhooks/dbt")],
        [but(client_url="http://[/webhooks/dbt")],
        [but(client_url="")],
    ],
)
def test_one_that_leads_elsewhere_is_none(subscriptions):
    (told,) = problems_of(subscriptions)
    assert told.startswith("no webhook subscription leads to a URL that ends in /webhooks/dbt: ")
    assert "job.run.completed" in told


@pytest.mark.parametrize(
    ("subscriptions", "mapped_job_ids", "told"),
    [
        ([but(is_active=False)], None, [f"{NAMED} is not active; activate it again"]),
        (
            [but(is_active=False, deactivate_reason="7 days of failures")],
            None,
            [f"{NAMED} is not active, and dbt Cloud says why: 7 days of failures; activate"],
        ),
        ([GOOD, but(is_active=False)], None, [f"{NAMED} is not active"]),
        (
            [but(event_types=("job.run.started", "job.run.errored"))],
            None,
            [f"{NAMED} lists job.run.started, job.run.errored; relay needs job.run.completed"],
        ),
        ([but(event_types=())], None, [f"{NAMED} lists no event; relay needs"]),
        (
            [but(is_active=False, event_types=())],
            None,
            [f"{NAMED} is not active", f"{NAMED} lists no event"],
        ),
        (
            [jobs(7, 6)],
            {2, 1},
            ["no webhook subscription to relay lists jobs 1, 2, which the mapping waits for; they"],
        ),
        ([jobs(1), jobs(3)], {1, 2}, ["no webhook subscription to relay lists job 2, which"]),
    ],
)
def test_one_that_does_not_is_reported_with_what_to_do(subscriptions, mapped_job_ids, told):
    mapped = None if mapped_job_ids is None else frozenset(mapped_job_ids)
    said = problems_of(subscriptions, mapped_job_ids=mapped)
    assert len(said) == len(told)
    for sentence, beginning in zip(said, told, strict=True):
        assert sentence.startswith(beginning)


def test_relay_may_listen_elsewhere():
    elsewhere = but(client_url="https://relay.example.com/hooks")
    assert problems_of([elsewhere], url_path="/hooks") == ()


def test_what_may_be_secret_in_its_url_is_not_shown():
    url = "https://user:pass@relay.example.com:8443/webhooks/dbt?token=abc#x"
    (told,) = problems_of([but(client_url=url, is_active=False)])
    assert " to https://relay.example.com:8443/webhooks/dbt is not active" in told
