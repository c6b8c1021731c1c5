"""Passwords in addresses: masked in whatever is shown, written or sent.

Who connects uses the address as it is. Everything else (files, log lines, tags, messages) gets it
from here, with `***` for the password.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from .plain_text import printable

MASK = "***"
#: What ends an address in running text.
_END = r"\s\"'<>`"
#: Names of query parameters, and keys of configs, that hold a secret.
_NAMES = r"pass|pwd|secret|token|key|credential|signature|auth|odbc_connect"
#: `scheme://user:`, then everything up to the last @: a password may hold @ and / too.
_USER = re.compile(rf"(\w[\w+.-]*://[^:/@{_END}]*:)[^{_END}]*(?=@)")
#: An address of one string may have spaces and quotes in its password besides.
_USER_ALONE = re.compile(r"\A(\w[\w+.-]*://[^:/@]*:).*(?=@)", re.DOTALL)
#: A name alone before the @ is a token on the web, and a user's name elsewhere.
_TOKEN = re.compile(rf"(https?://)[^:/@{_END}]+(?=@)")
_QUERY = re.compile(rf"([?&;#][^=&#{_END}]*(?:{_NAMES})[^=&#{_END}]*=)[^&#{_END}]+", re.IGNORECASE)
#: `password=…` as libpq and ODBC write it.
_SETTING = re.compile(rf"(\b(?:password|passwd|pwd)\s*=\s*)[^&;,{_END}]+", re.IGNORECASE)
#: Keys whose value is a secret whatever it looks like.
_SECRET_KEY = re.compile(r"(?:^|_)(?:password|passwd|pwd|secret|api_?key|token)$", re.IGNORECASE)


def masked(text: str) -> str:
    """A text with `***` for every password in an address.

    >>> masked("no answer from http://me:p@ss/word@host:5000/x?token=abc&page=1")
    'no answer from http://me:***@host:5000/x?token=***&page=1'
    >>> masked("postgresql://me@host/name"), masked("sqlite:////a:b@c/mlflow.db")
    ('postgresql://me@host/name', 'sqlite:////a:b@c/mlflow.db')
    """
    if "://" not in text and "=" not in text:
        return text
    if "://" in text:
        text = _TOKEN.sub(rf"\g<1>{MASK}", _USER.sub(rf"\g<1>{MASK}", text))
    return _SETTING.sub(rf"\g<1>{MASK}", _QUERY.sub(rf"\g<1>{MASK}", text))


def masked_address(address: str) -> str:
    """The same of a string that is one address, whatever characters its password has.

    >>> masked_address("postgresql://me:two words@host/name")
    'postgresql://me:***@host/name'
    """
    return masked(_USER_ALONE.sub(rf"\g<1>{MASK}", address))


def masked_values(node: Any) -> Any:
    """A plain config, or a part of one, with every secret in its texts masked.

    >>> masked_values({"uri": "http://me:secret@host", "api_key": "abc", "shifts": 1})
    {'uri': 'http://me:***@host', 'api_key': '***', 'shifts': 1}
    """
    if isinstance(node, Mapping):
        return {
            key: MASK
            if isinstance(value, str) and value and _SECRET_KEY.search(str(key))
            else masked_values(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [masked_values(one) for one in node]
    return masked_address(node) if isinstance(node, str) else node


def mask_error(error: BaseException) -> None:
    """Mask an error in place, and those that it came of: who catches it may keep it.

    >>> error = OSError(5, "no answer from http://me:secret@host")
    >>> mask_error(error)
    >>> error.args
    (5, 'no answer from http://me:***@host')
    """
    one: BaseException | None = error
    known: list[BaseException] = []
    while one is not None and one not in known:
        known.append(one)
        one.args = tuple(masked(each) if isinstance(each, str) else each for each in one.args)
        one = one.__cause__ or one.__context__


def holds_secret(text: str) -> bool:
    """Whether there is anything to mask in an address."""
    return masked_address(text) != text


class MaskingFormatter(logging.Formatter):
    """Log lines without passwords, and with control characters written out."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole line, its traceback included."""
        return masked(printable(super().format(record)))
