"""A mapping file is read whole, or every problem in it is told at once, with its place."""

import json
import textwrap

import pytest

from relay.dbt.selectors import read_selector
from relay.decision.mapping import Sync
from relay.decision.mapping_reader import read_mapping
from relay.errors import BadMapping


def read(text, **census_hosts):
    return read_mapping(textwrap.dedent(text).encode(), file="syncs.yml", **census_hosts)


def problems(text):
    with pytest.raises(BadMapping) as refused:
        read(text)
    return [str(problem) for problem in refused.value.problems]


def one(*lines):
    """A file with one sync, of these lines beside its id and model."""
    more = "".join(f"    {line}\n" for line in lines)
    return f"version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [customers]\n{more}"


def test_a_sync_needs_no_more_than_an_id_and_a_model():
    (sync,) = read(one()).syncs
    assert sync == Sync(sync_id=1, depends_on=(read_selector("customers"),))


def test_every_key_that_is_built_is_read():
    (sync,) = read(
        one(
            "name: customers to Salesforce",
            "require: any",
            "tests: ignore",
            "jobs: [278164, 2]",
            "environments: [187998]",
            "consistency: ignore",
            "full_sync: true",
            "enabled: false",
            "workspace: emea",
        )
        + "workspaces:\n  emea:\n    url: https://app-eu.getcensus.com/\n"
        "    api_key_env: CENSUS_API_KEY_EMEA\n"
    ).syncs
    assert sync.name == "customers to Salesforce"
    assert sync.jobs == {278164, 2}
    assert sync.environments == {187998}
    assert (sync.tests, sync.full_sync, sync.enabled) == ("ignore", True, False)
    assert sync.workspace == "emea"


def test_a_sync_takes_its_defaults_and_may_differ():
    first, second = read(
        """
        version: 1
        defaults: {tests: ignore, jobs: [5], enabled: false}
        syncs:
          - {sync_id: 1, depends_on: [a]}
          - {sync_id: 2, depends_on: [a], tests: block, jobs: [6], enabled: true}
        """
    ).syncs
    assert (first.tests, first.jobs, first.enabled) == ("ignore", {5}, False)
    assert (second.tests, second.jobs, second.enabled) == ("block", {6}, True)


