// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/mm/vma_tree.h"

#define NO_KEY (~0UL)

_Static_assert(sizeof(struct vma_node) == 256, "four cache lines");

/* --- lookup ------------------------------------------------------------------------ */

/* Index of the first key above @addr. Compares all of one half: no branch to mispredict.
 */
static inline unsigned int node_search(const struct vma_node *node, unsigned long addr)
{
	const unsigned int half = NODE_MAX / 2;
	unsigned int base = node->key[half - 1] <= addr ? half : 0, n = 0;
	const unsigned long *key = node->key + base;

#pragma GCC unroll 7
	for (unsigned int i = 0; i < half; i++)
		n += key[i] <= addr;
	return base + n;
}

/*
 * Which of the node's four lines a search reads, it finds out one after the other; among
 * many areas each is a cache miss. Ask for all of them at once.
 */
static inline const struct vma_node *node_fetch(const struct vma_node *node)
{
	__builtin_prefetch(&node->key[8]);
	__builtin_prefetch(&node->ptr[0]);
	__builtin_prefetch(&node->ptr[8]);
	return node;
}

struct vm_area_struct *tree_find(const struct vma_node *node, unsigned long addr)
{
	if (!node || node->key[node->nr - 1] <= addr)
		return NULL;
	while (node->level)
		node = node_fetch(node->ptr[node_search(node, addr)]);
	return node->ptr[node_search(node, addr)];
}

static struct vm_area_struct *tree_last(const struct vma_node *node)
{
	while (node->level)
		node = node->ptr[node->nr - 1];
	return node->ptr[node->nr - 1];
}

struct vm_area_struct *tree_find_prev(const struct vma_node *node, unsigned long addr,
				      struct vm_area_struct **prev)
{
	const struct vma_node *left = NULL;
	unsigned int i;

	*prev = NULL;
	if (!node)
		return NULL;
	if (node->key[node->nr - 1] <= addr) {
		*prev = tree_last(node);
		return NULL;
	}
	for (;; node = node->ptr[i]) {
		i = node_search(node, addr);
		if (!node->level)
			break;
		if (i)
			left = node->ptr[i - 1];
	}
	if (i)
		*prev = node->ptr[i - 1];
	else if (left)
		*prev = tree_last(left);
	return node->ptr[i];
}

/* --- nodes ------------------------------------------------------------------------- */

static struct vma_node *node_new(struct vma_txn *t, unsigned int level)
{
	struct vma_node *node = kmem_cache_alloc(&t->mm->node_cache);

	for (int i = 0; i < NODE_MAX; i++)
		node->key[i] = NO_KEY;
	node->nr = 0;
	node->level = (u16)level;
	node->txn = t->id;
	return node;
}

static bool node_is_ours(const struct vma_txn *t, const struct vma_node *node)
{
	return node->txn == t->id || t->in_place;
}

static void node_retire(struct vma_txn *t, struct vma_node *node)
{
	if (node_is_ours(t, node))
		kmem_cache_free(&t->mm->node_cache, node);
	else
		kmem_cache_free_rcu(&t->mm->node_cache, &t->mm->rcu, node, &node->rcu);
}

/* A node this change may write, in place of *@slot (T1). */
static struct vma_node *node_edit(struct vma_txn *t, void **slot)
{
	struct vma_node *old = *slot, *node;

	if (node_is_ours(t, old))
		return old;
	node = kmem_cache_alloc(&t->mm->node_cache);
	*node = *old;
	node->txn = t->id;
	node_retire(t, old);
	*slot = node;
	return node;
}

static struct vma_node *root_edit(struct vma_txn *t)
{
	void *slot = t->root;
	struct vma_node *root = node_edit(t, &slot);

	t->root = root;
	return root;
}

static void entry_set(struct vma_node *node, unsigned int i, unsigned long key, void *ptr)
{
	node->key[i] = key;
	node->ptr[i] = ptr;
}

static void entry_insert(struct vma_node *node, unsigned int i, unsigned long key,
			 void *ptr)
{
	for (unsigned int j = node->nr++; j > i; j--)
		entry_set(node, j, node->key[j - 1], node->ptr[j - 1]);
	entry_set(node, i, key, ptr);
}

static void entry_remove(struct vma_node *node, unsigned int i)
{
	for (node->nr--; i < node->nr; i++)
		entry_set(node, i, node->key[i + 1], node->ptr[i + 1]);
	node->key[i] = NO_KEY;
}

static unsigned long node_key(const struct vma_node *node)
{
	return node->key[node->nr - 1];
}

/* --- insert ------------------------------------------------------------------------ */

/* Move the entries of @parent's child @i from @keep on into a new right sibling. */
static void child_split(struct vma_txn *t, struct vma_node *parent, unsigned int i,
			unsigned int keep)
{
	struct vma_node *left = parent->ptr[i], *right = node_new(t, left->level);

	while (left->nr > keep) {
		entry_insert(right, 0, node_key(left), left->ptr[left->nr - 1]);
		entry_remove(left, left->nr - 1U);
	}
	parent->key[i] = node_key(left);
	entry_insert(parent, i + 1, node_key(right), right);
}

