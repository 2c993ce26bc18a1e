"""Text to logical lines: comments, continuations, directives, here-documents, and where everything stands."""

from __future__ import annotations

import pytest

from cirfile.errors import CirfileError
from cirfile.flags import LIST, SWITCH, TEXT, read_flags
from cirfile.lines import Line, Reader, parse_heredoc
from cirfile.source import Source, Span
from cirfile.words import outer_words, split_blank, split_flags, split_quoted


def lines(text: str) -> list[Line]:
    found, errors = Reader(Source("Cirfile", text)).read()
    assert not errors
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A b", ["A b"]),
        ("\n\n  A b  \n\n", ["A b  "]),
        ("# c\nA\n#d\nB", ["A", "B"]),
        ("A \\\n b", ["A  b"]),
        ("A \\ \t\n b", ["A  b"]),
        ("A \\\n# c\n  # d\n b", ["A  b"]),
        ("A \\\n\n b", ["A  b"]),
        ("A \\\\\nB", ["A \\\\", "B"]),
        ("A \\\n b \\\n c", ["A  b  c"]),
        ("A b\\", ["A b"]),
        ("A b\\c", ["A b\\c"]),
        ("\\\nA b", ["A b"]),
        ("A\r\nB\r\n", ["A", "B"]),
        ("A \\\r\n b\r\n", ["A  b"]),
        ("\ufeffA", ["A"]),
        ("# escape=`\nA `\n b\\\nC", ["A  b\\", "C"]),
        ("#escape = ` \nA `\n b", ["A  b"]),
        ("# c\n# escape=`\nA \\\n b", ["A  b"]),
        ("\n# escape=`\nA \\\n b", ["A  b"]),
    ],
)
def test_logical_lines(text: str, expected: list[str]) -> None:
    assert [line.text for line in lines(text)] == expected


def test_words_know_their_place() -> None:
    (line,) = lines("\ufeffCOPY --link \\\n  # comment\n   a \\\n\n b\n")
    assert line.span == Span(1, 2, 5, 2)
    flags, rest, offset = line.arguments()
    assert [(flag.text, flag.span) for flag in flags] == [("--link", Span(1, 7, 1, 12))]
    places = [line.word(word, offset + at).span for word, at in split_blank(rest)]
    assert places == [Span(3, 4, 3, 4), Span(5, 2, 5, 2)]
    assert line.empty_continuation == 4


def test_comments_above_belong_to_the_instruction() -> None:
    first, second = lines("# one\n# two\nA\n# gone\n#\n# three\nB")
    assert (first.comments, second.comments) == (("one", "two"), ("three",))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("<<EOF", ("EOF", True, False)),
        ("<<-EOF", ("EOF", True, True)),
        ("<<'EOF'", ("EOF", False, False)),
        ('<<"E F"', ("E F", False, False)),
        ("<<E'O'F", ("EOF", False, False)),
        ("3<<EOF", ("EOF", True, False)),
        ("<< EOF", ("EOF", True, False)),
        ("<<", None),
        ("<EOF", None),
        ("a<<EOF", None),
        ("<<a<b", None),
        ("<<'open", None),
    ],
)
def test_heredoc_words(word: str, expected: tuple[str, bool, bool] | None) -> None:
    found = parse_heredoc(word)
    assert (found and (found.name, found.expand, found.chomp)) == expected


def test_heredocs_are_read_in_order() -> None:
    line, after = lines("COPY <<one <<-'two' /x/\na\n\nb\none\n\t\tc\n\ttwo\nENV A=b")
    assert [(doc.name, doc.content) for doc in line.heredocs] == [("one", "a\n\nb\n"), ("two", "c\n")]
    assert (line.span.last_line, after.span.line) == (7, 8)


@pytest.mark.parametrize(
    "text",
    ["ENV A=<<EOF", "COPY <<EOF 'open", 'COPY "<<a b" /x', 'COPY ["<<EOF", "/x"]', "REQUIRE pypi <<EOF"],
)
def test_no_heredoc_elsewhere(text: str) -> None:
    assert len(lines(text + "\nB")) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ('a="b c" d', ['a="b c"', "d"]),
        ("a='b \\' c", ["a='b \\'", "c"]),
        ("a=b\\ c d", ["a=b\\ c", "d"]),
        ('a="b\\" c" d', ['a="b\\" c"', "d"]),
        ("a\\", ["a"]),
        ('"open b', ['"open b']),
        ("  ", []),
        ("a=''", ["a=''"]),
    ],
)
def test_quoted_words(text: str, expected: list[str]) -> None:
    pieces = split_quoted(text, "\\")
    assert [word for word, _ in pieces] == expected
    assert all(text[at] == word[0] for word, at in pieces)


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("a b", [], "a b"),
        ("--a=1 --b c", ["--a=1", "--b"], "c"),
        ('--a="x y" b', ["--a=x y"], "b"),
        ("--a=x\\ y b", ["--a=x y"], "b"),
        ("--a -- --b", ["--a"], " --b"),
        ("-a", [], "-a"),
        ("--a=b\\", ["--a=b"], ""),
        ("--a='x", ["--a=x"], ""),
    ],
)
def test_flag_words(text: str, flags: list[str], rest: str) -> None:
    found, position = split_flags(text, "\\")
    assert ([word for word, _ in found], text[position:]) == (flags, rest)


def test_outer_quotes() -> None:
    text = "a \"b c\" 'd' e'f g' \"open"
    assert [(word, quoted) for word, _, quoted in outer_words(text)] == [
        ("a", False), ("b c", True), ("d", True), ("e'f", False), ("g'", False), ("open", True),
    ]  # fmt: skip


KINDS = {"text": TEXT, "list": LIST, "switch": SWITCH}


def given(text: str) -> dict[str, list[str]]:
    (line,) = lines(f"X {text} rest")
    flags = read_flags("X", line.arguments()[0], KINDS)
    return {name: [word.text for word in words] for name, words in flags.given.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--text=a", {"text": ["a"]}),
        ("--text=", {"text": [""]}),
        ("--list=a --list=b=c", {"list": ["a", "b=c"]}),
        ("--switch", {"switch": ["true"]}),
        ("--switch=TRUE", {"switch": ["true"]}),
        ("--switch=false", {"switch": ["false"]}),
    ],
)
def test_flags(text: str, expected: dict[str, list[str]]) -> None:
    assert given(text) == expected


@pytest.mark.parametrize(
    "text", ["--other", "--text", "--list", "--text=a --text=b", "--switch=", "--switch=1"]
)
def test_wrong_flags(text: str) -> None:
    with pytest.raises(CirfileError):
        given(text)


def test_every_mistake_is_reported() -> None:
    _, errors = Reader(Source("Cirfile", "# syntax=a\n# syntax=b\nCOPY <<X a\n")).read()
    assert [error.code for error in errors] == ["repeated-directive", "unterminated-heredoc"]


def test_a_bracket_alone_is_no_array() -> None:
    """Only the exec form has no here-documents."""
    found = lines("COPY [ab].txt <<EOF /d/\nRUN x\nEOF\nCMD true\n")
    assert [line.keyword().text for line in found] == ["COPY", "CMD"]
    assert len(lines('COPY ["<<EOF", "/d/"]\nCMD true\n')) == 2
