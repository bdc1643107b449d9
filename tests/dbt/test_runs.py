"""What the steps of a dbt Cloud run say of themselves."""

import pytest

from relay.dbt.runs import ERROR, SUCCESS, Step


def step(command, *, status=SUCCESS):
    return Step(index=4, name="", status=status, command=command)


@pytest.mark.parametrize(
    ("command", "dbt_command"),
    [
        ("dbt build", "build"),
        ("dbt build --select customers", "build"),
        ("dbt --no-use-colors build --select test", "build"),
        ("dbt --warn-error run --exclude seed", "run"),
        ("dbt --target test build", "build"),
        ("dbt -t run snapshot", "snapshot"),
        ("dbt --log-level debug --profiles-dir build seed", "seed"),
        ("dbt --target=test build", "build"),
        ("dbt -xt run build", "build"),
        ("dbt -xdqt run build", "build"),
        ("dbt -xtrun build", "build"),
        ("dbt -t=run build", "build"),
        ("dbt -xq build", "build"),
        ("dbt -xr run build", "build"),
        ("dbt -t -r seed build", "seed"),  # the target is `-r`
        ("dbt --warn-error-options seed build", "build"),
        ("dbt --defer-state build --indirect-selection run test", "test"),
        ("dbt -- build", "build"),
        ("dbt clean --profile build", "clean"),
        ("dbt --profile", None),
        ("dbt source freshness", "source"),
        ("dbt docs generate", "docs"),
        ("dbt run-operation build", "run-operation"),
        ("dbt retry", "retry"),
        ("dbt run --vars '{day: 1}'", "run"),
        ("dbt run --vars '{day: ", "run"),
        ("dbt deps", "deps"),
        ("dbt", None),
        ("", None),
        (None, None),
    ],
)
def test_the_command_of_a_step_is_the_word_dbt_takes_for_it(command, dbt_command):
    assert step(command).dbt_command == dbt_command


@pytest.mark.parametrize(
    ("command", "status", "must"),
    [
        ("dbt build", SUCCESS, True),
        ("dbt --target test build", SUCCESS, True),
        ("dbt build", ERROR, False),  # it may have died before it wrote one
        ("dbt deps", SUCCESS, False),
        ("dbt source freshness", SUCCESS, False),
        ("dbt docs generate", SUCCESS, False),
        (None, SUCCESS, False),
    ],
)
def test_only_a_rebuilding_step_that_succeeded_must_have_run_results(command, status, must):
    assert step(command, status=status).must_have_run_results is must


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("dbt build", None),
        ("dbt build --target dev", "dev"),
        ("dbt build --target=dev", "dev"),
        ("dbt build -t dev", "dev"),
        ("dbt build -tdev", "dev"),
        ("dbt build -t=dev", "dev"),
        ("dbt -tdev build", "dev"),
        ("dbt build -xtdev", "dev"),
        ("dbt build -xt dev", "dev"),
        ("dbt build --target prod --target dev", "dev"),
        ("dbt build --target-path dev", None),
        ("dbt build -s tdev -x", None),
        ("dbt build -stdev", None),
    ],
)
def test_the_target_of_a_step_is_the_one_dbt_takes(command, target):
    assert step(command).named_target == target
