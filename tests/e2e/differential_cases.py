"""Dockerfiles without RUN that the stock frontend and ours must build alike.

A case is a name, the text, the files of its context, and flags of the build. ``@plain``, ``@rich``, ``@shell``
and ``@onbuild`` are base images that the test makes: the first with the folders that distributions have (links,
modes, owners), the second with every field of the configuration set, the others as they are called.
"""

from __future__ import annotations

import gzip
import io
import tarfile
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


def archive(mode: str) -> bytes:
    """A tar archive with folders, a set-user-id file, both kinds of links, and a file without its folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, kind, permissions, target in (
            ("d", tarfile.DIRTYPE, 0o700, ""),
            ("d/file", tarfile.REGTYPE, 0o4755, ""),
            ("d/link", tarfile.SYMTYPE, 0, "file"),
            ("d/hard", tarfile.LNKTYPE, 0o644, "d/file"),
            ("new/deep/file", tarfile.REGTYPE, 0o600, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid, info.linkname = kind, permissions, 5, 6, target
            tar.addfile(info, io.BytesIO())
    return buffer.getvalue()


ARCHIVES: dict[str, object] = {
    "m.tar": archive("w"),
    "o.tar": archive("w:gz"),
    "m.xz": archive("w:xz"),
    "m.bz2": archive("w:bz2"),
    "text.gz": gzip.compress(b"no archive\n", mtime=0),
    "folder/m.tar": archive("w"),
}
IGNORED: dict[str, object] = {
    **TREE,
    "we*rd": "1",
    "weird": "2",
    ".dockerignore": "\ufeff[a-b].txt\r\n#c\r\n?ink.txt\r\n./run.sh\r\n  secret.txt  \r\n"
    "we\\*rd\r\n../x\r\n.\r\n!.\r\n",
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


MORE = (
    Case("maintainer", "FROM scratch\nMAINTAINER me <a@b>\n"),
    Case("shell_of_the_base", "FROM @shell\nCMD run me\n"),
    Case("shell_of_the_base_entrypoint", "FROM @shell\nENTRYPOINT other\n"),
    Case("triggers_of_the_base", "FROM @onbuild\nCOPY b.txt .\n", TREE),
    Case(
        "add_flags",
        "FROM scratch\nADD --chmod=700 a.txt /x/\nADD --exclude=*.txt . /y/\nADD --link b.txt /z/\n",
        TREE,
    ),
    Case(
        "add_archives",
        "FROM scratch\nADD m.tar /a/\nADD m.tar /b\nADD m.xz m.bz2 /c/\nADD text.gz /d/\nADD *.tar /e/\n"
        "ADD folder /f/\nADD --chmod=700 m.tar /g/\nADD --unpack=false m.tar /h/\nADD --unpack=true o.tar /i/\n",
        ARCHIVES,
    ),
    Case("add_archive_onto_base", "FROM @plain\nADD m.tar /\n", ARCHIVES),
    Case(
        "copy_from_links_and_folders",
        "FROM scratch\nCOPY --from=@plain /etc/* /a/\nCOPY --from=@plain /usr /b\nCOPY --from=@plain /bin/tool /c\n"
        "COPY --from=@plain /bin /d\nCOPY --from=@plain /tmp /e\nCOPY --from=@plain /srv/owned /f\n",
    ),
    Case("copy_from_all", "FROM scratch\nCOPY --from=@plain / /\n"),
    Case(
        "copy_link_flag_places",
        "FROM @plain\nCOPY --link a.txt /bin/a\nCOPY --link b.txt /opt/x/b\nCOPY --link --chmod=711 a.txt /opt/l/\n",
        TREE,
    ),
    Case("copy_link_flag_root", "FROM @plain\nCOPY --link . /\n", TREE),
    Case("workdir_root", "FROM @plain\nWORKDIR /\nCOPY . .\n", TREE),
    Case(
        "workdir_slashes", "FROM scratch\nWORKDIR x/y\nWORKDIR /a//b/./c/\nWORKDIR d/\nCOPY a.txt ./\n", TREE
    ),
    Case(
        "workdir_owner_and_links",
        "FROM @plain\nUSER app:staff\nWORKDIR /home/app/w\nWORKDIR /new/w\nWORKDIR /var/run/w\nCOPY a.txt .\n",
        TREE,
    ),
    Case("copy_folder_to_linked", "FROM @plain\nCOPY sub /var/run\nCOPY sub /bin/\n", TREE),
    Case(
        "env_odd_forms",
        "FROM scratch\nENV A=b=c D=\"x=y\" E='$A' F=\\'q\\' G=\"a\\\nb\" H=\u00fc I=\nENV J $A  $D \nENV K=$PATH\n",
    ),
    Case(
        "env_defaults",
        "FROM scratch\nENV A=\nENV B=${A-u} C=${A:-u} D=${X-u} E=${A+s} F=${A:+s} G=${X+s} H=$${A} I=\\${A}\n",
    ),
    Case("env_path_replaced", "FROM @plain\nENV PATH=/only\n"),
    Case(
        "expose_forms",
        'FROM scratch\nENV P="1 2" Q=3\nEXPOSE 80/TCP 8080-8082/udp 127.0.0.1:90:91 $P ${Q}/udp\n',
    ),
    Case(
        "healthcheck_variables",
        'FROM @rich\nARG I=3s\nHEALTHCHECK --interval=1m30s --timeout=1s --retries=0 CMD echo $I "a b"\n',
    ),
    Case("numbers_and_users", "FROM @plain\nARG U=app\nSTOPSIGNAL 9\nUSER ${U}:${G:-staff}\n"),
    Case(
        "arg_forms",
        'FROM scratch AS me\nARG A="x y"\nARG A\nARG B=${A}z C=$B\nARG TARGETSTAGE BUILDPLATFORM TARGETVARIANT\n'
        "ENV A=$A B=$B C=$C HP=$HTTP_PROXY T=$TARGETSTAGE,$BUILDPLATFORM,$TARGETVARIANT\n",
        {},
        ("--build-arg=HTTP_PROXY=http://p",),
    ),
    Case(
        "arg_of_the_platform",
        "FROM --platform=$BUILDPLATFORM @plain\nARG TARGETARCH=over\nENV A=$TARGETARCH B=$TARGETOS\n",
    ),
    Case(
        "label_odd_forms",
        'FROM scratch\nARG K=key\nLABEL a=b c="d e" \'f g\'=h\nLABEL i j k\nLABEL l=$X${Y:-z} m="\\"q\\"" ${K}=v\n'
        "LABEL a=again\n",
    ),
    Case("ignore_odd_patterns", "FROM scratch\nCOPY . /x/\n", IGNORED),
    Case(
        "ignore_taken_back",
        "FROM scratch\nCOPY . /x/\n",
        {**TREE, ".dockerignore": "sub/\n!sub/deep/d.py\nlinkdir/\n"},
    ),
    Case(
        "ignore_in_the_middle",
        "FROM scratch\nCOPY .dockerignore a.txt* b.txt sub /x/\n",
        {**TREE, ".dockerignore": "sub/**/d.py\n**/e.txt\na.txt\n"},
    ),
    Case(
        "wildcards_of_all_kinds",
        "FROM scratch\nCOPY s* /a/\nCOPY l* /b/\nCOPY sub/** /c/\nCOPY **/d.py /d/\nCOPY we\\*rd /e/\nCOPY [[]b] /f/\n",
        {**TREE, "we*rd": "1", "weird": "2", "[b]": "3"},
    ),
    Case(
        "exclude_forms",
        "FROM scratch\nARG E=*.txt\nCOPY --exclude=$E . /x/\n"
        "COPY --exclude=**/deep --exclude=!sub/deep/e.txt sub /y/\n",
        TREE,
    ),
    Case(
        "folder_over_folder",
        "FROM scratch\nCOPY sub /y\nCOPY a.txt /y\nCOPY sub /x/\nCOPY b.txt /x/deep/\n",
        TREE,
    ),
    Case(
        "heredoc_forms",
        "FROM scratch\nCOPY --chmod=755 --chown=5:6 <<A <<B /h/\n1\nA\n2\nB\nADD <<C /i\nx\nC\n"
        "COPY a.txt <<B /j/\n$X\\$Y\nB\n",
        TREE,
    ),
    Case(
        "special_modes",
        "FROM scratch\nCOPY . /m/\nCOPY --chmod=1777 f /t/\nCOPY --chmod=4755 suid /s\n",
        {
            "suid": ("file", "x", 0o4755),
            "sgid": ("file", "x", 0o2755),
            "all": ("file", "x", 0o777),
            "f/ro": ("file", "x", 0o400),
        },
    ),
    Case(
        "chown_forms",
        "FROM @plain\nARG U=7\nENV G=8\nCOPY --chown=app:app sub /srv/owned\nCOPY --chown=0 a.txt /home/app/new/\n"
        "COPY --chown=:50 a.txt /x/\nCOPY --chown=:staff b.txt /y/\nCOPY --chown=$U:${G} a.txt /z/\n",
        TREE,
    ),
    Case(
        "chown_new_folders",
        "FROM @plain\nCOPY --chown=3:3 sub /newtop/a/b/\nCOPY a.txt /newtop/\nCOPY --chmod=700 run.sh /newtop/c/run\n"
        "COPY --chown=3:3 sub /opt/app/\nCOPY a.txt /mnt/x/a\nUSER 9\nWORKDIR /opt/app2/x\n",
        TREE,
    ),
    Case(
        "places_of_programs",
        "FROM @plain\nCOPY sub /usr/local/bin/\nCOPY a.txt /usr/local/share/app/a\nCOPY b.txt /usr/local/lib/app/\n"
        "COPY a.txt /etc/app/conf.d/a.conf\nCOPY a.txt /a.txt\nCOPY run.sh /run.sh\nCOPY a.txt /noext\n",
        TREE,
    ),
    Case(
        "folders_of_the_base",
        "FROM @rich\nVOLUME /data\nCOPY a.txt /data/\nCOPY b.txt /volume/\nCOPY a.txt /work/\nCOPY b.txt rel/\n"
        "COPY --chown=app a.txt /opt/n/\n",
        TREE,
    ),
    Case(
        "blanks",
        "FROM   scratch   AS  XY \n\n   \n  # indented\nCOPY\ta.txt\t/x/\nENV\tA=1\t\\\n\tB=2\n",
        TREE,
    ),
    Case("json_variables", 'FROM scratch\nARG A=a\nCOPY ["${A}.txt", "/x y/"]\nVOLUME ["/$A"]\n', TREE),
    Case("command_then_shell_entrypoint", 'FROM scratch\nCMD ["a"]\nENTRYPOINT sh form\n'),
    Case("command_of_nothing", "FROM @rich\nCMD\n"),
    Case("named_image_as_base", "FROM ctx\nENV A=1\n", {}, ("--build-context=ctx=docker-image://@rich",)),
    Case(
        "named_folder_as_base",
        "FROM ctx\nCOPY a.txt /z/\n",
        {**TREE, "more/a": "1"},
        ("--build-context=ctx=@context/more",),
    ),
)

#: Files that both must refuse.
REFUSED = {
    "quotes_that_do_not_nest": 'FROM scratch\nENV A=a\nENV B="${X:-"q r"}"\n',
    "comment_behind_an_instruction": "FROM scratch\nENV A=1 # no comment\n",
    "unknown_instruction": "FROM scratch\nRUNX\n",
}
