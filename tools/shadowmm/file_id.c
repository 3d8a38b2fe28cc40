// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli.h"
#include "file_id.h"
#include "pages.h"

struct own_line {
	unsigned long addr;
	struct file_id *id;
};

static bool take_line(void *priv, const struct map_line *line)
{
	const struct own_line *own = priv;

	if (line->start != own->addr)
		return true;
	own->id->major = line->major;
	own->id->minor = line->minor;
	own->id->inode = line->inode;
	return false;
}

/* What maps says, of a mapping that is made for that. */
static void identify_mapped(int fd, struct file_id *id)
{
	void *p = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE, fd, 0);
	struct own_line own = { (unsigned long)p, id };

	if (p == MAP_FAILED)
		return;
	maps_each(getpid(), take_line, &own);
	munmap(p, PAGE_SIZE);
}

bool file_identify(const char *command, const char *path, struct file_id *id)
{
	struct stat st;
	int fd;

	if (stat(path, &st)) {
		cli_usage("%s: %s: %s: give a file that is there", command, path,
			  strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		cli_usage("%s: %s: not a regular file: give one", command, path);
		return false;
	}
	*id = (struct file_id){ major(st.st_dev), minor(st.st_dev), st.st_ino,
				(unsigned long)st.st_size };
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return true;
	identify_mapped(fd, id);
	close(fd);
	return true;
}
