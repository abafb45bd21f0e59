# SPDX-License-Identifier: Apache-2.0
"""EmbedSupport.py OUT.cpp ProgramAbi.h ISA=FILE.bc...: the support code of generated libraries as constants."""
import sys
from pathlib import Path

WIDTH = 24  # bytes a line


def literal(data):
    if not data:
        return '""'
    lines = (data[i:i + WIDTH] for i in range(0, len(data), WIDTH))
    return "\n".join('"' + "".join(f"\\{byte:03o}" for byte in line) + '"' for line in lines)


def main():
    output, header = Path(sys.argv[1]), Path(sys.argv[2])
    text = "// SPDX-License-Identifier: Apache-2.0\n"
    text += '#include "sinter/codegen/cpu/Interface.h"\n\nnamespace sinter::cpu {\n\n'
    text += "std::string_view supportCode(TargetInfo::Isa isa) {\n"
    for argument in sys.argv[3:]:
        isa, path = argument.split("=", 1)
        data = Path(path).read_bytes()
        text += f"  if (isa == TargetInfo::Isa::{isa})\n    return {{{literal(data)}, {len(data)}}};\n"
    text += '  throw Error({.kind = ErrorKind::Internal}, "no support code for this processor");\n}\n\n'
    # The licence line belongs to this file, not to what is generated for others.
    abi = header.read_text().split("\n", 1)[1]
    text += f'std::string_view programAbiText() {{\n  return R"abi({abi})abi";\n}}\n\n}} // namespace sinter::cpu\n'
    output.write_text(text)


main()
