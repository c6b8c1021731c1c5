"""Sweeps: a search over a config's knobs that computes only what changed, survives being killed, and tells what it found.

settings.py    the `sweep` node of a config
space.py       what is searched: keys and their values, in Hydra's own syntax
objective.py   what a trial is worth, and what it must not cost
study.py       the study in its storage: opened by many, trials claimed, those of the dead given up
sampling.py    the next point, never one that is there already
owners.py      who holds a trial, and whether they live
trial.py       one trial: a run that reports file by file
sweeper.py     Hydra's sweeper: claims, launches, tells
findings.py    the table of trials, plots, the front, the best config as a preset
figures.py     Optuna's plots as one page and as pictures
"""
