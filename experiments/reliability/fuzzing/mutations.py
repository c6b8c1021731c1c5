"""Bytes that were those of a good file, until somebody or something changed them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

#: What lengths and counts in headers are set to: none, one, and where integers end.
EXTREMES = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
#: What makes more of a text than it seems to be.
CRAFTED = (
    *(b'"', b"'", b",", b"\t", b"\r", b"\n\n", b"\x00", b"\xff\xfe", b"\xe2\x80\xae", b"\x1b[2J"),
    *(b"${oc.env:HOME}", b"../../", b"=1+1", b"null", b"NaN", b"-Infinity", b"1e999", b"9" * 400),
    *(b"[" * 400, b"{" * 400, b"&a [*a]", b"_target_: os.system", b"~root", b": ", b"- "),
)
#: Of most files the first bytes decide what they are.
HEAD = 128


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], crafted: Sequence[bytes] = ()) -> bytes:
    """One of the good files after some changes, half of them near its beginning.

    crafted: what else may be put in
    """
    content = draw(st.sampled_from(list(seeds)))
    for _ in range(draw(st.integers(0, 5))):
        end = min(len(content), HEAD) if draw(st.booleans()) else len(content)
        at = draw(st.integers(0, end))
        content = _changed(draw, content, at, crafted)
    return content


def _changed(draw: st.DrawFn, content: bytes, at: int, crafted: Sequence[bytes]) -> bytes:
    """The content after one change at a place."""
    kind = draw(st.sampled_from(("flip", "number", "cut", "drop", "twice", "more", "crafted")))
    length = draw(st.integers(1, 64))
    if kind == "flip" and at < len(content):
        flipped = bytes([content[at] ^ (1 << draw(st.integers(0, 7)))])
        return content[:at] + flipped + content[at + 1 :]
    if kind == "number":
        size = draw(st.sampled_from((2, 4, 8)))
        order = draw(st.sampled_from(("little", "big")))
        number = draw(st.sampled_from(EXTREMES)) % 256**size
        written = number.to_bytes(size, "little" if order == "little" else "big")
        return content[:at] + written + content[at + size :]
    if kind == "cut":
        return content[:at]
    if kind == "drop":
        return content[:at] + content[at + length :]
    if kind == "twice":
        return content[:at] + content[at : at + length] + content[at:]
    if kind == "crafted" and crafted:
        return content[:at] + draw(st.sampled_from(list(crafted))) + content[at:]
    return content[:at] + draw(st.binary(max_size=64)) + content[at:]
