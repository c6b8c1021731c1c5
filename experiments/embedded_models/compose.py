"""Compose short pieces as MIDI: progressions, bass, patterns, motifs, drums; a seed is a piece.

Pure Python. Times are beats, pitches MIDI note numbers, velocities 1-127, programs General MIDI
counted from 0.

    python -m experiments.embedded_models.compose --out /tmp/midi --count 60
"""

import argparse
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TICKS = 480  # per beat
DRUMS = 9  # the channel that General MIDI reserves for percussion
KICK, SNARE, HAT, OPEN_HAT, CRASH, SHAKER, CLAP = 36, 38, 42, 46, 49, 70, 39

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
}
PROGRESSIONS = [
    (0, 4, 5, 3),
    (0, 5, 3, 4),
    (0, 3, 0, 4),
    (5, 3, 0, 4),
    (0, 6, 5, 6),
    (1, 4, 0, 0),
    (0, 2, 3, 4),
    (0, 0, 3, 4),
]


@dataclass(frozen=True)
class Note:
    """A note on one channel; `start` and `length` in beats."""

    start: float
    length: float
    pitch: int
    velocity: int
    channel: int


@dataclass(frozen=True)
class Style:
    """What a piece is made of.

    Programs are drawn from the tuples; an empty tuple leaves the part out.
    """

    tempo: tuple[int, int]
    beats: int
    pad: tuple[int, ...] = ()
    bass: tuple[int, ...] = ()
    pattern: tuple[int, ...] = ()
    lead: tuple[int, ...] = ()
    drums: str = ""
    swing: float = 0.0


STYLES = {
    "pop": Style((92, 128), 4, (89, 48, 4), (33, 34, 38), (25, 27, 0, 5), (81, 11, 73, 26), "rock"),
    "orchestra": Style(
        (64, 110), 4, (48, 49, 52), (43, 42), (45, 46, 48), (40, 60, 68, 71, 73, 56), ""
    ),
    "ambient": Style((50, 76), 4, (88, 91, 94, 95), (39, 89), (98, 10, 88), (82, 75), ""),
    "lofi": Style((68, 88), 4, (4, 5), (32, 33), (4, 11, 26), (65, 11, 12), "soft", 0.16),
    "folk": Style((80, 126), 4, (), (32,), (24, 25, 105, 15), (22, 40, 73, 110, 21), "shaker"),
    "electro": Style((110, 142), 4, (90, 81, 63), (38, 39, 87), (80, 81, 83), (80, 84, 87), "four"),
    "piano": Style((60, 108), 4, (), (), (0, 1, 3), (0, 0), ""),
    "waltz": Style((96, 160), 3, (48, 21), (32, 43), (0, 24, 46), (40, 71, 22, 68), ""),
    "metal": Style((120, 165), 4, (30,), (34,), (29, 30), (30, 29), "rock"),
    "choir": Style((56, 84), 4, (52, 53, 19), (43, 19), (46, 14), (53, 54, 68), ""),
    "jazz": Style((96, 150), 4, (4, 26), (32,), (0, 26), (66, 56, 57, 65), "soft", 0.2),
    "world": Style(
        (84, 120), 4, (104, 89), (32, 35), (107, 108, 114, 12), (77, 104, 111, 75), "shaker"
    ),
}


def drum_bar(kind: str, start: float, beats: int, rng: np.random.Generator) -> list[Note]:
    """One bar of percussion from `start`."""
    hits: list[tuple[float, int, int]] = []
    for beat in range(beats):
        if kind == "four":
            hits += [(beat, KICK, 110), (beat + 0.5, OPEN_HAT if beat % 2 else HAT, 80)]
            hits += [(beat, CLAP, 95)] if beat % 2 else []
        elif kind == "shaker":
            hits += [(beat + step / 2, SHAKER, 60 + 25 * (step == 0)) for step in range(2)]
            hits += [(beat, KICK, 80)] if beat % 2 == 0 else [(beat, 37, 75)]
        else:
            loud = 100 if kind == "rock" else 66
            hits += [(beat + step / 2, HAT, loud - 25) for step in range(2)]
            hits += [(beat, SNARE if beat % 2 else KICK, loud)]
            hits += [(beat + 0.5, KICK, loud - 10)] if rng.random() < 0.25 else []
    if rng.random() < 0.1:
        hits.append((0, CRASH, 90))
    return [
        Note(start + at, 0.2, key, int(vel + rng.integers(-8, 9)), DRUMS) for at, key, vel in hits
    ]


