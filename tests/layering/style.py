#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sizes of functions and files. Prints the statistics, enforces the ends."""
import statistics

from rooms import Report, code, read, sources

P90, FUNCTION, FILE = 40, 100, 1000
report = Report()


def functions(path):
    """(place, lines of the body). In this style only a function has a { of its own in the
    first column."""
    start = None
    for number, line in enumerate(code(path).splitlines(), 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start:
            yield f"{path}:{start}", number - start - 1
            start = None


for top in ("lib", "tools", "tests"):
    found = sorted((n, place) for path in sources(top, ends=(".c", ".h"))
                   for place, n in functions(path))
    if not found:
        continue
    sizes = [n for n, place in found]
    p90 = sizes[int(len(sizes) * 0.9)] if len(sizes) > 1 else sizes[0]
    print(f"# {top}: {len(sizes)} functions, median {statistics.median(sizes):g} lines, "
          f"nine in ten up to {p90}, longest {sizes[-1]} ({found[-1][1]})")
    if top != "tests":
        report.rule(f"{top}: nine in ten functions are shorter than {P90} lines",
                    [] if p90 < P90 else [f"{place}: {n}" for n, place in found if n >= P90])
    report.rule(f"{top}: no function has {FUNCTION} lines",
                (f"{place}: {n}" for n, place in found if n >= FUNCTION))
report.rule(f"no file has {FILE} lines",
            (f"{path}: {n}" for path in sources("include", "lib", "tools", "tests", "man", "doc",
                                                ends=(".c", ".h", ".S", ".py", ".sh", ".md"))
             if (n := read(path).count("\n")) >= FILE))
report.rule("every source file names its licence",
            (path for path in sources("include", "lib", "tools", "tests",
                                      ends=(".c", ".h", ".S", ".py", ".sh"))
             if "SPDX-License-Identifier: LGPL-2.1-or-later" not in read(path)[:400]))
report.end()
