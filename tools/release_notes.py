"""What the page of a release says: the section of CHANGELOG.md for the version of pyproject.toml.

Refuses a tag that is not of this version, and a version that CHANGELOG.md does not describe.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


class NotReleasable(Exception):
    """A tag, pyproject.toml and CHANGELOG.md disagree; its text says what to do."""


def version_of(root: Path) -> str:
    """The version of the only place that has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def release_notes(root: Path, tag: str, repository: str | None) -> str:
    """The section of the tag's version, whose links lead to the repository's files at the tag.

    `repository` is the address of its page; None leaves the links relative. Raises NotReleasable.
    """
    version = version_of(root)
    if tag != f"v{version}":
        raise NotReleasable(
            f"the tag is {tag}, and pyproject.toml has version {version}: tag v{version}, "
            f"or change the version first"
        )
    section = section_of((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    return section if repository is None else with_links_to(f"{repository}/blob/{tag}", section)


def section_of(changelog: str, version: str) -> str:
    """The text below the heading of a version. Raises NotReleasable."""
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    found = re.search(rf"{heading}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise NotReleasable(
            f"CHANGELOG.md has no heading `## [{version}] - YYYY-MM-DD`: "
            f"give its section [Unreleased] that name"
        )
    if not found[1].strip():
        raise NotReleasable(f"CHANGELOG.md says nothing about {version}: write what changed")
    return found[1].strip() + "\n"


def with_links_to(folder: str, text: str) -> str:
    """A page of a release is in no folder of the repository, so its links must be absolute."""
    return re.sub(r"\]\((?!\w+:|#)", f"]({folder}/", text)


def main() -> None:
    """Print the notes, or what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tag", nargs="?", help="as v0.2.0; without it, the version's own")
    parser.add_argument("--repository", help="the address of its page, for links")
    parser.add_argument("--version", action="store_true", help="print only the version")
    options = parser.parse_args()
    version = version_of(ROOT)
    if options.version:
        print(version)
        return
    try:
        print(release_notes(ROOT, options.tag or f"v{version}", options.repository), end="")
    except NotReleasable as exc:
        sys.exit(f"Error: {exc}.")


if __name__ == "__main__":
    main()
