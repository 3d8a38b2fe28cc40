# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: python3
# packages: python3
# verify: python3:5
# timeout: 120
# under: SHADOWMM_POLICY=shmem=own SHADOWMM_MIN_OWN=4096
# Memory shared by name, by descriptor and by fork: several processes fill and add up parts of it.
set -eu
python3 - <<'END'
import hashlib, mmap, multiprocessing, os
from multiprocessing import shared_memory

SIZE = 16 << 20
WORKERS = 4
context = multiprocessing.get_context("fork")


def fill(buf, n):
    for at in range(n * 4096, SIZE, WORKERS * 4096):
        buf[at:at + 8] = (at * 2654435761 % 2 ** 64).to_bytes(8, "little")


def by_name(name, n):
    shm = shared_memory.SharedMemory(name=name)
    fill(shm.buf, n)
    shm.close()


def run(work):
    children = [context.Process(target=work, args=(n,)) for n in range(WORKERS)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    print([child.exitcode for child in children])


shm = shared_memory.SharedMemory(create=True, size=SIZE)
run(lambda n: by_name(shm.name, n))
print(hashlib.sha256(shm.buf).hexdigest())
shm.close()
shm.unlink()

anon = mmap.mmap(-1, SIZE)
run(lambda n: fill(anon, n))
print(hashlib.sha256(anon).hexdigest())

fd = os.memfd_create("case")
os.ftruncate(fd, SIZE)
here = mmap.mmap(fd, SIZE)
run(lambda n: fill(mmap.mmap(fd, SIZE), n))
print(hashlib.sha256(here).hexdigest(), os.fstat(fd).st_size)
os.ftruncate(fd, SIZE // 2)
os.ftruncate(fd, SIZE)
print(here[SIZE // 2:] == bytes(SIZE // 2), hashlib.sha256(here[:SIZE // 2]).hexdigest())

counters = context.Array("q", SIZE // 64)


def add(n):
    for i in range(n, len(counters), 4096):
        with counters.get_lock():
            counters[i - n] += n + 1


run(add)
print(sum(counters[i] for i in range(0, len(counters), 4096)))
END
