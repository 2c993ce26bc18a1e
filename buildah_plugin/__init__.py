"""The rootless, daemonless twin of the frontend: the same plan, put together on local disk.

A plan's steps make a tree in memory, the tree is written as the app layer; layers of base and shim stay the blobs
they are; an OCI layout of all of them is handed to a storage, a registry or a file. Nothing of the base is
unpacked: where its files matter, the headers of its layers are read. Composing needs no privilege, no user
namespace and no engine; Skopeo or Buildah fetch and hand over blobs.
"""
