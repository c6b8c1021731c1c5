"""`speechclean`: a run, or with the name of another command first that one.

speechclean clean in.wav -o out.wav
speechclean run overlap=0.5          the same as speechclean overlap=0.5
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version

from .endings import quiet_on_closed_pipe

#: Commands, and the modules that have their `main`.
COMMANDS = {
    "run": "run",
    "clean": "clean",
    "evaluate": "evaluate",
    "reproduce": "reproduce",
    "compare": "compare",
    "promote": "promote",
    "deliver": "deliver",
    "sync": "sync",
    "weights": "weights",
    "cache": "cache",
}


@quiet_on_closed_pipe
def main() -> None:
    """Entry point; the exit status is that of the command."""
    words = sys.argv[1:]
    if words == ["--version"]:
        print(f"speechclean {version('speechclean')}")
        return
    name = words[0] if words and words[0] in COMMANDS else None
    if name:
        del sys.argv[1]
    importlib.import_module(f".{COMMANDS[name or 'run']}", __package__).main()
