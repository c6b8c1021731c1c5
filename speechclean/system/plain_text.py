"""Text that others wrote, shown without what a terminal, a table or a file would obey."""

from __future__ import annotations

#: Characters that end a line in running text, and may.
_KEPT = "\n\t"


def printable(text: str) -> str:
    r"""The text with every control character written out; line ends and tabs stay.

    Escapes of terminals, marks that turn the direction of writing, and bytes that are no Unicode
    are all seen, and none is obeyed.

    >>> printable("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    return "".join(
        one if one.isprintable() or one in _KEPT else one.encode("unicode_escape").decode()
        for one in text
    )


def one_line(text: object, length: int = 300) -> str:
    r"""The text on one line of at most `length` characters; a cut one ends in `…`.

    >>> one_line("a\nb"), one_line("abcdef", 4)
    ('a\\nb', 'abc…')
    """
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(text)
    )
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"
