"""Sounds side by side, of which one is heard: the player of every page that there is.

A page needs no other file and no network. Its parts are in `assets/report/`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechclean.audio.loudness import integrated_lufs
from speechclean.audio.sound_files import as_mp3, load
from speechclean.audio.waveform import Audio
from speechclean.system.resources import asset

from . import spectrograms

ASSETS = asset("report")
SOUNDS = ("mixture", "cleaned", "residual")
#: What a page calls them, and the two that its blind test compares.
CALLED = {"sounds": [[name, name.capitalize()] for name in SOUNDS], "abx": SOUNDS[:2]}
#: What a page is put together of, by the names that stand in it, and the files that hold it.
PARTS = {"head": "head.html", "css": "page.css", "player": "player.html"} | {
    f"{name}_js": f"{name}.js" for name in ("common", "page", "player", "study")
}
#: Columns of the waveform.
PEAKS = 400
#: No gain may bring a sound over this.
HIGHEST_PEAK = 0.97


@dataclass(frozen=True)
class Clip:
    """A file's sounds with their pictures.

    data: what the page knows of it; size: the bytes of sounds and pictures in it
    """

    data: Mapping[str, Any]
    size: int


def has_clip(folder: Path, alias: str) -> bool:
    """Whether the three sounds of a file are in the folder, as `ab_clips` writes them."""
    return all((folder / f"{alias}_{name}.flac").is_file() for name in SOUNDS)


def clip(folder: Path, alias: str, why: str, name: str | None = None) -> Clip:
    """The clip of the three sounds `<alias>_{mixture,cleaned,residual}.flac` in a folder.

    why: what the page says of it; name: what it is called there, None: the alias

    `matched` is the linear gain at which mixture and cleaned are equally loud (LUFS); the residual
    gets the mixture's.
    """
    sounds = {name: load(folder / f"{alias}_{name}.flac") for name in SOUNDS}
    return clip_of(sounds, name or alias, why)


def clip_of(sounds: Mapping[str, Audio], name: str, why: str) -> Clip:
    """A clip of sounds of one length, the `mixture` among them.

    All but a `residual` are made as loud as the mixture, as in `clip`.
    """
    gains = dict.fromkeys(sounds, 1.0)
    before = integrated_lufs(sounds["mixture"])
    for sound_name in set(sounds) - {"mixture", "residual"}:
        after = integrated_lufs(sounds[sound_name])
        if before is not None and after is not None:
            # A sound that is next to silent is not amplified to the mixture's level.
            gains[sound_name] = 10 ** (min(30.0, before - after) / 20)
    peak = max(
        gains[sound_name] * float(sound.waveform.abs().max())
        for sound_name, sound in sounds.items()
        if sound.samples
    )
    common = min(1.0, HIGHEST_PEAK / peak) if peak else 1.0
    loudest = spectrograms.loudest_db(sounds["mixture"])
    made, size = {}, 0
    for sound_name, sound in sounds.items():
        coded, picture = as_mp3(sound), spectrograms.spectrogram_png(sound, loudest)
        size += len(coded) + len(picture)
        texts = {"mp3": base64.b64encode(coded).decode(), "png": base64.b64encode(picture).decode()}
        made[sound_name] = texts | {
            "matched": gains[sound_name] * common,
            "peaks": _peaks(sound),
        }
    seconds = sounds["mixture"].seconds
    return Clip({"alias": name, "why": why, "seconds": seconds, "sounds": made}, size)


def _peaks(sound: Audio) -> list[int]:
    """The waveform's outline: peaks of `PEAKS` equal stretches, in percent of full scale."""
    pieces = sound.waveform.abs().amax(0).tensor_split(min(PEAKS, max(1, sound.samples)))
    return [min(100, round(100 * float(piece.max()))) if len(piece) else 0 for piece in pieces]


def filled(page: str, title: str, data: Mapping[str, Any], **parts_of_its_own: str) -> str:
    """A page of `assets/report/` with its parts and its data put in.

    parts_of_its_own: HTML by the name that stands for it in the page
    """
    parts = {name: (ASSETS / file).read_text(encoding="utf-8") for name, file in PARTS.items()}
    # `</script>` in a file's name would end the script early, and a name that is no unicode must
    # not cost the report.
    text = json.dumps(data, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    parts |= {"data": text, "title": re.sub(r"[<>&]", " ", title), **parts_of_its_own}
    return re.sub(
        r"\{\{(\w+)\}\}",
        lambda place: parts[place[1]],
        (ASSETS / page).read_text(encoding="utf-8"),
    )


def listening_page(one: Clip, seed: int = 0) -> str:
    """A page with nothing but the player, for one clip.

    seed: of its blind test
    """
    name = str(one.data["alias"])
    return filled(
        "listen.html", name, {"name": name, "seed": seed, "how": "", "clips": [one.data], **CALLED}
    )
