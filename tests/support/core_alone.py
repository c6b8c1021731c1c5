"""A folder that shows, of what is installed, the core's packages alone."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from .paths import ROOT


def core_packages() -> Iterator[metadata.Distribution]:
    """The distributions that the core requires, and what they require in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting = [(Requirement(line), "") for line in project["dependencies"]]
    seen: set[tuple[str, str]] = set()
    while waiting:
        needed, extra = waiting.pop()
        if needed.marker and not needed.marker.evaluate({"extra": extra}):
            continue
        for one in ("", *needed.extras):
            if (needed.name, one) in seen:
                continue
            seen.add((needed.name, one))
            try:
                found = metadata.distribution(needed.name)
            except metadata.PackageNotFoundError:  # another platform's, say
                continue
            yield found
            waiting += [(Requirement(line), one) for line in found.requires or []]


def show_core_alone(folder: Path) -> list[str]:
    """Fill an empty folder with links to the core's packages; the start of a Python that has them.

    `[*start, "-m", "speechclean"]` runs this checkout with them, and with nothing else.
    """
    for found in core_packages():
        for file in found.files or []:
            top = file.parts[0]
            if top in ("..", "__pycache__") or (folder / top).exists():
                continue
            (folder / top).symlink_to(Path(str(found.locate_file(top))))
    # -S: no site-packages; -P: nothing of the working folder.
    search = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]"
    (folder / "core_alone_start.py").write_text(
        f"{search}\nimport runpy\nsys.argv.pop(0)\n"
        "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    )
    return [sys.executable, "-S", "-P", str(folder / "core_alone_start.py")]
