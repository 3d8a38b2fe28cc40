// SPDX-License-Identifier: LGPL-2.1-or-later
/* The samples of `cow stacks`: unwound, merged, sorted, printed. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "stacks.h"

#define RAW_FRAMES_MAX 24

struct merger {
	struct text *text;
	struct unwinder *unwinder; /* NULL: addresses only */
	json_t *stacks;		   /* by key */
};

bool stack_word(const struct stack_copy *s, uint64_t addr, uint64_t *word)
{
	if (addr < s->sp || addr - s->sp > s->len || s->len - (addr - s->sp) < 8)
		return false;
	memcpy(word, s->bytes + (addr - s->sp), 8);
	return true;
}

/* --- a sample ---------------------------------------------------------------------- */

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_stack(json_t *sample, struct stack_copy *s)
{
	const char *hex = json_str(sample, "stack");

	s->pc = strtoull(json_str(sample, "pc"), NULL, 16);
	s->sp = strtoull(json_str(sample, "sp"), NULL, 16);
	for (s->len = 0; s->len < sizeof(s->bytes); s->len++, hex += 2) {
		int high = digit(hex[0]), low = high < 0 ? -1 : digit(hex[1]);

		if (low < 0)
			return;
		s->bytes[s->len] = (unsigned char)(high << 4 | low);
	}
}

/* As the kernel does it in its reports: what may be a return address. */
static size_t raw_frames(const struct text *t, const struct stack_copy *s, uint64_t *pcs)
{
	uint64_t word, target;
	size_t nr = 0;

	pcs[nr++] = s->pc;
	for (uint64_t at = s->sp; nr < RAW_FRAMES_MAX && stack_word(s, at, &word);
	     at += 8)
		if (text_returns_to(t, word, &target) != TEXT_NO_CALL)
			pcs[nr++] = word;
	return nr;
}

/* @back: the call is before @pc. */
static json_t *make_frame(struct merger *m, uint64_t pc, bool back)
{
	json_t *frame = json_object();
	const char *module;
	uint64_t offset;
	char text[32];

	snprintf(text, sizeof(text), "%08" PRIx64, pc);
	json_object_set_new(frame, "addr", json_string(text));
	module = text_module(m->text, pc, &offset);
	if (module) {
		json_object_set_new(frame, "module", json_string(module));
		snprintf(text, sizeof(text), "%" PRIx64, offset);
		json_object_set_new(frame, "offset", json_string(text));
	}
	if (m->unwinder)
		unwinder_name(m->unwinder, pc - back, frame);
	else if (back)
		json_object_set_new(frame, "sure", json_false());
	return frame;
}

static json_t *make_frames(struct merger *m, const struct stack_copy *s, bool *complete)
{
	uint64_t pcs[STACKS_FRAMES_MAX];
	json_t *frames = json_array();
	size_t nr;

	*complete = false;
	nr = m->unwinder ? unwinder_frames(m->unwinder, s, pcs, complete)
			 : raw_frames(m->text, s, pcs);
	for (size_t i = 0; i < nr; i++)
		json_array_append_new(frames, make_frame(m, pcs[i], i > 0));
	return frames;
}

/* --- merging ----------------------------------------------------------------------- */

/* What makes two frames the same: the line, else the function, else the address. */
static void append_key(FILE *f, json_t *frame)
{
	if (*json_str(frame, "file"))
		fprintf(f, "%s %s:%ld\n", json_str(frame, "function"),
			json_str(frame, "file"), json_num(frame, "line"));
	else if (*json_str(frame, "function"))
		fprintf(f, "%s %s\n", json_str(frame, "function"),
			json_str(frame, "module"));
	else
		fprintf(f, "%s\n", json_str(frame, "addr"));
}

/* To be freed, or NULL. */
static char *make_key(json_t *frames, json_t *sample)
{
	char *key = NULL;
	size_t size, i;
	FILE *f = open_memstream(&key, &size);
	json_t *frame;

	if (!f)
		return NULL;
	json_array_foreach(frames, i, frame) append_key(f, frame);
	fprintf(f, "%s %ld", json_str(json_object_get(sample, "area"), "start"),
		json_num(sample, "syscall"));
	if (fclose(f)) {
		free(key);
		key = NULL;
	}
	return key;
}

static void add_to(json_t *stack, const char *what, long n)
{
	json_object_set_new(stack, what, json_integer(json_num(stack, what) + n));
}

static json_t *new_stack(json_t *sample, json_t *frames, bool complete)
{
	json_t *stack = json_object();

	json_object_set(stack, "area", json_object_get(sample, "area"));
	json_object_set(stack, "syscall", json_object_get(sample, "syscall"));
	json_object_set(stack, "frames", frames);
	json_object_set_new(stack, "complete", json_boolean(complete));
	return stack;
}

static bool merge_sample(struct merger *m, json_t *sample)
{
	struct stack_copy copy;
	json_t *frames, *stack;
	bool complete;
	char *key;

	read_stack(sample, &copy);
	frames = make_frames(m, &copy, &complete);
	key = make_key(frames, sample);
	if (!key)
		return false;
	stack = json_object_get(m->stacks, key);
	if (!stack) {
		stack = new_stack(sample, frames, complete);
		json_object_set_new(m->stacks, key, stack);
	}
	add_to(stack, "samples", 1);
	add_to(stack, "pages", json_num(sample, "pages") * json_num(sample, "every"));
	json_decref(frames);
	free(key);
	return true;
}

static int by_pages(const void *a, const void *b)
{
	json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	long p = json_num(x, "pages"), q = json_num(y, "pages");

	if (p != q)
		return p < q ? 1 : -1;
	p = json_num(x, "samples");
	q = json_num(y, "samples");
	return p < q ? 1 : p > q ? -1 : 0;
}

