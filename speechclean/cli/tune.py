"""`speechclean tune`: the setting that suits some files, found by a study on a sample of them.

The study is `-m sweep=tune`, or `sweep=tune_untranscribed` where there are no transcripts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track as progress

from speechclean.experiment.config.command_line import problems_of, typed
from speechclean.experiment.config.compose import choice, composed
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.process import set_up_process
from speechclean.records.run_folder import write_text
from speechclean.stages.datasets import DatasetError
from speechclean.stages.datasets.inputs import tracks_of
from speechclean.stages.datasets.manifest import Manifest
from speechclean.stages.screening import MusicFound
from speechclean.stages.types import Track
from speechclean.sweep import sample
from speechclean.sweep.settings import seconds_of
from speechclean.system.paths import is_file
from speechclean.system.resources import conf_dir

from .arguments import CommandLine, positive_count, positive_number
from .endings import USAGE_STATUS, fail, quiet_on_closed_pipe, safe_text
from .run import STOPPED
from .run import main as run

#: The sample, in the sweep's folder: the same command goes on with the same files.
SAMPLE = "sample.csv"
#: Seed of the sample: whoever asks again gets the same files.
SEED = 0
TABLES = (".csv", ".tsv")


def command_line() -> CommandLine:
    """What the command takes; words with `=` are keys of the config, the same in all trials."""
    parser = CommandLine(
        "speechclean tune",
        "INPUT... [--budget 30m] [--name NAME] [key=value ...]",
        "Find the setting that suits your files: least music left, such that no more words are\n"
        "lost than with today's setting and that it sounds no worse. A sample of the files is\n"
        "taken, from every class of music level and loudness; networks answer once. It ends with\n"
        "a preset, and a page on which the three best are heard beside today's setting.\n"
        "INPUT: folders, files, or one table (path[,transcript,language,...]); with transcripts\n"
        "it knows which words are lost. The same command goes on.",
        [
            "speechclean tune folder/ --budget 30m",
            "speechclean tune set.csv --budget 2h --files 60 --name my_voices",
            "speechclean tune set.csv --preset best --max-cost 0.5     # today's setting; seconds "
            "of a core for one of sound",
            "speechclean tune set.csv sweep.storage=postgresql://user:password@host/name    "
            "# on many machines",
        ],
        "0 all well, 1 some files failed, 2 it cannot run, 3 the tracking store was lost, "
        "130 stopped",
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="folders, files or a table")
    parser.valued_option("--budget", "TIME", "90s, 30m, 2h; then no trial is begun (30m)", "30m")
    parser.valued_option("--files", "N", "files in the sample (default: 24)", "24")
    parser.valued_option("--name", "NAME", "of the preset, and of the study (tuned)", "tuned")
    parser.valued_option("--preset", "NAME", "today's setting (balanced)", "balanced")
    parser.valued_option("--max-cost", "S", "seconds that cleaning a second may take")
    parser.valued_option("-o", "FOLDER", "for the study (multirun/NAME)")
    return parser


def as_overrides(words: Sequence[str]) -> list[str]:
    """A command line of `speechclean -m` from one of `speechclean tune`; the sample is taken.

    Raises `DatasetError` for inputs that are none, and `ConfigError` for what is no config: a
    sample takes minutes, and what is wrong is said before.
    """
    parser = command_line()
    changes = [word for word in words if "=" in word and not word.startswith("-")]
    given = parser.parse([word for word in words if word not in changes])
    parser.checked("--budget", given.budget, seconds_of)
    count = parser.checked("--files", given.files, positive_count)
    cost = parser.checked("--max-cost", given.max_cost, positive_number) if given.max_cost else None
    preset = conf_dir() / "experiment" / f"{given.name}.yaml"
    if preset.exists() and "# Promoted from run" not in preset.read_text(encoding="utf-8"):
        parser.error(f"--name {given.name}: that preset ships with speechclean; choose another")
    if problems := problems_of(["-m", "sweep=tune", f"experiment={given.preset}", *changes]):
        raise ConfigError(problems)
    folder = Path(given.o or f"multirun/{given.name}")
    has_transcripts = _sampled(given.inputs, folder, count)
    search = "tune" if has_transcripts else "tune_untranscribed"
    limits = list(composed([f"sweep={search}"]).sweep.constraints)
    limits += [f"cost_per_audio_second <= {cost:g}"] if cost else []
    return [
        "-m",
        f"sweep={search}",
        f"experiment={given.preset}",
        "dataset=manifest",
        f"dataset.path={typed(str(folder / SAMPLE))}",
        f"hydra.sweep.dir={typed(str(folder))}",
        f"sweep.study={typed(given.name)}",
        f"sweep.preset={typed(given.name)}",
        f"sweep.budget={typed(given.budget)}",
        f"sweep.constraints=[{','.join(typed(one) for one in limits)}]",
        *changes,
    ]


def _sampled(inputs: Sequence[str], folder: Path, count: int) -> bool:
    """Write the sample's table unless it is there; whether it has transcripts."""
    path = folder / SAMPLE
    if path.is_file():
        taken = Manifest(str(path)).tracks()
        _say(f"{path} is there: the study goes on with its {len(taken)} files")
    else:
        tracks = _tracks(inputs)
        told = [track for track in tracks if track.transcript]
        tracks = told if len(told) >= min(count, len(tracks)) else tracks
        taken = _sample(tracks, count)
        write_text(sample.table(taken), path)
        _say(f"{path}: {len(taken)} of {len(tracks)} files, by music level and loudness")
    if has_transcripts := all(track.transcript for track in taken):
        return has_transcripts
    _say("no transcripts: what is heard may differ from the mixture no more than today")
    return False


def _tracks(inputs: Sequence[str]) -> list[Track]:
    tables = [name for name in inputs if name.lower().endswith(TABLES) and is_file(Path(name))]
    if tables and len(inputs) > 1:
        raise DatasetError(f"{tables[0]}: a table goes with no other input")
    if tables:
        return Manifest(tables[0]).tracks()
    tracks = list({track.path.resolve(): track for track in tracks_of(inputs)}.values())
    if missing := [track.path for track in tracks if not is_file(track.path)]:
        raise DatasetError(f"{missing[0]}: there is no such file")
    return tracks


def _sample(tracks: Sequence[Track], count: int) -> list[Track]:
    set_up_process()
    screening = choice("screening", "music")
    judge = MusicFound(float(screening["threshold_db"]), list(screening["separators"]))
    asked = sample.candidates(tracks, count, SEED)
    shown = Console(stderr=True)
    known = [
        one
        for _, one in progress(
            sample.heard(asked, judge.music_db),
            "listening",
            len(asked),
            console=shown,
            disable=not shown.is_terminal,
        )
        if one is not None
    ]
    if not known:
        raise DatasetError(
            f"none of {len(asked)} files can be in a sample: they cannot be read, are silent, or "
            f"longer than {sample.LONGEST_S:g} s (cut those, e.g. at pauses)"
        )
    return sample.stratified(known, count, SEED)


def _say(words: str) -> None:
    print(safe_text(words), file=sys.stderr, flush=True)


@quiet_on_closed_pipe
def main() -> None:
    """The entry point; the exit status is that of a sweep."""
    try:
        sys.argv[1:] = as_overrides(sys.argv[1:])
    except (ConfigError, DatasetError, ValueError) as error:
        fail(error, USAGE_STATUS)
    except KeyboardInterrupt:  # while it listens; the study has its own words
        fail("stopped by Ctrl-C", STOPPED)
    run()


if __name__ == "__main__":
    main()
