"""The picture of the package stays true: imports go downward, and each outside library has its one place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "speechclean"
MODULES = sorted(PACKAGE.rglob("*.py"))
STAGES = ("separators", "fusion", "enhancement", "postprocess", "metrics", "datasets")
#: From the ground up; a module imports from lower floors, or from its own where that is named.
FLOORS = [
    {"audio", "device", "checkpoints", "files", "machine", "runtime", "cores"},
    {"cache"},
    {"separation", "spectral", "weights", "loudness", "long_audio", "marks"},
    set(STAGES),
    {
        "pipeline",
        "streaming",
        "cleaning",
        "tracking",
        "store",
        "labels",
        "alive",
        "provenance",
        "recording",
        "report",
        "scores",
        "listening",
        "plots",
        "verdict",
        "guard",
        "screening",
        "finished",
        "finishing",
        "histograms",
        "page",
    },
    {"config", "nodes"},
    {"compose", "experiment", "arguments", "loading", "serving", "batches"},
    {
        "sameness",
        "inputs",
        "worktree",
        "comparison",
        "aiming",
        "differences",
        "reproduction",
        "promotion",
    },  # on what runs have left behind
    {"sweep"},
    {"cli", "reproduce", "compare", "promote"},
    {"__main__", "evaluate"},
]


def part_of(path: Path) -> str:
    """The stage package or module that a file belongs to."""
    return "__main__" if path.name == "__main__.py" else path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[tuple[str, str]]:
    """(absolute or own, name) of everything that a file imports, at whatever depth."""
    own, found = ["speechclean", *path.relative_to(PACKAGE).parts[:-1]], set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {("outside", alias.name.split(".")[0]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(("outside", (node.module or "").split(".")[0]))
        elif isinstance(node, ast.ImportFrom):
            base = own[: len(own) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                full = [*base, alias.name]
                found.add(("own", full[1]) if len(full) > 1 else ("own", "__init__"))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    floor = next(index for index, names in enumerate(FLOORS) if part in names)
    below = set().union(*FLOORS[:floor])
    for kind, name in imports(path):
        if kind == "own" and name != part:
            allowed = below if part in STAGES else below | FLOORS[floor]
            assert name in allowed, f"{part} imports {name}, which is not below it"


@pytest.mark.parametrize(
    ("library", "places"),
    [
        ("mlflow", {"tracking"}),
        ("soundfile", {"audio", "long_audio"}),
        ("soxr", {"audio", "long_audio", "loudness"}),
        ("hydra", {"cli", "compose", "config", "nodes", "sweep", "__main__"}),
        ("optuna", {"sweep"}),
        ("plotly", {"sweep"}),
        ("requests", {"weights"}),
        (
            "omegaconf",
            {
                "cli",
                "compose",
                "config",
                "nodes",
                "experiment",
                "aiming",
                "differences",
                "reproduction",
                "promotion",
                "serving",
                "batches",
                "sweep",
            },
        ),
        ("pyloudnorm", {"loudness"}),
        ("matplotlib", {"plots", "histograms"}),
        ("ray", {"batches"}),
    ],
)
def test_each_library_has_its_place(library: str, places: set[str]) -> None:
    users = {part_of(path) for path in MODULES if ("outside", library) in imports(path)}
    assert users <= places


def test_nothing_is_unpickled_on_trust() -> None:
    for path in MODULES:
        assert not re.search(r"weights_only\s*=\s*False|pickle\.load|load_model\(", path.read_text()), path


def test_every_choice_names_a_class_that_is_there() -> None:
    from hydra.utils import get_class

    for path in (PACKAGE.parent / "conf").rglob("*.yaml"):
        for target in re.findall(r"^_target_: (\S+)", path.read_text(), re.M):
            assert get_class(target), path


def test_package_headers_stand_first() -> None:
    """Hydra stops looking for `@package` at the first comment that is not one."""
    for path in (PACKAGE.parent / "conf").rglob("*.yaml"):
        text = path.read_text()
        assert "@package" not in text or text.startswith("# @package"), path
