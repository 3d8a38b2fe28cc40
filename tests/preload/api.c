// SPDX-License-Identifier: LGPL-2.1-or-later
/* <shadowmm/shadowmm.h> from threads and a signal handler, while areas come and go. */
#include "tests/preload/api_storm.h"

#include <shadowmm/shadowmm.h>

#define LEN (2 * MIB)

static char *p;

/* The area in the middle never changes, whatever happens to its neighbours. */
static bool right(void)
{
	struct shadowmm_vma vma;
	unsigned long want = (unsigned long)p + LEN;

	if (shadowmm_find_vma(want + 5 * PAGE, &vma))
		return false;
	return vma.start == want && vma.end == want + LEN && (vma.flags & 3) == 1 &&
	       vma.ino == 0;
}

int main(void)
{
	struct shadowmm_vma vma;

	if (!shadowmm_active()) {
		puts("not preloaded");
		return shadowmm_version != NULL;
	}
	p = anon_with(3 * LEN, PROT_NONE, 0);
	CHECK(mprotect(p + LEN, LEN, PROT_READ) == 0);
	CHECK(shadowmm_find_vma(~0UL, &vma) == -ENOENT);
	CHECK(shadowmm_find_vma(0, &vma) == 0 && vma.start > 0);
	CHECK(shadowmm_find_vma((unsigned long)main, &vma) == 0 && vma.ino &&
	      (vma.flags & 5) == 5 && vma.policy == SHADOWMM_POLICY_TRACK);
	CHECK(right());
	storm = (struct api_storm){ p, LEN, 1500, 20000, right };
	all_at_once();
	puts(shadowmm_version());
	return 0;
}
