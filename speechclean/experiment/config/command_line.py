"""What is wrong with a command line, said before Hydra makes a folder.

What Hydra would refuse one at a time is said all at once, in the user's words.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, InterpolationResolutionError, OmegaConfBaseException

from speechclean.system.resources import conf_dir

from .compose import composed
from .errors import ConfigError
from .old_names import in_overrides
from .packages import missing_for_jobs
from .validate import validate

_SWEEP_FLAGS = {"-m", "--multirun"}


def problems_of(arguments: list[str]) -> list[str]:
    """What is wrong with a command line; [] if Hydra can start it, or if it asks for help.

    Of an ordinary sweep every value of every key is tried once, not every combination: the rest is
    said by the job itself. A study (`sweep=...`) has a sweeper that checks its own points before it
    makes a folder; here it is only composed.
    """
    arguments = in_overrides(arguments)
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    flags = set(arguments) - set(overrides)
    if flags - _SWEEP_FLAGS:
        return []  # --help, --cfg job, --info: Hydra's own
    if absent := missing_for_jobs(overrides):
        return absent  # Hydra cannot compose what is not there
    return _problems_of_sweep(overrides) if flags else _problems_of_run(overrides)


def typed(value: Any) -> str:
    r"""A value as it is typed in an override of Hydra's.

    >>> typed(None), typed(True), typed("a'b"), typed([1, "x"]), typed({"a": 2})
    ('null', 'true', "'a\\'b'", "[1,'x']", '{a:2}')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{typed(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(typed, value)) + "]"
    if isinstance(value, int | float):
        return repr(value)
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def composed_or_refused(overrides: list[str]) -> DictConfig:
    """The config of overrides. Raises `ConfigError` with all that keeps it from being composed."""
    try:
        return composed(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_one_by_one(overrides) or [str(error)]) from error


def _problems_of_run(overrides: list[str]) -> list[str]:
    try:
        cfg = composed(overrides, with_hydra=True)
    except (HydraException, OmegaConfBaseException):
        return _one_by_one(overrides)
    if cfg.sweep:
        return ["sweep=… searches only with -m, e.g. speechclean -m sweep=optuna"]
    return _invalid(cfg)


def _problems_of_sweep(overrides: list[str]) -> list[str]:
    try:
        first = next(_jobs(overrides))
    except OverrideParseException as error:
        return [_ask_for_quotes(error.override)]
    except HydraException as error:
        return [str(error).strip().splitlines()[0]]
    try:
        sweeper = composed(first, with_hydra=True).hydra.sweeper
    except (HydraException, OmegaConfBaseException):
        if any(override.startswith(("sweep=", "hydra/sweeper=")) for override in first):
            return _one_by_one(first, sweeping=True)
        params = []
    else:
        if not sweeper._target_.endswith(".BasicSweeper"):
            return []
        params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    problems: list[str] = []
    for job in _jobs([*params, *overrides]):
        try:
            problems += _invalid(composed(job, with_hydra=True), sweeping=True)
        except (HydraException, OmegaConfBaseException):
            problems += _one_by_one(job, sweeping=True)
    return list(dict.fromkeys(problems))


def _jobs(overrides: list[str]) -> Iterator[list[str]]:
    """Jobs of a sweep in which every value of every key occurs.

    These are the first job, and the first job with one key at another of its values.
    """
    values: dict[str, list[str]] = {}
    for override in OverridesParser.create().parse_overrides(overrides):
        key = override.get_key_element()
        if not override.is_sweep_override():
            values[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        # An interval, which a study draws from, has no values to try.
    first = {key: one[0] for key, one in values.items()}
    yield list(first.values())
    for key, (_, *others) in values.items():
        for other in others:
            yield list((first | {key: other}).values())


def _invalid(cfg: DictConfig, sweeping: bool = False) -> list[str]:
    """What is wrong with a config that could be composed."""
    cfg.output.dir = cfg.hydra.sweep.dir if sweeping else cfg.hydra.run.dir
    try:
        validate(cfg, sweeping)
    except ConfigError as error:
        return error.problems
    except OmegaConfBaseException as error:  # a reference to a value of another type
        return [f"{error.full_key}: {str(error).splitlines()[0]}{_about_dollars(error)}"]
    return []


def _one_by_one(overrides: list[str], sweeping: bool = False) -> list[str]:
    """Try each override on top of those that work; then check what they compose to."""
    good: list[str] = []
    problems = []
    # Choices of groups first: a key may belong to a choice that stands after it on the command
    # line.
    for override in sorted(overrides, key=lambda override: "." in override.partition("=")[0]):
        try:
            composed([*good, override])
            good.append(override)
        except (HydraException, OmegaConfBaseException) as error:
            problems.append(_in_plain_words(override, error, good))
    # What was given, and could not be read, is not missing.
    given = tuple(f"{each.partition('=')[0]} is missing" for each in overrides)
    found = _invalid(composed(good, with_hydra=True), sweeping)
    return problems + [problem for problem in found if not problem.startswith(given)]


def _in_plain_words(override: str, error: Exception, good: list[str]) -> str:
    """Hydra's message in one line, with the nearest name that exists."""
    if isinstance(error.__cause__ or error, OverrideParseException):
        return _ask_for_quotes(override)
    text = str(error)
    if choice := re.search(r"Could not (?:find|load) '([^']+)'", text):
        group, _, name = choice.group(1).rpartition("/")
        options = _choices(group)
        none = f"there is no {name!r} in {group}{_nearest(name, options)}"
        return f"{override}: {none}; the choices are {', '.join(options)}"
    if key := re.search(r"Could not override '([^']+)'", text):
        nearest = _nearest(key.group(1), _dotted_keys(composed(good)))
        return f"{override}: there is no key {key.group(1)!r}{nearest}"
    if text.startswith("Ambiguous value"):
        return (
            f"{override}: several values are a sweep's, which wants -m: speechclean -m {override}"
        )
    return f"{override}: {str(error.__cause__ or error).strip().splitlines()[0]}"


def _choices(group: str) -> list[str]:
    """All names of a group: those of conf/, and those of Hydra and its plugins."""
    own = {path.stem for path in Path(conf_dir(), group).glob("*.yaml")}
    registered: Any = ConfigStore.instance().repo
    for part in group.split("/"):
        registered = registered.get(part, {})
    return sorted(own | {Path(name).stem for name in registered})


def _ask_for_quotes(override: str) -> str:
    """How to give a value that Hydra's grammar takes apart."""
    key, sign, value = override.partition("=")
    if not sign:
        return f"{override}: is neither an option nor key=value"
    whole = QuotedString(text=value, quote=Quote.double).with_quotes()
    return (
        f"{override}: signs such as = , ' ( ) [ ] {{ }} in a value are taken for Hydra's own; "
        f"quote it, for Hydra and for the shell: {shlex.quote(f'{key}={whole}')}"
    )


def _about_dollars(error: OmegaConfBaseException) -> str:
    if not isinstance(error, InterpolationResolutionError | GrammarParseError):
        return ""
    return r"; where ${ is meant as it is written, quote it by a backslash: \${"


def _nearest(name: str, options: list[str]) -> str:
    """A question for the name that was meant.

    >>> _nearest("max", ["mean_mask", "max_mask"]), _nearest("x", ["mean_mask"])
    ('; did you mean max_mask?', '')
    >>> _nearest("wiener.beta", ["sweep.budget", "postprocess.beta_wiener.beta"])
    '; did you mean postprocess.beta_wiener.beta?'
    """
    options = [option for option in options if not name.startswith(f"{option}.")]
    begun = [option for option in options if re.split("[_.]", option)[0] == name]
    last = name.rpartition(".")[-1]
    begun = begun or [option for option in options if option.endswith(f".{last}")]
    close = begun if len(begun) == 1 else difflib.get_close_matches(name, options, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _dotted_keys(cfg: DictConfig, prefix: str = "") -> list[str]:
    """Every key of a config, groups and values; what has a dot in its name cannot be typed."""
    keys: list[str] = []
    for name in [name for name in map(str, cfg) if "." not in name]:
        keys.append(prefix + name)
        if OmegaConf.is_missing(cfg, name) or OmegaConf.is_interpolation(cfg, name):
            continue
        if isinstance(cfg[name], DictConfig):
            keys += _dotted_keys(cfg[name], f"{prefix}{name}.")
    return keys
