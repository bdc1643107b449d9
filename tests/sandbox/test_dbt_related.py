"""`include_related` in the forms that clients send."""

import pytest
from werkzeug.datastructures import MultiDict

from relay.sandbox.dbt_related import related_in

BOTH = ["job", "run_steps"]


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        (["run_steps,job"], BOTH),
        (["run_steps, job"], BOTH),
        (['["run_steps", "job"]'], BOTH),
        (["['run_steps','job']"], BOTH),
        (["run_steps", "job"], BOTH),
        (["['run_steps']", "job"], BOTH),
        (["run_steps"], ["run_steps"]),
        (["[]"], []),
        ([""], []),
        ([], []),
    ],
    ids=str,
)
def test_every_form_is_read(sent, names):
    assert sorted(related_in(MultiDict({"include_related": sent}))) == names
