"""What a run leaves behind.

results/      rows, summaries, verdicts, tables, pages, pictures and A/B clips
tracking/     runs in MLflow, recorded and read again: the only package that imports it
provenance    code, versions, hashes; the signature of a config
checkout      the git checkout that the package runs from
fingerprint   hashes and sketches of what passed each stage
class_names   what the classes that configs name were called when they were first recorded
"""
