# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rooms of lib/ and what each may use: the table behind doc/architecture.md.

Every exception names its reason here, so that a wall is moved by a change of this file,
not silently.
"""
import glob
import os
import re
import subprocess
import sys

SRC = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
NM = os.environ.get("NM", "nm").split()
OBJDUMP = os.environ.get("OBJDUMP", "objdump").split()
READELF = os.environ.get("READELF", "readelf").split()

# room: the rooms whose functions it may call and whose headers it may include
ROOMS = {
    "base": [],
    "sys": ["base"],
    "mm": ["base"],
    "hook": ["base", "sys", "mm"],
    # reclaim: the fault task starts the pool task.
    "fault": ["base", "sys", "mm", "reclaim"],
    "reclaim": ["base", "sys", "mm"],
    # fault: smm-ctl starts smm-fault and watches it.
    "ctl": ["base", "sys", "mm", "fault"],
    # hook: the one struct smm.
    "api": ["base", "sys", "mm", "hook"],
    # Linked into other programs, so nothing but inline functions of the others; api: the
    # functions it looks for, weakly.
    "fallback": ["base", "sys", "api"],
}
# Rooms that never enter the kernel.
PURE = ["base", "mm"]

# Headers that only define types, constants or inline primitives.
COMPILER_HEADERS = r"(stdbool|stddef|stdint|stdarg|limits|cpuid)\.h"
UAPI_HEADERS = r"(linux|asm|asm-generic)/.*"
URCU_HEADERS = r"urcu/(arch|compiler|pointer|system|uatomic)\.h"
PUBLIC_HEADERS = r"shadowmm/.*"
CONFIG_HEADER = r"config\.h"
INCLUDES = {
    "base": [COMPILER_HEADERS, URCU_HEADERS],
    "sys": [COMPILER_HEADERS, UAPI_HEADERS],
    "mm": [COMPILER_HEADERS, UAPI_HEADERS],
    "hook": [COMPILER_HEADERS, UAPI_HEADERS, PUBLIC_HEADERS, r"elf\.h"],
    "fault": [COMPILER_HEADERS, UAPI_HEADERS],
    "reclaim": [COMPILER_HEADERS, UAPI_HEADERS],
    "ctl": [COMPILER_HEADERS, UAPI_HEADERS, PUBLIC_HEADERS, CONFIG_HEADER],
    "api": [COMPILER_HEADERS, UAPI_HEADERS, PUBLIC_HEADERS],
    "fallback": [COMPILER_HEADERS, UAPI_HEADERS, PUBLIC_HEADERS],
}
# (file, header): why
INCLUDE_EXCEPTIONS = {
    ("lib/base/string.h", "string.h"): "under SMM_HOSTED only, for unit tests",
    ("lib/hook/scan.c", "emmintrin.h"): "see VECTOR_OBJECTS",
}

# Where a number becomes an address: see usermem.py.
# file: why the number is not an address of the application's, or why it may be.
INT_TO_POINTER = {
    "lib/sys/usermem.c": "the one file that reads application memory",
    "lib/base/slab.h": "the header of the slab that an object of ours is in",
    "lib/base/slab.c": "the same, where the cache is not known",
    "lib/reclaim/huge.c": "pages of the pool, moved to an area of ours to be timed",
    "lib/fault/mapping.c": "the index that we have just mapped",
    "lib/fault/frames.c": "a chunk of frames in a mapping of ours",
    "lib/fault/reader.c": "buffers that we have mapped",
    "lib/fault/shared.c": "the dirty bits that we have just mapped",
    "lib/hook/lock.c": "memory we just mapped for the arena",
    "lib/hook/patch.c": "memory we just mapped for the list of sites",
    "lib/hook/elf.c": "headers of a mapped image, each checked against its segments",
    "lib/hook/scan.c": "text that the dynamic loader has just mapped",
    "lib/hook/text.c": "text of our own thunks, or being patched with its lock held",
    "lib/hook/thunk.c": "code that is being patched, its lock held",
    "lib/hook/sud.c": "addresses for process_vm_readv(); the frame below the signal's stack",
    "lib/hook/setxid.c": "functions found by name in a module of the program",
}

# Objects that may use vector registers (the end of their names), and why that is safe.
VECTOR_OBJECTS = {
    "-scan.o": "called through a thunk that saves them",
}

# Identifiers that have no business in lib/: each needs libc, locks or TLS.
BANNED_LIB = """malloc calloc realloc memalign posix_memalign aligned_alloc strdup strndup
    printf fprintf sprintf snprintf vsnprintf vprintf vfprintf puts fputs perror
    fopen fclose fread fwrite fgets getline getenv setenv putenv dlopen dlsym dlclose
    dl_iterate_phdr abort assert exit atexit errno strerror strtok strtol strtoul
    strcpy strcat strncpy strncat sscanf qsort bsearch sleep usleep nanosleep
    pthread_create pthread_mutex_lock pthread_self pthread_sigmask
    __thread _Thread_local setjmp longjmp alloca""".split()
# git's banned.h, and what hides an error or a shell.
BANNED_TOOLS = """strcpy strcat strncpy strncat sprintf vsprintf gets strtok gmtime
    localtime ctime asctime atoi atol atoll atof system popen tmpnam tempnam mktemp
    alloca""".split()


class Report:
    """TAP on stdout: one line per rule, details below a broken one."""

    def __init__(self):
        self.number = self.failures = 0

    def rule(self, text, problems):
        problems = list(problems)
        self.number += 1
        print(f"{'not ok' if problems else 'ok'} {self.number} - {text}")
        for p in problems:
            print(f"#   {p}")
        if problems:
            self.failures += 1

    def end(self):
        print(f"1..{self.number}")
        sys.exit(1 if self.failures else 0)


def skip(why):
    """Automake shows SKIP and keeps the reason in the log."""
    print(f"1..0 # SKIP {why}")
    sys.exit(77)


def run(tool, *argv):
    return subprocess.run([*tool, *argv], check=True, stdout=subprocess.PIPE, text=True).stdout


def sources(*tops, ends=(".c", ".h", ".S")):
    """Source files below the directories @tops, relative to the source tree."""
    for top in tops:
        for path, dirs, files in os.walk(os.path.join(SRC, top)):
            dirs[:] = sorted(d for d in dirs if not d.startswith("."))
            for name in sorted(files):
                if name.endswith(ends):
                    yield os.path.relpath(os.path.join(path, name), SRC)


def read(path):
    with open(os.path.join(SRC, path), encoding="utf-8") as f:
        return f.read()


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def code(path, keep_strings=False):
    """The text of @path without comments (and strings), its line numbers unchanged."""
    def replace(m):
        if m.group().startswith(("/*", "//")):
            return blank(m)
        return m.group() if keep_strings else blank(m)

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', replace,
                  read(path), flags=re.S)


def matches(path, pattern, text):
    """(place, match) for every match of @pattern in @text, the code of @path."""
    for m in re.finditer(pattern, text):
        yield f"{path}:{text.count(chr(10), 0, m.start()) + 1}", m


def archives(room):
    """The convenience libraries of a room: lib*.a; one may contain another's objects."""
    where = os.path.join(BUILD, "lib", room, ".libs")
    found = sorted(glob.glob(os.path.join(where, "*.a")))
    if not found:
        sys.exit(f"no library in {where}: run make first")
    return found


def library():
    path = os.path.join(BUILD, ".libs", "libshadowmm.so")
    if not os.path.exists(path):
        sys.exit(f"{path} not found: run make first")
    return path
