/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The area tree: a persistent B+tree of areas keyed by vm_end. Private to lib/mm.
 *
 *	root  [ 30 | 70 | 99 ]		inner: greatest key below each child
 *	        |    |    `-- [ 81 | 99 ]
 *	        |    `------- [ 44 | 60 | 70 ]
 *	        `------------ [ 12 | 30 ]	leaf: vm_end -> area
 *
 * T1. A published node is never written. A change copies the path from the root to what
 *     it touches; nodes it made itself (node->txn == txn->id) it edits in place.
 * T2. Keys are exact: key[i] of an inner node is the greatest key below ptr[i].
 * T3. Keys ascend; unused ones are ULONG_MAX, so a search need not know how many there
 *     are. Every node but the root has NODE_MIN..NODE_MAX entries; leaves have level 0.
 * T4. What a change replaced is deferred and freed a grace period after publication.
 *
 * Splits leave 7 of 14, merges happen at 5: an area mapped and unmapped over and over
 * does not split and merge the same node each time.
 * Memory: the caller reserved it (mm_prepare); nothing here can fail.
 */
#ifndef SHADOWMM_MM_VMA_TREE_H
#define SHADOWMM_MM_VMA_TREE_H

#include "lib/mm/mm.h"

#define NODE_MAX  14
#define NODE_MIN  5
#define MAX_DEPTH 24 /* 5^24 areas are more than addresses */

struct vma_node {
	unsigned long key[NODE_MAX]; /* first: a search reads two cache lines */
	u16 nr, level;
	unsigned long txn;
	void *ptr[NODE_MAX]; /* level 0: vm_area_struct, else vma_node */
	struct rcu_head rcu;
};

/* One change of the tree, from txn_begin() to its publication by txn_commit(). */
struct vma_txn {
	struct mm_struct *mm;
	struct vma_node *root; /* the tree as it will be */
	unsigned long id;
	struct address_space *changed; /* whose i_mmap is another */
	bool in_place; /* there are no readers: everything may be edited */
};

struct vm_area_struct *tree_find(const struct vma_node *root, unsigned long addr);
struct vm_area_struct *tree_find_prev(const struct vma_node *root, unsigned long addr,
				      struct vm_area_struct **prev);
void tree_insert(struct vma_txn *t, struct vm_area_struct *vma);
void tree_erase(struct vma_txn *t, unsigned long key);
/* Put @vma, whose key may differ within the bounds of its neighbours, at @key's place. */
void tree_replace(struct vma_txn *t, unsigned long key, struct vm_area_struct *vma);

#endif
