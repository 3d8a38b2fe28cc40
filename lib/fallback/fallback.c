// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libshadowmm-api.a: the functions of <shadowmm/shadowmm.h> for a program that may run
 * preloaded or not. The preloaded library is asked first.
 */
#include "lib/fallback/maps.h"
#include "lib/sys/sys.h"

#define VERSION "0.1.0"

/* Compiled with -fPIC, so the weak symbol is found at run time in every program. */
#define HAS(c, call)                                                           \
	((c) && (c)->size >= __builtin_offsetof(struct shadowmm_calls, call) + \
				     sizeof((c)->call))

static const struct shadowmm_calls *preloaded(void)
{
	return shadowmm_preloaded ? shadowmm_preloaded() : NULL;
}

__public int shadowmm_active(void)
{
	return preloaded() != NULL;
}

__public const char *shadowmm_version(void)
{
	const struct shadowmm_calls *c = preloaded();

	return HAS(c, version) ? c->version() : VERSION;
}

__public int shadowmm_find_vma(unsigned long addr, struct shadowmm_vma *vma)
{
	const struct shadowmm_calls *c = preloaded();
	int ret = HAS(c, find_vma) ? c->find_vma(addr, vma) : -ENODATA;

	return ret == -ENODATA ? smm_maps_find(addr, vma, NULL) : ret;
}

static int find_prev(unsigned long addr, struct shadowmm_vma *vma,
		     struct shadowmm_vma *prev)
{
	struct shadowmm_vma line;
	struct text t;
	int ret = smm_text_open(&t, MAPS_PATH);

	prev->end = 0;
	if (ret)
		return ret;
	while ((ret = smm_maps_line(&t, &line, NULL)) > 0 && line.end <= addr)
		*prev = line;
	smm_text_close(&t);
	if (ret > 0)
		*vma = line;
	return ret > 0 ? 0 : ret < 0 ? ret : -ENOENT;
}

__public int shadowmm_find_vma_prev(unsigned long addr, struct shadowmm_vma *vma,
				    struct shadowmm_vma *prev)
{
	const struct shadowmm_calls *c = preloaded();
	int ret = HAS(c, find_vma_prev) ? c->find_vma_prev(addr, vma, prev) : -ENODATA;

	return ret == -ENODATA ? find_prev(addr, vma, prev) : ret;
}

__public int shadowmm_find_vma_intersection(unsigned long start, unsigned long end,
					    struct shadowmm_vma *vma)
{
	const struct shadowmm_calls *c = preloaded();
	struct shadowmm_vma found;
	int ret = HAS(c, find_vma_intersection)
			  ? c->find_vma_intersection(start, end, vma)
			  : -ENODATA;

	if (ret != -ENODATA)
		return ret;
	ret = smm_maps_find(start, &found, NULL);
	if (ret)
		return ret;
	if (found.start >= end)
		return -ENOENT;
	*vma = found;
	return 0;
}

/* By one query each. -ENOTTY, with nothing copied, if the kernel knows none. */
static int query_vmas(int fd, unsigned long start, unsigned long end,
		      struct shadowmm_vma *vmas, unsigned int nr)
{
	unsigned int n;
	int ret;

	for (n = 0; n < nr && start < end; start = vmas[n++].end) {
		ret = smm_maps_query_or_gate(fd, start, &vmas[n], NULL);
		if (ret && ret != -ENOENT)
			return ret;
		if (ret || vmas[n].start >= end)
			break;
	}
	return (int)n;
}

static int scan_vmas(unsigned long start, unsigned long end, struct shadowmm_vma *vmas,
		     unsigned int nr)
{
	struct shadowmm_vma line;
	unsigned int n = 0;
	struct text t;
	int ret = smm_text_open(&t, MAPS_PATH);

	if (ret)
		return ret;
	while (n < nr && (ret = smm_maps_line(&t, &line, NULL)) > 0 && line.start < end)
		if (line.end > start)
			vmas[n++] = line;
	smm_text_close(&t);
	return ret < 0 ? ret : (int)n;
}

