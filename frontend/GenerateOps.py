#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the frontend's functions, the methods of Tensor and docs/operators.md.

Functions come from the records of ir/Ops.td (as JSON of llvm-tblgen): every op whose `frontend` is "function".
Methods come from those and from every function in the headers listed below whose first parameter is a tensor.
"""
import argparse
import json
import pathlib
import re
import sys

# Where the op's name is no C++ name, or means a reduction in NumPy.
CPP_NAMES = {"and": "logicalAnd", "or": "logicalOr", "not": "logicalNot", "xor": "logicalXor",
             "max": "maximum", "min": "minimum"}
# Where the friendlier function has another name than the op.
MANUAL_NAMES = {"reduce_sum": "sum", "reduce_prod": "prod", "reduce_max": "max", "reduce_min": "min",
                "broadcast": "broadcastTo", "window_read": "windows", "window_write": "overlapAdd",
                "convolution": "conv"}
LOC = "std::source_location loc"
LOC_DEFAULT = LOC + " = std::source_location::current()"
HERE = pathlib.Path(__file__).resolve().parent
# The headers whose functions are methods, and stand in docs/operators.md in this order. Those of STRUCTURAL are forms of
# single ops; those of COMPOSITE are functions made of ops.
STRUCTURAL = ["Structural.h", "Indexing.h", "nn/Windows.h"]
COMPOSITE = ["Composite.h", "Arrange.h", "Einsum.h", "LinearAlgebra.h", "Quantize.h", "Random.h",
             "nn/Activation.h", "nn/Loss.h", "nn/Convolution.h", "nn/Pooling.h", "nn/Normalization.h", "nn/Resize.h",
             "nn/Attention.h", "nn/Recurrent.h"]


class Op:
    def __init__(self, record):
        self.mnemonic = record["opName"]
        self.summary = record["summary"]
        self.description = record["description"] or ""
        self.kind = record["frontend"]
        self.no_derivative = record["noDerivative"]
        self.vjp = record.get("vjp")
        self.differentiable = any("Sinter_Differentiable" in t for t in record["traitNames"])
        self.operands = [(name, type["def"]) for type, name in record["arguments"]["args"]]
        self.results = [(name, type["def"]) for type, name in record["results"]["args"]]
        name = CPP_NAMES.get(self.mnemonic) or MANUAL_NAMES.get(self.mnemonic, self.mnemonic)
        self.name = re.sub(r"_(.)", lambda m: m.group(1).upper(), name)
        # Regions are made by passes, not by users.
        self.internal = bool(record["regions"]["args"]) or "Sinter_IsTerminator" in record["traitNames"]
        self.elementwise = "Sinter_ElementwiseOp" in record["!superclasses"]


# What functions return.
STRUCTS = ["TopK", "Quantized", "LstmState", "RecurrentResult"]
RESULTS = "|".join(["Tensor", "std::vector<Tensor>"] + STRUCTS)
# What Ops.h knows completely; other structs of options are declared there only.
KNOWN_TYPES = set(re.findall(r"^(?:struct|class|enum class) (\w+)", (HERE / "OpArguments.h").read_text(), re.M))
OPTIONS = re.compile(r"const (\w+Options) &\w+")


class Function:
    """A declaration in a header: Tensor name(const Tensor &x, ...);"""

    def __init__(self, result, name, parameters, doc):
        self.result, self.name, self.doc = result, name, doc
        self.parameters = parameters  # [(declaration, default or None)]

    @property
    def is_method(self):
        if any("Recurrent" in declaration or "LstmState" in declaration for declaration, _ in self.parameters):
            return False  # Ops.h knows no weights and no states.
        return re.fullmatch(r"const (Tensor|Operand) &\w+", self.parameters[0][0]) is not None

    def declaration(self):
        return declare(self.parameters)

    def names(self, skip=0):
        return [re.search(r"(\w+)$", d).group(1) for d, _ in self.parameters[skip:]]

    def structs(self):
        """The structs that Ops.h only declares."""
        names = re.findall(r"const (\w+(?:Options|Weights)) &", self.declaration()) + [self.result]
        return {name for name in names if name not in KNOWN_TYPES and "Tensor" not in name}

    def options(self):
        """The struct of options that Ops.h does not know completely, or None."""
        structs = [m.group(1) for d, _ in self.parameters if (m := OPTIONS.fullmatch(d))]
        return next((s for s in structs if s not in KNOWN_TYPES), None)

    def overloads(self):
        """Its methods as (parameters, arguments). Default options that Ops.h does not know make an overload without."""
        parameters, names = self.parameters[1:], self.names(1)
        at = next((i for i, (d, _) in enumerate(parameters) if OPTIONS.fullmatch(d) and self.options()), -1)
        own = [(d, None if i <= at else v) for i, (d, v) in enumerate(parameters)]
        result = [(own, names)]
        if any(OPTIONS.fullmatch(d) and v for d, v in parameters) and self.options():
            rest = [(d, v) for d, v in parameters if not OPTIONS.fullmatch(d)]
            result.insert(0, (rest, ["{}" if OPTIONS.fullmatch(d) else n for (d, _), n in zip(parameters, names)]))
        return result


def declare(parameters):
    return ", ".join(d + (f" = {v}" if v else "") for d, v in parameters)


def load_ops(path):
    records = json.loads(pathlib.Path(path).read_text())
    ops = []
    for name in records["!instanceof"]["Sinter_Op"]:
        record = records[name]
        record["traitNames"] = [records[t["def"]].get("cppInterfaceName") or records[t["def"]].get("trait") or ""
                                for t in record["traits"]]
        record["traitNames"] = ["Sinter_" + t for t in record["traitNames"]]
        ops.append((record["!locs"][-1], Op(record)))
    # In the order of the definitions.
    def position(entry):
        file, line = entry[0].rsplit(":", 1)
        return (pathlib.Path(file).name, int(line))
    dialect = records["Sinter_Dialect"]
    return [op for _, op in sorted(ops, key=position)], dialect


def split_top_level(text):
    """Splits at commas outside brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += c in "(<{["
        depth -= c in ")>}]"
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [p.strip() for p in parts + [text[start:]] if p.strip()]


