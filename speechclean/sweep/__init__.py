"""Sweeps: a search over a config's knobs that computes only what changed, survives being killed,
and tells what it found.

sweeper        Hydra's sweeper: claims, launches, tells
summary        the table of trials, plots, the front, the best config as a preset
trial          one trial: a run that reports file by file
study          the study in its storage: opened by many, trials claimed, those of the dead given up
objective      what a trial is worth, and what it must not cost
sampling       the next point, never one that is there already
settings       the `sweep` node of a config
search_space   what is searched: keys and their values, in Hydra's own syntax
leases         who holds a trial, and whether they live
plots          Optuna's plots as one page and as pictures
"""
