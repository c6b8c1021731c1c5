"""Recording runs: a few verbs over MLflow, and `NoTracker` that forgets. The only package that
imports mlflow, and always late, since that alone takes seconds.

    tracker   MlflowTracker, NoTracker: open a store, record a run in it
    pending   that local store, and how it is uploaded later
    records   runs that were recorded, read again
    stale     runs whose process died are marked as FAILED
    model     a pipeline as a model that can be served
    system    CPU, memory and GPU while a run goes
    run       one run being recorded; where its store is lost, the rest goes to a local one
    labels    names and values as a store takes them
    client    the way to mlflow: quiet, with short patience, its errors in the user's words
    address   where a store is, and whether it can be used
"""

from .client import quieten
from .records import Record, Records
from .run import NOTE_TAG, Run, TrackingError
from .tracker import MlflowTracker, NoTracker, Tracker

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
