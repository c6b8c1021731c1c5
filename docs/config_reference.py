"""Writes config_reference.md from conf/ and its comments: python docs/config_reference.py.

A group is a folder, a choice a file. The comment at a file's head says what the choice is; the
comment behind a value, or above it, says what the value does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

CONF = Path(__file__).parent.parent / "conf"
PAGE = Path(__file__).with_name("config_reference.md")
#: Groups in the order in which a run meets them; Hydra's own group and parts that files share
#: are no choices of users.
GROUPS = (
    "dataset", "separators", "fusion", "enhancement", "postprocess", "metrics", "screening",
    "selection", "verdict", "guard", "tracking", "batch", "delivery", "experiment", "sweep",
)  # fmt: skip
HEAD = """\
# Config reference

Every choice of every config group with its values, written from `conf/` by
`python docs/config_reference.py`. A value is set by its key on the command line
(`speechclean shifts=2`), a choice by its group's (`fusion=max_mask`; `separators`, `postprocess`
and `metrics` take lists). `???` has to be given; `${…}` follows another value.
[The pipeline](config.md) says what the stages do.
"""


@dataclass(frozen=True)
class Value:
    """One value of a file: its key as typed on the command line, what it is, what it does."""

    key: str
    text: str
    comment: str


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """The whole page, in Markdown."""
    root = CONF / "config.yaml"
    parts = [HEAD, "## Groups\n", *_overview(), "\n## All runs\n"]
    parts += _table([value for value in values(root) if not value.key.startswith("hydra.")])
    for group in GROUPS:
        parts.append(f"\n## `{group}`")
        for path in sorted((CONF / group).glob("*.yaml")):
            title = f"{group}={path.stem}" if _is_choice(path) else path.stem
            parts.append(f"\n### `{title}`\n\n{_description(path)}\n")
            parts += _table(values(path))
            if shared := _shared(path):
                parts.append(f"\nThe rest is as in {' and '.join(shared)}.")
        for path in sorted((CONF / group).glob("*/*.yaml")):
            parts.append(f"\n### `{_name(path)}`\n\n{_description(path)}\n")
            parts += _table(values(path))
    return "\n".join(parts).rstrip() + "\n"


def values(path: Path) -> list[Value]:
    """The values that stand in a file."""
    text = path.read_text(encoding="utf-8")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return []
    found = re.search(r"^# @package (\S+)$", text, re.MULTILINE)
    package = found.group(1) if found else ".".join(path.relative_to(CONF).parent.parts)
    prefix = "" if package in ("_global_", "") else f"{package}."
    lines = text.splitlines()
    chosen = [
        value
        for key, listed in node.value
        if key.value == "defaults"
        for value in _choices(listed, lines)
    ]
    node.value = [pair for pair in node.value if pair[0].value != "defaults"]
    return [*chosen, *_leaves(node, prefix, lines)]


def _leaves(node: yaml.MappingNode, prefix: str, lines: Sequence[str]) -> Iterator[Value]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if key.value == "_target_":
            continue
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            yield from _leaves(value, f"{name}.", lines)
        else:
            yield Value(name, _written(value), _comment(lines, key, value))


def _choices(node: yaml.Node, lines: Sequence[str]) -> Iterator[Value]:
    """The groups that a file's list of defaults sets."""
    for item in node.value:
        if not isinstance(item, yaml.MappingNode):
            continue
        ((key, value),) = item.value
        name = key.value.removeprefix("override ").removeprefix("/")
        if not name.startswith("hydra"):
            yield Value(name, _written(value), _comment(lines, key, value))


def _written(node: yaml.Node) -> str:
    """A value as the file has it, in one line; a list of lines between brackets."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return f"[{', '.join(map(_written, node.value))}]"
    text = node.start_mark.buffer[node.start_mark.index : node.end_mark.index]
    lines = [re.sub(r"\s#\s.*", "", line) for line in text.rstrip("\x00").splitlines()]
    return " ".join(" ".join(lines).split())


def _comment(lines: Sequence[str], key: yaml.Node, value: yaml.Node) -> str:
    """What is said of a value: behind it, and on below at the same column; or else above it."""
    block = not isinstance(value, yaml.ScalarNode) and not value.flow_style
    end = (key if block else value).end_mark
    if behind := re.match(r":?\s*(# ?)(.*)", lines[end.line][end.column :]):
        said, column = [behind.group(2)], end.column + behind.start(1)
        below = lines[end.line + 1 :]
    else:
        line, column = key.start_mark.line, key.start_mark.column
        start = line
        while start and lines[start - 1].startswith(" " * column + "#"):
            start -= 1
        # At the head of a file stands what is said of all of it.
        said, below = [], lines[start:line] if start else []
    for each in below:
        if not each.startswith(" " * column + "#"):
            break
        said.append(each[column + 1 :])
    return " ".join(" ".join(said).split())


def _description(path: Path) -> str:
    """The comment at a file's head; what is indented there is an example."""
    parts: list[str] = []
    fenced = False
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("# @package"):
            continue
        comment = line.startswith("#")
        if fenced != line.startswith("#   "):
            parts.append("```" if fenced else "```sh")
            fenced = not fenced
        if not comment:
            break
        said = line.removeprefix("#").strip()
        parts.append(said if fenced else _plain(said))
    return "\n".join(parts)


def _shared(path: Path) -> list[str]:
    """The files that a choice is based on."""
    found = re.findall(r"^  - ([\w/]+)(?:@_here_)?$", path.read_text("utf-8"), re.MULTILINE)
    return [f"`{name}`" for name in found if name != "_self_"]


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _overview() -> list[str]:
    rows = ["| group | choices |", "|---|---|"]
    for group in GROUPS:
        names = [path.stem for path in sorted((CONF / group).glob("*.yaml")) if _is_choice(path)]
        rows.append(f"| [`{group}`](#{group}) | {' '.join(f'`{name}`' for name in names)} |")
    return rows


def _is_choice(path: Path) -> bool:
    return path.stem != "base"


def _table(found: Sequence[Value]) -> list[str]:
    if not found:
        return []
    rows = [f"| `{one.key}` | {_code(one.text)} | {_plain(one.comment)} |" for one in found]
    return ["| key | value | |", "|---|---|---|", *rows]


def _code(text: str) -> str:
    escaped = (text or "null").replace("|", "\\|")
    return f"`{escaped}`"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([*<|$\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)


if __name__ == "__main__":
    sys.exit(main())