def test_the_same_sync_id_may_be_in_two_workspaces():
    mapping = read(
        """
        version: 1
        syncs:
          - {sync_id: 1, depends_on: [a]}
          - {sync_id: 1, depends_on: [a], workspace: emea}
        workspaces:
          emea: {api_key_env: CENSUS_API_KEY_EMEA, api_version: v2}
        """
    )
    assert [sync.key for sync in mapping.syncs] == [("default", 1), ("emea", 1)]
    assert mapping.workspaces["emea"].url == "https://app.getcensus.com"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "syncs.yml:1:1: the file is empty"),
        ("a: [1", "invalid YAML: "),
        ("[" * 100_000, "invalid YAML: nested more than 50 levels deep"),
        ("- " * 50_000, "invalid YAML: nested more than 50 levels deep"),
        (b"a: \0".decode(), "syncs.yml:1:1: invalid YAML: unacceptable character #x0000"),
        ("- 1\n", "the file: expected keys and values, got a list"),
        ("version: 1\n", "the file: `syncs` is missing"),
        ("syncs:\n  - {sync_id: 1, depends_on: [a]}\n", "version: missing: write `version: 1`"),
        ("version: 2\nsyncs: []\n", "syncs.yml:1:1: version: invalid enum value 2; known are `1`"),
        ("version: 1\nsyncs: []\n", "syncs.yml:2:1: syncs: expected at least one item"),
        ("version: 1\nsyncs: {}\n", "syncs: expected a list"),
        ("version: 1\nsyncs: [5]\n", "syncs[0]: expected keys and values, got a number"),
        (one("colour: blue"), "syncs.yml:5:5: syncs[0].colour: unknown key; known here are at"),
        (one("name: 5"), "syncs[0].name: expected text, got a number"),
        (one("jobs: []"), "syncs[0].jobs: expected at least one item"),
        (one("jobs: [1, x]"), "syncs[0].jobs[1]: expected a number, got text"),
        (one("jobs: [0]"), "syncs[0].jobs[0]: expected a number >= 1"),
        (one("enabled: 1"), "syncs[0].enabled: expected true or false, got a number"),
        (one("enabled:"), "syncs[0].enabled: expected true or false, got nothing"),
        (one("tests: maybe"), "syncs[0].tests: invalid enum value 'maybe'"),
        (one("workspace: apac"), "syncs[0].workspace: no workspace 'apac' in `workspaces`"),
        (one("sync_id: 2"), "syncs.yml:5:5: syncs[0].sync_id: this key is written twice"),
        (one("within: 24 hours"), "syncs[0].within: expected a duration"),
        (one("at_most_every: 0"), "syncs[0].at_most_every: expected a duration"),
        (one() + "defaults: {within: soon}\n", "defaults.within: expected a duration"),
        ("version: 1\nsyncs:\n  - {sync_id: 0, depends_on: [a]}\n", "expected a number >= 1"),
        ("version: 1\nsyncs:\n  - {sync_id: -5, depends_on: [a]}\n", "expected a number >= 1"),
        (
            "version: 1\nsyncs:\n  - {sync_id: 1, depends_on: []}\n",
            "depends_on: expected at least one item",
        ),
        ("version: 1\nsyncs:\n  - {sync_id: 1, depends_on: customers}\n", "expected a list"),
        ("version: 1\nsyncs:\n  - {sync_id: 1}\n", "syncs[0]: `depends_on` is missing"),
        ("version: 1\nsyncs:\n  - {depends_on: [a]}\n", "syncs[0]: `sync_id` is missing"),
        (
            "version: 1\nsyncs:\n  - {sync_id: 1, depends_on: [a, 'color:red']}\n",
            "syncs[0].depends_on[1]: 'color:red': unknown selector",
        ),
        (one() + "defaults: {sync_id: 5}\n", "defaults.sync_id: unknown key"),
        (one("jobs: [0x10]"), "syncs.yml:5:12: syncs[0].jobs[0]: YAML reads 0x10 as 16: write a"),
        (one("within: 1:30"), "syncs[0].within: YAML reads 1:30 as 90: write a number with"),
        (one("at_most_every: 1_0"), "syncs[0].at_most_every: YAML reads 1_0 as 10"),
        ("version: 1\nsyncs:\n  - {sync_id: 05123, depends_on: [a]}\n", "YAML reads 05123 as 2643"),
        ("version: 1\nsyncs:\n  - {sync_id: 51:23, depends_on: [a]}\n", "YAML reads 51:23 as 3083"),
        (
            "version: 1\nsyncs:\n  - {sync_id: 99999999999999999999, depends_on: [a]}\n",
            "syncs[0].sync_id: ",
        ),
        (one(f"jobs: [{2**63}]"), "syncs[0].jobs[0]: "),
        (one("within: 366d"), "syncs[0].within: expected a duration of at most 365d, got '366d'"),
        (one("at_most_every: 9999999d"), "expected a duration of at most 365d"),
        (one() + "workspaces: {emea: {}}\n", "workspaces.emea: `api_key_env` is missing"),
        (
            one() + "workspaces: {emea: {url: 'https://a:pw@b', api_key_env: CENSUS_API_KEY_K}}\n",
            "workspaces.emea.url: must not contain a user or password",
        ),
        (
            one() + "workspaces: {e: {url: 'https://app.getcensus.com/v2', api_key_env: x}}\n",
            "workspaces.e.url: must end with its host: relay itself adds the API's path; write",
        ),
        (
            one()
            + "notify: {a: {kind: slack, url_env: RELAY_NOTIFY_A, key_env: RELAY_NOTIFY_B}}\n",
            "notify.a.key_env: a channel of kind `slack` has `url_env` only",
        ),
        (
            one() + "notify: {a: {kind: pagerduty, url_env: RELAY_NOTIFY_A}}\n",
            "notify.a: `key_env` is missing: a channel of kind `pagerduty` needs it",
        ),
        (one() + "workspaces: {default: {api_key_env: CENSUS_API_KEY_K}}\n", "use another"),
        *(
            (
                one() + f'notify: {{? "{name}" : {{kind: slack, url_env: RELAY_NOTIFY_A}}}}\n',
                "a channel's name is 1 to 100 printable characters",
            )
            for name in ("", "x" * 101, "a\\nb", "a\\u202eb")
        ),
    ],
)
def test_a_problem_is_reported_with_its_position(text, said):
    assert any(said in problem for problem in problems(text))


