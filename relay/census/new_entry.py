"""The entry of the mapping file for a sync that was just created. No I/O here."""

import json
from collections.abc import Iterator

from msgspec import UNSET

from relay.census.sync_form import NewSyncForm
from relay.census.sync_source_form import DatasetForm, ModelForm, ObjectForm, TableForm, TopicForm
from relay.notation import printable
from relay.workspaces import DEFAULT_WORKSPACE

UNKNOWN_MODEL = "MODEL"  # stands where a person has to write one


def entry_lines(workspace: str, sync_id: int, sync: NewSyncForm) -> Iterator[str]:
    """Its lines. Which dbt models it depends on is for a person to say: nothing is guessed."""
    yield f"  - sync_id: {sync_id}"
    if sync.label is not UNSET:
        yield f"    name: {_quoted(str(sync.label))}"
    if workspace != DEFAULT_WORKSPACE:
        yield f"    workspace: {_quoted(workspace)}"
    yield f"    # ask: which dbt models build {_source(sync)}?"
    yield f"    depends_on: [{UNKNOWN_MODEL}]"


def _source(sync: NewSyncForm) -> str:
    source = sync.source_attributes.object
    name = "what it reads" if source is UNSET else _named(source)
    return " ".join(printable(name).split())


def _named(source: ObjectForm) -> str:
    match source:
        case TableForm(table_name=str()):
            return f"{source.table_catalog}.{source.table_schema}.{source.table_name}"
        case TableForm():
            return f"table {source.id}"
        case DatasetForm():
            return f"what dataset {source.id} reads"
        case ModelForm():
            return f"what model {_id_or_name(source)} reads"
        case TopicForm():
            return f"topic {_id_or_name(source)}"


def _id_or_name(source: ModelForm | TopicForm) -> str:
    return str(source.id if source.name is UNSET else source.name)


def _quoted(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)
