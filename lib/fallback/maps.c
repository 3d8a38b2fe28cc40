// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/fallback/maps.h"
#include "lib/sys/sys.h"

int smm_text_open(struct text *t, const char *path)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);

	t->fd = (int)fd;
	t->err = 0;
	t->pos = t->len = 0;
	if (fd < 0)
		return (int)fd;
	smm_text_skip(t);
	return 0;
}

void smm_text_close(struct text *t)
{
	sys_close(t->fd);
}

void smm_text_skip(struct text *t)
{
	long n;

	if (t->pos == t->len) {
		do
			n = sys_read(t->fd, t->buf, sizeof(t->buf));
		while (n == -EINTR);
		t->err = n < 0 ? (int)n : 0;
		t->pos = 0;
		t->len = n < 0 ? 0 : (unsigned int)n;
	}
	t->next = t->len ? (unsigned char)t->buf[t->pos++] : -1;
}

static int digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

unsigned long smm_text_number(struct text *t, unsigned int base)
{
	unsigned long value = 0;

	for (; digit(t->next) < (int)base; smm_text_skip(t))
		value = value * base + (unsigned long)digit(t->next);
	return value;
}

void smm_text_skip_to(struct text *t, int c)
{
	while (t->next != c && t->next >= 0)
		smm_text_skip(t);
}

static void name_add(struct name *name, int c)
{
	if (name->len + 1 < name->size)
		name->buf[name->len] = (char)c;
	name->len++;
}

/* seq_path() writes a newline as \012 (fs/seq_file.c, mangle_path). */
static int unescaped(struct text *t)
{
	int c = t->next;

	smm_text_skip(t);
	if (c != '\\' || t->next < '0' || t->next > '3')
		return c;
	return (int)smm_text_number(t, 8) & 0xff;
}

static void read_name(struct text *t, struct name *name)
{
	while (t->next == ' ')
		smm_text_skip(t);
	while (name && t->next != '\n' && t->next >= 0)
		name_add(name, unescaped(t));
}

static unsigned long read_perms(struct text *t)
{
	unsigned long flags = 0;

	for (unsigned int bit = 0; bit < 4 && t->next >= 0; bit++, smm_text_skip(t))
		if (t->next == "rwxs"[bit])
			flags |= 1UL << bit;
	return flags;
}

int smm_maps_line(struct text *t, struct shadowmm_vma *vma, struct name *name)
{
	if (t->next < 0)
		return t->err;
	*vma = (struct shadowmm_vma){ .start = smm_text_number(t, 16) };
	smm_text_skip(t);
	vma->end = smm_text_number(t, 16);
	smm_text_skip(t);
	vma->flags = read_perms(t);
	smm_text_skip(t);
	vma->pgoff = smm_text_number(t, 16) >> PAGE_SHIFT;
	smm_text_skip(t);
	vma->dev_major = (unsigned int)smm_text_number(t, 16);
	smm_text_skip(t);
	vma->dev_minor = (unsigned int)smm_text_number(t, 16);
	smm_text_skip(t);
	vma->ino = smm_text_number(t, 10);
	if (name)
		name->len = 0;
	read_name(t, name);
	smm_text_skip_to(t, '\n');
	smm_text_skip(t);
	return vma->start < vma->end ? 1 : -EPROTO;
}

/* include/uapi/linux/fs.h; newer than the headers we build with. */
struct procmap_query {
	u64 size, query_flags, query_addr;
	u64 vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	u32 dev_major, dev_minor, vma_name_size, build_id_size;
	u64 vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY	      0xc0686611
#define COVERING_OR_NEXT_VMA  0x10
#define PROCMAP_QUERY_MAX_LEN 4096

int smm_maps_query(int fd, unsigned long addr, struct shadowmm_vma *vma,
		   struct name *name)
{
	struct procmap_query q = {
		.size = sizeof(q),
		.query_flags = COVERING_OR_NEXT_VMA,
		.query_addr = addr,
	};
	long ret;

	if (name && name->size) {
		q.vma_name_addr = (u64)(unsigned long)name->buf;
		q.vma_name_size =
			(u32)min(name->size, (unsigned long)PROCMAP_QUERY_MAX_LEN);
	}
	ret = sys_ioctl(fd, PROCMAP_QUERY, &q);
	if (ret)
		return (int)ret;
	*vma = (struct shadowmm_vma){
		.start = q.vma_start,
		.end = q.vma_end,
		.flags = q.vma_flags & 0xf, /* VM_READ.. VM_SHARED, the same bits */
		.pgoff = q.vma_offset >> PAGE_SHIFT,
		.ino = q.inode,
		.dev_major = q.dev_major,
		.dev_minor = q.dev_minor,
	};
	if (name)
		name->len = q.vma_name_size ? q.vma_name_size - 1 : 0;
	return 0;
}

static int find_in_text(unsigned long addr, struct shadowmm_vma *vma, struct name *name)
{
	struct text t;
	int ret = smm_text_open(&t, MAPS_PATH);

	if (ret)
		return ret;
	do
		ret = smm_maps_line(&t, vma, name);
	while (ret > 0 && vma->end <= addr);
	smm_text_close(&t);
	return ret > 0 ? 0 : ret < 0 ? ret : -ENOENT;
}

int smm_maps_query_or_gate(int fd, unsigned long addr, struct shadowmm_vma *vma,
			   struct name *name)
{
	int ret = smm_maps_query(fd, addr, vma, name);

	return ret == -ENOENT ? find_in_text(addr, vma, name) : ret;
}

int smm_maps_find(unsigned long addr, struct shadowmm_vma *vma, struct name *name)
{
	long fd = sys_open(MAPS_PATH, O_RDONLY | O_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return (int)fd;
	/* How long a name is that has no room, only the text says. */
	ret = name && !name->size ? -ENAMETOOLONG
				  : smm_maps_query((int)fd, addr, vma, name);
	sys_close(fd);
	return ret ? find_in_text(addr, vma, name) : 0;
}
