"""The files that browsers get: nothing inline, nothing unescaped, and htmx as it was published."""

import hashlib
import re
from importlib.resources import files

import pytest

FOLDER = files("relay.dashboard")
TEMPLATES = sorted((FOLDER / "templates").iterdir(), key=lambda file: file.name)
# https://registry.npmjs.org/htmx.org/-/htmx.org-4.0.1.tgz, package/dist/htmx.min.js
HTMX_4_0_1 = "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_a_template_has_nothing_that_the_policy_forbids(template):
    text = template.read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\shx-on", text)
    assert not re.search(r"<script(?! defer src=\"{{ static_url\()", text)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_a_template_escapes_all_that_it_shows(template):
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", template.read_text())


def test_htmx_is_the_published_file_with_its_license():
    htmx = (FOLDER / "static" / "htmx.min.js").read_bytes()
    assert hashlib.sha256(htmx).hexdigest() == HTMX_4_0_1
    assert "Zero-Clause BSD" in (FOLDER / "static" / "htmx.LICENSE.txt").read_text()
