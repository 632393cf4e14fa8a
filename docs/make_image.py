"""The pictures of docs/images, from a real run of `recorder demo`: its terminal, and a match that it recorded.

Run: make image.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).parent / "images"
RECORDER = str(Path(sys.executable).with_name("recorder"))
COLUMNS, ROWS = 100, 60
PROMPT = "\x1b[2m$\x1b[0m recorder demo"

# Rich's own template fetches a font from outside; this one takes what the reader's machine has.
TEMPLATE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>What recorder demo prints</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""

_CONTROL = re.compile(r"\x1b\[\??[0-9;]*[A-Za-z]|\r|\n")
_UP = re.compile(r"\x1b\[(\d*)A")


def run_in_terminal(command: list[str]) -> str:
    """Run a command in a terminal of our size and return every byte it wrote there; raises when it fails."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = bytearray()
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # Linux: everybody has closed the other end
        pass
    os.close(ours)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} left with {process.returncode}:\n{written.decode()}")
    return written.decode()


def final_lines(written: str) -> list[str]:
    """Return the lines that are left on the screen, with their colours: what was drawn over is gone."""
    lines, row, end = [""], 0, 0
    for control in _CONTROL.finditer(written):
        lines[row] += written[end : control.start()]
        end = control.end()
        code = control.group()
        if code == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif code.endswith("m"):
            lines[row] += code
        elif code.endswith("K"):
            lines[row] = ""
        elif up := _UP.fullmatch(code):
            row = max(0, row - int(up.group(1) or 1))
    lines[row] += written[end:]
    return [line.rstrip() for line in lines]


def draw(lines: list[str]) -> str:
    """Return the lines as an SVG picture of a terminal."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    return console.export_svg(title="recorder demo", code_format=TEMPLATE, unique_id="demo")


def main() -> None:
    """Run the demonstration, draw what it leaves on the terminal, and a match of its archive."""
    IMAGES.mkdir(exist_ok=True)
    lines = final_lines(run_in_terminal([RECORDER, "demo"]))
    while lines and not lines[-1]:
        lines.pop()
    (IMAGES / "demo.svg").write_text(draw([PROMPT, *lines]), encoding="utf-8")
    with tempfile.TemporaryDirectory() as directory:
        archive = str(Path(directory) / "demo.db")
        run_in_terminal([RECORDER, "demo", "--keep", archive, "--seconds", "2"])
        chart = ["--chart", str(IMAGES / "match.svg"), "--database-url", f"sqlite:///{archive}"]
        run_in_terminal([RECORDER, "timeline", "france-romania", "--type", "Goal", "--type", "Yellow Card", *chart])
    for image in ("demo.svg", "match.svg"):
        sys.stdout.write(f"docs/images/{image}\n")


if __name__ == "__main__":
    main()
