"""The rootless twin beside `buildah bud`: the same application, as an ordinary user."""
