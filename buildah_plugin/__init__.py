r"""The rootless, daemonless twin of the frontend: the same plan, put together on local disk.

    plan --steps--> tree in memory --archive--> app layer \
    base, shim: manifest, configuration, blobs as they are --compose--> OCI layout --deliver--> storage, registry, file

Nothing of the base is unpacked: where its files matter, the headers of its layers are read. Composing needs
no privilege, no user namespace and no engine; Skopeo or Buildah fetch and hand over blobs.
"""
