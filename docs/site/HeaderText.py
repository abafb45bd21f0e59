# SPDX-License-Identifier: Apache-2.0
"""Reads a public header into declarations with their comments: text in, plain data out.

It knows the C++ that headers of this project are written in, not all of C++. What it cannot follow is an error, so
nothing is left out silently."""

import dataclasses
import re

KEYWORD = re.compile(r"^(?:template\s*<.*>\s*)?(?:typedef\s+)?(class|struct|enum class|enum|union|namespace)\b\s*(\w*)")
SECTION = re.compile(r"^// -- (.*?)(?: -+)?$")
RULE = re.compile(r"^// -+$")


@dataclasses.dataclass
class Item:
    kind: str  # namespace, class, enum, function, value, alias, section
    name: str
    text: str  # The declaration, without bodies.
    doc: list
    trailing: str = ""  # A comment behind the declaration: ///< ...
    line: int = 0
    apart: bool = False  # A blank line stands before it.
    members: list = dataclasses.field(default_factory=list)


class Malformed(Exception):
    pass


def withoutTemplates(text):
    text = text.replace("operator<=", "operator").replace("operator<<", "operator").replace("operator<", "operator")
    text = text.replace("operator>=", "operator").replace("operator>", "operator").replace("->", "")
    while True:
        shorter = re.sub(r"<[^<>]*>", "", text)
        if shorter == text:
            return text
        text = shorter


def isFunction(text):
    plain = withoutTemplates(text)
    if plain.startswith(("typedef", "using")):
        return False
    if "operator" in plain:
        return True
    head = plain.split("=")[0]
    return re.search(r"[\w~]\s*\(", head) is not None


def nameOf(text):
    plain = withoutTemplates(text)
    if match := re.match(r"using (\w+) =", plain):
        return match[1]
    if match := re.search(r"\(\*(\w+)\)", plain):
        return match[1]
    if match := re.search(r"\boperator\s*(\(\)|\[\]|[^\s(]*)", text):
        return "operator" + match[1]
    if isFunction(text):
        return re.search(r"(~?\w+)\s*\(", plain)[1]
    return re.search(r"(\w+)(?:\[\w*\])?$", re.split(r"[={;]", plain)[0].strip())[1]


