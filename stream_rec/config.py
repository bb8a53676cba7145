"""Settings: declared once here; they feed the environment, the TOML file, validation and docs/settings.md.

Order of precedence: environment (`STREAM_REC_KAFKA__BOOTSTRAP`), then the TOML file named by `--config` or
`STREAM_REC_CONFIG`, then the defaults below. This is the only module that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stream_rec.core.parameters import (
    flattened,
    format_parameters,
    parse_parameters,
    preset_named,
    with_parameters,
)
from stream_rec.core.presets import DEFAULT_PRESET, Preset
from stream_rec.core.ranking.linear import pinned_weights
from stream_rec.core.ranking.mixing import Mix, split_pinned
from stream_rec.core.types import LIST_SIZE
from stream_rec.errors import ConfigError

ENV_PREFIX = "STREAM_REC_"
CONFIG_VARIABLE = ENV_PREFIX + "CONFIG"
_OTHER_VARIABLES = frozenset({CONFIG_VARIABLE, ENV_PREFIX + "TEST_DOCKER"})


class Section(BaseModel):
    """A group of settings: immutable, and a misspelt name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class KafkaSettings(Section):
    """The cluster everything goes through."""

    bootstrap: str = Field("127.0.0.1:29092", min_length=3, description="Brokers to start from: host:port,host:port.")
    partitions: int = Field(
        4, ge=1, le=1024, description="Partitions of the topics when created. Never change it on a live topic."
    )
    replication: int = Field(1, ge=1, le=9, description="Copies of each partition when topics are created.")
    client_id: str = Field("stream-rec", min_length=1, description="How clients name themselves to the brokers.")
    group: str = Field("stream-rec", min_length=1, description="Consumer group of the workers.")


class TopicSettings(Section):
    """Names of the topics."""

    clicks: str = Field("clicks", min_length=1, description="Views, carts, wishlists, dislikes; key = user_id.")
    purchases: str = Field("purchases", min_length=1, description="Purchases and refunds; key = user_id.")
    items: str = Field("items", min_length=1, description="The catalogue; key = item_id, compacted.")
    item_deltas: str = Field("item-deltas", min_length=1, description="What users' events mean to items, by shard.")
    item_rows: str = Field("item-rows", min_length=1, description="Learned item rows, by shard, compacted.")
    item_vectors: str = Field(
        "item-vectors", min_length=1, description="Rows of the sequence model by version and item, compacted."
    )
    models: str = Field("models", min_length=1, description="Which version of a model is to serve; key = its name.")
    user_state: str = Field("user-state", min_length=1, description="Changelog of the user stores, compacted.")
    recommendations: str = Field("recommendations", min_length=1, description="The lists; key = user_id, compacted.")
    dead_letter: str = Field("dead-letter", min_length=1, description="Records that break the contract, with reasons.")


class WorkerSettings(Section):
    """One worker process."""

    data_dir: Path = Field(Path("data/worker"), description="Folder of the user stores; one per worker.")
    session_timeout_s: float = Field(
        10.0, ge=6, le=300, description="A worker silent this long loses its partitions (consumer group session)."
    )
    commit_interval_s: float = Field(1.0, gt=0, le=60, description="How often applied offsets are committed.")
    round_records: int = Field(4000, ge=1, description="Most records processed together in one round.")
    batch_records: int = Field(1000, ge=1, description="Most records of one partition handed over at once.")
    merge_wait_ms: int = Field(
        100, ge=0, le=10_000, description="How long a lagging topic is waited for when two are merged by time."
    )
    sweep_interval_ms: int = Field(1000, ge=10, description="How often ended sessions are looked for.")
    sweep_users: int = Field(500, ge=1, description="Most users refreshed per sweep and partition.")
    refresh_users_per_s: float = Field(
        100.0, gt=0, description="Users whose list is made anew a second when another model serves: 0.3 ms each."
    )
    idle_user_days: int = Field(365, ge=1, description="A user silent this long is forgotten, with their list.")
    user_cache_users: int = Field(20_000, ge=1, description="Users kept decoded in memory.")
    foreign_partition_is_dead: bool = Field(
        False, description="Dead-letter a record whose partition is not murmur2(key); else count it and warn once."
    )
    drift_lines: int = Field(
        50, ge=0, description="Lines the drift detectors take the mean of; 0 = none, which saves 60 MB of memory."
    )
    metrics_host: str = Field("127.0.0.1", min_length=1, description="Address `/metrics` listens on.")
    metrics_port: int = Field(9464, ge=0, le=65535, description="Port of `/metrics`; 0 = none.")
    uvloop: bool = Field(True, description="Use uvloop's event loop: half the latency.")


