// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: file_share [KILLS [PROCESSES [MIB [SEED [engine]]]]]
 *
 * PROCESSES map the same file and read it for ever, in order and at random; what each
 * byte must be follows from its place. KILLS times one of them is killed at a moment
 * given by chance and another one starts; with `engine` it is one of the library's tasks
 * that is killed, with which the process must die. In the end those that are left must
 * end by themselves, none having seen a wrong byte.
 *
 * Every second one is a process of its own (exec), the others are forks. Nothing lives
 * longer than the first process.
 */
#include "tests/preload/common.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum {
	MAX_PROCESSES = 64,
	STEP = 64, /* pages read between two words to the parent */
};

/* Shared by all, and inherited as a descriptor by those that are executed. */
struct board {
	atomic_int stop;
	atomic_int wrong; /* somebody saw a wrong byte */
	/* Its program is the one that it will be; before exec() there is another engine.
	 */
	atomic_int begun[MAX_PROCESSES];
};

struct work {
	const char *path;
	size_t len;
	uint64_t random;
	int board, slot;
	int pipe, heard; /* where each step is told; the other end, of the parent */
};

static struct board *board;
static const char *self_path = "/proc/self/exe";

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t word_at(size_t offset)
{
	uint64_t x = offset / 8 * 0x2545f4914f6cdd1d + 1;

	return x ^ x >> 29;
}

static struct board *map_board(int fd)
{
	void *p = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* --- a reader ---------------------------------------------------------------------- */

static _Noreturn void wrong_word(size_t offset, uint64_t found)
{
	atomic_store(&board->wrong, 1);
	printf("wrong bytes at %zu: %016lx instead of %016lx\n", offset,
	       (unsigned long)found, (unsigned long)word_at(offset));
	fflush(stdout);
	_exit(1);
}

static void check_page(const char *p, size_t page)
{
	const uint64_t *words = (const void *)(p + page * PAGE);

	for (size_t i = 0; i < PAGE / 8; i++)
		if (words[i] != word_at(page * PAGE + i * 8))
			wrong_word(page * PAGE + i * 8, words[i]);
}

/* A step of pages, in order or anywhere. */
static void check_step(const struct work *w, const char *p, size_t from, uint64_t *random)
{
	size_t pages = w->len / PAGE;
	bool in_order = next_random(random) % 4;

	for (size_t i = 0; i < STEP; i++)
		check_page(p, (in_order ? from + i : next_random(random)) % pages);
}

/* A copy of a page is nobody else's. */
static void write_some(const struct work *w, char *p, uint64_t *random)
{
	for (int i = 0; i < 4; i++) {
		size_t page = next_random(random) % (w->len / PAGE);
		uint64_t *words = (void *)(p + page * PAGE);

		words[7] ^= 1;
		CHECK(words[7] == (word_at(page * PAGE + 56) ^ 1));
		words[7] ^= 1;
		check_page(p, page);
	}
}

static char *map_it(const struct work *w)
{
	int fd = open(w->path, O_RDONLY | O_CLOEXEC);
	char *p;

	CHECK(fd >= 0);
	/* Some find the file in the kernel's cache, and some have to wait for the disk.
	 */
	if (getpid() % 2)
		CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	p = mmap(NULL, w->len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && close(fd) == 0);
	return p;
}

static void forget_some(const struct work *w, char *p, uint64_t *random)
{
	size_t page = next_random(random) % (w->len / PAGE);
	size_t n = 1 + next_random(random) % (w->len / PAGE - page);

	CHECK(madvise(p + page * PAGE, n * PAGE, MADV_DONTNEED) == 0);
}

static _Noreturn void read_for_ever(struct work *w)
{
	uint64_t random = w->random;
	char *p = map_it(w);

	check_page(p, 0);
	atomic_store(&board->begun[w->slot], 1);
	for (size_t from = next_random(&random); !atomic_load(&board->stop);
	     from += STEP) {
		check_step(w, p, from, &random);
		switch (next_random(&random) % 64) {
		case 0:
			CHECK(munmap(p, w->len) == 0);
			p = map_it(w);
			break;
		case 1:
			forget_some(w, p, &random);
			break;
		case 2:
		case 3:
			write_some(w, p, &random);
		}
		/* The parent being gone, so is what we are for. */
		if (write(w->pipe, "", 1) != 1)
			_exit(2);
	}
	_exit(0);
}

/* --- the one that starts and kills them -------------------------------------------- */

static _Noreturn void execute_reader(const struct work *w)
{
	char len[24], random[24], board_fd[12], pipe_fd[12], slot[12];
	const char *argv[] = { "file_share", "reader", w->path, len, random,
			       board_fd,     pipe_fd,  slot,	NULL };

	snprintf(len, sizeof(len), "%zu", w->len);
	snprintf(random, sizeof(random), "%lu", (unsigned long)w->random);
	snprintf(board_fd, sizeof(board_fd), "%d", w->board);
	snprintf(pipe_fd, sizeof(pipe_fd), "%d", w->pipe);
	snprintf(slot, sizeof(slot), "%d", w->slot);
	execv(self_path, (char *const *)argv);
	_exit(127);
}

static int reader(char **argv)
{
	struct work w = {
		.path = argv[2],
		.len = strtoul(argv[3], NULL, 10),
		.random = strtoul(argv[4], NULL, 10),
		.board = atoi(argv[5]),
		.pipe = atoi(argv[6]),
		.slot = atoi(argv[7]),
	};

	board = map_board(w.board);
	read_for_ever(&w);
}

static pid_t start_reader(struct work *w, int slot, int number)
{
	pid_t pid;

	next_random(&w->random);
	w->slot = slot;
	atomic_store(&board->begun[slot], 0);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && close(w->heard) == 0);
	if (number % 2)
		execute_reader(w);
	read_for_ever(w);
}

