"""Apptainer: images as one file, platform layers as one file, nothing that needs rights or writes where it runs.

Cirfile --compose--> OCI layout --build--> app.sif
app.sif --materialize (where there is network)--> store/layers/<key>.sqfs
app.sif + <key>.sqfs --start (anywhere)--> apptainer run -B <key>.sqfs:/.cir/run:image-src=/ app.sif
"""