class RankingSettings(Section):
    """What goes into a list."""

    preset: str = Field(
        DEFAULT_PRESET,
        description="Parameters of the algorithms: auto, or for a shop of its kind retail, clicks, next-click, movies.",
    )
    parameters: str = Field(
        "",
        description="Parameters instead of the preset's, as cooc.window=12,hop.items=2, or a table "
        "`[ranking.parameters]` of the file; empty = none.",
    )
    list_size: int = Field(LIST_SIZE, ge=1, le=100, description="Items in a published list.")
    exclude: Literal["nothing", "current", "bought", "had"] = Field(
        "nothing",
        description="Items left out: nothing, current (the last), bought (purchased), had (any event of theirs).",
    )

    refresh_days: int = Field(
        7, ge=0, description="An idle user's list is made anew this often, because items change meanwhile; 0 = never."
    )
    sample_every: int = Field(
        4, ge=0, description="One in so many events is ranked just before learning, to train the rankers; 0 = none."
    )
    cascade: bool = Field(True, description="Order the best candidates anew with a forest that is fitted now and then.")
    cascade_users: int = Field(
        64, ge=0, description="A round with more users leaves the cascade out: a backlog is worked off first."
    )
    exposure: float = Field(
        0.25,
        ge=0,
        le=5,
        description="Items nobody had yet per list, on average, where a model knows their texts; 0 = none.",
    )
    model_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the users, by a hash of their id, whose lists such a model helps to make; the others' "
        "hit rate is counted apart.",
    )
    pinned: str = Field(
        "",
        description="Weights of sources instead of learned ones, as cooc=0.7,own=0.3; or of the sequence model and "
        "what all others make, blend=0.9,sequence=0.1; empty = learned.",
    )
    sequence: Literal["learned", "rerank"] = Field(
        "learned",
        description="A sequence model is one more source, whose weight is learned, or it alone orders the best of the "
        "others (rerank).",
    )

    def fusion(self) -> tuple[tuple[tuple[str, float], ...], Mix | None]:
        """Return (source, weight) as pinned, and how the sequence model is mixed in; raises ConfigError."""
        weights = dict(parse_weights(self.pinned, env_name("ranking", "pinned")))
        sources, mix = split_pinned(weights, self.sequence == "rerank")
        pinned_weights(sources)
        return tuple(sources.items()), mix

    @field_validator("parameters", mode="before")
    @classmethod
    def _from_table(cls, value: object) -> object:
        """A table of TOML becomes the text, which environments and children can carry."""
        return format_parameters(dict(flattened(value))) if isinstance(value, Mapping) else value

    def chosen_preset(self) -> Preset:
        """Return the preset of that name with `parameters` in place of its own; raises ConfigError."""
        return with_parameters(
            preset_named(self.preset, env_name("ranking", "preset")),
            parse_parameters(self.parameters, env_name("ranking", "parameters")),
        )


def parse_weights(text: str, where: str) -> tuple[tuple[str, float], ...]:
    """Return the weights in `source=number,…`.

    Raises
    ------
    ConfigError
        It is not of that form.

    Examples
    --------
    >>> parse_weights("cooc=0.7, own=0.3", "--pin")
    (('cooc', 0.7), ('own', 0.3))
    """
    weights = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = part.partition("=")
        try:
            weights.append((name.strip(), float(number)))
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"{where}: need source=number,…; got {part!r}. Correct it.")
    return tuple(weights)


class ItemPlaneSettings(Section):
    """How learned item rows are published."""

    flush_interval_ms: int = Field(200, ge=1, description="Shortest time between two flushes of a shard's rows.")
    flush_bytes_per_s: int = Field(4_000_000, ge=10_000, description="Row bytes per second; the interval grows to fit.")


class EncoderSettings(Section):
    """The process that writes items' rows of the sequence model."""

    models: Path = Field(Path("data/models"), description="Folder of the registry that versions are announced from.")
    batch_items: int = Field(64, ge=1, le=100_000, description="Items encoded and written at once.")
    encoding: Literal["int8", "fp16"] = Field(
        "int8",
        description="Numbers of rows written from now on: int8 is half of fp16; docs/measurements.md has the loss.",
    )


