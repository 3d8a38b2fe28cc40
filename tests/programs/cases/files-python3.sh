# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: python3
# packages: python3
# verify: python3:3
# timeout: 120
# under: SHADOWMM_FILES=own SHADOWMM_MIN_OWN=4096
# Files mapped by mmap: ACCESS_READ, ACCESS_COPY, MAP_PRIVATE; threads, forks, and changes of
# the file while it is mapped.
set -eu
python3 - <<'END'
import hashlib, mmap, os, random, re, struct, threading

rng = random.Random(1)
size = 9 * 1024 * 1024 + 777
data = bytearray(rng.randbytes(size))
with open("file", "wb") as f:
    f.write(data)


def digest(view):
    return hashlib.sha256(view).hexdigest()[:16]


with open("file", "rb") as f:
    read = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    copy = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
    part = mmap.mmap(f.fileno(), 3 << 20, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ,
                     offset=mmap.ALLOCATIONGRANULARITY * 5)
print("read", digest(read), digest(read) == digest(data))
print("part", digest(part) == digest(data[5 * 4096:5 * 4096 + (3 << 20)]))
print("find", read.find(bytes(data[7654321:7654341])), read.rfind(bytes(data[123:140])))
print("regex", len(re.findall(rb"[a-f]{5}", read)) == len(re.findall(rb"[a-f]{5}", data)))

mine = bytearray(data)
for _ in range(3000):
    at = rng.randrange(size - 100)
    copy[at:at + 50] = mine[at:at + 50] = rng.randbytes(50)
print("copy", digest(copy) == digest(mine), digest(read) == digest(data))
for advice in (mmap.MADV_RANDOM, mmap.MADV_SEQUENTIAL, mmap.MADV_WILLNEED, mmap.MADV_NORMAL):
    read.madvise(advice)
print("advised", digest(read) == digest(data))

sums = {}
def add(n):
    sums[n] = sum(struct.unpack_from("<Q", read, at)[0]
                  for at in range(n * 8, size - 8, 4096 * 3)) % 1000003
threads = [threading.Thread(target=add, args=(n,)) for n in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print("threads", sorted(sums.items()))

pid = os.fork()
if pid == 0:
    ok = digest(copy) == digest(mine) and digest(read) == digest(data)
    copy[0:5] = b"child"
    os._exit(0 if ok and copy[:5] == b"child" else 1)
print("child", os.waitpid(pid, 0)[1], digest(copy) == digest(mine))

# Written to while it is mapped, by this process and by a child.
with open("file", "r+b") as f:
    f.seek(4 << 20)
    f.write(b"written" * 1000)
data[4 << 20:(4 << 20) + 7000] = b"written" * 1000
print("changed", digest(read) == digest(data))
pid = os.fork()
if pid == 0:
    with open("file", "r+b") as f:
        f.seek(100)
        f.write(b"by a child")
    os._exit(0)
os.waitpid(pid, 0)
data[100:110] = b"by a child"
print("changed by a child", digest(read) == digest(data), read[100:110])
read.close(), copy.close(), part.close()
for length in (1, 4095, 4096, 4097, 1 << 21, (1 << 21) + 1):
    with open("small", "wb") as f:
        f.write(data[:length])
    with open("small", "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as m:
        m[length - 1] ^= 255
        print(length, len(m), digest(m), m[-1] == data[length - 1] ^ 255)
END
