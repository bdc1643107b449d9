"""The user that relay's own server runs as, and the folders that belong to it.

As root every folder is opened without following a link, and changed through its descriptor:
whoever may write to a folder above could put a link in its place in between.
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
    except (OSError, subprocess.CalledProcessError) as exc:
        try:
            return pwd.getpwnam(SYSTEM_USER)  # another process was faster
        except KeyError:
            raise DatabaseUnavailable(
                "PostgreSQL refuses to run as root, and no user could be made for it with "
                f"useradd ({exc}): run relay as an ordinary user, or set RELAY_DATABASE_URL"
            ) from None
    return pwd.getpwnam(SYSTEM_USER)


def make_data_dir(home: Path) -> None:
    """RELAY_DATA_DIR, made if absent. Raises DatabaseUnavailable where it is of no use."""
    try:
        # As root the server is another user, which must pass through here and read nothing.
        home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise DatabaseUnavailable(f"RELAY_DATA_DIR {home} cannot be made: {exc.strerror}") from exc
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
    """Who may write here could put a link in the place of any folder that root then changes."""
    found = home.stat()
    if found.st_uid != 0:
        raise _belongs_to_another(f"RELAY_DATA_DIR {home}", found.st_uid)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
        raise DatabaseUnavailable(
            f"RELAY_DATA_DIR {home} may be written to by other users, and relay runs as root: "
            f"`chmod go-w {home}`, or run relay as an ordinary user"
        )


def allow_access(user: pwd.struct_passwd, folders: tuple[Path, ...]) -> None:
    """Let the server's user pass through the folders above its own, and no more than that.

    Only the right to pass (x) is added, where it is missing: nothing becomes readable.
    """
    for folder in (each.resolve() for each in folders):
        for passed in (folder, *folder.parents):
            if not passed.stat().st_mode & stat.S_IXOTH:
                with _opened(passed) as descriptor:
                    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
                    os.fchmod(descriptor, mode | stat.S_IXOTH)
                log.warning("database.folder_opened", folder=str(passed), user=user.pw_name)


def make_private(folder: Path, user: pwd.struct_passwd | None) -> None:
    """A folder of mode 0700 that belongs to the server's user."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        with _opened(folder) as descriptor:
            # Ours still, if we were killed before it was given away.
            _require_owner_in(folder, os.fstat(descriptor).st_uid, uid_of(user), os.geteuid())
            if user is not None:
                os.fchown(descriptor, user.pw_uid, user.pw_gid)
            os.fchmod(descriptor, 0o700)
    except OSError as exc:
        raise DatabaseUnavailable(f"{folder} cannot be made private: {exc.strerror}") from exc


def require_owner(folder: Path, uid: int) -> None:
    """Raise DatabaseUnavailable unless it is a folder, no link, of this user."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise _not_a_folder(folder)
    _require_owner_in(folder, found.st_uid, uid)


def uid_of(server_user: pwd.struct_passwd | None) -> int:
    """The uid of the server's user, ours where that is None."""
    return os.geteuid() if server_user is None else server_user.pw_uid


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A folder's descriptor; of a link there is none."""
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
        f"{folder} is a link or a file, where relay needs a folder: move it away, "
        "or name another RELAY_DATA_DIR"
    )


def _belongs_to_another(what: str, owner: int) -> DatabaseUnavailable:
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"uid {owner}"
    return DatabaseUnavailable(
        f"{what} belongs to another user, {name}: run relay as that one, give it to this one, "
        "or name another RELAY_DATA_DIR"
    )
