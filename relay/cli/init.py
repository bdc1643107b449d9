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
@click.option("--offline", "checks", flag_value="none", default="vendors", help="Ask no vendor.")
@click.option(
    "--no-input",
    "prompts",
    flag_value="never",
    default="ask",
    help="Ask nothing: for scripts.",
)
def init(settings_file: Path, checks: str, prompts: str, **settings: str | None) -> None:
    """Write a file of settings and a mapping file, after asking for what they need.

    Each setting that its variable or an option gives is not asked for; secrets are read from their
    variables, from files, or without echo. They are tried at dbt Cloud and Census: one list each is
    read. Nothing that is there is overwritten.
    """
    from relay.commands import init as command

    options = {name: value for name, value in settings.items() if value is not None}
    wanted = command.InitOptions(
        options, settings_file, command.Prompts(prompts), command.Checks(checks)
    )
    command.run(wanted)