class KafkaEmbeddedSettings(Section):
    """The broker of `stream-rec kafka start`: real Kafka on this machine, for a laptop and the tests."""

    port: int = Field(29092, ge=0, le=65535, description="Port on 127.0.0.1; 0 = any free one.")
    heap_mb: int = Field(512, ge=256, description="Java heap.")
    folder: Path = Field(Path("data/kafka"), description="Logs, configuration and pid file.")
    start_timeout_s: float = Field(60.0, gt=0, description="How long a start may take.")
    maven_mirror: str = Field("", description="Where Kafka's jars come from; empty = Maven Central.")


class Settings(BaseSettings):
    """All settings, frozen. Make one with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", validate_default=True
    )

    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    worker: WorkerSettings = WorkerSettings()
    ranking: RankingSettings = RankingSettings()
    item_plane: ItemPlaneSettings = ItemPlaneSettings()
    encoder: EncoderSettings = EncoderSettings()
    kafka_embedded: KafkaEmbeddedSettings = KafkaEmbeddedSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the TOML file."""
        file = os.environ.get(CONFIG_VARIABLE)
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)


class SettingRow(NamedTuple):
    """One setting as the documentation shows it."""

    section: str
    name: str
    env: str
    default: str
    meaning: str


def env_name(section: str, name: str) -> str:
    """Return the environment variable of a setting.

    Examples
    --------
    >>> env_name("kafka", "bootstrap")
    'STREAM_REC_KAFKA__BOOTSTRAP'
    """
    return f"{ENV_PREFIX}{section}__{name}".upper()


def setting_rows(settings: Settings | None = None) -> Iterator[SettingRow]:
    """Yield every setting with its default, or with its value in `settings`."""
    for section, field in Settings.model_fields.items():
        group = field.default if settings is None else getattr(settings, section)
        for name, info in type(group).model_fields.items():
            value = getattr(group, name)
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            yield SettingRow(section, name, env_name(section, name), shown, info.description or "")


def environment_of(settings: Settings) -> dict[str, str]:
    """Return this process's environment with exactly these settings in it, for a child that loads its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    return inherited | {row.env: row.default for row in setting_rows(settings)}


def load(config: Path | None = None, **sections: dict[str, Any]) -> Settings:
    """Read the settings.

    Parameters
    ----------
    config
        TOML file; wins over `STREAM_REC_CONFIG`.
    sections
        Values that win over everything, as `kafka={"bootstrap": "…"}`: what command-line options say.

    Raises
    ------
    ConfigError
        Names the first wrong setting.
    """
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)  # children started later read the same file
    _check_surroundings()
    try:
        settings = Settings(**sections)  # type: ignore[arg-type]  # plain dicts are validated into sections
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from error
    except ValueError as error:  # TOML that does not parse; pydantic's JSON of a whole section
        where = os.environ.get(CONFIG_VARIABLE, "environment")
        raise ConfigError(f"{where}: need valid TOML; got {error}. See docs/settings.md.") from error
    settings.ranking.chosen_preset()
    settings.ranking.fusion()
    return settings


def user_cache_folder() -> Path:
    """Return the folder where downloads are kept between runs (`XDG_CACHE_HOME`, else `~/.cache`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stream-rec"


def _check_surroundings() -> None:
    sections = tuple(f"{ENV_PREFIX}{section.upper()}__" for section in Settings.model_fields)
    for variable in sorted(os.environ):
        if not variable.startswith(ENV_PREFIX) or variable in _OTHER_VARIABLES:
            continue
        if not variable.startswith(sections):
            raise ConfigError(f"{variable}: need a setting of docs/settings.md; got an unknown name. Unset it.")
    file = os.environ.get(CONFIG_VARIABLE)
    if file and not Path(file).is_file():
        raise ConfigError(f"{CONFIG_VARIABLE}: need a TOML file; got {file!r}, which is none. Correct the path.")


def _one_line(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    path = [str(part) for part in first["loc"]]
    where = env_name(path[0], path[1]) if len(path) > 1 else path[0]
    more = f" ({len(problems) - 1} more wrong settings.)" if len(problems) > 1 else ""
    need = first["msg"].removeprefix("Input should be ").removeprefix("Input should ")
    if first["type"] == "extra_forbidden":
        return f"{where}: need a setting of docs/settings.md; got an unknown name. Remove it.{more}"
    return f"{where}: need {need}; got {first['input']!r}. See docs/settings.md.{more}"