def parse_header(path):
    """The functions of a header, with their doc comments and section titles."""
    entries, doc, statement, section = [], [], "", ""
    for line in path.read_text().splitlines():
        title = re.match(r"// -- (.*?) -+$", line)
        if title:
            section = title.group(1)
        elif line.startswith("///"):
            doc.append(line[3:].strip())
        elif statement or re.match(rf"\s*({RESULTS}) \w+\(", line):
            statement += " " + line.strip()
            match = re.fullmatch(rf" ({RESULTS}) (\w+)\((.*)\)( const)?;", statement)
            if not match:
                if statement.endswith(("{", "}")):
                    statement = ""  # A definition.
                continue
            parameters = []
            for parameter in split_top_level(match.group(3)):
                declaration, _, default = parameter.partition(" = ")
                parameters.append((declaration, default or None))
            entries.append((section, Function(match.group(1), match.group(2), parameters, " ".join(doc))))
            doc, statement = [], ""
        elif not line.strip():
            doc = []
    return entries


def parse_structs(path):
    """The plain structs of a header as text, with what is said before them."""
    structs, lines, inside = [], [], False
    for line in path.read_text().splitlines():
        inside = inside or re.fullmatch(r"struct \w+ \{", line) is not None
        if inside or line.startswith("///"):
            lines.append(line)
        if inside and line == "};":
            structs.append("\n".join(lines))
            inside = False
        if not inside and not line.startswith("///"):
            lines = []
    return structs


def op_function(op):
    loc = (LOC, "std::source_location::current()")
    if len(op.operands) == 1:
        parameters = [("const Tensor &" + op.operands[0][0], None), loc]
    else:
        parameters = [("const Operand &" + name, None) for name, _ in op.operands] + [loc]
    return Function("Tensor", op.name, parameters, op.summary)


