"""The instruction words of the language, one table."""

from __future__ import annotations

#: Instructions that mean what they mean in a Dockerfile.
SHARED = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
    "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip

#: Instructions a Dockerfile does not have.
OWN = ("PIN", "PLATFORMS", "REQUIRE", "SETUP")

#: Instructions of a Dockerfile that a Cirfile refuses, with an explanation.
REFUSED = ("ONBUILD", "RUN")

ALL = tuple(sorted(SHARED + OWN + REFUSED))

#: Instructions whose lines may begin here-documents.
WITH_HEREDOCS = ("ADD", "COPY", "RUN")
