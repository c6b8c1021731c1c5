"""What a password in an address may look like, and what is left of it."""

from __future__ import annotations

import logging
import sys

import pytest

from speechclean.system.plain_text import one_line, printable
from speechclean.system.secrets import (
    MaskingFormatter,
    holds_secret,
    masked,
    masked_address,
    masked_values,
)

#: An address, and what of it may be seen.
ADDRESSES = {
    "http://me:hunter2@host:5000": "http://me:***@host:5000",
    "postgresql://u:p@ss-hunter2@host/db": "postgresql://u:***@host/db",
    "postgresql://u:p/hunter2@host/db": "postgresql://u:***@host/db",
    "postgresql+psycopg://u:hunter2@host/db": "postgresql+psycopg://u:***@host/db",
    "postgresql://host/db?user=u&password=hunter2": "postgresql://host/db?user=u&password=***",
    "postgresql://host/db?PassWord=hunter2&x=1": "postgresql://host/db?PassWord=***&x=1",
    "https://host/x?access_token=hunter2#a": "https://host/x?access_token=***#a",
    "https://host/x?a=1&api_key=hunter2": "https://host/x?a=1&api_key=***",
    "https://hunter2@host/x": "https://***@host/x",
    "redis://:hunter2@host": "redis://:***@host",
    "s3://id:hunter2@bucket/x": "s3://id:***@bucket/x",
    "http://a:b@c:hunter2@host": "http://a:***@host",
}
#: What nothing is hidden in.
PLAIN = (
    "sqlite:////data/mlflow.db",
    "sqlite:////data/a:b@c/mlflow.db",
    "http://127.0.0.1:5000/#/experiments/1/runs/2",
    "postgresql://user@host/db",
    "shifts=2 and overlap=0.25",
    "a keyboard=1 of a monkey",
    "${oc.env:MLFLOW_TRACKING_URI,null}",
)


@pytest.mark.parametrize(("address", "seen"), ADDRESSES.items())
def test_a_password_is_masked_alone_and_in_a_sentence(address: str, seen: str) -> None:
    assert masked_address(address) == seen
    assert masked(f"no answer from '{address}' (x)") == f"no answer from '{seen}' (x)"
    assert masked(seen) == seen, "masking twice changes nothing"
    assert holds_secret(address)
    assert masked_values({"a": [{"b": address}], "shifts": 1}) == {"a": [{"b": seen}], "shifts": 1}


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert masked_address(text) == text
    assert not holds_secret(text)


def test_keys_that_name_a_secret_hide_whatever_it_is() -> None:
    config = {"password": "x", "hf_token": "y", "api_key": "z", "tokens": 5, "token": None}
    hidden = {"password": "***", "hf_token": "***", "api_key": "***", "tokens": 5, "token": None}
    assert masked_values(config) == hidden


def test_log_lines_and_their_tracebacks_are_masked_and_obey_nothing() -> None:
    try:
        raise ValueError("http://me:hunter2@host said \x1b]0;title\x07")
    except ValueError:
        known = sys.exc_info()
    record = logging.LogRecord("n", logging.ERROR, "f", 1, "at %s", ("ws://u:hunter2@h",), known)
    line = MaskingFormatter("%(message)s").format(record)
    assert "hunter2" not in line
    assert "at ws://u:***@h\nTraceback" in line
    assert "http://me:***@host said \\x1b]0;title\\x07" in line


def test_what_others_wrote_is_shown_and_not_obeyed() -> None:
    assert printable("a\tb\nc\x1b[2Jd\u202ee\r") == "a\tb\nc\\x1b[2Jd\\u202ee\\r"
    assert one_line("x\n y: z\x85\u2028\udcff") == "x\\n y: z\\x85\\u2028\\udcff"
    assert one_line("ü音🎵") == "ü音🎵"