static void root_grow(struct vma_txn *t)
{
	struct vma_node *root = node_new(t, t->root->level + 1U);

	entry_insert(root, 0, node_key(t->root), t->root);
	t->root = root;
}

/* The child that takes @key: editable, with room, and the inner key covering @key. */
static struct vma_node *child_for_insert(struct vma_txn *t, struct vma_node *node,
					 unsigned long key)
{
	unsigned int i = min(node_search(node, key - 1), node->nr - 1U);
	struct vma_node *child = node_edit(t, &node->ptr[i]);

	if (child->nr == NODE_MAX) {
		/* Areas found at start arrive in ascending order: pack them. */
		bool append = i == node->nr - 1U && key > node_key(child);

		child_split(t, node, i, append ? NODE_MAX - NODE_MIN : NODE_MAX / 2);
		if (key > node->key[i])
			i++;
	}
	node->key[i] = max(node->key[i], key);
	return node->ptr[i];
}

void tree_insert(struct vma_txn *t, struct vm_area_struct *vma)
{
	struct vma_node *node;

	if (!t->root)
		t->root = node_new(t, 0);
	if (root_edit(t)->nr == NODE_MAX)
		root_grow(t);
	node = t->root;
	while (node->level)
		node = child_for_insert(t, node, vma->vm_end);
	entry_insert(node, node_search(node, vma->vm_end - 1), vma->vm_end, vma);
}

/* --- replace, erase ---------------------------------------------------------------- */

struct path {
	struct vma_node *node[MAX_DEPTH];
	unsigned int index[MAX_DEPTH];
	int depth;
};

/* The greatest key of a leaf changed: say so on the way up (T2). */
static void path_fix_keys(struct path *p)
{
	for (int d = p->depth - 1; d >= 0; d--) {
		struct vma_node *child = p->node[d]->ptr[p->index[d]];

		p->node[d]->key[p->index[d]] = node_key(child);
	}
}

void tree_replace(struct vma_txn *t, unsigned long key, struct vm_area_struct *vma)
{
	struct vma_node *node = root_edit(t);
	struct path p = { .depth = 0 };
	unsigned int i;

	for (; node->level; node = node_edit(t, &node->ptr[i])) {
		i = node_search(node, key - 1);
		p.node[p.depth] = node;
		p.index[p.depth++] = i;
	}
	entry_set(node, node_search(node, key - 1), vma->vm_end, vma);
	if (vma->vm_end != key)
		path_fix_keys(&p);
}

/* Bring the first entry of the right neighbour of child @i over, or the last one of the
 * left neighbour. */
static void child_borrow(struct vma_txn *t, struct vma_node *parent, unsigned int i,
			 bool left)
{
	struct vma_node *child = node_edit(t, &parent->ptr[i]);
	unsigned int from = left ? i - 1 : i + 1;
	struct vma_node *sibling = node_edit(t, &parent->ptr[from]);
	unsigned int e = left ? sibling->nr - 1U : 0;

	entry_insert(child, left ? 0 : child->nr, sibling->key[e], sibling->ptr[e]);
	entry_remove(sibling, e);
	parent->key[from] = node_key(sibling);
	parent->key[i] = node_key(child);
}

/* Append child @i + 1 to child @i. */
static void child_merge(struct vma_txn *t, struct vma_node *parent, unsigned int i)
{
	struct vma_node *left = node_edit(t, &parent->ptr[i]),
			*right = parent->ptr[i + 1];

	for (unsigned int e = 0; e < right->nr; e++)
		entry_insert(left, left->nr, right->key[e], right->ptr[e]);
	parent->key[i] = node_key(left);
	entry_remove(parent, i + 1);
	node_retire(t, right);
}

static unsigned int child_nr(const struct vma_node *node, unsigned int i)
{
	return ((const struct vma_node *)node->ptr[i])->nr;
}

/* Make child @i lose an entry without getting too small. Returns its new index. */
static unsigned int child_fill(struct vma_txn *t, struct vma_node *node, unsigned int i)
{
	if (child_nr(node, i) > NODE_MIN) {
		node_edit(t, &node->ptr[i]);
		return i;
	}
	if (i && child_nr(node, i - 1) > NODE_MIN) {
		child_borrow(t, node, i, true);
		return i;
	}
	if (i + 1 < node->nr && child_nr(node, i + 1) > NODE_MIN) {
		child_borrow(t, node, i, false);
		return i;
	}
	if (i)
		i--;
	child_merge(t, node, i);
	return i;
}

static void root_shrink(struct vma_txn *t)
{
	struct vma_node *root = t->root;

	t->root = root->level ? root->ptr[0] : NULL;
	node_retire(t, root);
}

void tree_erase(struct vma_txn *t, unsigned long key)
{
	struct vma_node *node = root_edit(t);
	struct path p = { .depth = 0 };

	while (node->level) {
		unsigned int i = child_fill(t, node, node_search(node, key - 1));
		struct vma_node *child = node->ptr[i];

		if (node->nr == 1) {
			root_shrink(t); /* only the root can have had two children */
		} else {
			p.node[p.depth] = node;
			p.index[p.depth++] = i;
		}
		node = child;
	}
	entry_remove(node, node_search(node, key - 1));
	if (node->nr)
		path_fix_keys(&p);
	else
		root_shrink(t);
}
