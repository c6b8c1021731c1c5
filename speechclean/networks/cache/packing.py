"""A tensor and its description as bytes: exact to the bit, without pickle, with a checksum.

Layout: magic (8 bytes), sha256 of all that follows (32), length of the description (4,
little-endian), the description as JSON, the samples. These are float32, regrouped by the bytes of a
word: first the three low bytes of all samples as they are, then the high bytes (sign and exponent),
deflated.

Measured on the embedded models' estimates of the pilot, size of the raw and MB/s of one core,
packing and unpacking:

    zlib 6 of the raw samples                         0.93    22    -
    all bytes regrouped, zlib 6                       0.80    21   240
    high bytes alone, zlib 6                          0.80    73   990
    high bytes alone, runs and Huffman codes (taken)  0.80   420   890
    second difference of ordered integers, zlib 6     0.76    36    -
    FLAC, 24 bits of the peak                         0.56   160    -     not exact
    FLAC, 16 bits of the peak                         0.31   190    -     not exact

The low bytes are noise to every coder. With FLAC every run, sweep or not, would have to round
its estimates for the sake of the cache.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAGIC = b"spclean1"
_DIGEST, _LENGTH = 32, 4


class TornError(ValueError):
    """The bytes are not those of a whole entry."""


def pack(description: Mapping[str, Any], tensor: Tensor) -> bytes:
    """The bytes of a float32 tensor of any shape, and of a description that JSON can hold.

    Raises `TypeError` for other tensors.
    """
    if tensor.dtype != torch.float32:
        raise TypeError(f"only float32 is kept, not {tensor.dtype}")
    words = np.ascontiguousarray(tensor.detach().cpu().numpy(), "<f4").reshape(-1, 1).view(np.uint8)
    coder = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
    high = coder.compress(words[:, 3].tobytes()) + coder.flush()
    head = json.dumps({**description, "shape": list(tensor.shape)}, separators=(",", ":")).encode()
    body = b"".join(
        (
            len(head).to_bytes(_LENGTH, "little"),
            head,
            np.ascontiguousarray(words[:, :3].T).tobytes(),
            high,
        )
    )
    return MAGIC + hashlib.sha256(body).digest() + body


def unpack(packed: bytes) -> tuple[dict[str, Any], Tensor]:
    """The description and the tensor.

    Raises `TornError` for anything but the whole of what `pack` returned.
    """
    head, at = described(packed)
    if (
        hashlib.sha256(memoryview(packed)[len(MAGIC) + _DIGEST :]).digest()
        != packed[len(MAGIC) : len(MAGIC) + _DIGEST]
    ):
        raise TornError("its checksum does not hold")
    samples = _samples(head.get("shape"))
    if at + 3 * samples > len(packed):
        raise TornError("its samples break off")
    words = np.empty((samples, 4), np.uint8)
    words[:, :3] = np.frombuffer(packed, np.uint8, 3 * samples, at).reshape(3, samples).T
    words[:, 3] = np.frombuffer(_inflated(packed[at + 3 * samples :], samples), np.uint8)
    return head, torch.from_numpy(words.reshape(-1).view("<f4").reshape(head["shape"]))


def described(packed: bytes) -> tuple[dict[str, Any], int]:
    """The description at the front of packed bytes, and the offset at which it ends.

    The checksum is not looked at. Raises `TornError` where there is no description.
    """
    start = len(MAGIC) + _DIGEST + _LENGTH
    if packed[: len(MAGIC)] != MAGIC or len(packed) < start:
        raise TornError("it is no cache entry")
    end = start + int.from_bytes(packed[start - _LENGTH : start], "little")
    try:
        head = json.loads(packed[start:end])
    except (ValueError, RecursionError) as error:
        raise TornError("its description breaks off") from error
    if not isinstance(head, dict):
        raise TornError("its description is none")
    return head, end


def _samples(shape: object) -> int:
    """How many samples a tensor of a shape has. Raises `TornError` for what is no shape."""
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise TornError("its shape is none")
    return math.prod(shape)


def _inflated(deflated: bytes, length: int) -> bytes:
    """So many bytes and no more, however many there would be. Raises `TornError` for fewer."""
    inflater = zlib.decompressobj(-15)
    try:
        found = inflater.decompress(deflated, length + 1)
    except zlib.error as error:
        raise TornError(f"its samples cannot be inflated ({error})") from error
    if len(found) != length or not inflater.eof:
        raise TornError("its samples are not as many as it says")
    return found
