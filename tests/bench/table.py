# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lines for who waits, and the tables of bench.md."""

import statistics

from rows import OURS, PLAIN, quartiles


def spread(values, digits=2):
    s = quartiles(values)
    return f"{s['median']:.{digits}f} ({s['q1']:.{digits}f} - {s['q3']:.{digits}f})"


def two(row):
    cells = "  ".join(f"{name} {spread(values)}" for name, values in row.columns.items())
    return f"{row.name:<36} {row.unit:<4} {cells}  x{row.ratio():.2f} {row.more():+.2f}"


def touch(row):
    cells = "  ".join(f"{name} {row.median(name):.0f}" for name in row.columns)
    return f"{row.name} x{row.extra['threads']}: {cells}"


def latency(row):
    cells = "  ".join(f"{name} {spread(values)}" for name, values in row.columns.items())
    return f"{row.name:<20} {row.unit}  {cells}"


def table(head, lines):
    yield ""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(line)} |" for line in lines)


def two_table(rows):
    if rows:
        yield from table(("what", "unit", PLAIN, OURS, "ratio", "more"),
                         ([row.name, row.unit, spread(row.columns[PLAIN]),
                           spread(row.columns[OURS]), f"{row.ratio():.2f}", f"{row.more():+.2f}"]
                          for row in rows))


def program_table(rows):
    """One line for each program; of time and memory what was plain, and the ratio."""
    names = list(dict.fromkeys(row.extra["program"] for row in rows))
    whats = list(dict.fromkeys(row.extra["what"] for row in rows))
    if not names:
        return
    find = {(row.extra["program"], row.extra["what"]): row for row in rows}
    lines = []
    for name in names:
        line = [name]
        for what in whats:
            row = find[name, what]
            line += [f"{row.median(PLAIN):.1f} {row.unit}", f"{row.ratio():.2f}"]
        lines.append(line)
    mean = ["geometric mean"]
    for what in whats:
        mean += ["", f"{statistics.geometric_mean(find[n, what].ratio() for n in names):.2f}"]
    yield from table(["program", *(cell for what in whats for cell in (what, "ratio"))],
                     [*lines, mean])


def touch_tables(rows):
    if not rows:
        return
    names = list(dict.fromkeys(name for row in rows for name in row.columns))
    lines, scaling = [], []
    for row in rows:
        first = [row.name.removeprefix("first touch "), str(row.extra["threads"])]
        lines.append(first + [spread(row.columns[name], 0) if name in row.columns else ""
                              for name in names])
        if row.extra["threads"] > 1:
            scaling.append([first[0]] + [f"{row.extra['scaling'][name]:.2f}"
                                         if name in row.columns else "" for name in names])
    yield from table(["first touch, ns/page", "threads", *names], lines)
    yield from table(["two threads, times as fast as one", *names], scaling)


def latency_table(rows):
    if rows:
        names = list(rows[0].columns)
        yield from table(["what", "unit", *names],
                         ([row.name, row.unit, *(spread(row.columns[name]) for name in names)]
                          for row in rows))


def file_table(rows):
    names = list(dict.fromkeys(name for row in rows for name in row.columns))
    if rows:
        yield from table(["what", "unit", *names],
                         ([row.name, row.unit, *(spread(row.columns[name], 0)
                                                 if name in row.columns else "" for name in names)]
                          for row in rows))


def bar_table(bars):
    if bars:
        yield from table(("bar", "measured", "limit", ""),
                         ([bar.name, f"{bar.figure:.2f}", bar.limit_text(),
                           "met" if bar.met else "**missed**"] for bar in bars))


def markdown(title, bench, bars, find_vma):
    """@find_vma: the lines of lookups.py, which has tables of its own."""
    def section(*names):
        return [row for row in bench.rows if row.section in names]

    lines = [title, *(line for note in bench.notes for line in ("", note)),
             *bar_table(bars), *two_table(section("start", "churn")),
             *program_table(section("programs")), *touch_tables(section("touch")),
             *latency_table(section("latency")), *file_table(section("files")), *find_vma]
    return "\n".join(lines) + "\n"
