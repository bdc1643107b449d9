"""The user that relay's own server runs as, and the folders that belong to it."""

import os
import pwd
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from relay.errors import DatabaseUnavailable
from relay.logs import get_logger

SYSTEM_USER = "relay-postgres"  # where relay runs as root, which PostgreSQL refuses to

log = get_logger()


def server_user() -> pwd.struct_passwd | None:
    """Whom the server runs as; None for ourselves. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return _make_system_user()


def _make_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        try:
            return pwd.getpwnam(SYSTEM_USER)  # another process was faster
        except KeyError:
            raise DatabaseUnavailable(
                "PostgreSQL refuses to run as root, and no user could be made for it with "
                "useradd: run relay as an ordinary user, or set RELAY_DATABASE_URL"
            ) from None
    return pwd.getpwnam(SYSTEM_USER)


def let_in(user: pwd.struct_passwd, folders: tuple[Path, ...]) -> None:
    """Let the server's user pass through the folders above its own, and no more than that.

    Only the right to pass (x) is added, where it is missing: nothing becomes readable.
    """
    for folder in folders:
        for passed in (folder, *folder.parents):
            mode = passed.stat().st_mode
            if not mode & stat.S_IXOTH:
                passed.chmod(mode | stat.S_IXOTH)
                log.warning("database.folder_opened", folder=str(passed), user=user.pw_name)


def make_private(folder: Path, user: pwd.struct_passwd | None) -> None:
    """A folder of mode 0700 that belongs to the server's user."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # Ours still, if we were killed before it was given away; a link may lead anywhere.
        must_belong_to(folder, uid_of(user), os.geteuid())
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o700)
    except OSError as exc:
        raise DatabaseUnavailable(f"{folder} cannot be made private: {exc.strerror}") from exc


def must_belong_to(folder: Path, *uids: int) -> None:
    """Raise DatabaseUnavailable unless it is a folder, no link, of one of these users."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in uids:
        raise DatabaseUnavailable(
            f"{folder} belongs to another user: run relay as that one, "
            "or name another RELAY_DATA_DIR"
        )


def uid_of(server_user: pwd.struct_passwd | None) -> int:
    """The uid of the server's user, ours where that is None."""
    return os.geteuid() if server_user is None else server_user.pw_uid
