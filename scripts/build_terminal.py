"""Generate docs/terminal.svg: what `balkanwatch run` and a query really print, on the sample alone.

python scripts/build_terminal.py

The commands run in a folder of their own, with the seeds as they are but for the feeds, of which only the sample is kept: the
table of all feeds is too long for a picture. Nothing is typed in by hand, and the picture needs no network.
"""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "terminal.svg"
WIDTH = 96
COMMANDS = ("run", "query topic_trend --country=XK --topic=barricades")
# Rich lets the picture load a font from the web: a picture of ours asks nobody for anything.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> None:
    screen = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(shutil.copytree(ROOT / "seeds", Path(folder) / "seeds"))
        sample_only(seeds / "feeds.csv")
        for command in COMMANDS:
            screen.print(f"[bold green]$[/] balkanwatch {command}", highlight=False)
            screen.print(Text.from_ansi(printed(command, Path(folder)).rstrip()))
    PICTURE.write_text(screen.export_svg(title="balkanwatch", code_format=FORMAT, unique_id="balkanwatch"), encoding="utf-8")


def sample_only(path: Path) -> None:
    """Leave only the recorded feed in a copy of feeds.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *(row for row in rows if row[0] == "sample")])


def printed(command: str, folder: Path) -> str:
    """What a command writes to a terminal; its progress line goes to standard error and is left out."""
    look = {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    where = {"BALKANWATCH_DATA": "data", "BALKANWATCH_SEEDS": "seeds", "PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | look | where
    program = [sys.executable, "-c", "from flows.cli import main; main()", *command.split()]
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"balkanwatch {command} failed:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
