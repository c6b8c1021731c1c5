"""Where the package's own files are: its sources, and the data that ships with them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

#: The folder of the package. It is a real folder: networks, sounds and pages are opened by their
#: paths.
PACKAGE = Path(str(files("speechclean")))


def conf_dir() -> Path:
    """The folder of config groups: inside an installed package, beside it in a checkout.

    >>> (conf_dir() / "config.yaml").is_file()
    True
    """
    inside = PACKAGE / "conf"
    return inside if inside.is_dir() else PACKAGE.parent / "conf"


def asset(*parts: str) -> Path:
    """The path of a file or folder below `speechclean/assets`.

    >>> asset("pilot", "manifest.csv").is_file()
    True
    """
    return PACKAGE.joinpath("assets", *parts)
