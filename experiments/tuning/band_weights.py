r"""How far to trust which separator in which band: fitted on mixtures whose voice is known.

    python -m experiments.tuning.band_weights --set W/tune.csv --work W [--like experiment=balanced]
        [--bands 300 1000 3000] [--keep 1 3]

The separators of the config answer each mixture; in each band, weights of their masks (at least
`LEAST`, in sum one) come nearest to the mask of the true voice, |V|^p / (|V|^p + |A|^p), by least
squares over all bins, each counted by the magnitude of the mixture's. `--keep 2` counts twice what
a mask would take off the voice, by so many rounds of weighting anew. Prints the overrides that use
them and writes them into W/band_weights.yaml, lines as in experiments/benchmark/words.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy.optimize import minimize
from torch import Tensor

from experiments.benchmark.words import rows, set_and_work
from speechclean.audio.reading import load
from speechclean.audio.stft import ratio_mask, stft, window_length
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed

#: The least weight: below it a separator could as well be left out.
LEAST = 0.01
#: Rounds of weighting anew, after which nothing moves.
ROUNDS = 5


@dataclass(frozen=True)
class Heard:
    """A mixture: `masks` `[separators, freqs, bins]`, the mask `wanted` and what each bin counts.

    `freqs` rise to `top_hz`.
    """

    masks: Tensor
    wanted: Tensor
    counted: Tensor
    top_hz: float

    def band(self, low_hz: float, high_hz: float) -> tuple[Tensor, Tensor, Tensor]:
        """Bins within a band: `[separators, some]`, `[some]` and `[some]`."""
        hz = torch.linspace(0, self.top_hz, len(self.wanted))
        inside = (hz >= low_hz) & (hz < high_hz)
        parts = self.masks[:, inside].flatten(1), self.wanted[inside], self.counted[inside]
        return parts[0].double(), parts[1].flatten().double(), parts[2].flatten().double()


def heard(listed: Sequence[dict[str, str]], folder: Path, pipeline: Any) -> Iterator[Heard]:
    """Each mixture of a set as a pipeline's separators hear it."""
    rule = pipeline.fusion
    for row in listed:
        mixture, voice = (load(folder / row[key]) for key in ("path", "reference"))
        masks = [rule.mask(mixture, one([mixture])[0]) for one in pipeline.separators.values()]
        n_fft = window_length(mixture.sample_rate, rule.window_s)
        speech, whole = (stft(one.waveform, n_fft) for one in (voice, mixture))
        wanted = ratio_mask(speech, whole - speech, rule.eps * n_fft, rule.exponent)
        counted = whole.abs() / whole.abs().mean()
        # Channels are more frames.
        stacked = torch.stack(masks).half().permute(0, 2, 1, 3).flatten(2)
        wanted, counted = (one.transpose(0, 1).flatten(1).half() for one in (wanted, counted))
        print(f"{row['alias']}: heard", flush=True)
        yield Heard(stacked, wanted, counted, mixture.sample_rate / 2)


def best(squares: Any, mixed: Any) -> Any:
    """The weights, in sum one and at least `LEAST`, that make w'Sw - 2m'w least."""
    count, scale = len(mixed), np.trace(squares)
    found = minimize(
        lambda w: (w @ squares @ w - 2 * mixed @ w) / scale,
        np.full(count, 1 / count),
        jac=lambda w: 2 * (squares @ w - mixed) / scale,
        bounds=[(LEAST, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    return found.x


def fitted(mixtures: Sequence[Heard], low_hz: float, high_hz: float, keep: float) -> Any:
    """The weights of one band, in sum one."""
    count = len(mixtures[0].masks)
    weights = np.full(count, 1 / count)
    for _ in range(ROUNDS if keep != 1 else 1):
        squares, mixed = np.zeros((count, count)), np.zeros(count)
        for one in mixtures:
            masks, wanted, counted = one.band(low_hz, high_hz)
            taken = torch.from_numpy(weights) @ masks < wanted
            counts = counted * torch.where(taken, keep, 1.0)
            squares += (counts * masks @ masks.T).numpy()
            mixed += (masks @ (counts * wanted)).numpy()
        weights = best(squares, mixed)
    return weights


def main() -> None:
    """Fit, print and write."""
    parser = set_and_work(__doc__)
    parser.add_argument("--like", nargs="+", default=["experiment=balanced"], help="overrides")
    parser.add_argument("--bands", nargs="*", type=float, default=[300, 1000, 3000], help="in Hz")
    parser.add_argument(
        "--keep", nargs="+", type=float, default=[1.0], help="what taking voice off counts"
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    more = ["tracking=none", "metrics=[]", f"output.dir={options.work}"]
    pipeline = build(composed([*options.like, *more])).pipeline
    mixtures = list(heard(rows(options.set), options.set.parent, pipeline))
    edges = ",".join(f"{one:g}" for one in options.bands)
    lines = {}
    for keep in options.keep:
        lists = []
        bands = list(pairwise([0.0, *options.bands, float("inf")]))
        table = np.array([fitted(mixtures, *band, keep) for band in bands]).T
        for name, row in zip(pipeline.separators, table, strict=True):
            lists.append(f"{name}:[{','.join(f'{one:.3f}' for one in row)}]")
        own = [f"fusion.bands_hz=[{edges}]", f"fusion.weights={{{','.join(lists)}}}"]
        lines[f"bands, keep {keep:g}"] = " ".join([*options.like, *own])
    path = options.work / "band_weights.yaml"
    path.write_text(yaml.safe_dump(lines, width=10_000))
    print(path.read_text(), end="")


if __name__ == "__main__":
    main()
