"""What the default pipeline costs on one core, stage by stage, and what ships in megabytes.

    python -m experiments.embedded_models.speed [OVERRIDE ...]

An OVERRIDE is one of conf/config.yaml, such as `enhancement.wet=0.5`.

Processor time, not the clock's: it can be read on a machine that does other things too, though what
shares its caches makes it longer. The pilot's voices in mono at 24 kHz, one minute of them, by one
thread; the best of three passes.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from experiments.embedded_models.data import SAMPLE_RATE
from experiments.embedded_models.evaluate import pipeline_of
from speechclean.audio.sound_files import load
from speechclean.audio.waveform import Audio, resample
from speechclean.stages.datasets.manifest import Pilot

RESULTS = Path(__file__).parent / "results"
MODELS = Path(__file__).parents[2] / "speechclean" / "assets" / "models"
MINUTE_S, MOST_MB, LEAST_RATIO = 60.0, 25.0, 15.0


class Processor:
    """Seconds of the processor in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - start


def sounds() -> list[Audio]:
    """A minute of the pilot, clip by clip."""
    clips = [resample(load(track.path).mono(), SAMPLE_RATE) for track in Pilot().tracks()]
    turns = round(MINUTE_S / sum(clip.seconds for clip in clips)) or 1
    return clips * turns


def core_seconds(overrides: list[str], passes: int = 3) -> dict[str, float]:
    """Seconds of one core for a second of sound, by stage and in `all`: the best of some passes.

    Sets the process's number of threads to one.
    """
    torch.set_num_threads(1)
    pipeline, clips = pipeline_of(["device=cpu", *overrides]), sounds()
    length = sum(clip.seconds for clip in clips)
    pipeline(clips[:1])  # loads the networks
    best: dict[str, float] = {}
    for _ in range(passes):
        clock, start = Processor(), time.process_time()
        for clip in clips:
            pipeline([clip], clock)
        whole = {**clock.seconds, "all": time.process_time() - start}
        best = whole if not best or whole["all"] < best["all"] else best
    return {stage: seconds / length for stage, seconds in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    overrides = parser.parse_args().overrides
    best = core_seconds(overrides)
    lines = [
        f"Config: default {' '.join(overrides)}".rstrip(),
        "",
        "| stage | seconds of one core per second of sound |",
        "|---|---|",
    ]
    lines += [f"| {name} | {seconds:.4f} |" for name, seconds in best.items()]
    megabytes = sum(path.stat().st_size for path in MODELS.glob("*.th")) / 1e6
    ratio = f"×{1 / best['all']:.1f} real time on one core (wanted: ×{LEAST_RATIO:.0f})"
    lines += ["", f"{ratio}; weights {megabytes:.1f} MB in all (at most {MOST_MB:.0f})."]
    print("\n".join(lines))
    name = "_".join(["speed", *(word.replace("=", "_").replace(".", "_") for word in overrides)])
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
