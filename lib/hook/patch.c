// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/patch_site.h"
#include "lib/hook/scan.h"
#include "lib/hook/text.h"
#include "lib/hook/thunk.h"
#include "lib/sys/aside.h"
#include "lib/sys/mutex.h"
#include "lib/sys/sys.h"

#define JMP_LEN	    5
#define SITE_REACH  32	/* bytes from a site's address that say what it is */
#define NR_SITES    512 /* in the library; glibc has about 60 */
#define CHUNK_SIZE  (64UL << 10)
#define CHUNK_SITES ((CHUNK_SIZE - sizeof(struct site_chunk)) / sizeof(struct site))

struct site_chunk {
	struct site_chunk *next;
	unsigned int nr, max;
	struct site *sites;
};

static struct site first_sites[NR_SITES] __start_data;
static struct site_chunk first_chunk = { .max = NR_SITES, .sites = first_sites };

static struct mutex lock __start_data;
static struct smm_stat *stat __start_data;
static struct text_window target __start_data; /* the text being patched */

/* --- sites ------------------------------------------------------------------------- */

static struct site *site_find(unsigned long addr, int nr)
{
	for (struct site_chunk *c = &first_chunk; c; c = c->next) {
		for (unsigned int i = 0; i < c->nr; i++) {
			if (c->sites[i].addr == addr && c->sites[i].nr == nr)
				return &c->sites[i];
		}
	}
	return NULL;
}

static struct site_chunk *chunk_map(void)
{
	const unsigned long prot = PROT_READ | PROT_WRITE;
	unsigned long at = (unsigned long)mmap_aside(CHUNK_SIZE, prot, 0);
	struct site_chunk *c = (struct site_chunk *)at;

	if (IS_ERR_VALUE(at))
		return NULL;
	patch_note_mapping(at, CHUNK_SIZE, prot);
	c->max = CHUNK_SITES;
	c->sites = (struct site *)(c + 1);
	return c;
}

/* Room for one more site, not yet counted. NULL: no memory. */
static struct site *site_room(struct site_chunk **chunk)
{
	struct site_chunk *c = &first_chunk;

	while (c->nr == c->max && c->next)
		c = c->next;
	if (c->nr == c->max) {
		c->next = chunk_map();
		c = c->next;
	}
	*chunk = c;
	return c ? &c->sites[c->nr] : NULL;
}

/*
 * The site at @addr with its thunk. A module unloaded and loaded again at the same place
 * (dlclose, dlopen) finds the thunk it had: thunks are never freed.
 */
static int site_get(unsigned long addr, int nr, bool jump, struct site **site)
{
	struct site_chunk *chunk;
	struct site *s = site_find(addr, nr);
	int ret;

	*site = s;
	if (s)
		return 0;
	s = site_room(&chunk);
	if (!s)
		return -ENOMEM;
	*s = (struct site){ .addr = addr, .nr = nr };
	ret = thunk_make(s, jump);
	if (ret)
		return ret;
	chunk->nr++;
	*site = s;
	return 0;
}

/* --- the lock ---------------------------------------------------------------------- */

static int seal(void)
{
	const int thunks = thunk_seal();
	const int text = text_close(&target);

	return text ? text : thunks;
}

static void patch_lock(void)
{
	/* What a dead holder left: text that is still writable. Sites and thunks are
	 * complete or not there. A failure shows again when the windows are next used. */
	if (!mutex_lock(&lock))
		seal();
}

static int patch_unlock(void)
{
	const int ret = seal();

	mutex_unlock(&lock);
	return ret;
}

void patch_fork_child(void)
{
	mutex_init(&lock, LOCK_PATCH);
	seal();
}

/* --- patching ---------------------------------------------------------------------- */

/*
 * Only the mov is replaced. The syscall instruction stays, so code that branches
 * straight to it still works; a call through the thunk returns behind it.
 */
static int patch_site(const struct scan_match *m, unsigned long start, unsigned long end,
		      unsigned long prot)
{
	const unsigned long from = m->addr - m->len;
	u8 jmp[] = { 0xe9, 0, 0, 0, 0, 0x66, 0x90 }; /* and a nop for the longer mov */
	struct site *s;
	int ret, rel;

	ret = site_get(m->addr, m->nr, true, &s);
	if (ret)
		return ret;
	if (!thunk_displacement(from, s->thunk, &rel))
		return -ENOSPC;
	memcpy(jmp + 1, &rel, sizeof(rel));
	if (!target.open)
		ret = text_open(&target, start, end, prot);
	if (ret)
		return ret;
	return text_write(&target, from, jmp, m->len);
}

