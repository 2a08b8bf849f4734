"""Putting a copy of the writer's file in the snapshot's place, at once and without making anybody wait.

Beside the bare copy nothing costs time: the old file is exchanged for the new one and let go by a thread (a rename over it would
first have the new one written to the disk and the old one's blocks freed), and what has not changed is not copied again.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from pipeline.errors import WarehouseError

TICK = 0.02  # seconds: two writes within less may bear the same time
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


def put(source: Path, target: Path) -> None:
    """Make `target` what `source` is now; WarehouseError when it can not be written or replaced, and the old one stays.

    All of `source` must be in the file (a checkpoint was made), and nobody may write to it meanwhile.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    for left_over in target.parent.glob(f".{target.name}.*.tmp"):  # of a run that was killed here
        if left_over != temporary:
            left_over.unlink(missing_ok=True)
    note = source.with_suffix(".published")
    stamp = _stamp(source)
    with contextlib.suppress(OSError):
        if note.read_text() == f"{stamp} {_stamp(target)}":
            return
    if abs(time.time() - source.stat().st_mtime) < TICK:
        time.sleep(TICK)  # or a write right after this copy could go unnoticed
    done = subprocess.run([*copy_command(), str(source), str(temporary)], capture_output=True, text=True, check=False)
    if done.returncode:
        temporary.unlink(missing_ok=True)
        raise WarehouseError(f"The snapshot could not be written to {target.parent}: {done.stderr.strip()[-200:] or 'stopped'}.")
    try:
        if not _exchanged(temporary, target):
            temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WarehouseError(f"The snapshot {target} could not be replaced: {error.strerror}.") from None
    with contextlib.suppress(OSError):  # without it the next copy is made in any case
        note.write_text(f"{stamp} {_stamp(target)}")


def _stamp(path: Path) -> str:
    """Differs when a file was written to or is another one."""
    found = path.stat()
    return f"{found.st_dev}.{found.st_ino}.{found.st_size}.{found.st_mtime_ns}"


def copy_command() -> list[str]:
    """A child process copies: closing a second handle of our own would drop DuckDB's lock."""
    if sys.platform == "linux" and shutil.which("cp"):
        return ["cp", "--reflink=auto"]
    return [sys.executable, "-c", "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"]


def _exchanged(new: Path, old: Path) -> bool:
    """Let two files change names, if the system can, and remove what is now `new`."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename is None or old.is_symlink() or not old.is_file():
        return False
    if rename(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE):
        return False
    handle = os.open(new, os.O_RDONLY)
    new.unlink()
    threading.Thread(target=os.close, args=(handle,), daemon=True).start()  # this frees the blocks, if no reader holds them
    return True