def test_all_problems_are_reported_at_once_in_the_order_of_lines():
    told = problems(
        """\
        version: 1
        syncs:
          - sync_id: seven
            depends_on: [a]
          - sync_id: 8
            depends_on: ["color:red", "@b"]
            frequency: hourly
          - sync_id: 8
            depends_on: [a]
        """
    )
    assert [problem.split(": ")[:2] for problem in told] == [
        ["syncs.yml:3:5", "syncs[0].sync_id"],
        ["syncs.yml:6:18", "syncs[1].depends_on[0]"],
        ["syncs.yml:6:31", "syncs[1].depends_on[1]"],
        ["syncs.yml:7:5", "syncs[1].frequency"],
        ["syncs.yml:8:5", "syncs[2].sync_id"],
    ]


class TestAValueOfAWrongTypeHidesNothingElse:
    """Whoever mends a file should not meet the next problem only after the last one is gone."""

    def test_not_the_other_items_of_its_list(self):
        found = problems(one("jobs: [x, 0]").replace("customers", "'@a', 5, 'color:red', tag: crm"))
        assert [problem.split(": ")[1] for problem in found] == [
            "syncs[0].depends_on[0]",
            "syncs[0].depends_on[1]",
            "syncs[0].depends_on[2]",
            "syncs[0].depends_on[3]",
            "syncs[0].jobs[0]",
            "syncs[0].jobs[1]",
        ]

    def test_not_a_sync_id_that_is_there_twice(self):
        found = problems(
            """\
            version: 1
            syncs:
              - {sync_id: 1, depends_on: 5, enabled: maybe}
              - {sync_id: 1, depends_on: [a, 5]}
            """
        )
        assert "syncs.yml:4:6: syncs[1].sync_id: 1 is syncs[0].sync_id already" in found

    def test_and_causes_no_second_problem_elsewhere(self):
        (found,) = problems(one("workspace: emea") + "workspaces: [emea]\n")
        assert found.endswith("workspaces: expected keys and values, got a list")
        (found,) = problems(
            """\
            version: 1
            syncs:
              - {sync_id: 1, depends_on: [a]}
              - {sync_id: 1, depends_on: [a], workspace: 5}
            """
        )
        assert found.endswith("syncs[1].workspace: expected text, got a number")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("\t- customers", "5:1: invalid YAML: line 5 is indented with a tab: use spaces"),
        ("  \t- customers", "5:3: invalid YAML: line 5 is indented with a tab: use spaces"),
        ("    - \ta: b\n    - c", "5:7: invalid YAML: line 5 has a tab here: use spaces"),
        ("    - *customers", "5:7: invalid YAML: a text cannot begin with * in YAML: put it in"),
        ("    - *orders*", "5:7: invalid YAML: a text cannot begin with * in YAML: put it in"),
        ("    - *", "5:7: invalid YAML: a text cannot begin with * in YAML: put it in"),
        ("    - @orders", "5:7: invalid YAML: a text cannot begin with @ in YAML: put it in"),
        ("    - `orders`", "5:7: invalid YAML: a text cannot begin with ` in YAML: put it in"),
        ("    - [%a, b]", 'put it in quotation marks, "%…"'),
        ("    - {{ ref('a') }}", "depends_on[0]: relay renders no Jinja (`{{ … }}`): write the"),
        ("    - tag: crm", "[0]: expected text, got keys and values; write `tag:crm`, without a"),
    ],
)
def test_what_yaml_reads_otherwise_than_a_person_is_said_with_what_to_write(lines, said):
    (found,) = problems(f"version: 1\nsyncs:\n  - sync_id: 1\n    depends_on:\n{lines}\n")
    assert said in found


def test_a_text_that_yaml_cannot_begin_may_be_a_key_and_is_not_repeated():
    (found,) = problems(one() + "workspaces: {emea: {api_key_env: *s3cr3t}}\n")
    assert "s3cr3t" not in found


def test_on_one_line_they_are_reported_from_left_to_right():
    told = problems(
        "{version: 1, syncs: [{sync_id: 1, depends_on: ['@b', a], colour: red}], more: 1}"
    )
    assert [problem.split(": ")[0] for problem in told] == [
        "syncs.yml:1:48",
        "syncs.yml:1:58",
        "syncs.yml:1:73",
    ]


