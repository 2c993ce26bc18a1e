"""Dockerfiles without RUN that the stock frontend and ours must build alike.

A case is a name, the text, the files of its context, and flags of the build. ``@plain`` and ``@rich``
are two base images that the test makes: the first with the folders that distributions have (links,
modes, owners), the second with every field of the configuration set.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """One file to build with both frontends."""

    name: str
    text: str
    files: dict[str, object] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


TREE: dict[str, object] = {
    "a.txt": "a\n",
    "b.txt": "b\n",
    "run.sh": ("file", "#!/bin/sh\n", 0o755),
    "secret.txt": ("file", "s\n", 0o600),
    "sub/c.txt": "c\n",
    "sub/deep/d.py": "d\n",
    "sub/deep/e.txt": "e\n",
    "with space.txt": "space\n",
    "link.txt": ("link", "a.txt"),
    "linkdir": ("link", "sub"),
    "sub/up.txt": ("link", "../a.txt"),
}

CASES = (
    Case("nothing_but_from", "FROM @rich\n"),
    Case("scratch_copy", "FROM scratch\nCOPY a.txt /a.txt\n", TREE),
    Case("copy_all", "FROM @plain\nCOPY . /app\n", TREE),
    Case("copy_all_into_root", "FROM @plain\nCOPY . /\n", TREE),
    Case("copy_folder_contents", "FROM scratch\nCOPY sub /x/\nCOPY sub/ /y\n", TREE),
    Case("copy_many", "FROM scratch\nCOPY a.txt b.txt sub/c.txt /many/\n", TREE),
    Case("copy_wildcards", "FROM scratch\nCOPY *.txt /w/\nCOPY sub/*/?.py /v/\nCOPY [ab].txt /u/\n", TREE),
    Case("copy_rename", "FROM scratch\nCOPY a.txt /x/renamed\nCOPY sub/c.txt relative\n", TREE),
    Case("copy_json_spaces", 'FROM scratch\nCOPY ["with space.txt", "/a dir/"]\n', TREE),
    Case("copy_link_is_followed", "FROM scratch\nCOPY link.txt /l1\nCOPY linkdir /l2/\n", TREE),
    Case(
        "copy_into_linked_folder",
        "FROM @plain\nCOPY a.txt /bin/a\nCOPY b.txt /var/run/b\nCOPY run.sh /sbin/\n",
        TREE,
    ),
    Case(
        "copy_into_special_folders",
        "FROM @plain\nCOPY a.txt /tmp/\nCOPY a.txt /root/\nCOPY a.txt /home/app/\n",
        TREE,
    ),
    Case(
        "copy_usual_places",
        "FROM @plain\nCOPY a.txt /etc/a.conf\nCOPY run.sh /usr/local/bin/run\nCOPY sub /opt/sub\n",
        TREE,
    ),
    Case("copy_over_base_files", "FROM @plain\nCOPY a.txt /etc/motd\nCOPY sub /srv/owned\n", TREE),
    Case(
        "copy_chown_numbers",
        "FROM @plain\nCOPY --chown=1000:1001 . /app/\nCOPY --chown=7 a.txt /seven\n",
        TREE,
    ),
    Case(
        "copy_chown_names",
        "FROM @plain\nCOPY --chown=app:staff a.txt /app/\nCOPY --chown=app b.txt /app/\n",
        TREE,
    ),
    Case("copy_chmod", "FROM scratch\nCOPY --chmod=755 a.txt /x/\nCOPY --chmod=0600 sub /y/\n", TREE),
    Case(
        "copy_chmod_symbolic",
        "FROM scratch\nCOPY --chmod=u=rwX,go=rX sub /y/\nCOPY --chmod=a+x a.txt /z\n",
        TREE,
    ),
    Case("copy_chmod_from_arg", "FROM scratch\nARG M=711\nCOPY --chmod=$M a.txt /x\n", TREE),
    Case("copy_exclude", "FROM scratch\nCOPY --exclude=*.txt --exclude=sub/deep/*.py . /x/\n", TREE),
    Case(
        "copy_link_flag",
        "FROM @plain\nCOPY --link a.txt /linked/\nCOPY --link --chown=5:6 sub /linked/sub/\n",
        TREE,
    ),
    Case(
        "copy_from_image", "FROM scratch\nCOPY --from=@rich /etc/motd /from/\nCOPY --from=@rich /work /w/\n"
    ),
    Case(
        "copy_heredoc",
        'FROM scratch\nCOPY <<one.txt <<"two.txt" /here/\n$HOME one\none.txt\n$HOME two\ntwo.txt\n',
    ),
    Case("copy_heredoc_file", "FROM scratch\nARG WHO=you\nCOPY <<-EOF /hello.txt\n\thello ${WHO}\n\tEOF\n"),
    Case("copy_empty_folder_and_dots", "FROM scratch\nWORKDIR /w\nCOPY ./sub/../a.txt ./x/../y/\n", TREE),
    Case("copy_wildcard_without_match", "FROM scratch\nCOPY a.txt nothing*.zip /x/\n", TREE),
    Case(
        "add_archive",
        "FROM scratch\nADD data.tar.gz /unpacked/\nADD a.txt /plain/\n",
        {**TREE, "data.tar.gz": b"@tar"},
    ),
    Case(
        "add_archive_chown",
        "FROM scratch\nADD --chown=3:4 data.tar.gz /unpacked/\n",
        {"data.tar.gz": b"@tar"},
    ),
    Case("add_no_archive", "FROM scratch\nADD sub /x/\nADD *.txt /y/\n", TREE),
    Case("workdir_chain", "FROM @plain\nWORKDIR /a\nWORKDIR b\nWORKDIR ./c/../d\nCOPY a.txt .\n", TREE),
    Case("workdir_from_base", "FROM @rich\nWORKDIR sub\nCOPY a.txt ./\n", TREE),
    Case("workdir_user", "FROM @plain\nUSER 1000:1000\nWORKDIR /made/by/user\nCOPY a.txt .\n", TREE),
    Case("workdir_named_user", "FROM @plain\nUSER app\nWORKDIR /made/by/app\n"),
    Case(
        "workdir_variables",
        "FROM scratch\nENV D=/data\nWORKDIR ${D}/x\nWORKDIR $NOT/y\nCOPY a.txt $D/z/\n",
        TREE,
    ),
    Case(
        "env_forms",
        "FROM scratch\nENV A 1 with spaces\nENV B=2 C=\"3 three\" D=4\\ four E='5 $A'\nENV A=${A}x\n",
    ),
    Case(
        "env_expansion",
        "FROM @rich\nENV PATH=/x:$PATH BASE=${INHERITED}-${UNSET:-d}-${INHERITED:+set} L=${UNSET:+no}\n",
    ),
    Case(
        "env_patterns",
        "FROM scratch\nENV F=a.tar.gz\nENV G=${F%.gz} H=${F%%.*} I=${F#a.} J=${F/tar/zip} K=${F//a/b}\n",
    ),
    Case("env_escapes", 'FROM scratch\nENV A=\\$HOME B="q\\"q" C=\'s"s\' D=back\\\\slash E=a\\ b\n'),
    Case("env_same_instruction", "FROM scratch\nENV a=hello\nENV a=bye b=$a\nENV c=$a\n"),
    Case("directive_escape", "# escape=`\nFROM scratch\nENV A=C:\\dir `\n B=2\nCOPY a.txt `\n  /x/\n", TREE),
    Case(
        "continuations_and_comments",
        "FROM scratch\n# note\nENV A=1 \\\n# inside\n  B=2 \\\n\n  C=3\nLABEL x=\\\ny\n",
    ),
    Case("case_and_crlf", 'from scratch\r\nenv A=1\r\nCmd ["x"]\r\nCopY a.txt /\r\n', TREE),
    Case(
        "arg_before_from", "ARG TAG=plain\nARG X=global\nFROM @${TAG}\nARG X\nARG Y=${X}-y\nENV X=$X Y=$Y\n"
    ),
    Case(
        "arg_build_args",
        "FROM scratch\nARG A=1\nARG B\nARG C=c\nENV A=$A B=$B C=$C\n",
        {},
        ("--build-arg=A=over", "--build-arg=B=b"),
    ),
    Case(
        "arg_env_wins",
        "FROM scratch\nARG A=arg\nENV A=env\nARG A=again\nENV B=$A\n",
        {},
        ("--build-arg=A=cli",),
    ),
    Case(
        "arg_platform",
        "FROM scratch\nARG TARGETARCH TARGETOS TARGETPLATFORM\nENV P=$TARGETOS-$TARGETARCH-$TARGETPLATFORM\n",
    ),
    Case(
        "label_forms",
        'FROM @rich\nLABEL a=1 "b c"="2 3" d=\'4\'\nLABEL multi="x\\\ny" base=over\nLABEL e=${INHERITED}\n',
    ),
    Case("label_flags", "FROM scratch\nLABEL a=file b=file\n", {}, ("--label=a=flag", "--label=c=flag")),
    Case("user_and_expose", "FROM scratch\nARG P=9000\nUSER 12:34\nEXPOSE 80 443/tcp 53/udp $P 7000-7002\n"),
    Case("volume_forms", 'FROM scratch\nVOLUME /a /b\nVOLUME ["/c d", "/e"]\nVOLUME ${UNSET:-/f}\n'),
    Case("stopsignal", "FROM scratch\nARG S=SIGQUIT\nSTOPSIGNAL $S\n"),
    Case(
        "healthcheck",
        "FROM scratch\nHEALTHCHECK --interval=5m --timeout=3s --start-period=1m30s \\\n"
        "  --start-interval=2s --retries=4 CMD curl -f x || exit 1\n",
    ),
    Case("healthcheck_exec", 'FROM @rich\nHEALTHCHECK CMD ["check", "$A"]\n'),
    Case("healthcheck_none", "FROM @rich\nHEALTHCHECK NONE\n"),
    Case("shell_and_forms", 'FROM scratch\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT echo $A\nCMD run  this\n'),
    Case("entrypoint_resets_cmd", 'FROM @rich\nENTRYPOINT ["/new"]\n'),
    Case("cmd_keeps_entrypoint", 'FROM @rich\nCMD ["other", "args"]\n'),
    Case("cmd_then_entrypoint", 'FROM @rich\nCMD ["c"]\nENTRYPOINT ["/e"]\n'),
    Case("cmd_shell_form", 'FROM @rich\nCMD echo "a  b" $HOME\n'),
    Case("cmd_json_like", 'FROM scratch\nCMD [not json]\nENTRYPOINT ["a", "b\\u0041", ""]\n'),
    Case("empty_forms", "FROM @rich\nENTRYPOINT []\nCMD []\n"),
    Case(
        "ignore_patterns",
        "FROM scratch\nCOPY . /x/\n",
        {**TREE, ".dockerignore": "*.txt\n!b.txt\nsub/deep\n# c\n\n/run.sh\n"},
    ),
    Case(
        "ignore_double_star",
        "FROM scratch\nCOPY . /x/\n",
        {**TREE, ".dockerignore": "**/*.txt\n!**/c.txt\nlink*\n"},
    ),
    Case("ignore_everything_but", "FROM scratch\nCOPY . /x/\n", {**TREE, ".dockerignore": "*\n!sub/deep\n"}),
    Case(
        "ignore_own_file",
        "FROM scratch\nCOPY . /x/\n",
        {**TREE, ".dockerignore": "*\n", "@ignore": "sub\n.dockerignore\nCirfile*\n"},
    ),
    Case(
        "named_context",
        "FROM scratch\nCOPY --from=more a.txt /m/\nCOPY a.txt /x/\n",
        {**TREE, "more/a.txt": "more\n"},
        ("--build-context=more=@context/more",),
    ),
    Case(
        "overwrite_in_order",
        "FROM scratch\nCOPY a.txt /x\nCOPY b.txt /x\nCOPY sub /y\nCOPY a.txt /y/c.txt\n",
        TREE,
    ),
    Case("from_platform", "FROM --platform=linux/amd64 @plain\nENV A=1\n"),
    Case("stage_name", "FROM @plain AS app\nCOPY a.txt /x\n", TREE, ("--target=app",)),
)
