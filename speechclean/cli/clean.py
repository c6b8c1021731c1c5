"""`speechclean clean`: files, folders or a pipe cleaned, and nothing else."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track as progress

from speechclean.audio.sound_files import probe
from speechclean.experiment.cleaner import Cleaner
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.process import set_up_process
from speechclean.stages.datasets import DatasetError
from speechclean.stages.datasets.folder import EXTENSIONS
from speechclean.stages.datasets.inputs import tracks_of
from speechclean.system.paths import exists, is_dir

from .arguments import CommandLine
from .endings import USAGE_STATUS, fail, quiet_on_closed_pipe, safe_text
from .run import FILES_FAILED, STOPPED

#: What sounds can be written as.
WRITTEN = (".wav", ".flac")
#: So long it is asked how long files are, in seconds: a first line does not let anybody wait.
PATIENCE_S = 2.0
UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
#: Standard input, and standard output.
PIPE = "-"
Pairs = list[tuple[Path, Path]]


def command_line() -> CommandLine:
    """What the command takes; words with `=` are keys of the config."""
    parser = CommandLine(
        "speechclean clean",
        "INPUT... -o OUTPUT [--preset NAME] [--keep-tree] [--resume] [key=value ...]",
        "Take the music out of sound files (wav, flac, ogg, mp3, m4a, wma ...) and of films\n"
        "(mp4, webm, mkv ...), whose sound alone is written.\n"
        "No record, no metrics, no report: `speechclean` itself makes those.",
        [
            "speechclean clean in.wav -o out.wav",
            "speechclean clean folder/ -o cleaned/ --keep-tree --resume",
            "speechclean clean *.wav -o cleaned/ --preset fast postprocess.floor.floor_db=-26",
            "cat in.wav | speechclean clean - -o - > out.wav",
        ],
        "0 all well, 1 some files could not be cleaned, 2 wrong usage or config, 130 stopped",
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="files, folders, or - for a pipe"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUTPUT", required=True, help="a file for one file, else a folder"
    )
    parser.valued_option(
        "--preset", "NAME", "fast, balanced or best (default: balanced)", "balanced"
    )
    parser.valued_option("--device", "DEVICE", "auto, cpu, cuda, cuda:1 (default: auto)", "auto")
    parser.valued_option("--format", "FORMAT", "of files in a folder: wav or flac (wav)", "wav")
    parser.flag("--keep-tree", "folders below OUTPUT like the inputs'")
    parser.flag("--resume", "leave out files whose output is there and newer")
    return parser


@quiet_on_closed_pipe
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; exits with the status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = command_line()
    settings = [word for word in words if _is_setting(word)]
    given = parser.parse([word for word in words if word not in settings])
    try:
        status = _pipe(given, settings) if PIPE in given.inputs else _files(given, settings)
    except (ConfigError, DatasetError, ValueError) as error:
        fail(error, USAGE_STATUS)
    except KeyboardInterrupt:
        fail("stopped by Ctrl-C; what was written is whole, --resume goes on", STOPPED)
    sys.exit(status)


def _is_setting(word: str) -> bool:
    return "=" in word and not word.startswith("-") and not exists(Path(word))


def pairs(
    inputs: Sequence[str], output: str, keep_tree: bool = False, written: str = "wav"
) -> Pairs:
    """Each input file with its output; `written` is the format of those in a folder.

    Raises `DatasetError` for a folder or a pattern without sound files, `ValueError` for outputs
    that make no sense.
    """
    if f".{written}" not in WRITTEN:
        raise ValueError(f"--format {written}: must be wav or flac")
    single = len(inputs) == 1 and not is_dir(Path(inputs[0]))
    kind = "" if is_dir(Path(output)) else Path(output).suffix.lower()
    if single and kind in WRITTEN:
        return _checked([(Path(inputs[0]), Path(output))])
    if kind in EXTENSIONS:
        wanted = f"write {' or '.join(WRITTEN)}" if single else "several files want a folder"
        raise ValueError(f"{output}: {wanted}")
    tracks = tracks_of(inputs)
    return _checked(
        [
            (each.path, Path(output, f"{each.relative if keep_tree else each.alias}.{written}"))
            for each in tracks
        ]
    )


def _checked(made: Pairs) -> Pairs:
    """Raise `ValueError` where an output is an input: it would be overwritten."""
    inputs = {path.resolve() for path, _ in made}
    if over := [output for _, output in made if output.resolve() in inputs]:
        raise ValueError(f"{over[0]} is an input: choose another output, nothing was written")
    return made


def _files(given: argparse.Namespace, settings: Sequence[str]) -> int:
    made = pairs(given.inputs, given.output, given.keep_tree, given.format)
    wanted = [pair for pair in made if not (given.resume and _is_done(*pair))]
    if len(made) > len(wanted):
        _say(f"{len(made) - len(wanted)} of {len(made)} files are there already")
    return _clean(wanted, given, settings) if wanted else 0


def _is_done(path: Path, output: Path) -> bool:
    """Outputs appear when they are whole: one that is newer than its input is done."""
    try:
        return output.stat().st_mtime_ns >= path.stat().st_mtime_ns
    except OSError:
        return False


def _clean(wanted: Pairs, given: argparse.Namespace, settings: Sequence[str]) -> int:
    set_up_process()
    cleaner = Cleaner(given.preset, device=given.device, overrides=settings)
    count = f"{len(wanted)} file{'s'[: len(wanted) != 1]}"
    device = f"{cleaner.device}{_about_a_gpu(cleaner.device.type)}"
    models, length = ", ".join(cleaner.models), _length([path for path, _ in wanted])
    _say(f"{given.preset} on {device}: {models}; {count}{length}")
    failed = 0
    results = cleaner.clean_each(wanted)
    shown = Console(stderr=True)
    for result in progress(
        results, "cleaning", len(wanted), console=shown, disable=not shown.is_terminal
    ):
        if result.output is None:
            failed += 1
            _say(result.reason)
    if failed:
        _say(f"{failed} of {count} could not be cleaned")
    return FILES_FAILED if failed else 0


def _about_a_gpu(device: str) -> str:
    """What a GPU would change for somebody whose networks compute on the CPU."""
    if device != "cpu":
        return ""
    if torch.cuda.is_available():
        return " (there is a GPU: --device cuda)"
    return " (a GPU would be faster: none is found)"


def _length(paths: Sequence[Path]) -> str:
    """How long files are together, as far as their headers tell it soon: ", 3.2 hours of sound"."""
    seconds, deadline, more = 0.0, time.monotonic() + PATIENCE_S, ""
    for path in paths:
        if time.monotonic() > deadline:
            more = "more than "
            break
        with suppress(Exception):  # whoever reads it says what is wrong with it
            info = probe(path)
            seconds += info.samples / info.sample_rate
    if not seconds:
        return ""
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size or size == 1)
    return f", {more}{seconds / size:.1f} {unit} of sound"


def _pipe(given: argparse.Namespace, settings: Sequence[str]) -> int:
    """A sound from standard input; the cleaned wav to standard output, or into a file."""
    if len(given.inputs) > 1:
        raise ValueError("- stands for standard input and goes with no other input")
    if given.output != PIPE and Path(given.output).suffix.lower() not in WRITTEN:
        raise ValueError(f"{given.output}: what comes by a pipe is written as .wav or .flac")
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "stdin")
        source.write_bytes(sys.stdin.buffer.read())
        made = Path(scratch, "cleaned.wav") if given.output == PIPE else Path(given.output)
        status = _clean([(source, made)], given, settings)
        if given.output == PIPE and not status:
            sys.stdout.buffer.write(made.read_bytes())
            sys.stdout.buffer.flush()
    return status


def _say(words: str) -> None:
    """On standard error: standard output may be the sound."""
    print(safe_text(words), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
