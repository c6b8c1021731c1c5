"""Whatever is read from outside, fed with damaged and crafted bytes.

mutations    bytes that were those of a good file
sounds       sound files, whole and as streams
tables       manifests and ledgers
kept         cache entries, checkpoints, the files of a recorded run
target       what a target is
"""
