"""Import statements of a source, found without parsing it: a part of the program, see the package."""

TEXT = r'''
INTERESTING = b"import"
# How far a statement is looked for before the word, and behind it: lines of data may have megabytes.
NEAR, FAR = 1000, 20000
NEVER = (b"if TYPE_CHECKING", b"if typing.TYPE_CHECKING", b"if t.TYPE_CHECKING")
BLOCK = re.compile(rb"^(?:async|class|def|elif|else|except|finally|for|if|try|while|with|@)[^\n]*", re.M)


class Blocks:
    """Which statement in the first column an indented line belongs to."""

    def __init__(self, source):
        self.starts, self.lines = [], []
        for found in BLOCK.finditer(source):
            self.starts.append(found.start())
            self.lines.append(found.group())

    def inner(self, place, indent):
        """Whether a line is in a function, so that it runs later if at all; None if it never runs."""
        number = bisect.bisect(self.starts, place) - 1
        line = self.lines[number] if number >= 0 else b""
        if line.startswith(NEVER):
            return None
        return line.startswith((b"def", b"async", b"@")) or (line.startswith(b"class") and indent > 4)


def imports(source, everywhere):
    """Yield (level, module, names) of the imports of a source, roughly: too much does no harm.

    Those in functions only where they count.
    """
    blocks = None
    for begin, indent, level, module, names in statements(source):
        if indent:
            blocks = blocks or Blocks(source)
            inner = blocks.inner(begin, indent)
            if inner is None or (inner and not everywhere):
                continue
        yield level, module, names


def statements(source):
    """Yield (place, indent, level, module, names) of what looks like an import."""
    place = source.find(INTERESTING)
    while place >= 0:
        near = max(0, place - NEAR)
        begin = max(source.rfind(b"\n", near, place), source.rfind(b";", near, place), near - 1) + 1
        before = source[begin:place]
        indent = len(before) - len(before.lstrip()) if source[begin - 1 : begin] != b";" else 4
        before = before.strip()
        end = source.find(b"\n", place, place + FAR)
        end = min(len(source), place + FAR) if end < 0 else end
        after = source[place + 6 : end]
        place = source.find(INTERESTING, place + 6)
        if after[:8] == b"_module(":
            text = after[8:].lstrip()
            module = text[1:].partition(text[:1])[0] if text[:1] in (b"'", b'"') else b""
            level = len(module) - len(module.lstrip(b"."))
            yield begin, indent, level, module[level:], []
            continue
        if after[:1] not in b" \t(*\\":
            continue
        if before.startswith(b"from") and before[4:5] in b" \t.":
            module = before[4:].strip()
            level = len(module) - len(module.lstrip(b"."))
            text = whole(source, after.partition(b"#")[0], end + 1)
            names = text.partition(b";")[0].replace(b"(", b" ").replace(b")", b" ").split(b",")
            names = [name.split()[0] for name in names if name.split()]
            yield begin, indent, level, module[level:].strip(), names
        elif not before or before.endswith(b":"):
            for part in after.partition(b"#")[0].partition(b";")[0].split(b","):
                if part.split():
                    yield begin, indent, 0, part.split()[0], []


def whole(source, text, place):
    """The names of a from-import, with the lines that follow where it goes on, without comments."""
    opened = b"(" in text
    while (opened and b")" not in text) or (not opened and text.rstrip().endswith(b"\\")):
        if len(text) > 20000 or place >= len(source):
            break
        end = source.find(b"\n", place)
        end = len(source) if end < 0 else end
        text = text.rstrip().rstrip(b"\\") + b" " + source[place:end].partition(b"#")[0]
        opened = opened or b"(" in text
        place = end + 1
    return text
'''
