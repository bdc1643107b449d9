"""The mapping file that is written: it can be read, whatever Census's texts hold."""

import pytest
import yaml
from entries import HOSTILE, entry

from relay.census.mapping_text import LONGEST_COMMENT, Form, comment, entry_lines, file_text, scalar
from relay.decision.mapping_reader import read_mapping
from relay.notation import printable
from relay.workspaces import Workspace

HEAD = ("version: 1",)
FORMS = [Form.ACTIVE, Form.COMMENTED, Form.LEFT_OUT]


def read(text):
    return read_mapping(text.encode(), file="syncs.yml")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_file_can_be_read_whatever_its_texts_hold(text):
    fields = {"name": text, "comments": (text, f"guess: {text}"), "reason": text}
    entries = [
        entry(number, "customers", form=form, **fields) for number, form in enumerate(FORMS, 1)
    ]
    written = file_text(HEAD, entries)
    mapping = read(written)
    assert [sync.sync_id for sync in mapping.syncs] == [1]
    name = mapping.syncs[0].name
    assert name == (printable(text) if text.strip() else None)
    assert all(line.isprintable() or "\u2028" not in line for line in written.split("\n"))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_is_one_line_of_yaml_that_means_the_same(text):
    assert "\n" not in scalar(text)
    assert yaml.safe_load(scalar(text)) == printable(text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_comment_is_one_short_line_and_nothing_to_yaml(text):
    line = comment(text)
    assert line.startswith("#")
    assert len(line) <= LONGEST_COMMENT + 2
    assert len(line.splitlines()) == 1
    assert yaml.safe_load(f"a: 1\n{line}\nb: 2\n") == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "plain", ["customers", "customers to Salesforce", "model.shop.orders", "tag:crm", "fct_revenue"]
)
def test_a_plain_text_has_no_quotation_marks(plain):
    assert scalar(plain) == plain


def test_entries_stand_by_how_sure_they_are_then_by_id():
    text = file_text(
        HEAD,
        [
            entry(9, form=Form.LEFT_OUT, name="live", reason="it is live"),
            entry(7, "b", name="b to CRM", comments=("from b to CRM", "sure: model.x.b builds b")),
            entry(8, form=Form.COMMENTED, name="asked", reason="two build it"),
            entry(3, "a"),
        ],
    )
    assert text == (
        "version: 1\n"
        "\n"
        "syncs:\n"
        "  - sync_id: 3\n"
        "    depends_on:\n"
        "      - a\n"
        "  # from b to CRM\n"
        "  # sure: model.x.b builds b\n"
        "  - sync_id: 7\n"
        "    name: b to CRM\n"
        "    depends_on:\n"
        "      - b\n"
        "  # sync 8 (asked)\n"
        "  # ask: two build it\n"
        "  # Once it is settled, remove the # and one blank in front of these lines:\n"
        "  # - sync_id: 8\n"
        "  #   name: asked\n"
        "  #   depends_on:\n"
        "  #     - MODEL\n"
        "  # Not mapped:\n"
        "  # sync 9 (live): it is live\n"
    )


def test_what_is_asked_can_be_taken_out_of_its_comment():
    lines = list(entry_lines([entry(8, "a", form=Form.COMMENTED)]))
    begin = next(number for number, line in enumerate(lines) if "sync_id" in line)
    settled = "\n".join(line.replace("# ", "", 1) for line in lines[begin:])
    mapping = read(f"version: 1\nsyncs:\n{settled}\n")
    assert [sync.sync_id for sync in mapping.syncs] == [8]


def test_the_workspaces_of_entries_are_written_too_and_no_others():
    emea, apac = Workspace("emea", "CENSUS_API_KEY_EMEA"), Workspace("apac", "CENSUS_API_KEY_APAC")
    text = file_text(HEAD, [entry(1, "a"), entry(1, "a", workspace="emea")], [emea, apac])
    mapping = read(text)
    assert mapping.workspaces == {"emea": emea}
    assert [sync.key for sync in mapping.syncs] == [("default", 1), ("emea", 1)]
