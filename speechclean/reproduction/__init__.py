"""Run a recorded run again, and say whether it came out the same; hold recorded runs against each
other.

rerun           plan, run, compare, link: all of it in order
differences     code, packages, machine, weights: what is other now
rerun_config    the recorded config, pointed at what is here now
locate_inputs   the inputs, found again by their contents
git_worktree    the exact code of then
comparison      what tells two or more runs apart
equality        verdicts on files, and the first stage at which two runs part
"""
