"""Entry points: thin, no logic of their own.

Each module is a command; `by_module/` lets `python -m speechclean.<command>` find it.

commands    `speechclean`: a run, or another command by its name
completion  what a shell asks that completes words
clean       files, folders or a pipe cleaned, and nothing else
tune        the setting that suits some files
ui          a page to try it on
ui_page     what is on that page, in Gradio
evaluate    judge files that some tool has already cleaned
run         `speechclean`, `python -m speechclean`: one run, or with -m a sweep
reproduce   run a recorded run again, and say whether it came out the same
compare     what tells recorded runs apart
promote     a recorded run's config as a preset
deliver     the files of several batches in one archive
sync        upload the runs whose store was down
cache       what is kept for reuse
weights     published weights: list, fetch, verify
needed_weights   which published weights a config needs
consent     questions before something is done that only the user can allow
arguments   argparse for `key=value` command lines
hydra_files    what Hydra keeps of a command line and its config, without passwords
typed_secrets  passwords of a command line, kept out of everything that is made of it
jobs        what the jobs of a sweep came to, whatever process ran them
waiting     a word to whoever waits
endings     how a command ends: its messages, its exit status
"""
