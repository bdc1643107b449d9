"""`relay init`: a first set-up."""

from pathlib import Path

import click


@click.command()
@click.option("--dbt-cloud-url", "DBT_CLOUD_URL", metavar="URL")
@click.option("--dbt-cloud-account-id", "DBT_CLOUD_ACCOUNT_ID", metavar="ID")
@click.option("--dbt-cloud-token-file", "DBT_CLOUD_TOKEN_FILE", metavar="FILE")
@click.option("--dbt-cloud-webhook-secrets-file", "DBT_CLOUD_WEBHOOK_SECRETS_FILE", metavar="FILE")
@click.option("--census-url", "CENSUS_URL", metavar="URL")
@click.option("--census-api-version", "CENSUS_API_VERSION", metavar="VERSION")
@click.option("--census-api-key-file", "CENSUS_API_KEY_FILE", metavar="FILE")
@click.option(
    "--env-file",
    "settings_file",
    default="relay.env",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The file of settings to write.",
)
@click.option("--offline", "checks", flag_value="none", default="vendors", help="No vendor checks.")
@click.option(
    "--no-input",
    "prompts",
    flag_value="never",
    default="ask",
    help="Do not prompt: for scripts.",
)
def init(settings_file: Path, checks: str, prompts: str, **settings: str | None) -> None:
    """Write a file of settings and a mapping file, after asking for what they need.

    Settings that are in a variable or an option are not asked for. Secrets are read from variables
    or files, or typed without being shown. URLs, ids and keys are checked with read requests to
    dbt Cloud and Census. Existing files are not overwritten.
    """
    from relay.commands import init as command

    options = {name: value for name, value in settings.items() if value is not None}
    wanted = command.InitOptions(
        options, settings_file, command.Prompts(prompts), command.Checks(checks)
    )
    command.run(wanted)
