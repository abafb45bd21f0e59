# SPDX-License-Identifier: Apache-2.0
"""Reads what a tool prints for --help, as CLI11 lays it out, into its parts. Whatever it does not understand is an error:
manual pages and completions are made of this and must not lose an option."""

import dataclasses
import re


class HelpError(Exception):
    pass


@dataclasses.dataclass
class Option:
    names: list      # ["-o", "--output"]; of a positional: ["IN"]
    value: str       # "TEXT", "" for a switch
    required: bool
    repeated: bool
    text: str

    @property
    def choices(self):
        """The words of a description that begins with a|b|c, e.g. "text|json (default: text)"."""
        found = re.match(r"[\w.+-]+(\|[\w.+-]+)+(?=[ ,;:)]|$)", self.text)
        return found.group().split("|") if found else []


@dataclasses.dataclass
class Help:
    tool: str
    summary: str       # the first paragraph
    usage: str
    positionals: list
    options: list
    footer: list       # paragraphs after the options


NAMES = re.compile(r"(?:(?P<names>-[\w-]+(?:,-{1,2}[\w-]+)*|--[\w-]+(?:,--[\w-]+)*)|(?P<positional>[A-Z][A-Z_]*))"
                   r"(?P<rest>.*)$")


def parseEntry(head, text):
    match = NAMES.match(head)
    if not match:
        raise HelpError(f"no option: '{head}'")
    rest = match["rest"].strip()
    required = "REQUIRED" in rest
    repeated = "..." in rest
    value = rest.replace("REQUIRED", "").replace("...", "").strip()
    value = re.sub(r"^\{.*\}$", "", value)                      # --stats{text}: the value may be left out
    value = re.sub(r":.*?(=|$)", r"\1", value).split("=")[0]    # INT:INT in [0 - 3]=2
    if value and not re.fullmatch(r"[A-Z]+", value):
        raise HelpError(f"no kind of value: '{value}' in '{head}'")
    names = match["names"].split(",") if match["names"] else [match["positional"]]
    return Option(names, value, required, repeated, text)


def parseHelp(tool, text):
    lines = text.rstrip().split("\n")
    summary, usage, sections, footer = [], "", {}, []
    current, entries = None, []
    for line in lines:
        if line.startswith("Usage:"):
            usage, current = line[len("Usage:"):].strip(), ""
        elif current is None:
            summary.append(line)
        elif re.fullmatch(r"(Positionals|Options):", line):
            current = line[:-1]
            sections[current] = entries = []
        elif current in sections and re.match(r"  \S", line):
            head, _, rest = line[2:].partition("  ")
            entries.append([head, rest.strip()])
        elif current in sections and re.match(r"\s{20,}\S", line):
            entries[-1][1] = (entries[-1][1] + " " + line.strip()).strip()
        elif not line.strip():
            if footer:
                footer.append("")
        elif current in sections and not line.startswith(" "):
            footer.append(line)
        else:
            raise HelpError(f"what is this line: '{line}'")
    if not usage or "Options" not in sections:
        raise HelpError("neither usage nor options")
    paragraphs = [" ".join(part.split("\n")) for part in "\n".join(footer).split("\n\n") if part.strip()]
    return Help(tool, " ".join(summary).strip(), usage,
                [parseEntry(*entry) for entry in sections.get("Positionals", [])],
                [parseEntry(*entry) for entry in sections["Options"]], paragraphs)
