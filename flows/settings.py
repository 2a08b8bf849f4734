"""Settings: `balkanwatch.toml` beside the program, overridden by the environment (BALKANWATCH_*), all optional."""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
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


_CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_CRON_NAMES = {
    name: str(n)
    for names, first in (("jan feb mar apr may jun jul aug sep oct nov dec", 1), ("sun mon tue wed thu fri sat", 0))
    for n, name in enumerate(names.split(), first)
}
_CRON_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")


def _cron(text: str) -> str:
    """A cron expression of five fields, as it is; ValueError says which field is wrong."""
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError("a cron expression has five fields (minute hour day month weekday), such as */10 * * * *")
    for field, (name, low, high) in zip(fields, _CRON_FIELDS, strict=True):
        plain = re.sub(r"[a-zA-Z]+", lambda word: _CRON_NAMES.get(word[0].lower(), word[0]), field)
        for part in plain.split(","):
            found = _CRON_PART.fullmatch(part)
            first, last = (int(found[1] or low), int(found[2] or found[1] or high)) if found else (1, 0)
            if not (found and low <= first <= last <= high and int(found[3] or 1) > 0):
                raise ValueError(f"its {name} `{field}` is not a number from {low} to {high}, a range, a list or */n")
    return text


def _share(text: str) -> str:
    found = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text)
    if not found or int(found[1]) > int(found[2]):
        raise ValueError(f"`{text}` is not a share such as 1/2 or 2/2")
    return text


Cron = Annotated[str, AfterValidator(_cron)]


class Settings(BaseSettings):
    """What can be set; ranges are checked when the program starts."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", env_ignore_empty=True)

    data: Path = ROOT / "data"
    warehouse: str = ""
    share: Annotated[str, AfterValidator(_share)] = "1/1"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Belgrade"
    contact: Annotated[str, Field(min_length=3)] = "https://github.com/balkanwatch/balkanwatch"
    pause_s: Annotated[float, Field(ge=0.1, le=600)] = 5.0
    timeout_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    max_bytes: Annotated[int, Field(ge=10_000, le=100_000_000)] = 10_000_000
    concurrency: Annotated[int, Field(ge=1, le=512)] = 64
    allow_private: bool = False
    feed_batch: Annotated[int, Field(ge=1, le=1000)] = 130
    page_batch: Annotated[int, Field(ge=1, le=1000)] = 60
    import_batch: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    cron: Cron = "*/10 * * * *"
    daily_cron: Cron = "0 6 * * *"
    weekly_cron: Cron = "30 6 * * 1"
    health_cron: Cron = "45 * * * *"
    retag_cron: Cron = "20 * * * *"
    brief_lang: Literal["en", "sr", "sq", "mk"] = "en"
    query_memory: Annotated[str, Field(pattern=r"^\d+(\.\d+)?\s?(MB|GB)$")] = "2GB"
    query_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    retag_in_run_below: Annotated[int, Field(ge=0, le=100_000_000)] = 20_000
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
        is_other = name in NO_SETTINGS or name.startswith("CHANNEL_")  # addresses of alert channels: secrets, not settings
        if variable.upper().startswith(PREFIX) and name.lower() not in known and not is_other:
            raise SettingsError(f"There is no setting `{name.lower()}` ({variable} in the environment).")


def config_file() -> Path:
    """The settings file in use."""
    return Path(os.environ.get("BALKANWATCH_CONFIG") or ROOT / "balkanwatch.toml")


def _sentence(reason: str) -> str:
    return reason if reason.startswith("should") else f"is wrong: {reason}"
