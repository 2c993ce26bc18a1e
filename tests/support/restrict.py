"""Commands of the engines' ordinary account on a machine that gives it less: root takes it away before they start."""

from __future__ import annotations

from collections.abc import Sequence

#: As if nobody had put ranges for the account into these files: it has one user id and one group id.
NO_RANGES = "mount --bind /dev/null /etc/subuid; mount --bind /dev/null /etc/subgid"


def restricted(command: Sequence[str], setup: str) -> list[str]:
    """Return `command` of the account with ``setup`` done by root before, in a mount namespace that ends with it."""
    start = list(command).index("setpriv")
    shell = ["unshare", "--mount", "sh", "-c", f'{setup}\nexec "$@"', "sh"]
    return [*command[:start], *shell, *command[start:]]
