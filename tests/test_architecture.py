"""The picture of the house stays true: imports go downward, and each outside library has its one
place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "speechclean"
#: The rooms, from the top. A room imports from the rooms below it, and from none beside it.
ROOMS = [
    ["cli"],
    ["sweep", "reproduction"],
    ["experiment"],
    ["records"],
    ["stages"],
    ["networks"],
    ["audio"],
    ["system"],
]
#: Packages that never import one another, whatever order their room lists them in.
APART = [
    {
        "stages.separators",
        "stages.fusion",
        "stages.enhancement",
        "stages.postprocess",
        "stages.metrics",
        "stages.datasets",
    },
]
#: Where a library may be imported: in these rooms, packages and modules alone.
LIBRARIES = {
    "mlflow": ["records.tracking"],
    "soundfile": ["audio.sound_files", "audio.reading", "audio.decoding"],
    "av": ["audio.ffmpeg", "audio.media"],
    "soxr": ["audio"],
    "pyloudnorm": ["audio.loudness"],
    "hydra": ["cli", "sweep", "experiment.config"],
    "omegaconf": ["cli", "sweep", "reproduction", "experiment"],
    "optuna": ["sweep"],
    "plotly": ["sweep"],
    "matplotlib": ["records.results"],
    "requests": ["networks.weights"],
    "ray": ["experiment.batch"],
    "argparse": ["cli"],
    "gradio": ["cli.ui_page"],
}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "by_module" not in path.parts
}
#: The longest module and the longest function (with its decorators), in lines.
MODULE_LINES, FUNCTION_LINES = 250, 60
#: Scripts of the studies: modules as short as those of the library.
STUDIES = {
    str(path.relative_to(ROOT)): path for path in sorted((ROOT / "experiments").rglob("*.py"))
}
#: A line of a package's list of its modules.
LISTED = re.compile(r"^ {0,4}(\w[\w/, ]*?)  +\S")


def own_name(module: str) -> str:
    """A module by its dotted name; a package by its own."""
    return module.removesuffix(".__init__")


def known(name: str) -> str | None:
    """The module that a dotted name is, or is in."""
    while name:
        if name in MODULES or f"{name}.__init__" in MODULES:
            return name
        name = name.rpartition(".")[0]
    return None


def imports(module: str) -> Iterator[tuple[str, str]]:
    """("own", dotted name) and ("outside", library) of everything that a module imports, at
    whatever depth."""
    package = ["speechclean", *module.split(".")[:-1]]
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from sorted_out(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = [] if not node.level else package[: len(package) - node.level + 1]
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                yield from sorted_out(".".join([*base, alias.name]))


def sorted_out(name: str) -> Iterator[tuple[str, str]]:
    top, _, rest = name.partition(".")
    if top != "speechclean":
        yield "outside", top
    elif found := known(rest):
        yield "own", found


ARROWS = {
    own_name(module): {
        name for kind, name in imports(module) if kind == "own" and name != own_name(module)
    }
    for module in MODULES
}


def floor(module: str) -> int:
    return next(index for index, rooms in enumerate(ROOMS) if module.split(".")[0] in rooms)


def listed(package: str) -> list[str]:
    """The modules and packages that a package's `__init__` lists, from the top."""
    text = ast.get_docstring(ast.parse(MODULES[f"{package}.__init__"].read_text())) or ""
    names = [found[1] for line in text.splitlines() if (found := LISTED.match(line))]
    return [name.strip().removesuffix("/") for line in names for name in line.split(",")]


def packages() -> list[str]:
    return [own_name(module) for module in MODULES if module.endswith(".__init__")]


def children(package: str) -> set[str]:
    """The modules and packages right below a package."""
    depth = len(package.split("."))
    return {
        own_name(name).split(".")[depth]
        for name in MODULES
        if name.startswith(f"{package}.") and own_name(name) != package
    }


def test_every_room_is_known() -> None:
    top = {module.split(".")[0] for module in MODULES} - {"__init__", "__main__"}
    assert top == {room for rooms in ROOMS for room in rooms}


@pytest.mark.parametrize(
    "module", [name for name in ARROWS if name not in ("__init__", "__main__")]
)
def test_imports_go_down(module: str) -> None:
    for target in ARROWS[module]:
        same_room = module.split(".")[0] == target.split(".")[0]
        assert same_room or floor(target) > floor(module), (
            f"{module} imports {target}, which is not below it"
        )


@pytest.mark.parametrize("package", packages())
def test_each_package_lists_its_modules_in_their_order(package: str) -> None:
    """Within a package, too, imports go down: from a module to those that its `__init__` lists
    below it."""
    order = listed(package)
    assert set(order) == children(package), f"speechclean.{package} lists other modules than it has"
    for above, name in enumerate(order):
        inside = [
            one
            for one in ARROWS
            if one == f"{package}.{name}" or one.startswith(f"{package}.{name}.")
        ]
        used = {target for one in inside for target in ARROWS[one]}
        for lower, other in enumerate(order):
            place = f"{package}.{other}"
            if lower < above and any(
                target == place or target.startswith(f"{place}.") for target in used
            ):
                pytest.fail(
                    f"speechclean.{package}.{name} imports {other}, which is listed above it"
                )


def test_packages_that_know_nothing_of_one_another() -> None:
    for group in APART:
        for module, targets in ARROWS.items():
            own = next((one for one in group if module.startswith(one)), None)
            others = {
                one for one in group if one != own for target in targets if target.startswith(one)
            }
            assert own is None or not others, f"{module} imports {others}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_has_its_place(library: str) -> None:
    users = {own_name(module) for module in MODULES if ("outside", library) in set(imports(module))}
    places = LIBRARIES[library]
    assert users, f"nothing imports {library} any more"
    assert all(any(f"{user}.".startswith(f"{place}.") for place in places) for user in users), users


def test_the_library_and_its_tests_know_no_experiments() -> None:
    tests = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if "experiments" not in path.relative_to(ROOT).parts[:-1]
    ]
    for path in [*MODULES.values(), *tests]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            )
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] == "experiments" for name in names), path


@pytest.mark.parametrize("path", MODULES.values(), ids=MODULES)
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES
    lengths = {
        f"{node.name} in line {node.lineno}": (node.end_lineno or 0)
        - min(part.lineno for part in [node, *node.decorator_list])
        + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES}


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_scripts_of_studies_are_short(name: str) -> None:
    assert len(STUDIES[name].read_text().splitlines()) <= MODULE_LINES


def test_nothing_is_unpickled_on_trust() -> None:
    for path in MODULES.values():
        assert not re.search(
            r"weights_only\s*=\s*False|pickle\.load|load_model\(", path.read_text()
        ), path


def test_every_choice_names_a_class_that_is_there() -> None:
    from hydra.utils import get_class

    for path in (ROOT / "conf").rglob("*.yaml"):
        for target in re.findall(r"^_target_: (\S+)", path.read_text(), re.M):
            assert get_class(target), path


def test_package_headers_stand_first() -> None:
    """Hydra stops looking for `@package` at the first comment that is not one."""
    for path in (ROOT / "conf").rglob("*.yaml"):
        text = path.read_text()
        assert "@package" not in text or text.startswith("# @package"), path
