"""A run from its config to its files.

run               `run_experiment(cfg)`: all of it in order, for runs, batches, trials, evaluations
serving           a run's pipeline packed to travel, and what it answers when it is served
batch/            files cleaned by workers, thousands of them, resumed where they stopped
in_process        files cleaned in this process
try_out           files cleaned to be heard, within limits
cleaner           the pipeline for use from Python
run_params        the values that runs are compared by
executor          what a run needs of whatever cleans its files
load_networks     networks loaded before any audio is read
outputs           one file's outputs: sound, clips, pictures, result
measure           one file measured, judged and guarded
config/           schema, command line and presets; a config's nodes become objects
already_cleaned   files that another tool cleaned, as if a pipeline had
process           what a process sets for itself that does nothing but this work
clean             tracks through the pipeline; a bad file costs itself alone
read              a file's sound, or the reason why there is none
stage_clock       how long each stage takes
"""