static void make_file(const struct work *w)
{
	static uint64_t words[64 * KIB / 8];
	int fd = open(w->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	for (size_t at = 0; at < w->len; at += sizeof(words)) {
		for (size_t i = 0; i < sizeof(words) / 8; i++)
			words[i] = word_at(at + i * 8);
		CHECK(write(fd, words, sizeof(words)) == sizeof(words));
	}
	CHECK(fsync(fd) == 0 && close(fd) == 0);
}

/* A moment by chance: after so many steps of all of them. */
static void let_them_read(int from, uint64_t *random)
{
	char bytes[64];

	for (size_t left = 1 + next_random(random) % 40; left;) {
		ssize_t got =
			read(from, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

		CHECK(got > 0);
		left -= (size_t)got;
	}
}

/* The library shares a file only if it has not changed lately (lib/base/page_cache.h). */
static bool is_old(const struct work *w)
{
	struct timespec now;
	struct stat st;

	CHECK(stat(w->path, &st) == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0);
	return now.tv_sec - st.st_ctim.tv_sec > 2 || now.tv_sec < st.st_ctim.tv_sec;
}

/* One of the library's that is alive: its parent in the eyes of the kernel is the
 * program. Engines of what the process was before exec() may be there as zombies. */
static bool is_engine_of(pid_t program, pid_t task)
{
	char path[64], comm[32] = "";
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)task);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%31[^)]) %*c %d", comm, &parent) != 2)
		parent = 0;
	CHECK(fclose(f) == 0);
	return parent == program && !strncmp(comm, "smm-fault", 9) &&
	       syscall(SYS_kcmp, program, task, KCMP_VM, 0, 0) == 0;
}

static pid_t engine_of(pid_t program)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	CHECK(proc);
	while (!found && (entry = readdir(proc))) {
		pid_t task = (pid_t)atoi(entry->d_name);

		if (task > 0 && is_engine_of(program, task))
			found = task;
	}
	CHECK(closedir(proc) == 0);
	return found;
}

static void kill_one(pid_t pid, bool engine)
{
	pid_t victim = engine ? engine_of(pid) : 0;
	int status;

	CHECK(kill(victim ? victim : pid, SIGKILL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != SIGKILL)
		show_status("who was to be killed", status);
	CHECK(status == SIGKILL);
}

/* Who waits to write to the pipe must not wait for ever. */
static void wait_for(struct work *w, pid_t reader)
{
	char bytes[4096];
	int status;
	pid_t pid;

	while ((pid = waitpid(reader, &status, WNOHANG)) == 0)
		if (read(w->heard, bytes, sizeof(bytes)) <= 0)
			sched_yield();
	CHECK(pid == reader);
	if (status)
		show_status("a reader", status);
}

static void run(struct work *w, int kills, int processes, bool engine)
{
	uint64_t random = w->random ^ 77;
	pid_t pids[MAX_PROCESSES];
	int started = 0;

	for (int i = 0; i < processes; i++)
		pids[i] = start_reader(w, i, started++);
	while (kills && !is_old(w) && !atomic_load(&board->wrong))
		let_them_read(w->heard, &random);
	for (int i = 0; i < kills && !atomic_load(&board->wrong); i++) {
		int slot = (int)(next_random(&random) % (uint64_t)processes);

		let_them_read(w->heard, &random);
		kill_one(pids[slot], engine && i % 2 && atomic_load(&board->begun[slot]));
		pids[slot] = start_reader(w, slot, started++);
	}
	let_them_read(w->heard, &random);
	atomic_store(&board->stop, 1);
	CHECK(fcntl(w->heard, F_SETFL, O_NONBLOCK) == 0);
	for (int i = 0; i < processes; i++)
		wait_for(w, pids[i]);
	printf("%d killed\n", kills);
}

static size_t number(int argc, char **argv, int i, size_t otherwise)
{
	return argc > i ? strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	size_t kills = number(argc, argv, 1, 24), processes = number(argc, argv, 2, 5);
	struct work w = { .path = "of-file-share",
			  .len = number(argc, argv, 3, 16) * MIB,
			  .random = number(argc, argv, 4, 1) };
	bool engine = argc > 5 && !strcmp(argv[5], "engine");
	int pipes[2], wrong;

	if (argc > 7 && !strcmp(argv[1], "reader"))
		return reader(argv);
	CHECK(processes && processes <= MAX_PROCESSES && w.len);
	make_file(&w);
	w.board = memfd_create("board", 0);
	CHECK(w.board >= 0 && ftruncate(w.board, sizeof(*board)) == 0);
	board = map_board(w.board);
	CHECK(pipe(pipes) == 0);
	w.heard = pipes[0];
	w.pipe = pipes[1];
	CHECK(fcntl(pipes[0], F_SETFD, FD_CLOEXEC) == 0);
	run(&w, (int)kills, (int)processes, engine);
	CHECK(unlink(w.path) == 0);
	wrong = atomic_load(&board->wrong);
	puts(wrong ? "wrong bytes were seen" : "no wrong byte was seen");
	return wrong;
}
