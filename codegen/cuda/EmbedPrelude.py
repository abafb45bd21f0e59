# SPDX-License-Identifier: Apache-2.0
"""EmbedPrelude.py OUT.cpp FILE.cuh...: the parts of the prelude as strings, each behind those that it needs."""
import re
import sys
from pathlib import Path

LITERAL = 8000  # characters; compilers limit the length of one literal


def read(path):
    lines = path.read_text().splitlines(keepends=True)
    if not lines or "SPDX-License-Identifier" not in lines[0]:
        sys.exit(f"{path}: the first line must be the licence")
    needs, body = [], []
    for line in lines[1:]:
        found = re.fullmatch(r"// Needs: ([\w, ]+)\n", line)
        if found and not "".join(body).strip():
            needs += [name.strip() for name in found[1].split(",")]
        else:
            body.append(line)
    return needs, body


def ordered(parts, name, done, path):
    """Appends to `done` what `name` needs, then `name`; returns all that it needs."""
    if name in path:
        sys.exit("parts of the prelude need each other: " + ", ".join(path))
    if name not in parts:
        sys.exit(f"{path[-1]}.cuh needs '{name}', which is no part of the prelude")
    needs = set()
    for need in parts[name][0]:
        needs |= {need} | ordered(parts, need, done, path + [name])
    if name not in done:
        done.append(name)
    return needs


def literals(lines):
    text, piece = "", ""
    for line in lines:
        if len(piece) + len(line) > LITERAL:
            text += f'R"cuda({piece})cuda"\n'
            piece = ""
        piece += line
    return text + f'R"cuda({piece})cuda"'


def main():
    output, files = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    parts = {path.stem: read(path) for path in files}
    if "Base" not in parts:
        sys.exit("the prelude has no part Base")
    for name in parts:
        if name != "Base" and "Base" not in parts[name][0]:
            parts[name][0].insert(0, "Base")
    order, needs = [], {}
    for name in sorted(parts):
        needs[name] = ordered(parts, name, order, [])
    text = "// SPDX-License-Identifier: Apache-2.0\n"
    text += '#include "sinter/codegen/cuda/Prelude.h"\n\nnamespace sinter::cuda {\n\n'
    text += "std::span<const PreludePart> preludeParts() {\n  static constexpr PreludePart parts[] = {\n"
    for name in order:
        all_needs = "," + "".join(need + "," for need in sorted(needs[name]))
        text += f'{{"{name}", "{all_needs}", {literals(parts[name][1])}}},\n'
    text += "};\n  return parts;\n}\n\n} // namespace sinter::cuda\n"
    output.write_text(text)


main()
