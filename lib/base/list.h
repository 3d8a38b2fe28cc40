/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's circular doubly linked list (include/linux/list.h), what we use of it. */
#ifndef SHADOWMM_BASE_LIST_H
#define SHADOWMM_BASE_LIST_H

#include "lib/base/compiler.h"

struct list_head {
	struct list_head *next, *prev;
};

static inline void list_init(struct list_head *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

/* Right behind @head: the first one. */
static inline void list_add(struct list_head *entry, struct list_head *head)
{
	entry->next = head->next;
	entry->prev = head;
	head->next->prev = entry;
	head->next = entry;
}

/* The same while others walk the list without a lock, forwards. */
static inline void list_add_rcu(struct list_head *entry, struct list_head *head)
{
	entry->next = head->next;
	entry->prev = head;
	head->next->prev = entry;
	__atomic_store_n(&head->next, entry, __ATOMIC_RELEASE);
}

static inline void list_del(struct list_head *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
}

static inline void list_move(struct list_head *entry, struct list_head *head)
{
	list_del(entry);
	list_add(entry, head);
}

#define list_entry(p, type, member)	     container_of(p, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_for_each(pos, head)	     for (pos = (head)->next; pos != (head); pos = pos->next)

#endif
