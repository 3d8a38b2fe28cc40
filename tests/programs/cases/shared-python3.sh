# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: python3 cmp
# packages: python3
# verify: python3
# timeout: 120
# under: SHADOWMM_POLICY=shared-file=own SHADOWMM_MIN_OWN=4096
# Files written by mmap, and at the same time read and written by their descriptor, by their
# name, by children; with threads.
set -eu
python3 - <<'END'
import hashlib, mmap, os, random, subprocess, threading

rng = random.Random(1)
size = 5 * 1024 * 1024 + 777
data = bytearray(rng.randbytes(size))
with open("file", "wb") as f:
    f.write(data)


def digest(view):
    return hashlib.sha256(view).hexdigest()[:16]


def scribble(view, n=500):
    for _ in range(n):
        at = rng.randrange(size - 100)
        view[at:at + 50] = data[at:at + 50] = rng.randbytes(50)


f = open("file", "r+b", buffering=0)
m = mmap.mmap(f.fileno(), 0)
scribble(m)
f.seek(0)
print("descriptor", digest(f.read()) == digest(data))
scribble(m)
m.flush()
print("flushed", digest(m) == digest(data))
scribble(m)
os.fsync(f.fileno())
scribble(m)
print("name", digest(open("file", "rb").read()) == digest(data))
scribble(m)
m.close()
m = mmap.mmap(f.fileno(), 0)
f.close()
scribble(m)
print("child", subprocess.run(["sha256sum", "file"], capture_output=True).stdout[:16].decode()
      == digest(data))
m.close()
f = open("file", "r+b", buffering=0)
m = mmap.mmap(f.fileno(), 0)
scribble(m)
os.pwrite(f.fileno(), b"written", 4096)
data[4096:4103] = b"written"
print("mixed", digest(m) == digest(data))
m.resize(size - 4096)
print("resized", os.path.getsize("file"), digest(m) == digest(data[:size - 4096]))
m.close()
f.close()

# Threads, each in its own part, while one flushes.
size = 8 << 20
with open("many", "w+b") as f:
    f.truncate(size)
    m = mmap.mmap(f.fileno(), size)


def work(k):
    for page in range(k, size // 4096, 4):
        m[page * 4096:page * 4096 + 8] = b"%08d" % page


threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
for t in threads:
    t.start()
for _ in range(20):
    m.flush()
for t in threads:
    t.join()
print("threads", all(m[p * 4096:p * 4096 + 8] == b"%08d" % p for p in range(size // 4096)))
# No flush, no close.
END
python3 -c 'print(all(open("many", "rb").read()[p * 4096:p * 4096 + 8] == b"%08d" % p for p in range(0, 2048, 13)))'
sha256sum <file
