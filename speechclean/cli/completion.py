"""What a shell asks that completes words: `speechclean -sc query=bash`, the line in COMP_LINE.

Hydra answers with keys and choices, of a line that is a run's. Here it gets such a line, and names
of commands are added.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Commands that take keys of the config.
KEYED = ("run", "clean", "tune", "ui")


def is_query(words: Sequence[str]) -> bool:
    """Whether a command line is a shell's question."""
    asks = len(words) > 1 and words[0] in ("-sc", "--shell-completion")
    return asks and words[1].startswith("query=")


def completed(line: str, commands: Sequence[str]) -> tuple[list[str], str]:
    """The commands that a line may go on with, and the line that Hydra is to complete, if any.

    >>> completed("speechclean cl", ["clean", "run"])
    (['clean'], 'speechclean cl')
    >>> completed("speechclean clean in.wav overlap=0.5 fus", ["clean", "run"])
    ([], 'speechclean overlap=0.5 fus')
    >>> completed("speechclean overlap=0.5 fus", ["clean", "run"])
    ([], 'speechclean overlap=0.5 fus')
    >>> completed("speechclean compare RU", ["compare"])
    ([], '')
    """
    program, *words = line.split()
    last = words.pop() if words and not line.endswith(" ") else ""
    if last.startswith("-"):
        return [], ""
    if not words:
        return [name for name in commands if name.startswith(last)], line
    if words[0] not in commands:
        return [], line
    if words[0] not in KEYED:
        return [], ""  # a shell completes names of files by itself
    settings = [word for word in words if "=" in word and not word.startswith("-")]
    return [], " ".join([program, *settings, last])
