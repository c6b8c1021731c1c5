"""What the recordings were made from and by: inputs that come out the same everywhere, command
lines, the machine.

Every sample is whole-number arithmetic and every file is written by the standard library, so that
the bytes, and with them the hashes in the recordings, depend on no library and no processor.
"""

from __future__ import annotations

import csv
import hashlib
import os
import platform
import re
import wave
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]

#: Rate of the synthetic inputs, in Hz, and their lengths, in samples.
RATE, LENGTHS = 8000, (2400, 3000)
#: No cleaned files, pictures or pages: their marks and numbers tell whether a run came out the
#: same.
PLAIN = ("output.report=false", "output.plots=false", "output.ab_seconds=0", "device=cpu")
#: Logged runs over two files each, by the name of the run: of the pilot, and in the last one the
#: synthetic inputs.
RUNS = {
    "default": ("dataset.shard=3/4", "metrics=[si_sdr,lufs,stoi]", *PLAIN),
    "unusual": (
        *(
            "dataset=manifest",
            "dataset.path=set.csv",
            "fusion=max_mask",
            "enhancement.wet=0.5",
            "postprocess=[loudness]",
        ),
        *(
            "guard=fallback",
            "screening=music",
            "metrics=[si_sdr,lufs,stoi,music_to_speech_db]",
            "+verdict.harm.lufs=20",
        ),
        *("batch_seconds=10", *PLAIN),
    ),
    "short": (
        *(
            "dataset=manifest",
            "dataset.path=pairs.csv",
            "separators=[embedded_hdemucs_q]",
            "shifts=2",
            "fusion=min_mask",
        ),
        *(
            "enhancement.wet=0.25",
            "postprocess=[loudness,beta_wiener]",
            "postprocess.loudness.target_lufs=-23",
        ),
        *("metrics=[si_sdr,lufs]", *PLAIN),
    ),
}
#: Those that make a preset. What a guard acts on, metrics and verdict, is nothing that a preset can
#: say.
PROMOTED = ("default", "short")
#: Of the pilot, what the unusual run reads.
UNUSUAL_INPUTS = ("narrator_b__chapter_03_part_1", "seed_42_run2__welcome_intro_generated")
#: A batch over the synthetic inputs in `in/`, one of which is no sound at all.
BATCH = (
    "batch=local",
    "dataset=folder",
    "dataset.pattern=in",
    "batch.out=batch",
    "batch.workers=1",
    "device=cpu",
)
#: A study over the synthetic inputs of `pairs.csv`, without the number of its trials.
SWEEP = (
    *(
        "sweep=optuna",
        "dataset=manifest",
        "dataset.path=pairs.csv",
        "metrics=[si_sdr]",
        "device=cpu",
        "tracking=none",
    ),
    "fusion=mean_mask,max_mask",
    "sweep.space={shifts: 'choice(1,2)', overlap: 'choice(0.1,0.25)', "
    "postprocess.beta_wiener.beta: 'choice(0,0.5)', enhancement.wet: 'choice(0,0.5)'}",
    *("sweep.storage=journal:study.log", "sweep.prune_p=0", "cache.dir=cache"),
)
#: Configs whose signatures are recorded. Together they name every choice of every group that a
#: signature can depend on.
CONFIGS = {
    "default": (),
    "best_pipeline": ("experiment=best_pipeline",),
    "published": (
        "separators=[htdemucs,mdx_extra]",
        "fusion=median_mask",
        "enhancement=dns48",
        "postprocess=[]",
    ),
    "ensemble": (
        *(
            "separators=[hdemucs_high,hdemucs_mmi,local]",
            "separators.local.path=models",
            "separators.local.name=net",
        ),
        *(
            "fusion=geometric_mask",
            "fusion.weights={local:2.0}",
            "enhancement=identity",
            "postprocess=[loudness,beta_wiener]",
        ),
    ),
    "roformer": (
        "separators=[roformer]",
        "fusion=min_mask",
        "enhancement=master64",
        "shifts=2",
        "seed=7",
    ),
    "guarded": (
        *("guard=fallback", "screening=music"),
        "metrics=[bandwidth_hz,cer,estoi,lsd,lufs,music_presence,music_presence_max,music_residual_db,music_to_speech_db,pesq,sdr,"
        "si_sar,si_sdr,si_sir,squim,squim_pesq,squim_si_sdr,stoi,true_peak_dbtp,wer,wer_vs_mixture,wer_whisper]",
    ),
    "batch": ("batch=local", "dataset=folder", "dataset.pattern=in", "delivery=zip"),
}
#: What some choices do not work without.
REQUIRED = {
    "separators/local": ("separators.local.path=models", "separators.local.name=net"),
    "dataset/folder": ("dataset.pattern=in",),
    "dataset/manifest": ("dataset.path=set.csv",),
    "dataset/cleaned": ("dataset.path=set.csv",),
}


#: What the default run was then and is no more.
THEN = {
    "separators": ["embedded_htdemucs", "embedded_hdemucs_q"],
    "postprocess": ["beta_wiener", "loudness"],
}
#: Knobs that came later and are on by default, turned off.
SILENT = ("edge_context_s=0", "dc_offset_above=null")
#: Networks that were given each clip's own length on a CPU too.
OWN_LENGTH = ("hdemucs_high", "hdemucs_mmi", "mdx_extra", "mdx_extra_q")
BETA_THEN = 0.25
MEAN = "fusion=mean_mask"


