"""Code of other libraries, used without what it would change in the process.

Some libraries set the process's thread count when they are imported, draw from a global generator,
or warn of what is known. A process may hold much more than this package, so what they touch is
replaced for our own use of them, and stays as it is for everybody else.
"""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from threading import RLock
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

_lock = RLock()


def with_globals(
    function: Callable[Arguments, Answer], **names: object
) -> Callable[Arguments, Answer]:
    """A copy of a Python function that finds other things under some of its module's global names.

    >>> def rolled():
    ...     return dice()
    >>> with_globals(rolled, dice=lambda: 4)()
    4
    """
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"{function!r} is no function of Python's own kind")
    copy = types.FunctionType(
        function.__code__,
        function.__globals__ | names,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


@cache
def module_of(package: str, name: str) -> Any:
    """The module `package.name`, imported without running the package's own `__init__`.

    It lives under a private name, so that whoever imports the package gets it whole. Raises
    `ModuleNotFoundError`.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"the package {package} is not installed")
    private = f"_speechclean_{package}"
    with _lock:
        if private not in sys.modules:
            stand_in = types.ModuleType(private)
            stand_in.__path__ = list(found.submodule_search_locations)
            stand_in.__spec__ = ModuleSpec(private, None, is_package=True)
            sys.modules[private] = stand_in
        return importlib.import_module(f"{private}.{name}")


def folder_of(package: str) -> Path:
    """Where an installed package lies, without importing it. Raises `ModuleNotFoundError`."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"the package {package} is not installed")
    return Path(next(iter(found.submodule_search_locations)))


@contextmanager
def unchanged_random_state() -> Iterator[None]:
    """Give torch's generator on the CPU back as it was: a network starts with random weights."""
    import torch  # late: what fetches weights needs none of it

    with _lock, torch.random.fork_rng(devices=[]):
        yield


@contextmanager
def ignored_warnings(category: type[Warning] = Warning) -> Iterator[None]:
    """Python's filters ignore a kind of warning in the block.

    They belong to the process. Of two blocks in two threads, the first to end would take the
    other's filters for those of before, so one waits for the other.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield
