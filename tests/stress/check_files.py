#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make check-files, make check-files-kill: mapped files plain, then under shadowmm, watched.

--sequences: tests/preload/file_random. A tenth of the sequences plain (the test itself is
right), the rest under the library, the files paged by it in all ways; what it prints must be
what it prints plain. Before that, the test is broken on purpose in three ways, each of which it
must notice. After a sequence that is wrong the others run all the same; the first is shrunk.

--kills: tests/preload/file_share, whose readers are killed, and then tasks of the library
instead. Afterwards no process is left, nothing in /dev/shm, and in the directory of the
session only what the next run removes. And lost_lease.py, which takes a minute.

usage: check_files.py [--sequences N] [--kills N] [--processes N] [--mib N] [--seed N]
                      [--plain]
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
import lost_lease

PROGRAMS = harness.TOP_BUILDDIR / "tests" / "preload"
SILENCE_SECONDS = 150
BATCH = 1000  # sequences of one process
SHRINK_SECONDS = 600
COMPLAINTS = 10  # of one leg, which then ends
OWN = {"SHADOWMM_FILES": "own"}
SMALL = {**OWN, "SHADOWMM_MIN_OWN": "4096"}
# name, environment, share of the sequences
LEGS = (("own, every area", SMALL, 3), ("own", OWN, 1),
        ("auto", {**SMALL, "SHADOWMM_FILES": "auto"}, 1),
        ("own, with copy-on-write", {**SMALL, "SHADOWMM_COW": "own"}, 2),
        ("own, dropped at once", {**SMALL, "SHADOWMM_CACHE": "0"}, 2))
SEED_LINE = re.compile(rb"^seed (\d+), operation", re.MULTILINE)


def text_of(run):
    return (run.out + run.err).decode(errors="replace").splitlines()


def report(good, name, what, problems=()):
    print(f"{'ok  ' if good else 'FAIL'} {name}: {what}", flush=True)
    if not good:
        harness.show(name, list(problems), limit=120)
    return good


class Silence:
    """Ends what prints nothing any more."""

    def __init__(self):
        self.size, self.quiet = -1, 0

    def __call__(self, _pid, output):
        size = output.stat().st_size
        self.quiet = 0 if size != self.size else self.quiet + 1
        self.size = size
        return f"no line for {SILENCE_SECONDS} s" if self.quiet > SILENCE_SECONDS else None


# --- file_random ---------------------------------------------------------------------


def file_random(*arguments, timeout=24 * 3600, **options):
    return harness.run([str(PROGRAMS / "file_random"), *map(str, arguments)], timeout=timeout,
                       **options)


def run_sabotage(how):
    """A private page lost, changed, or written into its file: the test says so."""
    run = file_random("sabotage", how, 1)
    noticed = run.status == 1 and SEED_LINE.search(run.out) and not run.problems
    what = {"drop": "lost", "stale": "changed", "leak": "written into the file"}[how]
    return report(noticed, "notices a page that is " + what, f"status {run.status}",
                  [*run.problems, *text_of(run)[-5:]])


def shrunk(run, **options):
    found = SEED_LINE.search(run.out)
    if not found:
        return []
    seed = found.group(1).decode()
    print(f"    shrinking {seed}", flush=True)
    smaller = file_random("shrink", seed, timeout=SHRINK_SECONDS, **options)
    return ["shrunk:", *smaller.problems, *text_of(smaller)]


def wrong_batch(run, sequences, seed):
    """(what is wrong, how many sequences it has run: up to the one that it complains of)"""
    found = SEED_LINE.search(run.out)
    done = int(found.group(1)) - seed + 1 if found else sequences
    return [*run.problems, f"status {run.status}", *text_of(run)[-100:]], done


def run_batch(sequences, seed, env, shrink):
    """(what is wrong, sequences run) of one batch, plain if @env is None."""
    options = {"under": env is not None, "env": env}
    run = file_random(sequences, seed, watch=Silence(), **options)
    if run.status or run.err or run.problems:
        problems, done = wrong_batch(run, sequences, seed)
        return problems + (shrunk(run, **options) if shrink else []), done
    if env is None:
        return [], sequences
    problems = run.verify.problems({"file_random": 1})
    plain = file_random(sequences, seed, watch=Silence())
    if plain.out != run.out:
        differ = [f"{a} instead of {b}" for a, b in zip(text_of(run), text_of(plain)) if a != b]
        problems += ["it prints something else than plain:", *differ[:5]]
    return problems, sequences


def run_random_leg(name, env, sequences, seed):
    at, wrong, problems = 0, 0, []
    while at < sequences and wrong < COMPLAINTS:
        batch = min(BATCH, sequences - at)
        found, done = run_batch(batch, seed + at, env, not wrong)
        if found:
            wrong += 1
            problems += [f"sequences {seed + at} to {seed + at + done - 1}:", *found]
        at += done
    environment = " ".join(f"{key}={value}" for key, value in (env or {}).items())
    return report(not wrong, name, f"{at} sequences from seed {seed}, {wrong} complaints",
                  [environment, *problems])


