"""Apptainer: images as one file, platform layers as one file or as a folder of a local store, no rights needed.

Cirfile --compose--> OCI layout --build--> app.sif
app.sif --materialize (where there is network)--> store/layers/<key>.sqfs
app.sif + <key>.sqfs --start (anywhere)--> apptainer run -B <key>.sqfs:/.cir/run:image-src=/ app.sif
app.sif --unpacked (on a local disk)--> store/layers/<key>/ --start--> apptainer run -B store app.sif
"""
