// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/sys/mutex.h"
#include "lib/sys/sys.h"

#ifdef SMM_DEBUG
/* The locks in use, by rank; there is one lock of each rank. */
static struct mutex *ranked[LOCK_NR];

static void rank_check(const struct mutex *m, u32 tid)
{
	static const char msg[] = "shadowmm: lock order violated (lib/base/lockrank.h)\n";

	for (int r = (int)m->rank; r < LOCK_NR; r++) {
		if (ranked[r] && READ_ONCE(ranked[r]->state) &&
		    READ_ONCE(ranked[r]->owner) == tid) {
			sys_write(2, msg, sizeof(msg) - 1);
			__builtin_trap();
		}
	}
}
#endif

void mutex_init(struct mutex *m, enum lock_rank rank)
{
	*m = (struct mutex){ .rank = rank };
#ifdef SMM_DEBUG
	ranked[rank] = m;
#endif
}

#define OWNER_DEAD ~0U

static bool task_is_dead(u32 tid)
{
	if (tid == OWNER_DEAD)
		return true;
	/* kill(2) finds a thread's id too, in whatever process it lives. */
	return tid && sys_kill(tid, 0) == -ESRCH;
}

/*
 * Drepper, "Futexes are tricky", mutex 2. The wait has a timeout, so that a holder that
 * died is noticed. Returns as mutex_lock_timeout().
 */
static int mutex_lock_slow(struct mutex *m, unsigned int ms)
{
	const struct timespec tick = { 0, 50 * 1000 * 1000 };
	unsigned int waited = 0;

	while (__atomic_exchange_n(&m->state, 2, __ATOMIC_ACQUIRE) != 0) {
		u32 owner = READ_ONCE(m->owner);

		if (sys_futex(&m->state, FUTEX_WAIT_PRIVATE, 2, &tick) != -ETIMEDOUT)
			continue;
		if (task_is_dead(owner) &&
		    __atomic_compare_exchange_n(&m->owner, &owner, 0, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return 0;
		waited += 50;
		if (ms && waited >= ms)
			return -EBUSY;
	}
	return 1;
}

/* The tid to record, or 0. */
static u32 owner_to_be(const struct mutex *m)
{
	u32 tid;

#ifdef SMM_DEBUG
	tid = (u32)sys_gettid();
	rank_check(m, tid);
#else
	tid = READ_ONCE(m->borrowers) ? (u32)sys_gettid() : 0;
#endif
	return tid;
}

static bool mutex_try(struct mutex *m)
{
	u32 expected = 0;

	return __atomic_compare_exchange_n(&m->state, &expected, 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

bool mutex_trylock(struct mutex *m)
{
	const u64 all = ~0ULL;
	u64 old;

	if (READ_ONCE(m->state))
		return false;
	sys_rt_sigprocmask(SMM_SIG_SETMASK, &all, &old);
	if (!mutex_try(m)) {
		sys_rt_sigprocmask(SMM_SIG_SETMASK, &old, NULL);
		return false;
	}
	WRITE_ONCE(m->owner, owner_to_be(m));
	m->sigmask = old;
	return true;
}

int mutex_lock_timeout(struct mutex *m, unsigned int ms)
{
	const u64 all = ~0ULL;
	u32 tid;
	u64 old;
	int ret = 1;

	sys_rt_sigprocmask(SMM_SIG_SETMASK, &all, &old);
	tid = owner_to_be(m);
	if (!mutex_try(m))
		ret = mutex_lock_slow(m, ms);
	if (ret < 0) {
		sys_rt_sigprocmask(SMM_SIG_SETMASK, &old, NULL);
		return ret;
	}
	WRITE_ONCE(m->owner, tid);
	m->sigmask = old;
	return ret;
}

bool mutex_lock(struct mutex *m)
{
	return mutex_lock_timeout(m, 0) == 1;
}

void mutex_unlock(struct mutex *m)
{
	const u64 old = m->sigmask;

	WRITE_ONCE(m->owner, 0);
	if (__atomic_exchange_n(&m->state, 0, __ATOMIC_RELEASE) == 2)
		sys_futex(&m->state, FUTEX_WAKE_PRIVATE, 1, NULL);
	sys_rt_sigprocmask(SMM_SIG_SETMASK, &old, NULL);
}

void mutex_abandon(struct mutex *m)
{
	WRITE_ONCE(m->owner, OWNER_DEAD);
}

void mutex_adopt(struct mutex *m)
{
	WRITE_ONCE(m->owner, (u32)sys_gettid());
	WRITE_ONCE(m->borrowers, 0);
	WRITE_ONCE(m->state, 1);
}
