// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/string.h"
#include "lib/sys/sys.h"
#include "lib/sys/thp.h"

#define THP_DIR "/sys/kernel/mm/transparent_hugepage/"

/* A line such as "always [madvise] never" in @text; "" if it cannot be read. */
static void read_choice(const char *path, char text[64])
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0), n = 0;

	if (fd >= 0) {
		n = sys_read(fd, text, 63);
		sys_close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
}

static bool chosen(const char *text, const char *word)
{
	const char *p = strchr(text, '[');

	return p && str_has_prefix(p + 1, word);
}

enum thp_mode thp_mode(void)
{
	char text[64];

	/* Since 6.8 each size has a setting of its own; for this one it is to inherit. */
	read_choice(THP_DIR "hugepages-2048kB/enabled", text);
	if (!text[0] || chosen(text, "inherit"))
		read_choice(THP_DIR "enabled", text);
	if (chosen(text, "always"))
		return THP_ALWAYS;
	return chosen(text, "madvise") ? THP_ADVISED : THP_NEVER;
}

bool thp_shmem_always(void)
{
	char text[64];

	/* As above, for shared memory that is in no mount of the user's. */
	read_choice(THP_DIR "hugepages-2048kB/shmem_enabled", text);
	if (!text[0] || chosen(text, "inherit"))
		read_choice(THP_DIR "shmem_enabled", text);
	return chosen(text, "always") || chosen(text, "within_size") ||
	       chosen(text, "force");
}