def as_then(overrides: Sequence[str], page: Mapping[str, Any] | None = None) -> list[str]:
    """A command line of then, with what defaults have changed since turned back: the same sound.

    `page` is the preset that the line names, if it names one of then. What came later changes a
    signature where it changes the sound, and not where it is turned back (`LATER` in
    `speechclean.records.provenance`).
    """
    if any(one == "experiment=best_pipeline" for one in overrides):  # it says all but what is new
        own = "separators.mdx_extra_q.length_step_s=0"
        return [*overrides, "postprocess.loudness.ceiling_always=false", own, *SILENT]
    lists = {f"{group}=[{','.join(names)}]" for group, names in THEN.items()}
    said = [*overrides, *_choices(page or {})]
    groups = [one.partition("=")[0] for one in said]
    later = sorted(one for one in lists if one.partition("=")[0] not in groups)
    if "sweep=optuna" in overrides:  # it says for itself what stages it searches
        later = [one for one in later if not one.startswith("postprocess=")]
    stages = next(
        (one for one in [*said, *later] if one.startswith("postprocess=")), "beta_wiener,loudness"
    )
    if "beta_wiener" in stages and not any("beta_wiener.beta" in one for one in overrides):
        later.append(f"postprocess.beta_wiener.beta={BETA_THEN}")
    later += ["postprocess.loudness.ceiling_always=false"] if "loudness" in stages else []
    if _of_mean(said) and not any(one.startswith("fusion.weights") for one in overrides):
        later.append("fusion.weights=null")
    named = next((one for one in said if one.startswith("separators=")), "")
    large = [name for name in OWN_LENGTH if name in re.findall(r"\w+", named)]
    later += [f"separators.{name}.length_step_s=0" for name in large]
    return [*overrides, *later, *SILENT]


def _of_mean(said: Sequence[str]) -> bool:
    """Whether a line of then fuses by the mean, which had no weights of its own."""
    return next((one for one in said if one.startswith("fusion=")), MEAN) == MEAN


def _choices(page: Mapping[str, Any]) -> list[str]:
    """What a preset's list of defaults chooses, as on a command line."""
    return [
        f"{key.removeprefix('override /')}={value}"
        for one in page.get("defaults", [])
        for key, value in one.items()
    ]


def preset_since(page: Mapping[str, Any]) -> dict[str, Any]:
    """A preset of then as its run becomes one now: it says what the default run was then."""
    chosen = [one.partition("=")[0] for one in _choices(page)]
    defaults = [
        *page.get("defaults", []),
        *({f"override /{group}": names} for group, names in THEN.items() if group not in chosen),
    ]
    stages = dict(page.get("postprocess", {})) | {"beta_wiener": {"beta": BETA_THEN}}
    since: dict[str, Any] = {**page, "defaults": defaults, "postprocess": stages}
    if _of_mean(_choices(page)):
        since["fusion"] = {**page.get("fusion", {}), "weights": None}
    return since


def environment(**variables: str) -> dict[str, str]:
    """One thread, this checkout's code, and none of the user's own settings."""
    own = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("MLFLOW", "SPEECHCLEAN"))
    }
    return own | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"} | variables


def write_inputs(folder: Path) -> None:
    """`in/` with two sounds and a file that is none; `pairs.csv` with the two and their voices,
    which lie in `voices/`."""
    rows = []
    for index, length in enumerate(LENGTHS):
        voice = _voice(length, 40 + 12 * index)
        _write(
            [a + b for a, b in zip(voice, _music(length, 1 + index), strict=True)],
            folder / "in" / f"{'ab'[index]}.wav",
        )
        _write(voice, folder / "voices" / f"{'ab'[index]}.wav")
        rows.append(
            {
                "path": f"in/{'ab'[index]}.wav",
                "reference": f"voices/{'ab'[index]}.wav",
                "alias": "ab"[index],
            }
        )
    (folder / "in" / "none.wav").write_bytes(b"no sound")
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def machine() -> str:
    """A hash of what decides how this machine rounds: its processor and what that can do. Two
    unlike ones may share a name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        lines = [f"model name: {platform.processor()}"]
    told = (
        "vendor_id",
        "cpu family",
        "model",
        "model name",
        "stepping",
        "cache size",
        "flags",
        "Features",
    )
    kept = [line for line in lines if line.partition(":")[0].strip() in told]
    return hashlib.sha256("\n".join([platform.machine(), *kept]).encode()).hexdigest()


def _voice(length: int, period: int) -> list[int]:
    """Bursts of a buzz: a sawtooth of `period` samples, a tenth of a second on, half as long
    off."""
    on = RATE // 10
    return [
        ((n % period) * 12000 // period - 6000) * (n % (on * 3 // 2) < on) for n in range(length)
    ]


def _music(length: int, seed: int) -> list[int]:
    """Two triangles that sound on, and a little noise (the linear congruential generator of
    Numerical Recipes)."""
    state, made = seed, []
    for n in range(length):
        state = (1664525 * state + 1013904223) % 2**32
        made.append(_triangle(n, 29) + _triangle(n, 23) + (state >> 21) - 1024)
    return made


def _triangle(n: int, period: int, peak: int = 2400) -> int:
    return abs((n % period) * 4 * peak // period - 2 * peak) - peak


def _write(samples: list[int], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array("h", samples).tobytes())