def check_random(arguments, seed):
    results = [run_sabotage(how) for how in ("drop", "stale", "leak")]
    tenth = max(1, arguments.sequences // 10)
    results.append(run_random_leg("plain", None, tenth, seed))
    seed += tenth
    for name, env, share in () if arguments.plain else LEGS:
        results.append(run_random_leg(name, env, share * tenth, seed))
        seed += share * tenth
    return results


# --- file_share ----------------------------------------------------------------------


def entries(session):
    """Of processes; the places of calls in libraries are kept for the next one."""
    return [path for path in session.rglob("*")
            if (path.is_symlink() or not path.is_dir()) and not path.name.startswith("sites-")]


def is_alive(path):
    """Whether the process is there that a link or a socket names."""
    words = os.readlink(path).split() if path.is_symlink() else path.name.split(".")
    try:
        os.kill(int(words[0]), 0)
    except (ProcessLookupError, ValueError):
        return False
    return True


def next_run(session, env):
    """What removes the remains of the killed: a run that maps a file, and a look."""
    environment = harness.environment(session, env)
    for command in ([str(harness.CLI), "run", "--", str(PROGRAMS / "file_share"), "0", "2", "1"],
                    [str(harness.CLI), "ps"]):
        subprocess.run(command, env=environment, cwd=session.parent, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def remains(session, env):
    """Problems with what is in the directory of the session after a run."""
    found = [f"left by somebody alive: {path.name}" for path in entries(session) if is_alive(path)]
    if entries(session) and env:
        next_run(session, env)
        found += [f"not removed by the next run: {path.name}" for path in entries(session)]
    return found


def run_kill_leg(name, env, arguments, kills, seed, *more):
    with tempfile.TemporaryDirectory(prefix="smm-share.") as top:
        session = Path(top) / "session"
        session.mkdir(mode=0o700)
        run = harness.run([str(PROGRAMS / "file_share"), str(kills), str(arguments.processes),
                           str(arguments.mib), str(seed), *more], under=env is not None,
                          env={**(env or {}), "XDG_RUNTIME_DIR": str(session)},
                          timeout=60 + 3 * kills)
        problems = run.problems + remains(session, env)
    if run.status or b"no wrong byte was seen" not in run.out:
        problems += [f"status {run.status}", *text_of(run)[-40:]]
    if env is not None:
        problems += run.verify.problems({"file_share": 1})
    return report(not problems, name, f"{kills} killed in {run.seconds:.0f} s, seed {seed}", problems)


def run_lost_lease(name, env):
    if not lost_lease.lease_seconds():
        print(f"skip {name}: lease-break-time is 0, leases are never taken away", flush=True)
        return True
    problems, seconds = lost_lease.run(PROGRAMS / "file_frozen", env)
    return report(not problems, name, f"the program was frozen, {seconds:.0f} s", problems)


def check_kills(arguments, seed):
    kills = arguments.kills
    results = [run_kill_leg("plain", None, arguments, max(1, kills // 10), seed),
               run_lost_lease("written to, plain", None)]
    if arguments.plain:
        return results
    return [*results,
            run_kill_leg("readers killed", SMALL, arguments, max(1, kills // 2), seed + 1),
            run_kill_leg("tasks of the library killed, too", SMALL, arguments,
                         max(1, kills // 2), seed + 2, "engine"),
            run_kill_leg("readers killed, hardly a cache", {**SMALL, "SHADOWMM_CACHE": "1048576"},
                         arguments, max(1, kills // 2), seed + 3),
            run_kill_leg("tasks killed, dropped at once", {**SMALL, "SHADOWMM_CACHE": "0"},
                         arguments, max(1, kills // 2), seed + 4, "engine"),
            run_lost_lease("lease lost", OWN)]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--sequences", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--mib", type=int, default=64, help="of the file that is shared")
    parser.add_argument("--seed", default="")
    parser.add_argument("--plain", action="store_true", help="only the tests themselves")
    arguments = parser.parse_args()
    if not arguments.plain and harness.library_missing():
        sys.exit(harness.library_missing())
    seed = int(arguments.seed or random.randrange(1 << 31))
    print(f"seed {seed}", flush=True)
    harness.become_subreaper()
    harness.terminate_cleanly()
    results = []
    try:
        if arguments.sequences:
            results += check_random(arguments, seed)
        if arguments.kills:
            results += check_kills(arguments, seed)
    finally:
        harness.kill_descendants()
    return harness.end(results)


if __name__ == "__main__":
    sys.exit(main())
