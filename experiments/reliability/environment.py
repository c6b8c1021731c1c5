"""What surrounds a batch, and how to turn it against the batch.

Mounts, a tracking server, the clock, memory, names.
"""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from experiments.reliability.site import LeftOut

#: Aliases that people, or somebody worse, may write into a table.
ALIASES = (
    *(
        "../../evil",
        "/etc/evil",
        "a/../../../b",
        "..",
        ".",
        "",
        "CON",
        "x" * 300,
        "a\\..\\..\\b",
        "~root",
        "-rf",
        ".hidden",
    ),
    *(
        "same",
        "SAME",
        "same",
        "new\nline",
        "ünï 音声 🎤",
        "%2e%2e%2fevil",
        "$(touch pwned)",
        "nul\x01l",
        "C:\\evil",
        "a" * 180,
    ),
)
#: 90 s of eight channels at 192 kHz: 0.5 GiB as it is read, and a multiple of it on the way.
HUGE_S, HUGE_RATE, HUGE_CHANNELS = 90, 192000, 8


@contextmanager
def small_disk(place: Path, mebibytes: int) -> Iterator[Path]:
    """A tmpfs of a size. Raises `LeftOut` where nobody may mount one."""
    place.mkdir(parents=True, exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place)], check=False
    ).returncode:
        raise LeftOut("a tmpfs cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def bind_read_only(folder: Path) -> Callable[[], None] | None:
    """Make a folder read-only for everybody who opens something in it from now on.

    Returns what undoes it, None where mounting is not allowed.
    """
    for line in (
        ["mount", "--bind", str(folder), str(folder)],
        ["mount", "-o", "remount,ro,bind", str(folder)],
    ):
        if subprocess.run(line, check=False, capture_output=True).returncode:
            return None

    def undo() -> None:
        subprocess.run(["umount", "-l", str(folder)], check=True)

    return undo


def faketime() -> str | None:
    """The library that gives a process another time of day; None where it is not installed."""
    found = [
        path
        for root in ("/usr/lib", "/usr/local/lib")
        for path in Path(root).rglob("libfaketime.so.1")
    ]
    return str(found[0]) if found else None


def write_huge(path: Path) -> None:
    """A file that needs more memory than a batch is given."""
    generator = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", HUGE_RATE, HUGE_CHANNELS, "PCM_16") as file:
        for _ in range(HUGE_S):
            file.write(0.1 * generator.standard_normal((HUGE_RATE, HUGE_CHANNELS)).clip(-3, 3))


def hostile_table(base: Path) -> tuple[Path, int]:
    """A table with names that lead elsewhere, and how many rows it has.

    The last one's folder is called `linked`.
    """
    sources, listed = base / "sources", base / "table"
    for folder in (sources / "linked", listed / "linked"):
        folder.mkdir(parents=True)
    generator, rows = np.random.default_rng(0), []
    for number, alias in enumerate(ALIASES):
        path = sources / f"{number}.wav"
        soundfile.write(path, 0.1 * generator.standard_normal(6000), 24000)
        rows.append(
            {"path": str(path) if number % 2 else f"../sources/{number}.wav", "alias": alias}
        )
    (listed / "link.wav").symlink_to(sources / "0.wav")
    soundfile.write(listed / "linked" / "x.wav", 0.1 * generator.standard_normal(6000), 24000)
    rows += [
        {"path": "link.wav", "alias": ""},
        {"path": "../sources/linked/../1.wav", "alias": "up"},
    ]
    rows += [{"path": "linked/x.wav", "alias": "through_a_link"}]
    with (listed / "set.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("path", "alias"))
        writer.writeheader()
        writer.writerows(rows)
    return listed / "set.csv", len(rows)


def snapshot(folder: Path, but: Path) -> set[tuple[str, int, int]]:
    """Every file below a folder, but for those below another one: name, size, time."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_relative_to(but):
            facts = path.stat()
            found.add((str(path), facts.st_size, facts.st_mtime_ns))
    return found
