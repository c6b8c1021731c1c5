"""Whether a batch's folder holds what it should hold."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import soundfile

#: What a process that was killed may leave behind until the next one starts.
LEFTOVERS = (".writing-", ".streaming-", ".probe-")


@dataclass(frozen=True)
class Outcome:
    """What became of a finished batch, as numbers of files.

    Of the `good` inputs, `finished` were cleaned; of the `bad` ones, `named` have failed with the
    expected reason. Of the outputs, `lost` are missing, `duplicated` belong to no input or to two,
    `torn` cannot be read in full, and `differ` have other bytes than another batch's. `wrong` names
    everything that is not as it should be.
    """

    good: int
    finished: int
    bad: int
    named: int
    lost: int
    duplicated: int
    torn: int
    differ: int
    wrong: list[str]

    @property
    def whole(self) -> bool:
        return not self.wrong

    def __str__(self) -> str:
        return (
            f"{self.finished}/{self.good} finished, {self.named}/{self.bad} named; "
            f"lost {self.lost}, duplicated {self.duplicated}, torn {self.torn}, "
            f"different {self.differ}"
        )


def check(
    out: Path,
    inputs: Path,
    expected: Mapping[str, str | None],
    reference: Mapping[str, str] | None = None,
) -> Outcome:
    """Compare the batch in `out` over the files of `inputs` with what was `expected` of them.

    `expected` is what `batch_inputs.make` returned; `reference`, what `hashes` returned for another
    batch over the same files.
    """
    mapped = table(out / "map.csv")
    by_path = {row["path"]: row for row in mapped}
    rows = {row["alias"]: row for row in table(out / "metrics.csv")}
    wrong, counts = [], Counter[str]()
    for name, reason in expected.items():
        counts["bad" if reason is not None else "good"] += 1
        entry = by_path.get(str((inputs / name).absolute()))
        row = rows.get(entry["alias"]) if entry else None
        if entry is None or row is None:
            counts["lost"] += 1
            wrong.append(f"{name}: not in map.csv or metrics.csv")
        elif reason is None:
            state = output_state(out / entry["cleaned"], inputs / name)
            counts["finished"] += state == "" and row["status"] == "cleaned"
            counts["lost"] += state == "lost"
            counts["torn"] += state not in ("", "lost")
            wrong += (
                [f"{name}: {state or row['reason']}"] if state or row["status"] != "cleaned" else []
            )
        else:
            named = (
                row["status"] == "failed"
                and reason in row["reason"]
                and Path(name).name in row["reason"]
            )
            counts["named"] += named
            wrong += (
                []
                if named and not (out / entry["cleaned"]).exists()
                else [f"{name}: {row['status']} {row['reason']}"]
            )
    there = [path for path in (out / "cleaned").rglob("*") if path.is_file()]
    known = {str(out / row["cleaned"]) for row in mapped}
    extra = [path for path in there if str(path) not in known or path.name.startswith(LEFTOVERS)]
    twice = [
        name for name, number in Counter(row["cleaned"] for row in mapped).items() if number > 1
    ]
    now = hashes(out)
    differ = (
        [name for name in set(now) | set(reference) if now.get(name) != reference.get(name)]
        if reference
        else []
    )
    wrong += [f"{path}: belongs to no input" for path in extra] + [
        f"{name}: for two inputs" for name in twice
    ]
    wrong += [f"{name}: other bytes" for name in differ]
    return Outcome(
        counts["good"],
        counts["finished"],
        counts["bad"],
        counts["named"],
        counts["lost"],
        len(extra) + len(twice),
        counts["torn"],
        len(differ),
        wrong,
    )


def output_state(path: Path, source: Path) -> str:
    """What is wrong with an output: nothing ("") where it can be read and has its source's shape,
    `lost` where it is missing, else a text that begins with `torn`.
    """
    if not path.is_file():
        return "lost"
    try:
        frames, rate = soundfile.read(path, always_2d=True)
        info = soundfile.info(source)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        return f"torn ({error})"
    if (len(frames), frames.shape[1], rate) != (info.frames, info.channels, info.samplerate):
        return (
            f"torn: {frames.shape} at {rate} Hz from {info.frames} frames at {info.samplerate} Hz"
        )
    return ""


def hashes(out: Path) -> dict[str, str]:
    """sha256 of every cleaned file, by its path in `cleaned/`."""
    folder = out / "cleaned"
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def begun(out: Path) -> Counter[str]:
    """How often the workers of this machine began each alias, over all sessions."""
    found: Counter[str] = Counter()
    for log in out.glob("worker-*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if "begun: " in line:
                found[line.split("begun: ", 1)[1]] += 1
    return found


def ledger(out: Path) -> list[dict[str, Any]]:
    """The entries of a batch's ledger, without a last line that is not complete."""
    path, lines = out / "ledger.jsonl", []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
