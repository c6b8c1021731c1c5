"""Run a recorded run again, say whether it came out the same; compare recorded runs.

report              the verdict as a table, `reproduction.md` and `reproduction.json`
outcome             a repetition held against the run: verdicts by file, tags on both runs
rerun               the repetition itself, in a process of its own
plan                a recorded run, its config of now, and what differs from then
credentials         a store's address and its password apart, for code of then
differences         code, packages, machine, weights: what is other now
rerun_config        the recorded config, with the inputs, weights and folders of now
locate_inputs       the inputs, found again by their contents
git_worktree        the exact code of then
comparison_report   the comparison of two or more runs as tables
comparison          what tells two or more runs apart
equality            verdicts on files, and the first stage at which two runs differ
"""
