"""CIR022: Ports are those of the container."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.syntax import Words


def _check(subject: Subject) -> Iterator[Found]:
    for line in subject.instructions("EXPOSE"):
        for word in line.words if isinstance(line, Words) else ():
            port = word.text.rpartition(":")[2]
            if ":" in word.text and "$" not in word.text:
                yield word.span, f"EXPOSE ignores addresses and ports of the host; write `EXPOSE {port}`"
            elif word.text != word.text.lower() and "$" not in word.text:
                yield word.span, f"protocols are written in lower case: `EXPOSE {word.text.lower()}`"


RULE = Rule("CIR022", "host-port", "Ports are those of the container.", _check)