class Reader:
    def __init__(self, text, file):
        self.text, self.file, self.at = text, file, 0

    def fail(self, what):
        raise Malformed(f"{self.file}:{self.text.count(chr(10), 0, self.at) + 1}: error: {what}")

    def restOfLine(self):
        end = self.text.find("\n", self.at)
        return self.text[self.at:len(self.text) if end < 0 else end]

    def skipQuoted(self):
        quote = self.text[self.at]
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != quote:
            self.at += 2 if self.text[self.at] == "\\" else 1
        self.at += 1

    def skipBraces(self):
        """From a '{' to behind its '}'."""
        depth = 0
        while self.at < len(self.text):
            c = self.text[self.at]
            if c == '"' or (c == "'" and not self.text[self.at - 1].isalnum()):
                self.skipQuoted()
                continue
            if self.text.startswith("//", self.at):
                self.at += len(self.restOfLine())
                continue
            depth += (c == "{") - (c == "}")
            self.at += 1
            if c == "}" and depth == 0:
                return
        self.fail("a '{' without its '}'")

    def statement(self):
        """The text up to the ';' or to the '{' of a body, and which of the two ended it."""
        start, depth, parts = self.at, 0, []
        while self.at < len(self.text):
            c = self.text[self.at]
            if c == '"' or (c == "'" and not self.text[self.at - 1].isalnum()):
                self.skipQuoted()
                continue
            if self.text.startswith("//", self.at):  # Within a declaration, such as one between parameters.
                parts.append(self.text[start:self.at])
                self.at += len(self.restOfLine())
                start = self.at
                continue
            if c == "{" and depth == 0:
                before = "".join(parts) + self.text[start:self.at]
                plain = before.strip()
                initializer = re.search(r"[=,(]\s*$|\bkind\s*$", plain) or (
                    not KEYWORD.match(plain) and not isFunction(plain) and plain and not plain.startswith("extern"))
                member = isFunction(plain) and re.search(r"\)\s*(const|noexcept)?\s*:.*\w$", plain, re.S)
                if not initializer and not member:
                    return plain, "{"
                self.skipBraces()
                continue
            depth += (c in "([") - (c in ")]")
            self.at += 1
            if c == ";" and depth == 0:
                return ("".join(parts) + self.text[start:self.at - 1]).strip(), ";"
        self.fail("a declaration without an end")

    def trailingComment(self):
        match = re.match(r"[ \t]*///<[ ]?(.*)", self.restOfLine())
        if not match:
            return ""
        said = [match[1]]
        self.at += len(self.restOfLine())
        while more := re.match(r"\n[ \t]*///<[ ]?(.*)", self.text[self.at:]):
            said.append(more[1])
            self.at += more.end()
        return " ".join(said)

    def items(self, owner=""):
        """Until the '}' that closes the scope, or the end."""
        result, doc, visible, apart = [], [], not owner.startswith("class"), False
        while self.at < len(self.text):
            c = self.text[self.at]
            if c == "\n":
                self.at += 1
                if re.match(r"[ \t]*\n", self.text[self.at:]):
                    doc, apart = [], True
                continue
            if c in " \t;":
                self.at += 1
                continue
            line = self.restOfLine().rstrip()
            if c == "#":
                while line.endswith("\\"):
                    self.at += len(self.restOfLine()) + 1
                    line = self.restOfLine().rstrip()
                self.at += len(self.restOfLine())
                continue
            if line.startswith("///"):
                doc.append(line[3:].removeprefix(" "))
                self.at += len(self.restOfLine())
                continue
            if line.startswith("//"):
                if (match := SECTION.match(line)) and not RULE.match(line) and visible:
                    result.append(Item("section", match[1], "", []))
                self.at += len(self.restOfLine())
                continue
            if c == "}":
                self.at += 1
                return result
            if match := re.match(r"(public|private|protected):", line):
                visible, doc = match[1] == "public", []
                self.at += match.end()
                continue
            number = self.text.count("\n", 0, self.at) + 1
            text, end = self.statement()
            item = self.declared(text, end, owner)
            if end == "{" and self.text.startswith(";", self.at):
                self.at += 1
            if item:
                item.doc, item.line, item.apart = doc, number, apart
                if not item.trailing:
                    item.trailing = self.trailingComment()
                if visible:
                    result.append(item)
            doc, apart = [], False
        if owner:
            self.fail(f"'{owner}' does not end")
        return result

    def declared(self, text, end, owner):
        text = re.sub(r"\n\s*requires\b", " requires", text)
        keyword = KEYWORD.match(text)
        if text.startswith('extern "C"') and end == "{":
            self.at += 1
            return Item("namespace", "", "", [], members=self.items("namespace"))
        if keyword and end == "{":
            kind = keyword[1]
            if kind.startswith("enum"):
                start = self.at
                self.skipBraces()
                return Item("enum", keyword[2], text + " " + self.text[start:self.at] + ";", [])
            self.at += 1
            inside = "namespace" if kind == "namespace" else ("class " if kind == "class" else "struct ") + keyword[2]
            name = text.removeprefix("namespace").strip() if kind == "namespace" else keyword[2]
            return Item("namespace" if kind == "namespace" else "class", name, text, [], members=self.items(inside))
        if keyword and end == ";" and not isFunction(text):
            return None  # Declared here, defined elsewhere.
        if text.startswith("friend") and "(" not in text or text.startswith(("static_assert", "using namespace")):
            return None
        if end == "{":
            if not isFunction(text):
                self.fail(f"what is '{text[:60]}'?")
            self.skipBraces()
        if isFunction(text):
            # What an inline constructor does with its members is not what it promises.
            text = re.sub(r"(\))((?:\s*(?:const|noexcept))*)\s*:(?!:)[^?]*$", r"\1\2", text, flags=re.S)
            text = re.sub(r"^(friend|inline)\s+", "", text)
            return Item("function", nameOf(text), text + ";", [])
        kind = "alias" if text.startswith(("using", "typedef")) else "value"
        return Item(kind, nameOf(text), text + ";", [])


def read(path):
    return Reader(path.read_text(), path).items()
