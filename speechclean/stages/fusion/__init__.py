"""Fusion: `fusion(mixture, {name: Stems}) -> Separation`.

Several answers become one estimate, by masks on the mixture's STFT or by their waveforms.

max_mask         the most speech that any separator hears (keeps the union of the leaks too)
mean_mask        weighted arithmetic mean
geometric_mask   weighted geometric mean: one confident "music" counts more
median_mask      the middle one: an outvoted separator does not matter
min_mask         the least speech that any separator hears (keeps the union of the cuts too)
mean_waveform    weighted mean of the separators' own waveforms, no mask applied to the mixture
weights          trust in separators, everywhere or band by band
base             what all rules share: stems to masks at the mixture's rate, the band above a model,
                 the estimate
"""