def test_a_word_of_depends_on_has_a_place_of_its_own():
    mapping = read(
        """\
        version: 1
        syncs:
          - sync_id: 1
            depends_on: [a, b]
          - sync_id: 2
            depends_on:
              - c
        """
    )
    assert mapping.places == (
        ("syncs.yml:4:18: syncs[0].depends_on[0]", "syncs.yml:4:21: syncs[0].depends_on[1]"),
        ("syncs.yml:7:9: syncs[1].depends_on[0]",),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (one("test: block"), "test: unknown key; did you mean `tests`? known here are "),
        (one("Full_Sync: true"), "Full_Sync: unknown key; did you mean `full_sync`? known here"),
        (one() + "default: {}\n", "default: unknown key; did you mean `defaults`? known here"),
        (
            one("tests: blok"),
            "tests: invalid enum value 'blok'; did you mean `block`? known are `block`, `ignore`",
        ),
        (one("workspace: apac"), "no workspace 'apac' in `workspaces`; known are `default`"),
        (
            one("workspace: Emea") + "workspaces: {emea: {api_key_env: CENSUS_API_KEY_K}}\n",
            "no workspace 'Emea' in `workspaces`; did you mean `emea`? known are `default`, `emea`",
        ),
        (one("require: al"), "'al'; did you mean `all`? known are `any`, `all`"),
        (one("tests: 5"), "expected text, got a number; known are `block`, `ignore`"),
        (
            one() + "workspaces: {emea: {api_key_env: CENSUS_API_KEY_K, api_version: V2}}\n",
            "'V2'; did you mean `v2`? known are `auto`, `v1`, `v2`",
        ),
    ],
)
def test_a_word_that_is_nearly_a_known_one_is_asked_about(text, said):
    (problem,) = problems(text)
    assert said in problem


def test_a_password_in_a_url_is_not_repeated():
    told = problems(
        one() + "workspaces: {e: {url: 'https://a:s3cr3t@b', api_key_env: CENSUS_API_KEY_K}}\n"
    )
    assert "s3cr3t" not in "".join(told)


def test_the_digest_distinguishes_two_files():
    assert read(one()).digest != read(one("name: a")).digest
    assert read(one()).digest == read(one()).digest


def test_durations_become_seconds():
    (sync,) = read(one("at_most_every: 30m") + "defaults: {within: 6h}\n").syncs
    assert (sync.within, sync.at_most_every) == (6 * 3600, 1800)


def test_every_wrong_item_of_a_list_is_reported():
    found = problems("version: 1\nsyncs:\n  - {sync_id: 1, depends_on: [on, a, no, 2024]}\n")
    assert [problem.partition(": ")[2] for problem in found] == [
        "syncs[0].depends_on[0]: expected text, got true or false",
        "syncs[0].depends_on[2]: expected text, got true or false",
        "syncs[0].depends_on[3]: expected text, got a number",
    ]


def test_one_that_yaml_reads_as_another_number_is_reported_with_the_others():
    items = "on, a, no, 2024, 05, 2024-01-01, null, 1:30, 08, '08'"
    found = problems(f"version: 1\nsyncs:\n  - {{sync_id: 1, depends_on: [{items}]}}\n")
    assert [problem.partition("depends_on")[2].partition(": write")[0] for problem in found] == [
        "[0]: expected text, got true or false",
        "[2]: expected text, got true or false",
        "[3]: expected text, got a number",
        "[4]: YAML reads 05 as 5",
        "[5]: expected text, got a date",
        "[6]: expected text, got nothing",
        "[7]: YAML reads 1:30 as 90",
        "[8]: YAML reads 08 as text",
    ]


def test_a_key_that_is_written_twice_is_reported_with_all_else():
    found = problems(one("sync_id: 2", "colour: blue", "within: soon"))
    assert [problem.split(": ")[1] for problem in found] == [
        "syncs[0].sync_id",
        "syncs[0].colour",
        "syncs[0].within",
    ]


@pytest.mark.parametrize("written", ["010", "090", "08"])
def test_a_zero_in_front_is_refused_whatever_digits_follow(written):
    (found,) = problems(one(f"within: {written}"))
    assert f"syncs[0].within: YAML reads {written} as" in found
    (found,) = problems(f"version: 1\nsyncs:\n  - {{sync_id: {written}, depends_on: [a]}}\n")
    assert f"syncs[0].sync_id: YAML reads {written} as" in found
    assert "write a number with the digits 0 to 9 and no zero in front" in found


