"""Weights that the world uses, for tests: those of the machine, else fetched once for all tests."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

import pytest

from speechclean.networks.weights import locate
from speechclean.networks.weights.fetch import fetch
from speechclean.networks.weights.fetch_errors import FetchError
from speechclean.networks.weights.registry import models

#: Where the first test that needs a model puts it.
FETCHED = Path(tempfile.gettempdir()) / f"speechclean-test-weights-{getpass.getuser()}"


def use(*names: str) -> Path | None:
    """Let the published weights of some models be found, fetched if they are nowhere.

    Returns the folder for processes that know nothing of this one; None where they lie in the usual
    ones. A machine that has them nowhere and cannot fetch them skips.
    """
    missing = [
        file for name in names for file in models()[name].files if locate(file, FETCHED) is None
    ]
    try:
        for file in missing:
            fetch(file, FETCHED)
    except FetchError as error:
        pytest.skip(f"{', '.join(names)}: {error}")
    if any(locate(file) is None for name in names for file in models()[name].files):
        os.environ["SPEECHCLEAN_WEIGHTS"] = str(FETCHED)
    own = os.environ.get("SPEECHCLEAN_WEIGHTS")
    return Path(own) if own else None
