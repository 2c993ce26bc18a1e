"""``cir completion``: a script that completes commands and options, generated from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from cirfile.cli import show

_EPILOG = """examples:
  eval "$(cir completion bash)"                                    in ~/.bashrc
  cir completion zsh > ~/.zfunc/_cir                               a folder of $fpath
  cir completion fish > ~/.config/fish/completions/cir.fish
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    show({"bash": bash, "zsh": zsh, "fish": fish}[arguments.shell](options()))
    return 0


def options() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return the options of every command with their help, as the parser knows them."""
    from cirfile.cli import COMMANDS, parser

    top = parser(tuple(COMMANDS))
    subs = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for name, sub in subs.choices.items():
        flags = [
            (flag, a.help or "") for a in sub._actions for flag in a.option_strings if flag.startswith("--")
        ]
        found[name] = tuple(sorted(flags))
    return found


def bash(known: Mapping[str, tuple[tuple[str, str], ...]]) -> str:
    """Return the script for bash."""
    cases = "\n".join(
        f"    {name}) words='{' '.join(flag for flag, _ in flags)}' ;;" for name, flags in known.items()
    )
    return f"""_cir() {{
  local words='{" ".join(known)}'
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "${{COMP_WORDS[1]}}" in
{cases}
    *) words='' ;;
    esac
    case "${{COMP_WORDS[COMP_CWORD]}}" in -*) ;; *) words='' ;; esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _cir cir"""


def zsh(known: Mapping[str, tuple[tuple[str, str], ...]]) -> str:
    """Return the script for zsh: bash's, through zsh's own bridge."""
    return f"#compdef cir\nautoload -U +X bashcompinit && bashcompinit\n{bash(known)}"


def fish(known: Mapping[str, tuple[tuple[str, str], ...]]) -> str:
    """Return the script for fish."""
    from cirfile.cli import COMMANDS

    lines = [
        f"complete -c cir -n __fish_use_subcommand -f -a {name} -d {_quoted(COMMANDS[name])}"
        for name in known
    ]
    for name, flags in known.items():
        for flag, text in flags:
            condition = _quoted(f"__fish_seen_subcommand_from {name}")
            lines.append(f"complete -c cir -n {condition} -l {flag[2:]} -d {_quoted(text)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