@pytest.mark.parametrize(
    "key", ["secret-token:Abc", "a1b2c3d4", "RELAY_ADMIN_TOKEN", "census_api_key_x"]
)
def test_what_is_no_name_of_a_key_is_refused_and_not_repeated(key):
    """It may be the key itself."""
    (found,) = problems(one() + f"workspaces: {{emea: {{api_key_env: '{key}'}}}}\n")
    assert "expected the name of a variable that begins with CENSUS_API_KEY" in found
    assert key not in found


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CENSUS_API_KEY_FILE", "CENSUS_API_KEY"),
        ("CENSUS_API_KEY_EMEA_FILE", "CENSUS_API_KEY_EMEA"),
        ("CENSUS_API_KEYS_FILE_FILE", "CENSUS_API_KEYS"),
    ],
)
def test_a_variable_that_holds_a_files_name_is_no_key(name, meant):
    (found,) = problems(one() + f"workspaces: {{emea: {{api_key_env: {name}}}}}\n")
    assert "workspaces.emea.api_key_env: this variable holds a file's name" in found
    assert f": write {meant}, which is read from that file" in found


@pytest.mark.parametrize(
    "name", ["CENSUS_API_KEY", "CENSUS_API_KEYS", "CENSUS_API_KEY_PROFILE", "CENSUS_API_KEY_FILES"]
)
def test_a_key_may_have_any_name_that_begins_with_census_api_key(name):
    mapping = read(one() + f"workspaces: {{emea: {{api_key_env: {name}}}}}\n")
    assert mapping.workspaces["emea"].api_key_env == name


def at(url):
    return one() + f"workspaces: {{emea: {{url: '{url}', api_key_env: CENSUS_API_KEY_K}}}}\n"


class TestTheHostOfAWorkspace:
    """Whoever edits the mapping file must not be able to send a key to a host of their own."""

    @pytest.mark.parametrize(
        "url",
        [
            "https://app.getcensus.com",
            "https://APP-EU.getcensus.com/",
            "https://app.getcensus.com:8443",
            "http://localhost:8082",
            "http://127.0.0.1:8082",
            "http://[::1]:8082",
        ],
    )
    def test_may_be_one_of_census_or_this_machine(self, url):
        assert read(at(url)).workspaces["emea"].url == url.rstrip("/")

    @pytest.mark.parametrize(
        "host",
        [
            "keys.example.com",
            "app.getcensus.com.example.com",
            "xapp.getcensus.com",
            "getcensus.com",
            "app.getcensus.com.",
            "10.0.0.5",
        ],
    )
    def test_may_be_no_other_unless_the_operator_lists_it(self, host):
        (found,) = problems(at(f"https://{host}"))
        assert f"workspaces.emea.url: '{host}' is no host of Census" in found
        assert "RELAY_CENSUS_HOSTS has to list it" in found
        assert read(at(f"https://{host}"), census_hosts={host}).workspaces["emea"]


@pytest.mark.parametrize(
    "text",
    [
        one('name: "a\\0b"'),
        one() + 'workspaces: {"a\\0b": {api_key_env: CENSUS_API_KEY_K}}\n',
        'version: 1\nsyncs:\n  - {sync_id: 1, depends_on: ["a\\0b"]}\n',
    ],
)
def test_text_that_no_database_holds_is_refused(text):
    (found,) = problems(text)
    assert "a NUL character" in found
    assert "\0" not in found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2024-13-45", "YAML takes this for a date and cannot read it: put text in quotation"),
        ("2024-01-01T25:00:00Z", "YAML takes this for a date and cannot read it"),
        ("0b_", "YAML takes this for a number and cannot read it"),
        ("1" * 5000, "YAML takes this for a number and cannot read it"),
        ("!!bool maybe", "YAML takes this for true or false and cannot read it"),
        ("!!timestamp soon", "YAML takes this for a date and cannot read it"),
        ("!model orders", "the tag !model is not supported: remove it"),
        ("!model [orders]", "the tag !model is not supported: remove it"),
        ("=", "is not supported"),
        ('"a\\0b"', "a NUL character, which PostgreSQL cannot store"),
    ],
    ids=lambda text: text[:20],
)
def test_what_yaml_cannot_read_is_one_problem_among_the_others(written, said):
    text = (
        "version: 1\n"
        "syncs:\n"
        f"  - {{sync_id: 1, depends_on: [a, {written}], colour: red}}\n"
        f"  - {{sync_id: {written}, depends_on: [a], within: soon}}\n"
    )
    found = problems(text)
    assert [problem.split(": ")[:2] for problem in found] == [
        ["syncs.yml:3:34", "syncs[0].depends_on[1]"],
        [f"syncs.yml:3:{37 + len(written)}", "syncs[0].colour"],
        ["syncs.yml:4:15", "syncs[1].sync_id"],
        [f"syncs.yml:4:{34 + len(written)}", "syncs[1].within"],
    ]
    assert said in found[0]
    assert said in found[2]


