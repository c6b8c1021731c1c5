"""Render MIDI files with FluidSynth, bounded in time and size.

`fluidsynth -F` sometimes never ends.

    python -m experiments.embedded_models.render --midi /tmp/midi --out /tmp/composed
"""

import argparse
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import soundfile

#: Debian packages fluid-soundfont-gm and musescore-general-soundfont, both MIT.
FLUID = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
MUSESCORE = Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3")
TAIL_S = 6.0  # room that a piece may ring on


def soundfonts() -> list[Path]:
    """The General MIDI soundfonts that are installed."""
    found = [path for path in (FLUID, MUSESCORE) if path.exists()]
    if not found:
        raise FileNotFoundError(
            "no General MIDI soundfont found: apt-get install fluidsynth fluid-soundfont-gm"
        )
    return found


def render(
    midi: Path,
    out: Path,
    seconds: float,
    rate: int = 24_000,
    font: Path = FLUID,
    timeout_s: float = 60.0,
) -> bool:
    """Write `out`, a 16-bit stereo wav of `seconds`; whether it worked.

    A run that does not end is stopped.
    """
    raw = out.with_suffix(".part")
    raw.unlink(missing_ok=True)
    options = ["-ni", "-q", "-g", "0.5", "-r", str(rate), "-O", "s16", "-T", "raw", "-F", str(raw)]
    process = subprocess.Popen(
        ["fluidsynth", *options, str(font), str(midi)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    began, limit = time.monotonic(), int((seconds + TAIL_S) * rate) * 4
    while process.poll() is None:
        size = raw.stat().st_size if raw.exists() else 0
        if time.monotonic() - began > timeout_s or size > limit:
            process.kill()
            process.wait()
        time.sleep(0.05)
    if not raw.exists() or raw.stat().st_size < int(0.9 * seconds * rate) * 4:
        raw.unlink(missing_ok=True)
        return False
    wave, _ = soundfile.read(
        raw,
        samplerate=rate,
        channels=2,
        subtype="PCM_16",
        format="RAW",
        endian="LITTLE",
        frames=int(seconds * rate),
    )
    soundfile.write(out, wave, rate, subtype="PCM_16")
    raw.unlink()
    return True


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--midi", type=Path, required=True, help="folder written by compose.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="length of each piece, as composed"
    )
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    good, fonts = 0, soundfonts()
    # The styles follow one another by name: a font per piece within each style.
    for index, midi in enumerate(sorted(args.midi.glob("*.mid"))):
        made = render(
            midi, args.out / f"{midi.stem}.wav", args.seconds, font=fonts[index % len(fonts)]
        )
        good += made
        if not made:
            print(f"{midi.name}: no render within the bounds, left out")
    print(f"{good} pieces rendered")


if __name__ == "__main__":
    main()
