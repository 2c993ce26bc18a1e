"""CIR002: The application runs without a shell around it."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject


def _check(subject: Subject) -> Iterator[Found]:
    if any(subject.instructions("SHELL")):
        return
    for command in subject.commands("CMD", "ENTRYPOINT"):
        if not command.shell or not command.words:
            continue
        words = ", ".join(f'"{word}"' for word in command.words[0].split() if '"' not in word)
        plain = not set(command.words[0]) & set("$&|;<>*?`'\"\\(){}")
        instead = f"write `{command.keyword} [{words}]`" if plain else "write the words as an array"
        yield (
            command.span_of_words,
            f"a shell is the first process and keeps the signals of `docker stop` to itself; {instead}",
        )


RULE = Rule("CIR002", "shell-form", "The application runs without a shell around it.", _check)
