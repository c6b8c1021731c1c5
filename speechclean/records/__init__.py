"""What a run leaves behind.

run_record    what it takes to run it again: written to the run's folder and to the tracking store
kept_files    those files of a recorded run, read as if anybody had written them
results/      summaries, verdicts, tables, pages, pictures and A/B clips of a run's results
run_folder    the files in a run's folder: names, readers and writers
file_result   what became of one input file
forms         whether data has the form that it should have
tracking/     runs in MLflow, recorded and read again: the only package that imports it
provenance    code, versions, hashes; the signature of a config
checkout      the git checkout that the package runs from
fingerprint   hashes and sketches of what passed each stage
class_names   what the classes that configs name were called when they were first recorded
key_names     what keys and choices of configs were called when they were new
"""
