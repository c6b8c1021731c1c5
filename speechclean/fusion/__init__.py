"""Fusion: `fusion(mixture, {name: Stems}) -> Separation`, several answers to one mask on the mixture's STFT.

base.py             what all rules share: stems to masks at the mixture's rate, the band above a model, the estimate
max_mask.py         the most speech that any separator hears (keeps the union of the leaks too)
mean_mask.py        weighted arithmetic mean
geometric_mask.py   weighted geometric mean: one confident "music" counts more
median_mask.py      the middle one: an outvoted separator does not matter
min_mask.py         the least speech that any separator hears (keeps the union of the cuts too)
"""
