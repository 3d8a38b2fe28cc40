#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the objects of each room define and need, and what the library shows."""
import fnmatch
import re

from rooms import NM, OBJDUMP, PURE, READELF, ROOMS, Report, archives, code, library, read, run

# Made by the linker inside the library.
LINKER_SYMBOLS = ("_GLOBAL_OFFSET_TABLE_", "__ehdr_start", "__bss_start", "_end")

report = Report()


def undefined(room):
    """symbol: object that needs it"""
    found, obj = {}, "?"
    for line in run(NM, "-u", *archives(room)).splitlines():
        if line.endswith(":"):
            obj = line[:-1]
        elif line.strip():
            found[line.split()[-1]] = obj
    return found


def defined(room):
    lines = run(NM, "--defined-only", "-g", *archives(room)).splitlines()
    return {f[2] for f in map(str.split, lines) if len(f) == 3}


defined_by = {room: defined(room) for room in ROOMS}


def where(symbol):
    owners = [r for r in ROOMS if symbol in defined_by[r]]
    return "lib/" + owners[0] if owners else "outside the library"


for room, uses in ROOMS.items():
    allowed = set.union(defined_by[room], *(defined_by[r] for r in uses))
    report.rule(
        f"lib/{room} calls only {', '.join(uses + ['itself'])}",
        (f"{obj} needs {sym}, which is {where(sym)}"
         for sym, obj in sorted(undefined(room).items())
         if sym not in allowed and sym not in LINKER_SYMBOLS))


def data_symbols(room):
    """(symbol, section) of everything that can change. Constant tables of pointers live in
    .data.rel.ro, which nm calls data as well: the section tells them apart."""
    found = set()
    for line in run(OBJDUMP, "-t", *archives(room)).splitlines():
        m = re.match(r"[0-9a-f]{16} (.{7}) (\S+)\s+[0-9a-f]+ (?:\.hidden )?(\S+)$", line)
        # Objects, and thread-local symbols, which carry no "O".
        if m and ("O" in m.group(1) or m.group(2).startswith((".tdata", ".tbss"))):
            found.add((m.group(3), m.group(2)))
    return sorted(found)


def writable(section):
    return (section.startswith((".data", ".bss", "*COM*", ".ldata", ".lbss"))
            and not section.startswith(".data.rel.ro"))


report.rule("the model (lib/mm) has no mutable data",
            (f"{sym} in {sec}" for sym, sec in data_symbols("mm") if writable(sec)))
report.rule("no thread-local storage: the engine's tasks borrow the program's",
            (f"lib/{room}: {sym} in {sec}" for room in ROOMS for sym, sec in data_symbols(room)
             if sec.startswith((".tdata", ".tbss"))))
def visible(room):
    """Defined symbols of default visibility."""
    lines = run(READELF, "-sW", *archives(room)).splitlines()
    return sorted({line.split()[-1] for line in lines
                   if re.search(r"GLOBAL +DEFAULT +[0-9]", line)})


lib = library()
report.rule("libshadowmm.so needs no symbol",
            run(NM, "-D", "-u", lib).split("\n")[:-1])
dynamic = run(READELF, "-dW", lib)
report.rule("libshadowmm.so needs no library", re.findall(r".*\(NEEDED\).*", dynamic))
report.rule("libshadowmm.so has no text relocation", re.findall(r".*TEXTREL.*", dynamic))
report.rule("libshadowmm.so does not ask for an executable stack",
            re.findall(r".*GNU_STACK.*RWE.*", run(READELF, "-lW", lib)))

exported = {line.split()[2] for line in run(NM, "-D", "--defined-only", lib).splitlines()
            if line.split()[1] != "A"}
version_map = code("lib/version.map")
patterns = re.search(r"global:(.*?)(local:|})", version_map, re.S).group(1)
patterns = [p.strip() for p in patterns.split(";") if p.strip()]
report.rule("everything else is local in lib/version.map",
            [] if re.search(r"local:\s*\*\s*;", version_map) else ["no `local: *`"])
report.rule("every exported symbol is in lib/version.map",
            (s for s in sorted(exported) if not any(fnmatch.fnmatch(s, p) for p in patterns)))
report.rule("every line of lib/version.map exports something",
            (p for p in patterns if not fnmatch.filter(exported, p)))
report.rule("what a room does not hide is in lib/version.map",
            (f"lib/{room}: {symbol}" for room in ROOMS for symbol in visible(room)
             if not any(fnmatch.fnmatch(symbol, p) for p in patterns)))
header = set(re.findall(r"\b(shadowmm_\w+)\([^;{]*\)\s*(?:SHADOWMM_WEAK|__attribute__\(\(weak\)\));",
                        code("include/shadowmm/shadowmm.h")))
public = {s for s in exported if s.startswith("shadowmm_")}
report.rule("exported shadowmm_* are the functions of shadowmm.h",
            [f"{s} is exported and not declared" for s in sorted(public - header)] +
            [f"{s} is declared and not exported" for s in sorted(header - public)])


def instructions(room):
    """(function, instruction) of all code of a room."""
    function = "?"
    for line in run(OBJDUMP, "-d", "--no-show-raw-insn", *archives(room)).splitlines():
        if m := re.match(r"[0-9a-f]+ <(.*)>:", line):
            function = m.group(1)
        elif m := re.match(r"\s+[0-9a-f]+:\s+(.*)", line):
            yield function, m.group(1)


for room in PURE:
    report.rule(f"lib/{room} never enters the kernel",
                (f"{f}: {i}" for f, i in instructions(room)
                 if re.match(r"syscall|sysenter|int\s+\$0x80", i)))
report.end()
