"""A base image for where no registry is to be had: Debian's packages, laid out as in Python's.

It has the files of debian:trixie-slim, Debian's Python 3.13 where the Dockerfile looks for
`python`, and nothing else. It is made once and kept.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SUITE = "trixie"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = ("ca-certificates", "netbase", "python3", "python3-venv", "tzdata")
NAME = "localhost/relay-image-test-base"
# As debian:trixie-slim leaves them out.
LEFT_OUT = (
    *("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"),
    *("usr/share/info", "usr/share/locale", "usr/share/lintian", "var/log"),
)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relay-image-test"
BUILDAH = (
    *("buildah", "--root", str(CACHE / "storage"), "--runroot", str(CACHE / "run")),
    *("--storage-driver", "vfs"),
)


def run(*command):
    """A command's output; it ends this program if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {done.returncode}")
    return done.stdout.strip()


def require_tools():
    """End with what to install, if something is missing."""
    needed = ("buildah", "debootstrap", "unshare", "nsenter")
    missing = [each for each in needed if shutil.which(each) is None]
    if missing:
        raise SystemExit(
            f"missing: {', '.join(missing)}\non Debian or Ubuntu: apt-get install buildah"
            " debootstrap util-linux\nwith Docker: make image-test ENGINE=docker"
        )
    if os.geteuid() != 0:
        raise SystemExit("image-test has to be run as root: debootstrap and chroot need it")


def base_image():
    """The name of the base image, which is made if it does not exist."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if NAME not in run(*BUILDAH, "images", "--format", "{{.Name}}").split():
        print(f"making a base image of Debian {SUITE}, once", flush=True)
        with tempfile.TemporaryDirectory(prefix="relay-base-", dir=CACHE) as folder:
            _import(_debian(Path(folder)))
    return NAME


def _debian(root):
    run(
        *("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *(SUITE, str(root), MIRROR),
    )
    for each in LEFT_OUT:
        _empty(root / each)
    for name in ("python", "python3"):
        (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
    return root


def _empty(folder):
    """Licences stay."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() or (path.is_file() and path.name != "copyright"):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _import(root):
    container = run(*BUILDAH, "from", "scratch")
    run(*BUILDAH, "add", "--quiet", container, str(root), "/")
    run(*BUILDAH, "commit", "--quiet", container, NAME)
    run(*BUILDAH, "rm", container)
