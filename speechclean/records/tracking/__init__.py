"""Recording runs: a few verbs over MLflow, and `NoTracker`, which forgets.

This is the only package that imports mlflow, and always late, since that alone takes seconds.

    tracker         MlflowTracker: check a store, prepare it, record a run in it
    protocol        Tracker, what a run asks of one; NoTracker, which keeps nothing
    pending         runs that wait in a local store, and how they are uploaded later
    recorded_runs   runs that were recorded, read again
    stale           runs whose process died are marked as FAILED
    model           a pipeline as a model that can be served
    system          CPU, memory and GPU while a run goes
    run             one run being recorded; where its store is lost, the rest goes to a local one
    beside          calls made in a thread beside the work, and how long one may take
    labels          names and values as a store takes them
    client          clients of mlflow: quiet, with short timeouts, errors in the user's words
    views           the saved view of an experiment's runs: the five rows as columns and charts
    checks          whether a store can be used, judged by looking
    address         where a store is
"""

from .address import TrackingError
from .client import quieten
from .protocol import NoTracker, Tracker
from .recorded_runs import Record, Records
from .run import NOTE_TAG, Run
from .tracker import MlflowTracker

__all__ = [
    "NOTE_TAG",
    "MlflowTracker",
    "NoTracker",
    "Record",
    "Records",
    "Run",
    "Tracker",
    "TrackingError",
    "quieten",
]
