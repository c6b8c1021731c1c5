"""What flows through a run, the stages that it flows through, and the metrics that judge them.

streaming         the pipeline over the disk, for files of any length
blocks            the blocks that a long sound is worked on in
long_separation   what becomes of a long sound
screening         is there any music?
guard             what happens to a file that was harmed
selection         which of several fusions a file keeps
pipeline          separators -> fusion -> enhancement -> post-processing
separators/       separator(mixtures) -> [Stems]
fusion/           fusion(mixture, {name: Stems}) -> Separation
enhancement/      enhancement(Separation) -> Separation
postprocess/      postprocess(Separation) -> Separation
metrics/          metric(Separation, Track) -> float | None
datasets/         dataset.tracks() -> [Track]
types             Track, Stems, Separation; what each stage is
"""
