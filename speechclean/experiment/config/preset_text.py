"""A preset as yaml: where it comes from, then what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from speechclean.records.tracking import Record
from speechclean.system.plain_text import one_line
from speechclean.system.secrets import masked

from .errors import PromotionError


def preset_text(
    record: Record,
    name: str,
    choices: Mapping[str, Any],
    values: Mapping[str, Any],
    dataset: Mapping[str, Any],
) -> str:
    """The file of a preset made from a run that was recorded over `dataset`.

    Raises `PromotionError` where it would not read back as what was meant.
    """
    commit = record.tags.get("git_commit", "none")
    own = " ".join(f"{key}={value}" for key, value in dataset.items() if key != "_target_")
    kind = str(dataset.get("_target_", "")).rpartition(".")[2]
    files = record.params.get("files") or f"{record.metrics.get('files_cleaned', 0):.0f}"
    head = [
        "# @package _global_",
        f"# speechclean experiment={name}",
        f"# Promoted from run {record.id} ({record.name}, {record.day}, git {commit[:10]}).",
        f"# Improvements there, means over {files} files ({kind}{' ' + own if own else ''}): "
        f"{_improvements(record.metrics)}.",
    ]
    # Of a comment that comes from a store, a line break would end in the preset itself.
    head = [one_line(masked(line), 500) for line in head]
    body: dict[str, Any] = {}
    if choices:
        body["defaults"] = [{f"override /{group}": chosen} for group, chosen in choices.items()]
    body |= {"name": name, **values}
    written = yaml.dump(body, Dumper=_Readable, sort_keys=False, allow_unicode=True)
    text = "\n".join(head) + "\n" + written
    if yaml.safe_load(text) != body:
        raise PromotionError(f"{record.name} ({record.id}): its values cannot be written as yaml")
    return text


def _improvements(metrics: Mapping[str, float]) -> str:
    shown = [
        f"{key.removesuffix('_improvement')} {value:+.3f}"
        for key, value in sorted(metrics.items())
        if key.endswith("_improvement")
    ]
    return ", ".join(shown) or "none"


class _Readable(yaml.SafeDumper):  # type: ignore[misc] # yaml has no types
    """Short lists on one line."""


_Readable.add_representer(
    list,
    lambda dumper, data: dumper.represent_sequence(
        "tag:yaml.org,2002:seq",
        data,
        flow_style=all(isinstance(each, str | int | float) for each in data),
    ),
)
