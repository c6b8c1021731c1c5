"""What is raised for a config that cannot run, or cannot become a preset."""

from __future__ import annotations

from speechclean.system.secrets import masked


class ConfigError(ValueError):
    """A config that cannot run.

    problems: everything that is wrong with it, in the user's words, without passwords
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems = [masked(each) for each in problems]
        count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
        super().__init__(
            f"{count} in the config, nothing was started:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )


def cannot_be_written(key: str, folder: object, reason: str) -> str:
    """The problem of a folder that cannot be written, under the key that names it."""
    return f"{key}={folder}: cannot be written ({reason}); choose another folder"


class PromotionError(RuntimeError):
    """A run whose config cannot be written as a preset; the message says why."""
