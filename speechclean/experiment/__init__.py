"""A run from its config to its files.

run               `run_experiment(cfg)`: all of it in order
serving           a run's pipeline on its own: bytes of a sound in, bytes of the cleaned one out
batch/            thousands of files by one machine or many: ledger, executors, deliveries
load_networks     networks loaded before any audio is read
config/           schema, command line and presets; a config's nodes become objects
recording         what it takes to run it again
outputs           one file measured, judged, guarded and written
already_cleaned   files that another tool cleaned, as if a pipeline had
process           what a process sets for itself that does nothing but this work
clean             tracks through the pipeline, one bad file never taking the rest down
"""
