"""A user's own networks: a folder in demucs' format.

`<name>.yaml` lies beside `<signature>[-<checksum>].th`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .demucs import DemucsSeparator


@dataclass(frozen=True)
class LocalSeparator(DemucsSeparator):
    """A separator of the demucs family from the folder `path`.

    It is the bag `name`, or the single network of that signature.
    """

    path: str = ""

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path= must name the folder that holds the networks")
        object.__setattr__(self, "repo", self.path)
        super().__post_init__()
