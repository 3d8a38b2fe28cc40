// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * After every call: do all flags that the library shows for the area equal VmFlags of
 * /proc/self/smaps, does `verify flags` find no difference anywhere, and does the
 * descriptor of `stat` equal /proc/self/status? Plain, nobody is asked and nothing
 * differs.
 */
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SYS_MSEAL     462
#define SYS_HOME_NODE 450
#define GUARD_INSTALL 102
#define GUARD_REMOVE  103
#define DROPPABLE     0x08
#define MERGE_ALL     67
#define RW	      (PROT_READ | PROT_WRITE)

static bool unsure; /* the flags of what follows are learned by `verify flags` only */
static unsigned int steps, wrong;

/* --- the library's side ------------------------------------------------------------ */

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...)
{
	va_list ap;

	wrong++;
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

/* "rd wr mr " out of "flags":["rd","wr","mr"] */
static void their_flags(void *p, char *flags)
{
	char command[64], *s, *end;

	snprintf(command, sizeof(command), "smaps %lx", (unsigned long)p);
	s = strstr(ask(command), "\"flags\":[");
	*flags = '\0';
	if (!s)
		return;
	s += strlen("\"flags\":[");
	for (end = strchr(s, ']'); s < end; s += 5) {
		strncat(flags, s + 1, 2);
		strcat(flags, " ");
	}
}

/* --- the kernel's side ------------------------------------------------------------- */

static void kernels_flags(void *p, char *flags)
{
	const char *line = smaps_line(p, "VmFlags");

	strcpy(flags, line ? line + 1 : "");
}

/* --- one step ---------------------------------------------------------------------- */

static void compare_flags(const char *what, void *p)
{
	char ours[256], kernels[256];

	kernels_flags(p, kernels);
	their_flags(p, ours);
	if (strcmp(ours, kernels))
		complain("%s: library %s, kernel %s", what, ours, kernels);
}

/* @p lies in the area that the call was about. */
static void step(const char *what, void *p)
{
	const char *reply;

	steps++;
	if (p == MAP_FAILED || !can_ask())
		return;
	if (!unsure)
		compare_flags(what, p);
	reply = ask("verify flags");
	if (!strstr(reply, "\"differences\":0,") || !strstr(reply, "\"broken\":null"))
		complain("%s: %s", what, reply);
	compare_flags(what, p);
}

#define STEP(p, call)             \
	do {                      \
		(void)!(call);    \
		step(#call, (p)); \
	} while (0)

/* --- the descriptor ---------------------------------------------------------------- */

static long number_after(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtol(p + strlen(key), NULL, 10) : -1;
}

static void compare_descriptor(const char *what)
{
	static const struct {
		const char *status, *stat;
	} same[] = {
		{ "VmSize:", "\"total_vm\":" }, { "VmData:", "\"data_vm\":" },
		{ "VmStk:", "\"stack_vm\":" },	{ "VmLck:", "\"locked_vm\":" },
		{ "VmPin:", "\"pinned_vm\":" }, { "VmPeak:", "\"hiwater_vm\":" },
		{ "VmSwap:", "\"rss_swap\":" }, { "RssShmem:", "\"rss_shmem\":" },
	};
	const char *reply, *status;

	steps++;
	if (!can_ask())
		return;
	ask("verify"); /* the stack may have grown */
	reply = ask("stat");
	status = read_proc("/proc/self/status");
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (4 * number_after(reply, same[i].stat) !=
		    number_after(status, same[i].status))
			complain("%s: %s %ld KiB, %s %ld pages", what, same[i].status,
				 number_after(status, same[i].status), same[i].stat,
				 number_after(reply, same[i].stat));
	if (4 * number_after(reply, "\"exec_vm\":") !=
	    number_after(status, "VmExe:") + number_after(status, "VmLib:"))
		complain("%s: exec_vm", what);
	if (number_after(reply, "\"rss\":") > number_after(reply, "\"hiwater_rss\":") ||
	    number_after(reply, "\"rss_anon\":") <= 0 ||
	    number_after(reply, "\"rss_file\":") <= 0)
		complain("%s: rss: %s", what, reply);
}

static void expect_shortcut(const char *name, unsigned long value)
{
	char text[64];

	if (!can_ask())
		return;
	snprintf(text, sizeof(text), "\"%s\":\"%08lx\"", name, value);
	if (!strstr(ask("stat"), text))
		complain("no %s", text);
}

/* --- kinds of mappings ------------------------------------------------------------- */

static void *map(size_t len, int prot, int flags, int fd)
{
	return mmap(NULL, len, prot, flags, fd, 0);
}

static const int prots[] = { PROT_NONE, PROT_READ, RW, PROT_READ | PROT_EXEC };

static void anonymous_kinds(void)
{
	static const int flags[] = {
		MAP_PRIVATE,
		MAP_PRIVATE | MAP_NORESERVE,
		MAP_PRIVATE | MAP_STACK,
		MAP_PRIVATE | MAP_GROWSDOWN,
		MAP_PRIVATE | MAP_LOCKED,
		MAP_PRIVATE | MAP_POPULATE,
		MAP_SHARED,
		MAP_SHARED | MAP_NORESERVE,
		MAP_SHARED | MAP_LOCKED,
		DROPPABLE,
		MAP_PRIVATE | MAP_HUGETLB | MAP_NORESERVE,
		MAP_SHARED | MAP_HUGETLB | MAP_NORESERVE,
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		for (size_t j = 0; j < sizeof(prots) / sizeof(*prots); j++) {
			char what[64];
			void *p = map(2 * MIB, prots[j], flags[i] | MAP_ANONYMOUS, -1);

			snprintf(what, sizeof(what), "anonymous %#x prot %d", flags[i],
				 prots[j]);
			step(what, p);
			if (p != MAP_FAILED)
				CHECK(!munmap(p, 2 * MIB));
		}
}

static void file_kinds(const char *what, int fd)
{
	static const int flags[] = { MAP_PRIVATE,
				     MAP_SHARED,
				     MAP_SHARED_VALIDATE,
				     MAP_PRIVATE | MAP_NORESERVE,
				     MAP_SHARED | MAP_NORESERVE,
				     MAP_PRIVATE | MAP_LOCKED };

	CHECK(fd >= 0);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		for (size_t j = 0; j < sizeof(prots) / sizeof(*prots); j++) {
			char text[64];
			void *p = map(4 * PAGE, prots[j], flags[i], fd);

			snprintf(text, sizeof(text), "%s %#x prot %d", what, flags[i],
				 prots[j]);
			step(text, p);
			if (p == MAP_FAILED)
				continue;
			mprotect(p, PAGE, RW);
			step(text, p);
			munmap(p, 4 * PAGE);
		}
	close(fd);
}

static int sealed_memfd(int seals)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	CHECK(fd >= 0 && !ftruncate(fd, MIB) && !fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static void files(void)
{
	char name[] = "flags.XXXXXX";
	int fd = mkstemp(name), huge = memfd_create("huge", MFD_HUGETLB);

	CHECK(fd >= 0 && !ftruncate(fd, MIB));
	file_kinds("file, read and write", fd);
	file_kinds("file, read only", open(name, O_RDONLY));
	CHECK(!unlink(name));
	file_kinds("memfd", sealed_memfd(0));
	file_kinds("memfd, F_SEAL_WRITE", sealed_memfd(F_SEAL_WRITE));
	file_kinds("memfd, F_SEAL_FUTURE_WRITE", sealed_memfd(F_SEAL_FUTURE_WRITE));
	file_kinds("/dev/zero", open("/dev/zero", O_RDWR));
	file_kinds("/dev/zero, read only", open("/dev/zero", O_RDONLY));
	if (huge < 0)
		return;
	CHECK(!ftruncate(huge, 2 * MIB));
	for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++) {
		void *p = map(2 * MIB, RW, flags | MAP_NORESERVE, huge);

		step("huge memfd", p);
		if (p != MAP_FAILED)
			CHECK(!munmap(p, 2 * MIB));
	}
	close(huge);
}

/* What only the kernel knows: learned by `verify flags`. */
static void devices(void)
{
	unsigned long context = 0;
	int id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
	int ring = (int)syscall(SYS_io_uring_setup, 4, (char[120]){ 0 });
	int secret = (int)syscall(447, 0); /* memfd_secret */
	void *p;

	unsure = true;
	CHECK(id >= 0);
	for (int i = 0; i < 3; i++) {
		static const int flags[] = { 0, SHM_RDONLY, SHM_EXEC };

		p = shmat(id, NULL, flags[i]);
		step("shmat", p);
		if (p != (void *)-1)
			CHECK(!shmdt(p));
	}
	CHECK(!shmctl(id, IPC_RMID, NULL));
	if (!syscall(SYS_io_setup, 8, &context)) {
		step("io_setup", (void *)context);
		CHECK(!syscall(SYS_io_destroy, context));
	}
	if (ring >= 0) {
		p = map(PAGE, RW, MAP_SHARED | MAP_POPULATE, ring);
		step("io_uring", p);
		close(ring);
		if (p != MAP_FAILED)
			CHECK(!munmap(p, PAGE));
	}
	unsure = false;
	if (secret >= 0) {
		CHECK(!ftruncate(secret, PAGE));
		p = map(PAGE, RW, MAP_SHARED, secret);
		step("memfd_secret", p);
		close(secret);
		if (p != MAP_FAILED)
			CHECK(!munmap(p, PAGE));
	}
}

/* --- calls ------------------------------------------------------------------------- */

static char *touched(size_t len)
{
	char *p = anon(len);

	for (size_t i = 0; i < len; i += PAGE)
		p[i] = 1;
	return p;
}

static void advices(char *p)
{
	static const int advice[] = {
		MADV_MERGEABLE,	    MADV_UNMERGEABLE,	 MADV_HUGEPAGE,
		MADV_NOHUGEPAGE,    MADV_RANDOM,	 MADV_SEQUENTIAL,
		MADV_NORMAL,	    MADV_WIPEONFORK,	 MADV_KEEPONFORK,
		MADV_DONTFORK,	    MADV_DOFORK,	 MADV_DONTDUMP,
		MADV_DODUMP,	    MADV_WILLNEED,	 MADV_FREE,
		MADV_DONTNEED,	    MADV_COLD,		 MADV_PAGEOUT,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_COLLAPSE,
		MADV_REMOVE,	    GUARD_INSTALL,	 GUARD_REMOVE,
	};

	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		char what[32];

		snprintf(what, sizeof(what), "madvise %d", advice[i]);
		madvise(p + 4 * PAGE, 4 * PAGE, advice[i]);
		step(what, p + 4 * PAGE);
		step(what, p + 8 * PAGE);
	}
}

static void protections(char *p)
{
	STEP(p, mprotect(p, 4 * PAGE, PROT_READ));
	STEP(p, mprotect(p, 8 * PAGE, PROT_NONE));
	STEP(p, mprotect(p, 8 * PAGE, RW));
	STEP(p + PAGE, mprotect(p + PAGE, PAGE, PROT_READ | PROT_EXEC));
	STEP(p + PAGE, mprotect(p + PAGE, PAGE, RW));
	STEP(p, mlock(p, 3 * PAGE));
	compare_descriptor("mlock");
	STEP(p + PAGE, munlock(p + PAGE, PAGE));
	STEP(p, syscall(SYS_mlock2, p, 2 * PAGE, 1 /* MLOCK_ONFAULT */));
	STEP(p, munlock(p, 4 * PAGE));
	STEP(p, mlock(p, (size_t)1 << 40)); /* over a hole */
	STEP(p, munlock(p, (size_t)1 << 40));
}

static void moves(char *p)
{
	char *q = anon(64 * PAGE), *r;

	STEP(q, (r = mremap(p, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q)));
	CHECK(r == q);
	STEP(q, mremap(q, 8 * PAGE, 4 * PAGE, 0));
	STEP(q, mremap(q, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE));
	r = mremap(q, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, NULL);
	step("MREMAP_DONTUNMAP", r);
	step("its source", q);
}

static void seals(void)
{
	char *p = touched(16 * PAGE);

	if (syscall(SYS_MSEAL, p + 4 * PAGE, 4 * PAGE, 0))
		return;
	step("mseal", p + 4 * PAGE);
	STEP(p, mprotect(p, 16 * PAGE, PROT_READ));
	STEP(p + 8 * PAGE, mprotect(p, 16 * PAGE, RW));
	STEP(p + 4 * PAGE, madvise(p, 16 * PAGE, MADV_DONTFORK));
	STEP(p + 4 * PAGE, munmap(p, 16 * PAGE));
	STEP(p, syscall(SYS_MSEAL, p, 8 * PAGE, 0));
}

static void policies(void)
{
	char *p = touched(16 * PAGE);
	unsigned long node = 1;

	if (syscall(SYS_mbind, p, 4 * PAGE, 2 /* MPOL_BIND */, &node, 8UL, 0))
		return;
	step("mbind", p);
	STEP(p, syscall(SYS_mbind, p + 4 * PAGE, 4 * PAGE, 2, &node, 64UL, 0));
	STEP(p, syscall(SYS_mbind, p + 2 * PAGE, PAGE, 0, NULL, 0UL, 0));
	STEP(p, syscall(SYS_mbind, p + 2 * PAGE, PAGE, 2, &node, 2UL, 0));
	STEP(p, syscall(SYS_HOME_NODE, p + PAGE, PAGE, 0UL, 0UL));
	STEP(p, syscall(SYS_HOME_NODE, p, PAGE, 0UL, 0UL));
	STEP(p, syscall(SYS_mbind, p, 16 * PAGE, 1 /* MPOL_PREFERRED */, NULL, 0UL, 0));
	STEP(p, syscall(SYS_mbind, p, 16 * PAGE, 4 /* MPOL_LOCAL */, NULL, 0UL, 0));
	STEP(p, syscall(SYS_mbind, p, 16 * PAGE, 0, NULL, 0UL, 0));
}

static void names(void)
{
	char *p = touched(16 * PAGE),
	     *s = map(8 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1);

	STEP(p, prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4 * PAGE, "one"));
	STEP(p, prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p + 4 * PAGE, 4 * PAGE, "one"));
	STEP(s, prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, s, 4 * PAGE, "shared"));
	STEP(p, prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 16 * PAGE, NULL));
}

