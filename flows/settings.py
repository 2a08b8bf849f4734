"""Settings: `balkanwatch.toml` beside the program, overridden by the environment (BALKANWATCH_*), all optional."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from pipeline.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ROOT / "seeds"
PREFIX = "BALKANWATCH_"
NO_SETTINGS = {"CONFIG", "DEBUG", "CI", "HOME"}  # other variables with the prefix: this file, the command line, CI, prefect.yaml


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"`{name}` is not a time zone such as Europe/Belgrade")
    return name


class Settings(BaseSettings):
    """What can be set; ranges are checked when the program starts."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid")

    data: Path = ROOT / "data"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Belgrade"
    contact: Annotated[str, Field(min_length=3)] = "https://github.com/balkanwatch/balkanwatch"
    pause_s: Annotated[float, Field(ge=0.1, le=600)] = 5.0
    timeout_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    max_bytes: Annotated[int, Field(ge=10_000, le=100_000_000)] = 10_000_000
    concurrency: Annotated[int, Field(ge=1, le=512)] = 64
    allow_private: bool = False
    feed_batch: Annotated[int, Field(ge=1, le=1000)] = 60
    page_batch: Annotated[int, Field(ge=1, le=1000)] = 60
    cron: str = "*/10 * * * *"
    query_memory: Annotated[str, Field(pattern=r"^\d+(\.\d+)?\s?(MB|GB)$")] = "2GB"
    query_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    seeds: Path = SEEDS

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_file())

    @classmethod
    def read(cls, **overrides: Any) -> Self:
        """The settings in force; a wrong one raises SettingsError with one sentence that names it."""
        _no_strangers(set(cls.model_fields))
        try:
            return cls(**{k: v for k, v in overrides.items() if v is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                raise SettingsError(f"There is no setting `{name}` (in {config_file()} or BALKANWATCH_{name.upper()}).") from None
            reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
            raise SettingsError(f"Setting `{name}` is {first['input']!r}, but it {_sentence(reason)}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{config_file()} is not valid TOML: {error}.") from None


def _no_strangers(known: set[str]) -> None:
    """A settings file that is not there and a variable that sets nothing are mistakes worth telling."""
    if os.environ.get(f"{PREFIX}CONFIG") and not config_file().is_file():
        raise SettingsError(f"There is no settings file {config_file()} ({PREFIX}CONFIG).")
    for variable in sorted(os.environ):
        name = variable.upper().removeprefix(PREFIX)
        if variable.upper().startswith(PREFIX) and name.lower() not in known and name not in NO_SETTINGS:
            raise SettingsError(f"There is no setting `{name.lower()}` ({variable} in the environment).")


def config_file() -> Path:
    """The settings file in use."""
    return Path(os.environ.get("BALKANWATCH_CONFIG") or ROOT / "balkanwatch.toml")


def _sentence(reason: str) -> str:
    return reason if reason.startswith("should") else f"is wrong: {reason}"