__public int shadowmm_read_vmas(unsigned long start, unsigned long end,
				struct shadowmm_vma *vmas, unsigned int nr,
				unsigned long *generation)
{
	const struct shadowmm_calls *c = preloaded();
	int ret = HAS(c, read_vmas) ? c->read_vmas(start, end, vmas, nr, generation)
				    : -ENODATA;
	long fd;

	if (ret != -ENODATA)
		return ret;
	if (generation)
		*generation = 0;
	fd = sys_open(MAPS_PATH, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	ret = query_vmas((int)fd, start, end, vmas, nr);
	sys_close(fd);
	return ret < 0 ? scan_vmas(start, end, vmas, nr) : ret;
}

__public int shadowmm_vma_name(unsigned long addr, char *buf, unsigned long size)
{
	const struct shadowmm_calls *c = preloaded();
	int ret = HAS(c, vma_name) ? c->vma_name(addr, buf, size) : -ENODATA;
	struct name name = { .buf = buf, .size = size };
	struct shadowmm_vma vma;

	if (ret != -ENODATA)
		return ret;
	ret = smm_maps_find(addr, &vma, &name);
	if (ret)
		return ret;
	if (vma.start > addr)
		return -ENOENT;
	if (size)
		buf[min(name.len, size - 1)] = '\0';
	return (int)name.len;
}

/* --- the descriptor ---------------------------------------------------------------- */

#define FIELD(name) __builtin_offsetof(struct shadowmm_mm, name)

/* Lines of /proc/self/status; kB, but for Threads. */
static const struct {
	char key[8];
	unsigned int offset;
} status_line[] = {
	{ "VmPeak", FIELD(hiwater_vm) }, { "VmSize", FIELD(total_vm) },
	{ "VmLck", FIELD(locked_vm) },	 { "VmData", FIELD(data_vm) },
	{ "VmStk", FIELD(stack_vm) },	 { "VmExe", FIELD(exec_vm) },
	{ "VmLib", FIELD(exec_vm) }, /* the two are the parts of it */
	{ "Threads", FIELD(users) },
};

/* Fields of /proc/self/stat, numbers from 1 as in proc(5). */
static const struct {
	unsigned int number, offset;
} stat_field[] = {
	{ 26, FIELD(start_code) }, { 27, FIELD(end_code) }, { 28, FIELD(start_stack) },
	{ 45, FIELD(start_data) }, { 46, FIELD(end_data) }, { 47, FIELD(start_brk) },
	{ 48, FIELD(arg_start) },  { 49, FIELD(arg_end) },  { 50, FIELD(env_start) },
	{ 51, FIELD(env_end) },
};

static unsigned long *field(struct shadowmm_mm *mm, unsigned int offset)
{
	return (unsigned long *)((char *)mm + offset);
}

static bool same_key(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (a[i] != b[i])
			return false;
		if (!a[i])
			return true;
	}
	return true;
}

/* From the start of a line to its colon. */
static void read_key(struct text *t, char *key, size_t size)
{
	size_t len = 0;

	for (; t->next >= 0 && t->next != ':' && t->next != '\n'; smm_text_skip(t))
		if (len < size - 1)
			key[len++] = (char)t->next;
	key[len] = '\0';
}

static void status_value(struct text *t, struct shadowmm_mm *mm, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(status_line); i++) {
		if (!same_key(key, status_line[i].key, sizeof(status_line[i].key)))
			continue;
		while (t->next == ':' || t->next == ' ' || t->next == '\t')
			smm_text_skip(t);
		*field(mm, status_line[i].offset) +=
			smm_text_number(t, 10) / (key[0] == 'V' ? PAGE_SIZE / 1024 : 1);
	}
}

static int read_status(struct shadowmm_mm *mm)
{
	char key[16];
	struct text t;
	int ret = smm_text_open(&t, "/proc/self/status");

	if (ret)
		return ret;
	while (t.next >= 0) {
		read_key(&t, key, sizeof(key));
		status_value(&t, mm, key);
		smm_text_skip_to(&t, '\n');
		smm_text_skip(&t);
	}
	smm_text_close(&t);
	return t.err;
}

/* The name in parentheses may hold anything, also ") ": the last ')' counts, and what
 * follows has none. */
static void stat_values(struct text *t, struct shadowmm_mm *mm)
{
	unsigned int number = 2;
	size_t i = 0;

	while (t->next >= 0 && i < ARRAY_SIZE(stat_field)) {
		const int c = t->next;

		smm_text_skip(t);
		if (c == ')') {
			number = 2;
			i = 0;
		}
		if (c == ' ' && ++number == stat_field[i].number)
			*field(mm, stat_field[i++].offset) = smm_text_number(t, 10);
	}
}

static int read_stat(struct shadowmm_mm *mm)
{
	struct text t;
	int ret = smm_text_open(&t, "/proc/self/stat");

	if (ret)
		return ret;
	stat_values(&t, mm);
	smm_text_close(&t);
	return t.err;
}

static int count_areas(struct shadowmm_mm *mm)
{
	struct shadowmm_vma line;
	struct text t;
	int ret = smm_text_open(&t, MAPS_PATH);

	if (ret)
		return ret;
	while ((ret = smm_maps_line(&t, &line, NULL)) > 0)
		mm->map_count += !IS_GATE(line.start);
	smm_text_close(&t);
	return ret;
}

__public int shadowmm_read_mm(struct shadowmm_mm *out, unsigned long size)
{
	const struct shadowmm_calls *c = preloaded();
	int ret = HAS(c, read_mm) ? c->read_mm(out, size) : -ENODATA;
	struct shadowmm_mm mm = { .brk = (unsigned long)sys_brk(0) };

	if (ret != -ENODATA)
		return ret;
	ret = read_status(&mm);
	if (!ret)
		ret = read_stat(&mm);
	if (!ret)
		ret = count_areas(&mm);
	if (ret)
		return ret;
	for (size_t i = 0; i < size; i++)
		((char *)out)[i] = i < sizeof(mm) ? ((char *)&mm)[i] : 0;
	return 0;
}
