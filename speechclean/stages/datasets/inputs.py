"""What is typed as inputs, files, folders and patterns mixed, as tracks."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from speechclean.stages.types import Track
from speechclean.system.paths import exists, is_dir

from . import aliases
from .folder import Folder


def tracks_of(inputs: Sequence[str]) -> list[Track]:
    """A track for each file, those of a folder or a pattern in its place.

    Aliases, and places below an output's folder, are unique among all of them. A file that is not
    there is a track as well: whoever reads it says so, and it costs no other one.

    Raises `DatasetError` for a folder or a pattern without sound files.
    """
    tracks = [track for one in inputs for track in _tracks(one)]
    origins = [str(track.path) for track in tracks]
    names = aliases.unique([track.alias for track in tracks], origins)
    places = aliases.unique([track.relative or track.alias for track in tracks], origins)
    return [
        replace(track, alias=alias, relative=place)
        for track, alias, place in zip(tracks, names, places, strict=True)
    ]


def _tracks(typed: str) -> list[Track]:
    path = Path(typed)
    # A file may be called like a pattern; a pattern comes here where a shell was kept from it.
    if is_dir(path) or (glob.has_magic(typed) and not exists(path)):
        return Folder(typed).tracks()
    return [Track(aliases.safe(path.stem), path)]
