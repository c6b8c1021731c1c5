"""The code that a stage's answer depends on, found by following its imports.

A cached answer is good only as long as everything that computed it is the same. That is derived
here from the module that defines the stage's class: its source, the sources of all modules of this
package that it imports, directly or through others, at the top of a file or inside a function; the
files of `assets` that they name; and the versions of the distributions that they import, with
those which these require. Whoever changes any of it finds nothing that was kept before.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from speechclean.system.hardware import version
from speechclean.system.resources import PACKAGE

NAME = PACKAGE.name


@dataclass(frozen=True)
class Closure:
    """All files that some modules depend on, by a name that no folder changes, and distributions.

    `unknown` are modules whose source cannot be found, such as one typed into an interpreter.
    """

    files: dict[str, Path]
    distributions: frozenset[str]
    unknown: frozenset[str]

    def sha256(self) -> str:
        """One hash over contents and versions; never the same twice where a source is unknown."""
        total = hashlib.sha256(platform.python_version().encode())
        for name, path in sorted(self.files.items()):
            total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        for name in sorted(self.distributions):
            total.update(f"{name}\0{version(name)}\n".encode())
        if self.unknown:
            total.update(os.urandom(32))
        return total.hexdigest()


@dataclass(frozen=True)
class _Source:
    """What one file names: dotted names of imports, assets, and words that may be libraries."""

    imports: frozenset[str]
    assets: frozenset[tuple[str, ...]]
    words: frozenset[str]


def stage_parts(cls: type[Any], *also: str) -> dict[str, Any]:
    """What a key says of the code behind an answer: the class, and the hash of its closure.

    `also` names further modules that had a part in the answer.
    """
    return {
        "stage": f"{cls.__module__}.{cls.__qualname__}",
        "modules": [cls.__module__, *also],
        "code": code_of(cls.__module__, *also),
    }


def is_stale(key: dict[str, Any]) -> bool:
    """Whether a key was made by other code than is installed now: no run finds it again."""
    modules = key.get("modules")
    return not modules or key.get("code") != code_of(*modules)


@cache
def code_of(*modules: str) -> str:
    """The hash of the closure of some modules; computed once in a process."""
    return closure(*modules).sha256()


def closure(*modules: str, root: Path = PACKAGE) -> Closure:
    """Everything that `modules` import and name, followed to the end.

    `root` is the folder of this package. Of a module outside of it that belongs to no distribution
    (a script, a user's own stage) the source counts too.
    """
    files: dict[str, Path] = {}
    libraries: set[str] = set()
    unknown: set[str] = set()
    waiting = list(modules)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            continue
        if top != NAME and top in _distributions():
            libraries.add(top)
            continue
        found = dict(_lineage(name, root))
        if not found and name in modules:
            unknown.add(name)
        for module, path in found.items():
            if module in files:
                continue
            files[module] = path
            source = _source(path, module, path.stat().st_mtime_ns, path.stat().st_size)
            waiting += source.imports
            libraries |= source.words & _distributions().keys()
            files |= {
                "/".join(("assets", *parts)): asset
                for parts in source.assets
                if (asset := root.joinpath("assets", *parts)).is_file()
            }
    names = {dist for library in libraries for dist in _distributions()[library]}
    return Closure(files, frozenset(_with_requirements(names)), frozenset(unknown))


def _lineage(name: str, root: Path) -> Iterator[tuple[str, Path]]:
    """The modules that importing a dotted name runs, with their files: its packages and itself.

    A name may end in something that a module holds.
    """
    top, *rest = name.split(".")
    folder = root if top == NAME else _folder(top)
    if folder is None:
        return
    if folder.is_file():
        yield top, folder
        return
    for depth in range(len(rest) + 1):
        place = folder.joinpath(*rest[:depth])
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                yield ".".join([top, *rest[:depth]]), path
                break


@cache
def _folder(top: str) -> Path | None:
    """The folder of a package or the file of a module that belongs to no distribution."""
    if top == "__main__":
        file = getattr(sys.modules[top], "__file__", None)
        return Path(file) if file else None
    spec = find_spec(top)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None


@lru_cache(maxsize=1024)
def _source(path: Path, module: str, _changed_ns: int, _size: int) -> _Source:
    """What the file of a module names, parsed once until it changes."""
    package = module.split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    imports: set[str] = set()
    assets: set[tuple[str, ...]] = set()
    words: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base += node.module.split(".") if node.module else []
            imports |= {".".join([*base, alias.name]) for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "asset":
            parts = [getattr(argument, "value", None) for argument in node.args]
            if all(isinstance(part, str) for part in parts):
                assets.add(tuple(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # `import_module` and `find_spec` take names as strings.
            if node.value.startswith(f"{NAME}.") and node.value.isascii():
                imports.add(node.value)
            elif node.value.isidentifier():
                words.add(node.value)
    return _Source(frozenset(imports), frozenset(assets), frozenset(words))


@cache
def _distributions() -> dict[str, list[str]]:
    """The distributions by the names under which their modules are imported."""
    return {name: list(dists) for name, dists in metadata.packages_distributions().items()}


def _with_requirements(names: set[str]) -> set[str]:
    """Distributions and all that they require here, extras left out: torch's cuDNN, say."""
    waiting, found = list(names), set(names)
    while waiting:
        for required in _requirements(waiting.pop()) - found:
            found.add(required)
            waiting.append(required)
    return found


@cache
def _requirements(name: str) -> frozenset[str]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return frozenset()
    parsed = [Requirement(line) for line in lines]
    return frozenset(
        one.name for one in parsed if not one.marker or one.marker.evaluate({"extra": ""})
    )
