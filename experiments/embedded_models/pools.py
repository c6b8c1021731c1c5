"""What crops are drawn from: voices and music by the banks that hold them."""

from collections.abc import Sequence

import numpy as np

from experiments.embedded_models.data import SAMPLE_RATE, Bank, Clip

# read before the crop: circular filters wrap into it, then it is dropped
PRE_ROLL = SAMPLE_RATE // 2


class Pool:
    """Clips to draw from.

    A voice or track is drawn by the square root of its length, then a clip by its length.
    """

    def __init__(self, banks: Sequence[tuple[Bank, float]], split: str) -> None:
        self.parts = []
        for bank, share in banks:
            by_id: dict[str, list[Clip]] = {}
            for clip in bank.of(split):
                by_id.setdefault(clip.id, []).append(clip)
            if not by_id:
                continue
            groups = list(by_id.values())
            weights = np.sqrt([sum(clip.length for clip in group) for group in groups])
            self.parts.append((bank, share, groups, weights / weights.sum()))
        total = sum(share for _, share, _, _ in self.parts)
        self.shares = [share / total for _, share, _, _ in self.parts]

    def draw(self, rng: np.random.Generator, length: int) -> tuple[np.ndarray, int]:
        """A loud enough float32 `[length]` and the sample rate that its clip was stored at."""
        for _ in range(8):
            bank, _, groups, weights = self.parts[rng.choice(len(self.parts), p=self.shares)]
            group = groups[rng.choice(len(groups), p=weights)]
            lengths = np.array([clip.length for clip in group], float)
            clip = group[rng.choice(len(group), p=lengths / lengths.sum())]
            wave = np.zeros(length, np.float32)
            if clip.length >= length:
                wave[:] = bank.read(clip, int(rng.integers(clip.length - length + 1)), length)
            else:
                at = int(rng.integers(length - clip.length + 1))
                wave[at : at + clip.length] = bank.read(clip, 0, clip.length)
            if np.sqrt(np.mean(wave[PRE_ROLL:] ** 2)) > 3e-3:
                break
        return wave, clip.source_rate


def make_pools(banks: dict[str, Bank], split: str, real: float) -> dict[str, Pool]:
    """Pools of one split, from the banks that are there.

    `voices` and `composed` join `speech` and `music` with a share of `1 - real`.
    """

    def pool(main: str, extra: str) -> Pool:
        parts = [(banks[main], real)]
        if extra in banks and real < 1:
            parts.append((banks[extra], 1 - real))
        return Pool(parts, split)

    return {
        "speech": pool("speech", "voices"),
        "music": pool("music", "composed"),
    } | ({"noise": Pool([(banks["noise"], 1.0)], "train")} if "noise" in banks else {})
