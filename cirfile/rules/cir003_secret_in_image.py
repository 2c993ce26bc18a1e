"""CIR003: Secrets are not written into the image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.syntax import Pairs

#: Names that hold secrets, and endings that say the opposite.
_SECRET = re.compile(
    r"(?:^|_)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_PUBLIC = re.compile(r"(?:^|_)(?:public|file|path|id|name|type|url|dir)(?:_|$)", re.IGNORECASE)


def _check(subject: Subject) -> Iterator[Found]:
    lines = [*subject.cirfile.arguments, *subject.instructions("ARG", "ENV")]
    for line in lines:
        for pair in line.pairs if isinstance(line, Pairs) else ():
            if _SECRET.search(pair.name) and not _PUBLIC.search(pair.name):
                yield (
                    pair.span,
                    f"`{pair.name}` looks like a secret, and {line.keyword} keeps its value in the image; "
                    f"give it to the container: `docker run -e {pair.name}`",
                )


RULE = Rule("CIR003", "secret-in-image", "Secrets are not written into the image.", _check)