/* The values of the object @by_key, sorted. */
static json_t *sorted(json_t *by_key)
{
	size_t nr = json_object_size(by_key), i = 0;
	json_t **all = calloc(nr + 1, sizeof(json_t *)), *list = json_array(), *stack;
	const char *key;

	if (!all)
		return list;
	json_object_foreach(by_key, key, stack) all[i++] = stack;
	qsort(all, nr, sizeof(json_t *), by_pages);
	for (i = 0; i < nr; i++)
		json_array_append(list, all[i]);
	free(all);
	return list;
}

static void add_shares(json_t *list)
{
	json_t *stack;
	long sum = 0;
	size_t i;

	json_array_foreach(list, i, stack) sum += json_num(stack, "pages");
	json_array_foreach(list, i, stack)
	{
		double pages = (double)json_num(stack, "pages");

		json_object_set_new(stack, "share",
				    json_real(sum ? pages / (double)sum : 0));
	}
}

static bool merge_samples(struct merger *m, json_t *reply)
{
	json_t *sample;
	size_t i;

	json_array_foreach(json_object_get(reply, "samples"), i, sample)
	{
		if (!merge_sample(m, sample))
			return false;
	}
	return true;
}

json_t *stacks_merge(json_t *reply, pid_t pid, bool names)
{
	struct merger m = { .text = text_open(pid), .stacks = json_object() };
	json_t *merged = NULL, *list;

	if (m.text && names)
		m.unwinder = unwinder_open(pid, m.text);
	if (!m.text) {
		cli_warn("process %d: it ended before its code could be read", (int)pid);
	} else if (!merge_samples(&m, reply)) {
		cli_warn("cow: out of memory");
	} else {
		merged = json_copy(reply);
		list = sorted(m.stacks);
		add_shares(list);
		json_object_set_new(merged, "kept",
				    json_integer((json_int_t)json_array_size(
					    json_object_get(reply, "samples"))));
		json_object_del(merged, "samples");
		json_object_set_new(merged, "stacks", list);
	}
	unwinder_close(m.unwinder);
	text_close(m.text);
	json_decref(m.stacks);
	return merged;
}

/* --- printing ---------------------------------------------------------------------- */

static void print_frame(json_t *frame)
{
	printf("        ");
	if (*json_str(frame, "function"))
		printf("%s+0x%lx", json_str(frame, "function"),
		       json_num(frame, "function_offset"));
	else
		printf("%s%s", json_str(frame, "addr"),
		       json_object_get(frame, "sure") ? "?" : "");
	if (*json_str(frame, "module"))
		printf(" (%s+0x%s)", json_str(frame, "module"),
		       json_str(frame, "offset"));
	if (*json_str(frame, "file"))
		printf(" %s:%ld", json_str(frame, "file"), json_num(frame, "line"));
	putchar('\n');
}

static void print_stack(json_t *stack)
{
	json_t *area = json_object_get(stack, "area"), *frame;
	json_t *nr = json_object_get(stack, "syscall");
	size_t i;

	printf("%7ld %9ld %5.1f%% ", json_num(stack, "samples"), json_num(stack, "pages"),
	       100 * json_real_value(json_object_get(stack, "share")));
	if (json_is_object(area))
		printf("%s-%s %s%s%s", json_str(area, "start"), json_str(area, "end"),
		       json_str(area, "perms"), *json_str(area, "name") ? " " : "",
		       json_str(area, "name"));
	else
		printf("unmapped since");
	if (json_is_integer(nr))
		printf(", by system call %ld", (long)json_integer_value(nr));
	putchar('\n');
	json_array_foreach(json_object_get(stack, "frames"), i, frame) print_frame(frame);
	if (!json_bool(stack, "complete"))
		puts("        ...");
}

static void print_head(json_t *merged)
{
	long every = json_num(merged, "every"), lost = json_num(merged, "lost");

	if (every)
		printf("# one write in %ld is sampled", every);
	else
		printf("# sampling is off");
	printf(": %ld samples, the last %ld of them kept", json_num(merged, "taken"),
	       json_num(merged, "kept"));
	if (lost)
		printf(", %ld lost (%s)", lost, json_str(merged, "why_lost"));
	putchar('\n');
}

void stacks_print(json_t *merged)
{
	json_t *stack;
	size_t i;

	print_head(merged);
	printf("%7s %9s %6s %s\n", "SAMPLES", "PAGES", "SHARE", "AREA");
	json_array_foreach(json_object_get(merged, "stacks"), i, stack)
		print_stack(stack);
}

/* A semicolon or a blank would end the name. */
static void print_folded_frame(json_t *frame)
{
	const char *name = json_str(frame, "function"), *module;

	if (!*name) {
		module = strrchr(json_str(frame, "module"), '/');
		printf("%s+0x%s", module ? module + 1 : "?", json_str(frame, "offset"));
		return;
	}
	for (; *name; name++)
		putchar(*name == ';' || *name == ' ' ? '_' : *name);
}

void stacks_print_folded(json_t *merged)
{
	json_t *stack, *frames;
	size_t i;

	json_array_foreach(json_object_get(merged, "stacks"), i, stack)
	{
		frames = json_object_get(stack, "frames");
		if (!json_bool(stack, "complete"))
			printf("...;");
		for (size_t n = json_array_size(frames); n; n--) {
			print_folded_frame(json_array_get(frames, n - 1));
			printf("%s", n > 1 ? ";" : "");
		}
		printf(" %ld\n", json_num(stack, "pages"));
	}
}
