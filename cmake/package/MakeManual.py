#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the manual page of a tool, and its completions for bash, zsh and fish, from its own --help."""

import argparse
import pathlib
import re
import subprocess
import sys

from HelpText import HelpError, parseHelp

TOOLS = ["fused-bench", "graph-compile", "graph-run"]


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"^([.'])", r"\\&\1", text)


def manualPage(page, version):
    short = page.summary.split(". ")[0].split(": ")[0].rstrip(".:")
    out = [f'.TH {page.tool.upper()} 1 "" "Sinter {version}" "Sinter"',
           ".SH NAME", f"{roff(page.tool)} \\- {roff(short[0].lower() + short[1:])}",
           ".SH SYNOPSIS", f".B {roff(page.tool)}", roff(page.usage.removeprefix(page.tool).strip()),
           ".SH DESCRIPTION", ".ad l", roff(page.summary)]
    for option in page.positionals:
        out += [".TP", f".I {roff(option.names[0])}", roff(option.text)]
    out.append(".SH OPTIONS")
    for option in page.options:
        value = f" \\fI{roff(option.value)}\\fR" if option.value else ""
        names = ", ".join(f"\\fB{roff(name)}\\fR" for name in option.names)
        out += [".TP", names + value, roff(option.text)]
    notes = []
    for paragraph in page.footer:
        before, found, codes = paragraph.partition("Exit codes:")
        if before.strip():
            notes += [".PP", roff(before.strip())]
        if found:
            out.append(".SH EXIT STATUS")
            for code in codes.strip().rstrip(".").split(","):
                number, _, meaning = code.strip().partition(" ")
                out += [".TP", f".B {number}", roff(meaning)]
    if notes:
        out += [".SH NOTES"] + notes
    others = ",\n".join(f".BR {roff(tool)} (1)" for tool in TOOLS if tool != page.tool)
    out += [".SH SEE ALSO", others, ""]
    return "\n".join(out)


def quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def bashCompletion(page):
    function = "_" + page.tool.replace("-", "_")
    words = [name for option in page.options for name in option.names if name.startswith("--") or len(name) == 2]
    cases = []
    for option in page.options:
        if option.value and option.choices:
            pattern = "|".join(option.names)
            cases.append(f"    {pattern}) COMPREPLY=($(compgen -W {quote(' '.join(option.choices))} -- \"$word\")) ;;")
    cases.append("    *) COMPREPLY=($(compgen -f -- \"$word\")); compopt -o filenames 2>/dev/null ;;")
    return f"""# Completion of {page.tool} for bash; written from its --help.
{function}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} option=${{COMP_WORDS[COMP_CWORD-1]}}
  COMPREPLY=()
  if [[ $word == "=" ]]; then
    word=
  elif [[ $option == "=" ]]; then
    option=${{COMP_WORDS[COMP_CWORD-2]}}
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W {quote(' '.join(words))} -- "$word"))
    return
  fi
  case $option in
{chr(10).join(cases)}
  esac
}}
complete -F {function} {page.tool}
"""


def zshText(text):
    text = text.split(";")[0]
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "’")


def zshCompletion(page):
    lines = []
    for option in page.options:
        for name in option.names:
            star = "*" if option.repeated else ""
            others = "" if option.repeated or len(option.names) == 1 else "(" + " ".join(option.names) + ")"
            spec = f"{others}{star}{name}{'=' if option.value and name.startswith('--') else ''}[{zshText(option.text)}]"
            if option.value:
                action = f"({' '.join(option.choices)})" if option.choices else "_files"
                spec += f":{option.value.lower()}:{action}"
            lines.append(quote(spec))
    lines.append(quote("*:file:_files"))
    return f"#compdef {page.tool}\n# Written from its --help.\n_arguments -S \\\n  " + " \\\n  ".join(lines) + "\n"


def fishCompletion(page):
    lines = [f"# Completion of {page.tool} for fish; written from its --help."]
    for option in page.options:
        line = f"complete -c {page.tool}"
        for name in option.names:
            line += f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
        if option.value:
            line += " -r"
        if option.choices:
            line += f" -f -a {quote(' '.join(option.choices))}"
        lines.append(line + " -d " + quote(option.text.split(";")[0]).replace("'\\''", "\\'"))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("tools", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for tool in arguments.tools:
        text = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True).stdout
        try:
            page = parseHelp(tool.name, text)
        except HelpError as error:
            sys.exit(f"{tool.name} --help: {error}")
        for name, content in [(f"{tool.name}.1", manualPage(page, arguments.version)),
                              (f"{tool.name}.bash", bashCompletion(page)), (f"_{tool.name}", zshCompletion(page)),
                              (f"{tool.name}.fish", fishCompletion(page))]:
            (arguments.output / name).write_text(content)


if __name__ == "__main__":
    main()
