"""Tables of what reuse saved.

Forwards of the recorded studies, the measured comparison, and what it comes to with heavy models.
"""

from __future__ import annotations

import json
import math
import statistics

from experiments.pilot_sweep.recorded import HERE, RESULTS, number, rows_of, table
from experiments.pilot_sweep.run import STUDIES

#: Measured stages of the heavy pipeline, in s per s of audio and pass, with their names in
#: experiments/speed/results.
HEAVY = (("htdemucs_ft", "separator"), ("mdx_extra_q", "separator"), ("dns64", "denoiser"))


def counted() -> str:
    """Forwards computed and reused in the first fifty trials of each study.

    In the order in which the studies were run.
    """
    body = []
    for name in STUDIES:
        rows = rows_of(name)[:50]
        if not rows:
            continue
        computed, spared = (
            [
                sum(number(row, f"reuse.{kind}_forwards{end}") for row in rows)
                for kind in ("separator", "denoiser")
            ]
            for end in ("", "_spared")
        )
        ratio = (computed[0] + spared[0]) / computed[0] if computed[0] else math.inf
        free = sum(not number(row, "reuse.separator_forwards") for row in rows)
        saved, spent = (
            sum(number(row, "reuse.saved_s") for row in rows),
            sum(number(row, "seconds") for row in rows),
        )
        body.append(
            [
                name,
                len(rows),
                f"{computed[0]:.0f}",
                f"{spared[0]:.0f}",
                f"1/{ratio:.1f}" if math.isfinite(ratio) else "none",
                f"{computed[1]:.0f}",
                f"{spared[1]:.0f}",
                free,
                f"{spent:.0f} s",
                f"{saved:.0f} s",
            ]
        )
    head = [
        "study",
        "first trials",
        "separator forwards",
        "reused",
        "share",
        "denoiser forwards",
        "reused",
    ]
    return table([*head, "trials without a separator forward", "time", "saved"], body)


def saved() -> str:
    """The measured comparison of `reuse.py`, and what it comes to with heavy models."""
    path = RESULTS / "reuse.json"
    if not path.is_file():
        return ""
    found = json.loads(path.read_text())
    rows = found["rows"]
    forwards = {
        way: sum(row[way].get("reuse.separator_forwards", 0) for row in rows)
        for way in ("reuse", "none")
    }
    lines = [
        f"{len(rows)} trials; every cleaned file the same bit by bit: "
        f"{'yes' if all(row['same'] for row in rows) else 'NO'}; "
        f"cache {found['cache_bytes'] / 1e6:.0f} MB.",
        "",
    ]
    body = []
    for label, unit in (("s", "wall, s"), ("cpu_s", "all cores, s")):
        sums = {way: sum(row[way][label] for row in rows) for way in ("reuse", "none")}
        own = [row["run"][label] for row in rows if "run" in row]
        each = statistics.mean(own) if own else math.nan
        change = statistics.median(row["beta_and_wet"][label] for row in rows)
        full = statistics.median(row["none"][label] for row in rows)
        body.append(
            [
                unit,
                f"{sums['reuse']:.0f}",
                f"{sums['none']:.0f}",
                f"×{sums['none'] / sums['reuse']:.1f}",
                f"{each * len(rows):.0f}",
                f"×{each * len(rows) / sums['reuse']:.1f}",
                f"{change:.1f}",
                f"{100 * change / full:.0f} %",
                f"{100 * change / each:.0f} %",
            ]
        )
    head = [
        "",
        "reuse",
        "the same without",
        "ratio",
        f"as ordinary runs (from {sum('run' in row for row in rows)})",
        "ratio",
    ]
    most = max(row["beta_and_wet"].get("reuse.separator_forwards", 0) for row in rows)
    head += ["another β and wet, median", "of the same without", "of an ordinary run"]
    counts = table(
        ["separator forwards", "without reuse", "share", "forwards for another β and wet"],
        [
            [
                f"{forwards['reuse']:.0f}",
                f"{forwards['none']:.0f}",
                f"1/{forwards['none'] / forwards['reuse']:.1f}",
                f"{most:.0f}",
            ]
        ],
    )
    return "\n".join(lines) + "\n" + counts + "\n" + table(head, body)


def heavy() -> str:
    """The pilot's first fifty trials with the heavy pipeline's stage times.

    Those were measured in experiments/speed.
    """
    rows = rows_of("pilot_0")[:50]
    path = HERE.parent / "speed" / "results" / "compare.json"
    if not rows or not path.is_file():
        return ""
    speeds = {
        row["model"]: row["ours_s"] / row["seconds"] / max(1, row["shifts"])
        for row in json.loads(path.read_text())["rows"]
    }
    if any(model not in speeds for model, _ in HEAVY):
        return ""
    audio = number(rows[0], "time.audio_s")
    separator = sum(speeds[model] for model, kind in HEAVY if kind == "separator")
    naive = kept = 0.0
    there: dict[float, int] = {}  # shifts that are there, by overlap
    denoised: set[tuple[str, str]] = set()
    floor = statistics.median(
        number(row, "seconds") for row in rows if not number(row, "reuse.separator_forwards")
    )
    for row in rows:
        shifts, overlap = int(row["shifts"]), float(row["overlap"])
        each = separator * audio * 0.75 / (1 - overlap)  # measured at an overlap of 0.25
        naive += shifts * each + floor
        kept += max(0, shifts - there.get(overlap, 0)) * each + floor
        there[overlap] = max(shifts, there.get(overlap, 0))
        if float(row["enhancement.wet"]):
            naive += speeds["dns64"] * audio
            kept += speeds["dns64"] * audio * ((row["shifts"], row["overlap"]) not in denoised)
            denoised.add((row["shifts"], row["overlap"]))
    body = [[f"{naive / 60:.0f} min", f"{kept / 60:.0f} min", f"×{naive / kept:.1f}"]]
    return table(
        [
            f"computed for htdemucs_ft, mdx_extra_q and dns64 on {audio:.0f} s of audio, 50 trials",
            "with reuse",
            "ratio",
        ],
        body,
    )
