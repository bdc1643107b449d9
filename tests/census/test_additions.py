"""Adding to a mapping file that a person has written: every byte of it stays."""

import pytest
from entries import HOSTILE, entry

from relay.census.additions import add_missing
from relay.census.mapping_text import Form
from relay.decision.mapping_reader import read_mapping
from relay.errors import BadMapping, CannotAppend

NEW = [entry(50, "new", name="new one", comments=("sure: yes",))]
FILES = {
    "two blanks": "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n",
    "no line end": "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a]",
    "no indentation": "version: 1\nsyncs:\n- sync_id: 1\n  depends_on: [a]\n",
    "eight blanks": "version: 1\nsyncs:\n        - sync_id: 1\n          depends_on: [a]\n",
    "more behind it": (
        "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n\n# about workspaces\n"
        "workspaces:\n  emea: {api_key_env: CENSUS_API_KEY_EMEA}\n"
    ),
    "in front of everything": "syncs:\n- sync_id: 1\n  depends_on: [a]\nversion: 1\n",
    "comments": (
        "# mine\nversion: 1\nsyncs: # all\n  # first\n  - sync_id: 1 # one\n"
        "    depends_on: # these\n      - a # a\n    # still of 1\n\n  # the end\n"
    ),
    "a list over lines": (
        "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a,\n      b\n    ]\n"
    ),
    "an entry in braces": "version: 1\nsyncs:\n  - {sync_id: 1, depends_on: [a]}\n",
    "a text in a block": (
        "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n    name: |\n      one\n\n\n"
    ),
    "a text that keeps its line ends": (
        "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n    name: |+\n      one\n\n"
        "workspaces: {}\n"
    ),
    "a text over lines": (
        "version: 1\nsyncs:\n  - depends_on: [a]\n    sync_id: 1\n    name: 'one\n      and more'\n"
    ),
    "an anchor": "version: 1\nsyncs: &all\n  - &one\n    sync_id: 1\n    depends_on: &a [a]\n",
    "an alias last": (
        "version: 1\ndefaults: {jobs: &jobs [1, 2]}\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n"
        "    jobs: *jobs\n"
    ),
    "windows": "version: 1\r\nsyncs:\r\n  - sync_id: 1\r\n    depends_on: [a]\r\n",
    "a mark of byte order": "\ufeffversion: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n",
    "a quoted key": "'version': 1\n\"syncs\":\n  - sync_id: 1\n    depends_on: [a]\n",
    "ends": "---\nversion: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n...\n",
}
REFUSED = {
    "in brackets": "version: 1\nsyncs: [{sync_id: 1, depends_on: [a]}]\n",
    "in brackets over lines": "version: 1\nsyncs: [\n  {sync_id: 1, depends_on: [a]},\n]\n",
    "json": '{"version": 1, "syncs": [{"sync_id": 1, "depends_on": ["a"]}]}',
}


def add(text, entries=NEW):
    return add_missing(text.encode(), entries, file="syncs.yml")


def syncs(content):
    return [sync.sync_id for sync in read_mapping(content, file="syncs.yml").syncs]


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_what_is_added_is_read_and_what_was_there_is_the_same_bytes(text):
    content = add(text).content
    assert syncs(content) == [1, 50]
    before = text.encode()
    added = len(content) - len(before)
    ends_alike = [
        at for at in range(len(before) + 1)
        if content[:at] == before[:at] and content[at + added:] == before[at:]
    ]  # fmt: skip
    assert ends_alike


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_second_time_nothing_is_added(text):
    once = add(text).content
    again = add(once.decode())
    assert (again.content, again.added) == (once, ())


def test_entries_have_the_indentation_and_the_line_ends_of_the_file():
    assert add(FILES["windows"]).content.decode() == FILES["windows"] + (
        "  # sure: yes\r\n  - sync_id: 50\r\n    name: new one\r\n"
        "    depends_on:\r\n      - new\r\n"
    )
    assert add(FILES["no indentation"]).content.decode() == FILES["no indentation"] + (
        "# sure: yes\n- sync_id: 50\n  name: new one\n  depends_on:\n    - new\n"
    )


def test_a_comment_of_the_last_entry_stays_with_it():
    content = add(FILES["comments"]).content.decode()
    assert content.index("# still of 1") < content.index("sync_id: 50") < content.index("# the end")


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_form_that_has_no_place_for_an_entry_is_refused(text):
    with pytest.raises(CannotAppend):
        add(text)


def test_a_list_that_is_an_alias_is_refused():
    text = (
        "version: 1\nworkspaces: {}\nsyncs: &syncs\n  - &one\n    sync_id: 1\n    depends_on: [a]\n"
    )
    assert syncs(add(text).content) == [1, 50]


def test_a_file_that_cannot_be_read_is_refused_as_it_is():
    with pytest.raises(BadMapping):
        add("version: 1\nsyncs: 5\n")


def test_an_entry_that_could_not_be_read_is_refused():
    with pytest.raises(CannotAppend, match="could not be read"):
        add(FILES["two blanks"], [entry(50, "new", workspace="emea")])


def test_what_is_there_is_not_added_again_whatever_its_entry():
    assert add(FILES["two blanks"], [entry(1, "other")]).added == ()


def test_an_entry_that_a_person_has_put_into_a_comment_is_left_alone():
    text = FILES["two blanks"] + "  # - sync_id: 50\n  #   depends_on: [new]\n"
    result = add(text)
    assert result.content == text.encode()
    assert [one.sync_id for one in result.left_alone] == [50]


@pytest.mark.parametrize("form", [Form.COMMENTED, Form.LEFT_OUT])
def test_what_is_only_a_comment_is_added_once(form):
    once = add(FILES["two blanks"], [entry(50, form=form, name="x")])
    assert syncs(once.content) == [1]
    assert b"# sync 50 (x)" in once.content
    assert add(once.content.decode(), [entry(50, form=form, name="x")]).added == ()


def test_a_sync_that_was_left_out_and_has_a_model_now_is_added():
    once = add(FILES["two blanks"], [entry(50, form=Form.LEFT_OUT)]).content.decode()
    assert syncs(add(once).content) == [1, 50]


def test_an_entry_names_its_workspace_where_the_defaults_have_another():
    text = (
        "version: 1\ndefaults: {workspace: emea}\nworkspaces:\n"
        "  emea: {api_key_env: CENSUS_API_KEY_EMEA}\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n"
    )
    content = add(text, [entry(50, "new"), entry(51, "new", workspace="emea")]).content
    mapping = read_mapping(content, file="syncs.yml")
    assert [sync.key for sync in mapping.syncs] == [("emea", 1), ("default", 50), ("emea", 51)]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_added_as_texts(text):
    new = [entry(50, "new", name=text, comments=(text,)), entry(51, form=Form.LEFT_OUT, name=text)]
    assert syncs(add(FILES["more behind it"], new).content) == [1, 50]
