"""The user that relay's own server runs as, and the folders that belong to it.

As root every folder is opened without following a link, and changed through its descriptor:
another user who can write to a parent folder could otherwise replace it by a link in between.
"""

import errno
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from relay.errors import DatabaseUnavailable
from relay.logs import get_logger

SYSTEM_USER = "relay-postgres"  # runs the server if relay runs as root

log = get_logger()


def server_user() -> pwd.struct_passwd | None:
    """The user that runs the server; None for the current one. PostgreSQL refuses root."""
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
    except (OSError, subprocess.CalledProcessError) as exc:
        try:
            return pwd.getpwnam(SYSTEM_USER)  # another process was faster
        except KeyError:
            raise DatabaseUnavailable(
                "PostgreSQL refuses to run as root, and no user could be created for it with "
                f"useradd ({exc}): run relay as an ordinary user, or set RELAY_DATABASE_URL"
            ) from None
    return pwd.getpwnam(SYSTEM_USER)


def make_data_dir(home: Path) -> None:
    """Create RELAY_DATA_DIR if absent. Raises DatabaseUnavailable if it cannot be used."""
    try:
        # If we are root, the server runs as another user, which must pass through but read nothing.
        home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise DatabaseUnavailable(
            f"RELAY_DATA_DIR {home} cannot be created: {exc.strerror}"
        ) from exc
    if os.geteuid() == 0:
        _require_root_owned(home)
    try:
        tempfile.TemporaryFile(dir=home).close()
    except OSError as exc:
        if exc.errno in (errno.EACCES, errno.EPERM) and home.stat().st_uid != os.geteuid():
            raise _belongs_to_another(f"RELAY_DATA_DIR {home}", home.stat().st_uid) from exc
        raise DatabaseUnavailable(
            f"RELAY_DATA_DIR {home} cannot be written to: {exc.strerror}"
        ) from exc


def _require_root_owned(home: Path) -> None:
    """Other writers could replace any folder in it by a link, which root would then change."""
    found = home.stat()
    if found.st_uid != 0:
        raise _belongs_to_another(f"RELAY_DATA_DIR {home}", found.st_uid)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
        raise DatabaseUnavailable(
            f"RELAY_DATA_DIR {home} may be written to by other users, and relay runs as root: "
            f"`chmod go-w {home}`, or run relay as an ordinary user"
        )


def allow_access(user: pwd.struct_passwd, folders: tuple[Path, ...]) -> None:
    """Let the server's user pass through the parent folders of its own.

    Only the execute permission (x) is added where it is missing: nothing becomes readable.
    """
    for folder in (each.resolve() for each in folders):
        for passed in (folder, *folder.parents):
            if not passed.stat().st_mode & stat.S_IXOTH:
                with _opened(passed) as descriptor:
                    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
                    os.fchmod(descriptor, mode | stat.S_IXOTH)
                log.warning("database.folder_opened", folder=str(passed), user=user.pw_name)


def make_private(folder: Path, user: pwd.struct_passwd | None) -> None:
    """Create a folder of mode 0700 that belongs to the server's user."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        with _opened(folder) as descriptor:
            # Still our own, if an earlier process was killed before its chown.
            _require_owner_in(folder, os.fstat(descriptor).st_uid, uid_of(user), os.geteuid())
            if user is not None:
                os.fchown(descriptor, user.pw_uid, user.pw_gid)
            os.fchmod(descriptor, 0o700)
    except OSError as exc:
        raise DatabaseUnavailable(f"{folder} cannot be made private: {exc.strerror}") from exc


def require_owner(folder: Path, uid: int) -> None:
    """Raise DatabaseUnavailable unless it is a folder (not a link) of this user."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise _not_a_folder(folder)
    _require_owner_in(folder, found.st_uid, uid)


def uid_of(server_user: pwd.struct_passwd | None) -> int:
    """The uid of the server's user; the current one for None."""
    return os.geteuid() if server_user is None else server_user.pw_uid


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A folder's descriptor. Raises DatabaseUnavailable for a link."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            raise _not_a_folder(folder) from exc
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _require_owner_in(folder: Path, owner: int, *uids: int) -> None:
    if owner not in uids:
        raise _belongs_to_another(str(folder), owner)


def _not_a_folder(folder: Path) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"{folder} is a link or a file, but relay needs a folder: move it away, "
        "or set another RELAY_DATA_DIR"
    )


def _belongs_to_another(what: str, owner: int) -> DatabaseUnavailable:
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"uid {owner}"
    return DatabaseUnavailable(
        f"{what} belongs to another user, {name}: run relay as that user, change its owner, "
        "or set another RELAY_DATA_DIR"
    )
