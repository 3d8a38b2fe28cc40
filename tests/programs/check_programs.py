#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make check-programs: real programs, plain and under shadowmm, must not differ.

Each file in cases/ is a shell script that uses one program and prints only what is the
same in every run. Its head says what it needs:

    # commands: redis-server redis-cli     must be on PATH, else
    # packages: redis-server redis-tools   are installed by `check_programs.py setup`
    # verify: bash git:5                   comm, least number of verify lines (default 1)
    # timeout: 60                          seconds for one run
    # under: SHADOWMM_COW=own              environment under shadowmm

usage: check_programs.py [--plain] [--list] [setup] [CASE...]
"""

import argparse
import difflib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import harness

CASES = Path(__file__).resolve().parent / "cases"


@dataclass
class Case:
    name: str
    path: Path
    commands: list = field(default_factory=list)
    packages: list = field(default_factory=list)
    verify: dict = field(default_factory=dict)
    timeout: int = 60
    under: dict = field(default_factory=dict)

    @classmethod
    def read(cls, path):
        case = cls(path.stem, path)
        for line in path.read_text().splitlines():
            key, colon, value = line.lstrip("# ").partition(":")
            if not line.startswith("# ") or not colon:
                continue
            if key in ("commands", "packages"):
                setattr(case, key, value.split())
            elif key == "timeout":
                case.timeout = int(value)
            elif key == "under":
                case.under = dict(word.split("=", 1) for word in value.split())
            elif key == "verify":
                for word in value.split():
                    comm, _, least = word.partition(":")
                    case.verify[comm] = int(least or 1)
        return case

    def missing(self):
        return [name for name in self.commands if not shutil.which(name)]


def setup(cases):
    """Install what is missing; fail loudly if that cannot be done."""
    packages = sorted({package for case in cases if case.missing() for package in case.packages})
    if not packages:
        return
    print("installing " + " ".join(packages), flush=True)
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # Services must not start: a test brings up its own.
    env["RUNLEVEL"] = "1"
    for command in (["apt-get", "update", "-q"],
                    ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]):
        try:
            status = subprocess.run([*sudo, *command], env=env, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, timeout=900).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            sys.exit(f"cannot install: {error}")
        if status:
            sys.exit(f"cannot install: {' '.join(command)} ended with {status}")
    absent = {name for case in cases for name in case.missing()}
    if absent:
        sys.exit("still not on PATH after installing: " + " ".join(sorted(absent)))


def differences(plain, under):
    """Lines that say how two runs differ; none if they do not."""
    found = []
    if plain.status != under.status:
        found.append(f"exit: plain {plain.status}, second run {under.status}")
    for name in ("out", "err"):
        before, after = getattr(plain, name), getattr(under, name)
        if before != after:
            found += difflib.unified_diff(before.decode(errors="replace").splitlines(),
                                          after.decode(errors="replace").splitlines(),
                                          f"plain std{name}", f"second run std{name}",
                                          lineterm="", n=1)
    return found


def run_case(case, plain_only):
    argv = ["bash", str(case.path)]
    plain = harness.run(argv, timeout=case.timeout)
    problems = [f"plain: {text}" for text in plain.problems]
    if plain.status:
        problems.append(f"plain: exit {plain.status}")
        problems += plain.err.decode(errors="replace").splitlines()[-10:]
    times = f"plain {plain.seconds:5.1f} s"
    figures = []
    if not problems:
        second = harness.run(argv, under=not plain_only, timeout=2 * case.timeout,
                             env=None if plain_only else case.under)
        problems += second.problems + differences(plain, second)
        figures = second.figures
        times += f"   {'again' if plain_only else 'under'} {second.seconds:5.1f} s"
    if not problems and not plain_only:
        times += f"   {len(second.verify.lines)} processes verified"
        problems += second.verify.problems(case.verify)
    print(f"{'FAIL' if problems else 'ok  '} {case.name:<14} {times}", flush=True)
    if problems:
        harness.show(f"{case.path}:", problems)
    if figures:
        harness.show("pages by `shadowmm cow` (and by smaps):", figures)
    return not problems


def parse_arguments():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--plain", action="store_true", help="both runs plain: tests the cases themselves")
    parser.add_argument("--list", action="store_true", help="names of the cases")
    parser.add_argument("words", nargs="*")
    return parser.parse_args()


def choose(cases, names):
    unknown = [name for name in names if name not in cases]
    if unknown:
        sys.exit(f"no such program: {' '.join(unknown)}; there are: {' '.join(cases)}")
    return [cases[name] for name in names] if names else list(cases.values())


def main():
    arguments = parse_arguments()
    cases = {path.stem: Case.read(path) for path in sorted(CASES.glob("*.sh"))}
    if arguments.list:
        print("\n".join(cases))
        return 0
    names = [word for word in arguments.words if word != "setup"]
    chosen = choose(cases, names)
    setup(chosen)
    if "setup" in arguments.words:
        return 0
    if not arguments.plain and harness.library_missing():
        sys.exit(harness.library_missing())
    harness.become_subreaper()
    harness.terminate_cleanly()
    try:
        passed = sum(run_case(case, arguments.plain) for case in chosen)
    finally:
        harness.kill_descendants()
    print(f"{passed} passed, {len(chosen) - passed} failed")
    return passed != len(chosen)


if __name__ == "__main__":
    sys.exit(main())