static void whole_process(void)
{
	char *p = touched(16 * PAGE);

	STEP(p, prctl(MERGE_ALL, 1, 0, 0, 0));
	STEP(p, mprotect(p, 8 * PAGE, PROT_READ));
	step("born mergeable", anon(4 * PAGE));
	STEP((char *)sbrk(0) - 1, sbrk(64 * PAGE));
	STEP(p, prctl(MERGE_ALL, 0, 0, 0, 0));
	STEP(p, mlockall(MCL_CURRENT | MCL_FUTURE));
	compare_descriptor("mlockall");
	step("born locked", anon(4 * PAGE));
	step("born locked, droppable", map(4 * PAGE, RW, DROPPABLE | MAP_ANONYMOUS, -1));
	STEP((char *)sbrk(0) - 1, sbrk(4 * PAGE));
	STEP(p, munlockall());
	STEP(p, mlockall(MCL_CURRENT | MCL_ONFAULT));
	STEP(p, munlockall());
	compare_descriptor("munlockall");
}

static void advise_oneself(void)
{
	char *p = touched(16 * PAGE);
	struct iovec iov[2] = { { p, 2 * PAGE }, { p + 4 * PAGE, 2 * PAGE } };
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	CHECK(pidfd >= 0);
	STEP(p, syscall(SYS_process_madvise, pidfd, iov, 2, MADV_DONTDUMP, 0));
	STEP(p + 4 * PAGE, syscall(SYS_process_madvise, pidfd, iov, 2, MADV_DONTFORK, 0));
	close(pidfd);
}

