# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: python3
# packages: python3
# verify: python3:5
# timeout: 300
# under: SHADOWMM_COW=own
# multiprocessing with a parent of PYTHON_MB (100): the children read all of it, which writes
# reference counts, change a part, and the parent changes another one meanwhile.
set -eu
python3 - <<'END'
import array, hashlib, multiprocessing, os, shlex, subprocess

megabytes = int(os.environ.get("PYTHON_MB", "100"))
# Half of it objects of their own, half of it flat.
objects = [b"%016d" % i for i in range(megabytes * 1024 * 1024 // 2 // 64)]
flat = array.array("Q", range(megabytes * 1024 * 1024 // 2 // 8))
workers = 4
context = multiprocessing.get_context("fork")
ready, go = context.Barrier(workers + 1), context.Barrier(workers + 1)
queue = context.Queue()


def digest(part, of):
    h = hashlib.sha256()
    for value in objects[part::of]:
        h.update(value)
    h.update(memoryview(flat)[part * len(flat) // of:(part + 1) * len(flat) // of])
    return h.hexdigest()


def change(n, step):
    for i in range(n, len(flat), step):
        flat[i] ^= n + 1
    for i in range(n, len(objects), step):
        objects[i] = b"%015d%d" % (i, n)


def work(n):
    first = digest(0, 1)
    change(n, 97)
    ready.wait()
    go.wait()
    queue.put((n, first, digest(n, workers), digest(0, 1)))


children = [context.Process(target=work, args=(n,)) for n in range(workers)]
for child in children:
    child.start()
change(7, 89)
ready.wait()
for tool, option in ("VERIFY_NOW", "--forks"), ("COW_NOW", "--own"):
    print(subprocess.run([*shlex.split(os.environ[tool]), option, str(workers + 1),
                          str(os.getpid())], stdout=subprocess.PIPE, text=True).stdout, end="")
go.wait()
for result in sorted(queue.get() for _ in children):
    print(*result)
for child in children:
    child.join()
print([child.exitcode for child in children], digest(0, 1))
END
