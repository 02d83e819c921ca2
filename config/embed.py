#!/usr/bin/env python3
"""Writes files as a C table: embed.py OUT.c TABLE FILE..."""
import os
import sys


def c_string(data):
    lines = data.split(b"\n")
    out = []
    for i, line in enumerate(lines):
        line += b"\n" if i + 1 < len(lines) else b""
        text = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else "\\%03o" % b for b in line)
        out.append('        "%s"' % text)
    return "\n".join(out)


def main():
    out, table, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(out, "w") as f:
        f.write('/* made by config/embed.py */\n#include "verdict/builtin.h"\n\n')
        f.write("const struct dsn_knowledge_file %s[] = {\n" % table)
        for path in paths:
            with open(path, "rb") as source:
                data = source.read()
            folder = os.path.basename(os.path.dirname(path))
            name = os.path.basename(path) if folder == "config" else folder + "/" + os.path.basename(path)
            f.write('    {"%s", {\n%s,\n        %d}},\n' % (name, c_string(data), len(data)))
        f.write("};\nconst size_t %s_count = %d;\n" % (table, len(paths)))


main()
