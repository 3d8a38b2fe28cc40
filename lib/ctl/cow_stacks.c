// SPDX-License-Identifier: LGPL-2.1-or-later
/* `cow stacks`, `cow sample`: the samples of lib/base/cow_sample.h. */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/sys.h"

void show_sampling(struct reply *r)
{
	const struct cow_sampling *s = r->c->env->sampling;

	reply_printf(r, "\"every\":%u,\"taken\":%u,\"lost\":%u,\"why_lost\":",
		     READ_ONCE(s->every), READ_ONCE(s->taken) - READ_ONCE(s->first),
		     READ_ONCE(s->lost));
	reply_json(r, READ_ONCE(s->why));
}

/* False: it has been overwritten. Pairs with cow_sample_begin() and cow_sample_end(). */
static bool read_sample(const struct cow_sampling *s, u32 number, struct cow_sample *copy)
{
	const struct cow_sample *at = &s->sample[number % COW_SAMPLES];

	if (__atomic_load_n(&at->number, __ATOMIC_ACQUIRE) != number)
		return false;
	memcpy(copy, at, sizeof(*copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&at->number, __ATOMIC_RELAXED) == number;
}

static void show_bytes(struct reply *r, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (; len >= 8; len -= 8, p += 8)
		reply_printf(r, "%02x%02x%02x%02x%02x%02x%02x%02x", p[0], p[1], p[2],
			     p[3], p[4], p[5], p[6], p[7]);
	for (; len; len--, p++)
		reply_printf(r, "%02x", *p);
}

static void show_area_of(struct reply *r, unsigned long page)
{
	struct mm_struct *mm = r->c->env->mm;
	int token = mm_read_lock_engine(mm);
	const struct vm_area_struct *vma = find_vma(mm, page);
	char perms[5];

	if (!vma || vma->vm_start > page) {
		reply_printf(r, "null");
	} else {
		reply_printf(r, "{\"start\":\"%08lx\",\"end\":\"%08lx\",", vma->vm_start,
			     vma->vm_end);
		reply_printf(
			r, "\"perms\":\"%s\",\"name\":", perms_str(vma->vm_flags, perms));
		reply_json(r, vma_name(mm, vma));
		reply_printf(r, "}");
	}
	mm_read_unlock(mm, token);
}

static void show_sample(struct reply *r, const struct cow_sample *s)
{
	reply_printf(r, "{\"tid\":%u,\"every\":%u,\"pages\":%u,\"syscall\":", s->tid,
		     s->every, s->pages);
	if (s->nr < 0)
		reply_printf(r, "null,");
	else
		reply_printf(r, "%d,", s->nr);
	reply_printf(r, "\"addr\":\"%08lx\",\"pc\":\"%08lx\",\"sp\":\"%08lx\",\"area\":",
		     s->page, s->pc, s->sp);
	show_area_of(r, s->page);
	reply_printf(r, ",\"stack\":\"");
	show_bytes(r, s->stack, s->len);
	reply_printf(r, "\"}");
}

/* Oldest first. What is overwritten while we look is left out. */
static void show_samples(struct reply *r)
{
	const struct cow_sampling *s = r->c->env->sampling;
	u32 last = __atomic_load_n(&s->taken, __ATOMIC_ACQUIRE), n = READ_ONCE(s->first);
	struct cow_sample *copy = &r->c->scratch.sample;
	const char *comma = "";

	if (last - n > COW_SAMPLES)
		n = last - COW_SAMPLES;
	while (n++ != last) {
		if (!read_sample(s, n, copy))
			continue;
		reply_printf(r, "%s", comma);
		show_sample(r, copy);
		comma = ",";
	}
}

static bool have_sampling(struct reply *r)
{
	const struct ctl_env *env = r->c->env;
	const char *why = env->cow ? READ_ONCE(env->cow->why) : "the kernel pages it all";

	if (env->sampling && !why)
		return true;
	reply_error(r, "cow: no samples", why,
		    "the kernel copies, and does not say who writes");
	return false;
}

/* What a stack holds is for those to see whom the kernel would let trace the program: not
 * for its user when it has dropped privileges (PR_SET_DUMPABLE in prctl(2)). */
static bool may_be_seen(struct reply *r)
{
	/* An attribute of the address space, which is ours too. */
	if (sys_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1)
		return true;
	reply_error(r, "cow stacks: the program is not dumpable", NULL,
		    "start it as the user that it becomes");
	return false;
}

void show_cow_stacks(struct reply *r)
{
	if (!have_sampling(r) || !may_be_seen(r))
		return;
	reply_printf(r, "{\"pid\":%d,", r->c->env->pid);
	show_sampling(r);
	reply_printf(r, ",\"samples\":[");
	show_samples(r);
	reply_printf(r, "]}");
}

/* Switched on it begins anew; switched off, what there is can still be looked at. */
static void set_every(struct cow_sampling *s, u32 every)
{
	if (every && !s->every) {
		WRITE_ONCE(s->first, READ_ONCE(s->taken));
		WRITE_ONCE(s->lost, 0);
		WRITE_ONCE(s->why, NULL);
	}
	WRITE_ONCE(s->every, every);
}

void ctl_cow_sample(struct reply *r, u32 every)
{
	if (every && !have_sampling(r))
		return;
	if (r->c->env->sampling)
		set_every(r->c->env->sampling, every);
	reply_printf(r, "{\"pid\":%d,\"every\":%u}", r->c->env->pid, every);
}
