"""A project's nodes, as a manifest.json describes them: only the fields relay needs. No I/O here.

https://docs.getdbt.com/reference/artifacts/manifest-json
"""

import msgspec

# They store no rows, and show those of the nodes they read. A materialized view stores its own.
# https://docs.getdbt.com/docs/build/materializations
VIEWS = frozenset({"view", "ephemeral"})


class DependsOn(msgspec.Struct, gc=False):
    """What a node reads."""

    nodes: tuple[str, ...] = ()


class Config(msgspec.Struct, gc=False):
    """A node's configuration."""

    severity: str | None = None
    materialized: str | None = None
    group: str | None = None
    incremental_strategy: str | None = None


class Node(msgspec.Struct, gc=False):
    """A node of the project: a model, seed, snapshot, test, source, exposure, metric, …

    `path` is `models/marts/customers.sql`, from the project's root; `fqn` its package, folders
    and name; `version` None for a model without versions. `patch_path` is the properties file
    that describes it, `shop://models/marts/marts.yml`; None if none does.
    """

    unique_id: str
    name: str = ""
    package_name: str = ""
    path: str = msgspec.field(name="original_file_path", default="")
    patch_path: str | None = None
    fqn: tuple[str, ...] = ()
    version: str | int | float | None = None
    group: str | None = None
    tags: tuple[str, ...] | str | None = None
    config: Config = msgspec.field(default_factory=Config)
    attached_node: str | None = None
    depends_on: DependsOn = msgspec.field(default_factory=DependsOn)

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The tags as a tuple, also if the project has a single string."""
        if isinstance(self.tags, str):
            return (self.tags,)
        return self.tags or ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its names in selectors: unique_id and name, with the version and without."""
        if self.version is None:
            return self.unique_id, self.name
        ending = f"v{self.version}"
        without = self.unique_id.removesuffix(f".{ending}")
        name = self.name
        return self.unique_id, without, name, f"{name}.{ending}", f"{name}_{ending}"

    @property
    def properties_file(self) -> str | None:
        """Its properties file, `models/marts/marts.yml`, relative to its package's root."""
        return self.patch_path.partition("://")[2] if self.patch_path else None

    @property
    def is_view(self) -> bool:
        """Whether it shows the rows of what it reads."""
        return self.config.materialized in VIEWS

    @property
    def is_microbatch(self) -> bool:
        """Whether it is built in batches. https://docs.getdbt.com/docs/build/incremental-microbatch"""
        config = self.config
        return (config.materialized, config.incremental_strategy) == ("incremental", "microbatch")


# The fields of a node: a cached node with other fields cannot be reused.
SHAPE = tuple((form.__name__, form.__struct_fields__) for form in (Node, Config, DependsOn))