HEADER = """// SPDX-License-Identifier: Apache-2.0
// Generated by frontend/GenerateOps.py.
"""


def wrap(words, indent):
    lines, line = [], indent
    for word in words.split():
        if len(line) + len(word) > 98 and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += word + " "
    return "\n".join(lines + [line.rstrip()])


def emit_header(ops, methods):
    out = HEADER + """#pragma once

#include "sinter/frontend/OpArguments.h"
#include "sinter/ir/base/DType.h"
#include "sinter/ir/base/Shape.h"

#include <source_location>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

class Operand;
class Tensor;
"""
    out += "".join(f"struct {name};\n" for name in sorted({n for f in methods for n in f.structs()}))
    out += """
/// The methods of Tensor.
class TensorOps {
public:
"""
    for f in methods:
        for parameters, _ in f.overloads():
            out += wrap(f.doc, "  /// ") + "\n"
            out += f"  {f.result} {f.name}({declare(parameters)}) const;\n"
    out += """
private:
  friend class Tensor;
  TensorOps() = default;
  const Tensor &self() const;
};

"""
    for op in ops:
        f = op_function(op)
        out += wrap(f.doc, "/// ") + "\n" + f"{f.result} {f.name}({f.declaration()});\n"
    return out + "\n} // namespace sinter\n#pragma GCC visibility pop\n"


def emit_source(ops, methods):
    out = HEADER + '#include "sinter/frontend/Ops.h"\n\n'
    headers = sorted(STRUCTURAL + COMPOSITE + ["Elementwise.h", "Tensor.h"])
    out += "".join(f'#include "sinter/frontend/{name}"\n' for name in headers)
    out += """
namespace sinter {

const Tensor &TensorOps::self() const { return static_cast<const Tensor &>(*this); }

"""
    for op in ops:
        f = op_function(op)
        plain = ", ".join(d for d, _ in f.parameters)
        operands = ", ".join(n if len(op.operands) > 1 else f"Operand({n}, loc)" for n, _ in op.operands)
        out += (f"{f.result} {f.name}({plain}) {{\n"
                f'  return elementwise("sinter.{op.mnemonic}", "{op.name}", {{{operands}}}, loc);\n}}\n')
    out += "\n"
    for f in methods:
        for parameters, names in f.overloads():
            plain = ", ".join(d for d, _ in parameters)
            arguments = ", ".join(["self()"] + names)
            out += f"{f.result} TensorOps::{f.name}({plain}) const {{ return sinter::{f.name}({arguments}); }}\n"
    return out + "\n} // namespace sinter\n"


def strip_indent(text):
    lines = text.strip("\n").splitlines()
    indent = min((len(l) - len(l.lstrip()) for l in lines if l.strip()), default=0)
    return "\n".join(l[indent:] for l in lines).strip()


def signature(f):
    plain = [p for p in f.parameters if p[0] != LOC]
    return f"{f.result} {f.name}(" + ", ".join(d + (f" = {v}" if v else "") for d, v in plain) + ")"


TYPES = {"Sinter_FloatTensor": "floats", "Sinter_NumericTensor": "numbers", "Sinter_IntegerTensor": "integers",
         "Sinter_IntTensor": "i32, i64", "Sinter_BoolTensor": "bool", "Sinter_AnyTensor": "any dtype"}


def derivative(op):
    if op.no_derivative:
        return "none: " + op.no_derivative
    if op.vjp is None:
        return "yes" if op.differentiable else ""
    if not any(op.vjp):
        return "zero"
    terms = [f"d{name} = `{term}`" for (name, _), term in zip(op.operands, op.vjp) if term]
    return ", ".join(terms) + " (dy: cotangent, y: result)"


def manual_functions(structural):
    """The functions by name that ops without a generated one have."""
    result = {}
    for _, f in structural + parse_header(HERE / "Gradients.h"):
        result.setdefault(f.name, []).append(f)
    for _, f in parse_header(HERE / "Graph.h"):
        if f.name not in result:
            result[f.name] = [Function(f.result, "Graph::" + f.name, f.parameters, f.doc)]
    return result