# One function, since every piece follows from the order of its draws from one generator.
def compose(  # noqa: C901
    seed: int, seconds: float, style: str | None = None
) -> tuple[list[Note], dict[int, int], int]:
    """Notes, program per channel and tempo (beats per minute) of the piece of that seed."""
    rng = np.random.default_rng((7, seed))
    style = style or sorted(STYLES)[int(rng.integers(len(STYLES)))]
    made = STYLES[style]
    tempo = int(rng.integers(*made.tempo))
    scale = SCALES[sorted(SCALES)[int(rng.integers(len(SCALES)))]]
    root = int(rng.integers(45, 57))
    parts = ("pad", "bass", "pattern", "lead")
    channel = {part: index for index, part in enumerate(parts)}
    programs = {channel[p]: int(rng.choice(getattr(made, p))) for p in parts if getattr(made, p)}

    def pitch(degree: int, octave: int = 0) -> int:
        return int(np.clip(root + 12 * (octave + degree // 7) + scale[degree % 7], 24, 100))

    progressions = [PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))] for _ in range(2)]
    order = [int(step) for step in rng.permutation([0, 2, 4, 7])] * 2
    motif = [(int(rng.integers(0, 8)), float(rng.choice([0.5, 0.5, 1.0, 1.5]))) for _ in range(6)]
    fast = float(rng.choice([0.25, 0.5, 0.5, 1.0]))
    bars = int(np.ceil(seconds * tempo / 60 / made.beats))
    enters = {part: int(rng.choice([0, 0, 0, 2, 4])) for part in parts}
    enters["pattern" if made.pattern else "pad"] = 0
    notes: list[Note] = []
    for bar in range(bars):
        start, degree = float(bar * made.beats), progressions[(bar // 8) % 2][bar % 4]
        loud = int(12 * np.sin(bar / 5 + seed))
        if 0 in programs and bar >= enters["pad"]:
            for step in (0, 2, 4):
                notes.append(Note(start, made.beats * 0.98, pitch(degree + step), 62 + loud, 0))
        if 1 in programs and bar >= enters["bass"]:
            for beat in np.arange(0, made.beats, 1.0 if made.drums else 2.0):
                tone = degree if beat == 0 else degree + int(rng.choice([0, 0, 4, 7]))
                notes.append(Note(start + float(beat), 0.9, pitch(tone, -1), 82 + loud, 1))
        if 2 in programs and bar >= enters["pattern"]:
            for index, beat in enumerate(np.arange(0, made.beats, fast)):
                late = made.swing if index % 2 else 0.0
                if rng.random() < 0.92:
                    tone = pitch(degree + order[index % len(order)], 0)
                    notes.append(
                        Note(start + float(beat) + late * fast, fast * 0.95, tone, 70 + loud, 2)
                    )
        if 3 in programs and bar >= enters["lead"] and bar % 8 not in (3, 7):
            at = 0.0
            for step, length in motif:
                if at + length > made.beats or rng.random() < 0.12:
                    break
                wander = int(rng.integers(-1, 2)) if bar % 4 == 2 else 0
                notes.append(
                    Note(start + at, length * 0.95, pitch(degree + step + wander, 1), 84 + loud, 3)
                )
                at += length
        if made.drums and bar >= enters["bass"]:
            notes += drum_bar(made.drums, start, made.beats, rng)
    return notes, programs, tempo


def varint(value: int) -> bytes:
    """MIDI variable-length quantity."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def to_midi(notes: Sequence[Note], programs: dict[int, int], tempo: int, seconds: float) -> bytes:
    """A format-0 MIDI file that ends every note by `seconds`."""
    last = int(seconds * tempo / 60 * TICKS)
    events: list[tuple[int, int, bytes]] = [
        (0, 0, b"\xff\x51\x03" + (60_000_000 // tempo).to_bytes(3, "big"))
    ]
    events += [(0, 1, bytes([0xC0 | channel, program])) for channel, program in programs.items()]
    places = {0: 84, 1: 64, 2: 40, 3: 72}
    events += [(0, 1, bytes([0xB0 | channel, 10, places[channel]])) for channel in programs]
    for note in notes:
        on, off = int(note.start * TICKS), min(int((note.start + note.length) * TICKS), last)
        if on < off:
            velocity = int(np.clip(note.velocity, 1, 127))
            events.append((on, 3, bytes([0x90 | note.channel, note.pitch, velocity])))
            events.append((off, 2, bytes([0x80 | note.channel, note.pitch, 0])))
    body, now = bytearray(), 0
    for tick, _, data in sorted(events):
        body += varint(tick - now) + data
        now = tick
    body += varint(max(0, last - now)) + b"\xff\x2f\x00"
    return (
        b"MThd"
        + struct.pack(">IHHH", 6, 0, 1, TICKS)
        + b"MTrk"
        + struct.pack(">I", len(body))
        + bytes(body)
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60, help="pieces, going round the styles")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each piece")
    parser.add_argument("--seed", type=int, default=1000, help="seed of the first piece")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    styles = sorted(STYLES)
    for index in range(args.count):
        style = styles[index % len(styles)]
        midi = to_midi(*compose(args.seed + index, args.seconds, style), args.seconds)
        (args.out / f"{style}{args.seed + index}__0.mid").write_bytes(midi)
    print(f"{args.count} pieces of {args.seconds:.0f} s")


if __name__ == "__main__":
    main()
