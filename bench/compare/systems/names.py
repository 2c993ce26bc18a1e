"""What the systems are called: by name in the samples, for readers; in the order of the report."""

TITLES = {
    "cir": "CIR on Docker",
    "cir-buildah": "CIR on Buildah and Podman",
    "cir-apptainer": "CIR on Apptainer",
    "docker": "Docker, expert's Dockerfile",
    "docker-usual": "Docker, usual Dockerfile",
    "buildah": "Buildah and Podman, expert's Dockerfile",
    "apptainer": "Apptainer, definition file",
    "apptainer-usual": "Apptainer, definition file, its own compression",
    "uv-run": "uv run in a container, cache volume",
}
