"""`speechclean`: a run, or with the name of another command first that one.

speechclean clean in.wav -o out.wav
speechclean run overlap=0.5          the same as speechclean overlap=0.5
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

from speechclean.system.paths import exists

from . import completion
from .endings import HELP, fail, quiet_on_closed_pipe

#: Each is a module beside this one, with a `main`.
COMMANDS = (
    *("run", "clean", "evaluate", "reproduce", "compare", "promote", "deliver", "sync"),
    *("tune", "weights", "cache", "ui"),
)
#: Hydra's own options.
_FLAGS = {
    *("-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "--resolve", "-p", "--package"),
    *("-r", "--run", "-m", "--multirun", "-cp", "--config-path", "-cn", "--config-name"),
    *("-cd", "--config-dir", "-sc", "--shell-completion", "--experimental-rerun", "-i", "--info"),
}


def misspelled(words: Sequence[str]) -> str:
    """What is wrong with a command's name, or with a key that is typed as an option; "" if nothing.

    >>> misspelled(["wights", "list"])[:58]
    'wights: there is no such command; did you mean weights? Th'
    >>> misspelled(["--experiment", "fast"])
    '--experiment: there is no such option; keys have no dashes: experiment=fast'
    >>> misspelled([])
    ''
    """
    first = words[0] if words else ""
    if first in COMMANDS:
        return ""
    if first and "=" not in first and not first.startswith(("-", "~", "+")):
        if exists(Path(first)):
            return f"{first}: no command was given; did you mean speechclean clean {first} -o …?"
        near = difflib.get_close_matches(first, COMMANDS, 1)
        from speechclean.experiment.config.schema import Config  # here, since it imports Hydra

        if first in {field.name for field in fields(Config)}:
            near = [f"{first}={words[1] if len(words) > 1 else '…'}"]
        hint = f"did you mean {near[0]}? " if near else ""
        return f"{first}: there is no such command; {hint}There are {', '.join(COMMANDS)}"
    if {"-m", "--multirun"} & set(words) and any(w.startswith(("--cfg", "-c=")) for w in words):
        return "--cfg shows the config of a single run; leave out -m"
    for word, following in zip(words, [*words, "…"][1:], strict=True):
        key, equals, value = word.partition("=")
        if key.startswith("-") and key not in (*_FLAGS, "--force"):
            name = key.lstrip("-").replace("preset", "experiment")  # as other commands have it
            meant = f"{name}={value if equals else following}"
            return f"{key}: there is no such option; keys have no dashes: {meant}"
    return ""


def asking_for_help(words: list[str]) -> list[str]:
    """A command line as this program understands it, of one that asks for help in other words.

    >>> asking_for_help(["help"]), asking_for_help(["--help", "clean"])
    (['--help'], ['clean', '--help'])
    """
    if words[:1] == ["help"] or (words[:1] and words[0] in HELP):
        return [*(word for word in words[1:2] if word in COMMANDS), "--help"]
    return words


@quiet_on_closed_pipe
def main() -> None:
    """Entry point; the exit status is that of the command."""
    words = sys.argv[1:]
    if words == ["--version"]:
        print(f"speechclean {version('speechclean')}")
        return
    if completion.is_query(words):
        names, line = completion.completed(os.environ.get("COMP_LINE", "speechclean "), COMMANDS)
        print(*names)
        if not line:
            return
        os.environ["COMP_LINE"] = line
    words = sys.argv[1:] = asking_for_help(words)
    if problem := misspelled(words):
        fail(problem)
    name = sys.argv.pop(1) if words and words[0] in COMMANDS else "run"
    importlib.import_module(f".{name}", __package__).main()
