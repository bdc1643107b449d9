"""The entry of the mapping file for a sync that was just created. No I/O here."""

from msgspec import UNSET

from relay.census.mapping_text import Entry
from relay.census.sync_form import NewSyncForm
from relay.census.sync_source_form import DatasetForm, ModelForm, ObjectForm, TableForm, TopicForm


def new_entry(workspace: str, sync_id: int, sync: NewSyncForm) -> Entry:
    """The entry. Which dbt models it depends on is for a person to say: nothing is guessed."""
    return Entry(
        workspace=workspace,
        sync_id=sync_id,
        name=None if sync.label is UNSET else str(sync.label),
        depends_on=(),
        comments=(f"ask: which dbt models build {_source(sync)}?",),
    )


def _source(sync: NewSyncForm) -> str:
    source = sync.source_attributes.object
    return "what it reads" if source is UNSET else _named(source)


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