def emit_docs(ops, dialect, structural, composite):
    manual = manual_functions(structural + composite)
    out = """<!-- Generated by frontend/GenerateOps.py from ir/*.td and the headers of frontend. -->
# Operators

Every function takes a `std::source_location loc = std::source_location::current()` as its last parameter (not shown), and
every function whose first parameter is a tensor is a method of `Tensor` as well. An `Operand` is a tensor or a number.

"""
    out += strip_indent(dialect["description"]) + "\n"
    groups = [("Elementwise operators", [op for op in ops if op.elementwise]),
              ("Structural operators", [op for op in ops if not op.elementwise])]
    for title, members in groups:
        out += f"\n## {title}\n"
        for op in members:
            out += f"\n### `sinter.{op.mnemonic}`\n\n{strip_indent(op.summary)}\n"
            functions = [op_function(op)] if op.kind == "function" else manual.get(op.name, [])
            if functions:
                out += "\n```cpp\n" + "\n".join(signature(f) + ";" for f in functions) + "\n```\n"
            if op.description.strip():
                out += "\n" + strip_indent(op.description) + "\n"
            facts = []
            types = [f"{name}: {TYPES[type]}" for name, type in op.operands if type in TYPES]
            if types:
                facts.append("- Operands: " + "; ".join(types))
            if derivative(op):
                facts.append("- Derivative: " + derivative(op))
            if facts:
                out += "\n" + "\n".join(facts) + "\n"
    known = {op.name for op in ops}
    others = [f for _, f in structural if f.name not in known]
    out += "\n## Functions made of operators\n"
    last = None
    for section, f in [("Shapes and creation", f) for f in others] + composite:
        if section != last:
            out += f"\n### {section}\n\n"
            last = section
        out += f"- `{signature(f)}`: {f.doc}\n"
    out += "\n## Options and results\n"
    for header in ["OpArguments.h"] + STRUCTURAL + COMPOSITE:
        for text in parse_structs(HERE / header):
            out += f"\n```cpp\n{text}\n```\n"
    return out


def write_if_changed(path, text):
    path = pathlib.Path(path)
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", help="llvm-tblgen --dump-json ir/Ops.td")
    parser.add_argument("--header")
    parser.add_argument("--source")
    parser.add_argument("--depfile", help="where to write what --source was made from, for the build")
    parser.add_argument("--docs", help="the reference page to write")
    parser.add_argument("--check", help="the reference page to compare with what would be written")
    options = parser.parse_args()
    ops, dialect = load_ops(options.json)
    structural = [entry for header in STRUCTURAL for entry in parse_header(HERE / header)]
    composite = [entry for header in COMPOSITE for entry in parse_header(HERE / header)]
    functions = [op for op in ops if op.kind == "function"]
    known = manual_functions(structural + composite)
    missing = [op.mnemonic for op in ops if op.kind == "manual" and not op.internal and op.name not in known]
    if missing:
        print(f"no function in frontend/*.h for: {', '.join(missing)}", file=sys.stderr)
        return 1
    methods = [op_function(op) for op in functions]
    methods += [f for _, f in structural + composite if f.is_method]
    if options.header:
        write_if_changed(options.header, emit_header(functions, methods))
    if options.source:
        write_if_changed(options.source, emit_source(functions, methods))
    if options.depfile:
        inputs = " ".join(str(HERE / name) for name in STRUCTURAL + COMPOSITE + ["OpArguments.h"])
        write_if_changed(options.depfile, f"{options.source} {options.header}: {inputs}\n")
    docs = emit_docs(ops, dialect, structural, composite)
    if options.docs:
        write_if_changed(options.docs, docs)
    if options.check and pathlib.Path(options.check).read_text() != docs:
        print(f"{options.check} is stale; write it with:\n"
              f"  {sys.executable} {sys.argv[0]} {options.json} --docs {options.check}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
