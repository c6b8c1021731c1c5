"""Passwords of a command line, kept out of everything that is made of it.

Hydra writes a command line and its config into files, hands both to launchers that write them into
others, and nothing can be masked in a config that has still to connect. So an address with a
password goes into an environment variable, of which the override is a mere name: what is written
has the name, and jobs in other processes inherit the value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from speechclean.system.secrets import holds_secret

#: An address inside of a value: up to a quote that closes it, else up to what ends a value.
_QUOTED = re.compile(r"(?P<quote>['\"])(?P<address>\w[\w+.-]*://(?:(?!(?P=quote)).)*)(?P=quote)")
_BARE = re.compile(r"(?P<address>\w[\w+.-]*://[^\s'\",\]\[{}()]+)")


def as_variables(arguments: Sequence[str]) -> list[str]:
    """A command line in which each address with a password is an environment variable's name.

    >>> as_variables(["shifts=2", "tracking.uri=http://me:secret@host"])
    ['shifts=2', 'tracking.uri=${oc.env:SPEECHCLEAN_TRACKING_URI}']
    >>> os.environ.pop("SPEECHCLEAN_TRACKING_URI")
    'http://me:secret@host'
    """
    return [_with_variables(one) if "://" in one else one for one in arguments]


def _with_variables(argument: str) -> str:
    key, equals, value = argument.partition("=")
    if not equals:
        return argument
    own = "SPEECHCLEAN_" + re.sub(r"\W+", "_", key).strip("_").upper()

    def named(found: re.Match[str]) -> str:
        address = found["address"]
        if not holds_secret(address):
            return found[0]
        name, number = own, 1
        while os.environ.get(name, address) != address:
            number += 1
            name = f"{own}_{number}"
        os.environ[name] = address
        return f"${{oc.env:{name}}}"

    return f"{key}={_BARE.sub(named, _QUOTED.sub(named, value))}"