@pytest.mark.parametrize(
    ("line", "path", "said"),
    [
        ("2024-13-45: a", "syncs[0].2024-13-45", "YAML takes this for a date"),
        ("[a, b]: c", "syncs[0]", "a key must be text, not a list or other keys"),
        ("{a: b}: c", "syncs[0]", "a key must be text, not a list or other keys"),
        ("<<: 5", "syncs[0].<<", "expected an alias of keys and values behind `<<`"),
        ('"a\\0b": c', r"syncs[0].a\x00b", "a NUL character"),
    ],
)
def test_nor_does_a_key_hide_them(line, path, said):
    found = problems(one(line, "colour: red"))
    assert [problem.split(": ")[:2] for problem in found] == [
        ["syncs.yml:5:5", path],
        ["syncs.yml:6:5", "syncs[0].colour"],
    ]
    assert said in found[0]


def test_what_yaml_cannot_read_may_be_a_key_and_is_not_repeated():
    (found,) = problems(one() + "workspaces: {emea: {api_key_env: !!int s3cr3t}}\n")
    assert "s3cr3t" not in found


def test_a_sync_may_take_keys_from_another():
    first, second = read(
        """\
        version: 1
        syncs:
          - &first {sync_id: 1, depends_on: [a], enabled: false}
          - {<<: *first, sync_id: 2}
        """
    ).syncs
    assert (second.sync_id, second.depends_on, second.enabled) == (2, first.depends_on, False)


def test_aliases_that_multiply_without_end_are_refused():
    tenfold = (
        f"x{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
    )
    (found,) = problems(f"x0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n{''.join(tenfold)}")
    assert found == "syncs.yml:1:1: invalid YAML: its aliases expand to more than 300000 values"


def test_an_alias_of_itself_is_refused():
    (found,) = problems("version: 1\nsyncs: &a [*a]\n")
    assert found.endswith("invalid YAML: an alias contains itself")


def test_thousands_of_syncs_may_share_a_list_by_an_alias():
    first = "  - {sync_id: 1, depends_on: &models [a, b, c, d, e, f, g, h, i, j]}\n"
    others = (f"  - {{sync_id: {number}, depends_on: *models}}\n" for number in range(2, 3001))
    mapping = read(f"version: 1\nsyncs:\n{first}{''.join(others)}")
    assert {len(sync.depends_on) for sync in mapping.syncs} == {10}


def test_pagerduty_may_have_an_address_of_its_own():
    text = "notify: {a: {kind: pagerduty, key_env: RELAY_NOTIFY_A, url_env: RELAY_NOTIFY_B}}\n"
    given = read(one() + text).channels["a"]
    assert given.variables == ("RELAY_NOTIFY_B", "RELAY_NOTIFY_A")


@pytest.mark.parametrize(
    "name", ["", " emea", "..", "a//b", "/emea", "emea/", "a\u202eb", "x" * 101]
)
def test_a_workspace_whose_syncs_could_be_taken_for_others_is_refused(name):
    written = json.dumps(name)
    (found,) = problems(
        one() + f"workspaces: {{{written}: {{api_key_env: CENSUS_API_KEY_EMEA}}}}\n"
    )
    assert "a workspace's name is" in found


def test_a_workspace_may_be_named_as_people_do():
    names = ("EMEA & co", "a/b", "50%?", "é#1")
    entries = ", ".join(
        f"{json.dumps(name)}: {{api_key_env: CENSUS_API_KEY_EMEA}}" for name in names
    )
    assert set(read(one() + f"workspaces: {{{entries}}}\n").workspaces) == set(names)
