r"""How large each way of installing is, and how long it takes, until a file is cleaned.

    python -m experiments.install.sizes              # tables, here and in docs/install.md
    python -m experiments.install.sizes --only core  # one of them anew

Each way gets an environment of its own in a temporary folder, made by this Python and removed
again, and no cache of an installer's: what is downloaded is downloaded each time. Measured are the
files of the environment and the seconds of the commands. Then it cleans one of the shipped mixtures
with `speechclean clean`, whose weights lie here already.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.speed.machine import describe
from experiments.texts import fill, record
from speechclean.records.results.summary_page import markdown
from speechclean.system.resources import asset

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "install.md"
PINS = f"constraints/{sys.version_info[0]}.{sys.version_info[1]}.txt"
#: By name: what it is called, what is typed, and the commands. {env} is the environment, {uv} uv.
WAYS: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "torch": (
        "torch alone, to compare with",
        f"pip install -c {PINS} torch",
        (
            "{python} -m venv {env}",
            f"{{env}}/bin/pip install --no-cache-dir --quiet -c {PINS} torch",
        ),
    ),
    "core": (
        "the core, by pip",
        f"pip install -c {PINS} .",
        ("{python} -m venv {env}", f"{{env}}/bin/pip install --no-cache-dir --quiet -c {PINS} ."),
    ),
    "all": (
        "all that the README needs, by pip",
        f"pip install -c {PINS} '.[all]'",
        (
            "{python} -m venv {env}",
            f"{{env}}/bin/pip install --no-cache-dir --quiet -c {PINS} .[all]",
        ),
    ),
    "uv": ("the core, by uv", "uv sync --frozen", ("{uv} sync --frozen --quiet --no-cache",)),
    "uv_all": (
        "all that the README needs, by uv",
        "uv sync --frozen --extra all",
        ("{uv} sync --frozen --quiet --no-cache --extra all",),
    ),
    "make": (
        "make: with what tests and checks need",
        "make setup",
        ("make setup VENV={env} PYTHON={python}",),
    ),
}


def measured(name: str) -> dict[str, Any]:
    """Size in 10^6 bytes and seconds of a way; then the seconds in which it cleans a file."""
    _, typed, commands = WAYS[name]
    with tempfile.TemporaryDirectory(prefix="speechclean-install-") as scratch:
        env = Path(scratch) / "env"
        names = {"python": _base(), "env": str(env), "uv": str(_uv())}
        variables = {"UV_PROJECT_ENVIRONMENT": str(env), "UV_PYTHON": _base()}
        variables["PIP_NO_CACHE_DIR"] = "1"
        started = time.monotonic()
        for command in commands:
            _run([word.format(**names) for word in command.split()], ROOT, variables)
        seconds = time.monotonic() - started
        found = {"typed": typed, "seconds": round(seconds), "mb": round(size(env) / 1e6)}
        return found | ({} if name == "torch" else {"cleans_in_s": _cleans(env, Path(scratch))})


def size(folder: Path) -> int:
    """Bytes of all files in a folder, one that has several names counted once."""
    files: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            about = (Path(place) / name).lstat()
            files[about.st_dev, about.st_ino] = about.st_size
    return sum(files.values())


def _cleans(env: Path, scratch: Path) -> float:
    mixture = next(asset("pilot").glob("*welcome_intro_generated.flac"))
    started = time.monotonic()
    _run([str(env / "bin" / "speechclean"), "clean", str(mixture), "-o", "out.wav"], scratch, {})
    assert (scratch / "out.wav").stat().st_size > 0
    return round(time.monotonic() - started, 1)


def _run(line: Sequence[str], folder: Path, variables: Mapping[str, str]) -> None:
    bare = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VENV")}
    print(" ".join(line), flush=True)
    subprocess.run(line, cwd=folder, env={**bare, **variables}, check=True)


def _base() -> str:
    """The Python that this environment was made by."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv") or "uv"


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each way that was measured."""
    alone = found.get("torch", {}).get("mb")
    rows = []
    for name, (called, _, _) in WAYS.items():
        if one := found.get(name):
            above = "" if alone is None or name == "torch" else f"{one['mb'] - alone} MB"
            cleans = f"{one['cleans_in_s']:.0f} s" if "cleans_in_s" in one else ""
            typed = f"`{one['typed']}`"
            rows.append([called, typed, f"{one['mb']} MB", above, f"{one['seconds']} s", cleans])
    head = ["", "typed", "size", "above torch", "time to install", "then cleans a file in"]
    return "\n".join(markdown(head, rows))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS))
    chosen = parser.parse_args(argv).only
    kept = HERE / "results" / "sizes.json"
    found = json.loads(kept.read_text())["ways"] if kept.exists() else {}
    for name in chosen:
        found[name] = measured(name)
        about = {"python": ".".join(map(str, sys.version_info[:3])), "machine": describe()}
        record(HERE, "sizes", about | {"ways": found}, table(found))
        fill(PAGE, {"sizes": table(found)})


if __name__ == "__main__":
    main()
