"""What runs an image: Docker, or buildah with a chroot in namespaces of its own.

A container runs as the image says: its user, its environment, process 1, a root that cannot be
written unless asked for, tmpfs on /tmp, a new folder on /data, no new privileges.
"""

import contextlib
import enum
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from base import BUILDAH, CACHE, base_image, require_tools, run

CHECKOUT = Path(__file__).parents[2]
MEGABYTE = 1e6
USER = 10001


class Root(enum.Enum):
    """Whether a container may write to its image's files."""

    READ_ONLY = "read-only"
    WRITABLE = "writable"


class Docker:
    """Containers of Docker."""

    name = "docker"

    def __init__(self):
        self.image = "relay-image-test"
        self._started = []

    def build(self):
        run("docker", "build", "--quiet", "--tag", self.image, str(CHECKOUT))

    def config(self):
        return self._inspected()["Config"]

    def size(self):
        """In bytes, unpacked."""
        return self._inspected()["Size"]

    def _inspected(self):
        return json.loads(run("docker", "image", "inspect", self.image))[0]

    def start(self, *command, root=Root.READ_ONLY, beside=None, **settings):
        """Start a container, `beside` another one: in its network."""
        name = f"relay-image-test-{uuid.uuid4().hex[:8]}"
        options = ["--security-opt", "no-new-privileges", "--cap-drop", "ALL"]
        options += ["--tmpfs", "/tmp:mode=1777", "--stop-timeout", "30"]
        options += ["--read-only"] if root is Root.READ_ONLY else []
        options += ["--network", f"container:{beside.name}"] if beside else []
        options += [word for each in settings.items() for word in ("--env", "=".join(each))]
        run("docker", "run", "--detach", "--name", name, *options, self.image, *command)
        self._started.append(name)
        return DockerContainer(name)

    def close(self):
        for name in self._started:
            run("docker", "rm", "--force", "--volumes", name)


class DockerContainer:
    """One of Docker's containers."""

    def __init__(self, name):
        self.name = name

    def exec(self, *command):
        """(exit status, output) of a command inside."""
        return _result("docker", "exec", self.name, *command)

    def signal(self, name):
        run("docker", "kill", "--signal", name, self.name)

    def wait(self, seconds):
        """Its exit status. Raises TimeoutExpired."""
        command = ("docker", "wait", self.name)
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds)
        return int(done.stdout)

    def processes_left(self):
        """Docker ends what is left with the container's process 1, so there is none."""
        return []

    def logs(self):
        return _result("docker", "logs", self.name)[1]


class Chroot:
    """The image's files as buildah builds them, in namespaces made by unshare."""

    name = "buildah"

    def __init__(self):
        require_tools()
        self.image = "localhost/relay-image-test"
        self._folders = []
        self._containers = []

    def build(self):
        certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"  # as this machine trusts its registry
        run(
            *(*BUILDAH, "bud", "--isolation", "chroot", "--format", "docker"),
            *("--volume", certificates, "--quiet", "--tag", self.image),
            *("--build-context", f"base=container-image://{base_image()}", str(CHECKOUT)),
        )
        run(*BUILDAH, "rmi", "--prune")  # the image of the run before
        self._mounted = run(*BUILDAH, "from", self.image)
        self._files = Path(run(*BUILDAH, "mount", self._mounted))

    def config(self):
        inspected = json.loads(run(*BUILDAH, "inspect", "--type", "image", self.image))
        return inspected["Docker"]["config"]

    def size(self):
        """In bytes, unpacked; a file with several names counts once."""
        files = [path.lstat() for path in self._files.rglob("*") if not path.is_symlink()]
        return sum({(each.st_dev, each.st_ino): each.st_size for each in files}.values())

    def start(self, *command, root=Root.READ_ONLY, beside=None, **settings):
        """Start a container; all share the network of this machine."""
        folder = Path(tempfile.mkdtemp(prefix="container-", dir=CACHE))
        self._folders.append(folder)
        data = folder / "data"
        data.mkdir(mode=0o700)
        os.chown(data, USER, USER)
        (folder / "root").mkdir()
        image_config = self.config()
        environment = [*image_config["Env"], *("=".join(each) for each in settings.items())]
        words = command or image_config["Cmd"]
        container = ChrootContainer(folder, self._files, environment, words, root)
        self._containers.append(container)
        return container

    def close(self):
        for container in self._containers:
            container.kill()
        for folder in self._folders:
            shutil.rmtree(folder)
        if hasattr(self, "_mounted"):
            run(*BUILDAH, "rm", self._mounted)


# $1 the image's files, $2 the container's folder, $3 how its root is mounted; then the command.
CONTAINER = """
set -e
files=$1 folder=$2 options=$3
shift 3
root=$folder/root
mount --make-rprivate /
mount --bind "$files" "$root"
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec tmpfs "$root/tmp"
mount --bind "$folder/data" "$root/data"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for each in null zero full random urandom; do
  touch "$root/dev/$each"
  mount --bind "/dev/$each" "$root/dev/$each"
done
mkdir -m 1777 "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -o "remount,bind,$options" "$root"
exec setpriv --no-new-privs chroot --userspec=10001:10001 --groups= "$root" \
  /usr/bin/env --ignore-environment --chdir=/app "$@"
"""


class ChrootContainer:
    """A process 1 in its own namespaces, on the image's files."""

    def __init__(self, folder, files, environment, command, root):
        self._environment = environment
        self._log = folder / "log"
        options = "ro" if root is Root.READ_ONLY else "rw"
        with self._log.open("wb") as log:
            self._unshare = subprocess.Popen(
                [
                    *("unshare", "--pid", "--mount", "--ipc", "--uts", "--fork"),
                    *("sh", "-c", CONTAINER, "sh"),
                    *(str(files), str(folder), options, *environment, *command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._init = _only_child_of(self._unshare.pid)
        self._namespace = Path(f"/proc/{self._init}/ns/pid").stat().st_ino

    def exec(self, *command):
        """(exit status, output) of a command inside."""
        return _result(
            *("nsenter", "--target", str(self._init), "--pid", "--mount", "--ipc", "--root"),
            *("--setuid", str(USER), "--setgid", str(USER), "--"),
            *("/usr/bin/env", "--ignore-environment", "--chdir=/app", *self._environment, *command),
        )

    def signal(self, name):
        run("kill", "-s", name, str(self._init))

    def wait(self, seconds):
        """Its exit status. Raises TimeoutExpired."""
        return self._unshare.wait(seconds)

    def processes_left(self):
        """The processes that are still in its namespace."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "ns/pid").stat().st_ino == self._namespace:
                    found.append(int(entry.name))
        return found

    def logs(self):
        return self._log.read_text(errors="replace")

    def kill(self):
        """With process 1 all of the namespace ends."""
        if self._unshare.poll() is None:
            os.kill(self._init, signal.SIGKILL)
            self._unshare.wait(10)


def _only_child_of(pid):
    """Process 1, once it is the image's user: from then on its root is the image's."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, IndexError):
            child = int(children.read_text().split()[0])
            if Path(f"/proc/{child}").stat().st_uid == USER:
                return child
        time.sleep(0.01)
    raise SystemExit("the container did not start")


def _result(*command):
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()
