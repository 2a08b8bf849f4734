"""`file:` addresses: recorded feeds and pages, with their later states, below one folder."""

import mimetypes
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.fetch.guard import DoorError, readable


def n_states(url: str, file_root: Path) -> int:
    """How many states of a `file:` address are recorded: `x.xml` is the first, `x-2.xml` the second ...; 0 when there
    is none.

    The path counts from `file_root` (which may be written `seeds/`, whatever it is called), from the folder that holds
    it, or is absolute; nothing outside `file_root` is seen.
    """
    try:
        first = _first(url, file_root)
    except DoorError:
        return 0
    n = 1
    while _state(first, n + 1).is_file():
        n += 1
    return n


def recorded(url: str, file_root: Path | None, n_state: int, max_bytes: int) -> tuple[bytes, str | None]:
    """Body and media type of the recorded state (the last one there is, up to `n_state`); raises DoorError."""
    if file_root is None:
        raise DoorError("file: addresses are not fetched here")
    first = _first(url, file_root)
    path = _inside(_state(first, max(1, min(n_state, n_states(url, file_root)))), file_root)
    if path is None or not path.is_file():
        raise DoorError(f"{readable(url)[:200]} is not below {file_root.name}/")
    try:
        with path.open("rb") as file:
            body = file.read(max_bytes + 1)
    except OSError as error:
        raise DoorError(f"{path.name} can not be read ({error.strerror})") from None
    if len(body) > max_bytes:
        raise DoorError(f"{path.name} is larger than the limit")
    return body, mimetypes.guess_type(path.name)[0]


def _first(url: str, file_root: Path) -> Path:
    try:
        parts = urlsplit(url)
        if parts.netloc not in {"", "localhost"}:
            raise DoorError("file: addresses of other machines are not fetched")
        name = unquote(parts.path).lstrip("/")
        places = [base / name for base in (file_root, file_root.parent, Path("/"))]
        if name.startswith("seeds/"):  # the folder itself, whatever it is called
            places.insert(0, file_root / name.removeprefix("seeds/"))
        for place in places:
            path = _inside(place, file_root)
            if path is not None and path.is_file():
                return path
    except (ValueError, OSError):
        pass
    raise DoorError(f"{readable(url)[:200]} is no file below {file_root.name}/")


def _inside(path: Path, file_root: Path) -> Path | None:
    """The real path, symbolic links followed, when it is below the root."""
    real = path.resolve()
    return real if real.is_relative_to(file_root.resolve()) else None


def _state(first: Path, n: int) -> Path:
    return first if n == 1 else first.with_name(f"{first.stem}-{n}{first.suffix}")
