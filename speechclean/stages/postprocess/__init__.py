"""Post-processing: each `postprocess(Separation) -> Separation`, in the order of the config's list.

beta_wiener   a Wiener gain between speech estimate and residual, sharpened or softened by beta
floor         some of the mixture stays in, everywhere or where somebody speaks
edges         no burst of music where a file begins or ends
loudness      the level: as loud as the speech was in the mixture, or a target in LUFS, under a
              true-peak ceiling
"""