static int patch_sites(unsigned long start, unsigned long end, unsigned long prot)
{
	unsigned long pos = start;
	struct scan_match m;
	int done = 0, err = 0;

	for (; scan_next(pos, start, end, &m); pos = m.next) {
		int ret = patch_site(&m, start, end, prot);

		if (!ret) {
			done++;
			continue;
		}
		stat_inc(stat->sites_refused);
		if (ret != -ENOSPC && ret != -ENOMEM)
			err = ret;
	}
	stat_add(stat->sites, done);
	return done ? done : err;
}

int patch_range(unsigned long start, unsigned long end, unsigned long prot)
{
	/* The scanner uses SSE2; the program whose mmap() this is has live values there.
	 * The upper halves of the wider registers are not touched by SSE2 code. */
	u8 vectors[512] __attribute__((aligned(16)));
	int ret, err;

	__asm__ volatile("fxsave64 %0" : "=m"(vectors));
	patch_lock();
	ret = patch_sites(start, end, prot);
	err = patch_unlock();
	__asm__ volatile("fxrstor64 %0" : : "m"(vectors));
	return err ? err : ret;
}

/* A jump stands where the site's mov was; its length is one of two. */
static bool is_patched(unsigned long addr, unsigned long start, int nr)
{
	return site_find(addr, nr) && addr - start >= 7 &&
	       (*(const u8 *)(addr - JMP_LEN) == 0xe9 || *(const u8 *)(addr - 7) == 0xe9);
}

int patch_known(unsigned long start, unsigned long end, unsigned long prot,
		const struct site_place *place, unsigned int n)
{
	struct scan_match m;
	int done = 0, before = 0, err;

	patch_lock();
	for (unsigned int i = 0; i < n && place[i].offset < end - start - 1; i++) {
		unsigned long addr = start + place[i].offset;

		if (is_patched(addr, start, place[i].nr))
			before++;
		else
			done += scan_next(addr, start, min(addr + SITE_REACH, end), &m) &&
				m.addr == addr && m.nr == place[i].nr &&
				!patch_site(&m, start, end, prot);
	}
	stat_add(stat->sites, done);
	err = patch_unlock();
	return err ? err : done + before;
}

bool patch_any(unsigned long start, unsigned long end)
{
	struct scan_match m;

	return scan_next(start, start, end, &m);
}

unsigned int patch_list(unsigned long start, unsigned long end, struct site_place *place,
			unsigned int max)
{
	const struct site_chunk *c = &first_chunk;
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->nr && n < max; i++)
		if (c->sites[i].addr >= start && c->sites[i].addr < end)
			place[n++] = (struct site_place){ (u32)(c->sites[i].addr - start),
							  c->sites[i].nr };
	return n;
}

static int __patch_function(unsigned long func, unsigned long to)
{
	const unsigned long stub = thunk_stub(func, to);
	u8 jmp[JMP_LEN] = { 0xe9 };
	int ret, rel;

	if (!stub || !thunk_displacement(func, stub, &rel))
		return -ENOSPC;
	memcpy(jmp + 1, &rel, sizeof(rel));
	ret = text_open(&target, func, func + JMP_LEN, PROT_READ | PROT_EXEC);
	if (ret)
		return ret;
	return text_write(&target, func, jmp, sizeof(jmp));
}

int patch_function(unsigned long func, unsigned long to)
{
	int ret, err;

	patch_lock();
	ret = __patch_function(func, to);
	err = patch_unlock();
	return ret ? ret : err;
}

unsigned long patch_call_thunk(unsigned long addr, int nr)
{
	struct site *s;
	int ret;

	patch_lock();
	ret = site_get(addr, nr, false, &s);
	if (patch_unlock())
		ret = -EACCES;
	return ret ? 0 : s->thunk;
}

int patch_init(struct smm_stat *counters)
{
	if (stat)
		return 0;
	stat = counters;
	mutex_init(&lock, LOCK_PATCH);
	thunk_init();
	return 0;
}

int patch_writable(void)
{
	unsigned long start, end;
	int ret;

	thunk_own_text(&start, &end);
	ret = text_open(&target, start, end, PROT_READ | PROT_EXEC);
	return ret ? ret : text_close(&target);
}

bool patch_owns(unsigned long addr)
{
	return thunk_owns(addr);
}