static void shortcuts(void)
{
	unsigned long arg = (unsigned long)anon(PAGE);

	if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, arg, 0, 0))
		return;
	expect_shortcut("arg_start", arg);
	CHECK(!prctl(PR_SET_MM, PR_SET_MM_ARG_END, arg + 8, 0, 0));
	expect_shortcut("arg_end", arg + 8);
}

static void userfault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	char *p = touched(16 * PAGE);
	struct uffdio_register reg = {
		.range = { .start = (unsigned long)p, .len = 4 * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return;
	STEP(p, ioctl(fd, UFFDIO_REGISTER, &reg));
	reg.mode = UFFDIO_REGISTER_MODE_WP;
	STEP(p, ioctl(fd, UFFDIO_REGISTER, &reg));
	reg.mode |= UFFDIO_REGISTER_MODE_MISSING;
	reg.range.len = 6 * PAGE;
	STEP(p, ioctl(fd, UFFDIO_REGISTER, &reg));
	reg.range.len = 2 * PAGE;
	STEP(p, ioctl(fd, UFFDIO_UNREGISTER, &reg.range));
	close(fd);
	unsure = true;
	step("closing the userfaultfd", p + 2 * PAGE);
	unsure = false;
}

static void child(void)
{
	wrong = 0;
	step("child", anon(4 * PAGE));
	compare_descriptor("child");
	exit(wrong != 0);
}

/* mlock(2) of who may not lock more than he is allowed. */
static void limited(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];
	struct rlimit limit;
	char *p = touched(32 * PAGE);

	wrong = 0;
	CHECK(!syscall(SYS_capget, &head, caps) && !getrlimit(RLIMIT_MEMLOCK, &limit));
	caps[0].effective &= ~(1U << CAP_IPC_LOCK);
	limit.rlim_cur = 8 * PAGE;
	CHECK(!syscall(SYS_capset, &head, caps) && !setrlimit(RLIMIT_MEMLOCK, &limit));
	STEP(p, mlock(p, 16 * PAGE));
	STEP(p, mlock(p, (size_t)1 << 40));
	STEP(p, mlock(p, 6 * PAGE));
	STEP(p, mlock(p + 2 * PAGE, 6 * PAGE));
	STEP(p, mlock(p + 2 * PAGE, 7 * PAGE));
	STEP(p, syscall(SYS_mlock2, p + 16 * PAGE, PAGE, 1 /* MLOCK_ONFAULT */));
	STEP(p, munlock(p, (size_t)1 << 40)); /* over a hole */
	compare_descriptor("limited");
	exit(wrong != 0);
}

static void sweep(void)
{
	char *p;

	step("start", (void *)child);
	compare_descriptor("start");
	anonymous_kinds();
	files();
	compare_descriptor("files");
	devices();
	advices(anon(16 * PAGE));
	advices(touched(16 * PAGE));
	advices(map(16 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1));
	/* Whether it was touched decides about "ac": that is a guess. */
	unsure = true;
	protections(anon(16 * PAGE));
	unsure = false;
	protections(touched(MIB));
	moves(touched(16 * PAGE));
	p = map(16 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	moves(p);
	compare_descriptor("moves");
	seals();
	policies();
	names();
	advise_oneself();
	shortcuts();
	whole_process();
	in_child("child", child);
	compare_descriptor("child");
	in_child("limited", limited);
	userfault();
	compare_descriptor("end");
}

int main(void)
{
	sweep();
	printf("%u steps, %u wrong\n", steps, wrong);
	return wrong != 0;
}
