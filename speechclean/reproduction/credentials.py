"""A store's address and its password apart, for code that may write down whatever it is given.

Code of then is older than the masking of passwords: it would leave the address in its config, its
record and its messages. What connects finds the password in the environment all the same.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit, urlunsplit

#: MLflow's own variables for a server, and libpq's for PostgreSQL.
_SERVER = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
_POSTGRES = "PGPASSWORD"


def apart(address: str) -> tuple[str, dict[str, str]]:
    """An address without its password, and the variables by which who connects finds it.

    What nothing reads from a variable stays in the address: a token alone, other databases'.

    >>> apart("http://me:p%40ss@host:5000/x")  # doctest: +NORMALIZE_WHITESPACE
    ('http://host:5000/x',
     {'MLFLOW_TRACKING_USERNAME': 'me', 'MLFLOW_TRACKING_PASSWORD': 'p@ss'})
    >>> apart("postgresql://me:secret@host/name")
    ('postgresql://me@host/name', {'PGPASSWORD': 'secret'})
    >>> apart("sqlite:////a:b@c/mlflow.db")
    ('sqlite:////a:b@c/mlflow.db', {})
    """
    parts = urlsplit(address)
    user, place = parts.netloc.rpartition("@")[::2]
    name, _, password = user.partition(":")
    if not name or not password:
        return address, {}
    if parts.scheme in ("http", "https"):
        variables = dict(zip(_SERVER, map(unquote, (name, password)), strict=True))
        return urlunsplit(parts._replace(netloc=place)), variables
    if parts.scheme.startswith("postgresql"):
        bare = urlunsplit(parts._replace(netloc=f"{name}@{place}"))
        return bare, {_POSTGRES: unquote(password)}
    return address, {}
