"""`relay systemd-unit`: a hardened unit file for `relay up`."""

import re
from pathlib import Path

import click

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}", re.ASCII)


def _user_name(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not _USER.fullmatch(name):
        raise click.BadParameter("expected the name of a system user, like relay")
    if name == "root":
        raise click.BadParameter("expected a user of relay's own, without rights, not root")
    return name


@click.command(name="systemd-unit")
@click.option(
    "--user", default="relay", show_default=True, callback=_user_name, help="Who runs relay."
)
@click.option(
    "--env-file",
    default="/etc/relay/relay.env",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The settings, which systemd reads as root.",
)
@click.option(
    "--mapping",
    default="/etc/relay/syncs.yml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The mapping file; RELAY_MAPPING in the settings replaces it.",
)
def systemd_unit(user: str, env_file: Path, mapping: Path) -> None:
    """Print a hardened systemd unit that runs `relay up` of this installation.

    Its data is in /var/lib/relay, which systemd creates for the user. As root:

    relay systemd-unit > /etc/systemd/system/relay.service
    """
    from relay.commands import systemd_unit as command

    command.run(user, env_file, mapping)
