// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * address_space.i_mmap: the areas that show a file, by the pages they show
 * (mm/interval_tree.c). An AVL tree in which each node knows the last page below it:
 *
 *			[40..59] max 99
 *		       /	      \
 *	     [0..9] max 70	       [60..69] max 99
 *		    \			      \
 *		     [8..70] max 70	       [90..99] max 99
 *
 * I1. As the area tree: a published node is never written, a change copies the path, what
 *     it replaced is freed after a grace period. txn_commit() publishes all trees of a
 *     change before the area tree; each is whole at any time.
 * I2. Exactly the areas of the area tree whose file has a host are in the tree of its
 *     mapping: vma_insert(), vma_remove(), vma_edit() and vma_set_range() see to it, by
 *     filemap_vm_ops.open and close.
 * I3. Ordered by the first page, then by address; heights of siblings differ by one.
 * I4. Memory was reserved (i_mmap_need()); nothing here can fail.
 */
#include "lib/mm/address_space.h"
#include "lib/mm/vma.h"

struct i_mmap_node {
	struct i_mmap_node *left, *right;
	struct vm_area_struct *vma;
	unsigned long max; /* last page shown by any area here and below */
	unsigned int height;
	unsigned long txn;
	struct rcu_head rcu;
};

void i_mmap_cache_init(struct mm_struct *mm)
{
	kmem_cache_init(&mm->i_mmap_cache, &mm->arena, "i_mmap_node",
			sizeof(struct i_mmap_node), 8);
}

/*
 * A change of @n areas brings one in at most 4n + 16 times. What it takes out is not
 * counted (UNMAP_AREAS), and may copy any node on the way, but none twice.
 */
size_t i_mmap_need(const struct mm_struct *mm, size_t n)
{
	return mm->nr_i_mmap + 4 * n + 16;
}

/* --- nodes ------------------------------------------------------------------------- */

static unsigned long last_page(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff + vma_pages(vma) - 1;
}

static bool is_before(const struct vm_area_struct *a, const struct vm_area_struct *b)
{
	return a->vm_pgoff != b->vm_pgoff ? a->vm_pgoff < b->vm_pgoff
					  : a->vm_start < b->vm_start;
}

static bool is_ours(const struct vma_txn *t, const struct i_mmap_node *n)
{
	return n->txn == t->id || t->in_place;
}

static void retire(struct vma_txn *t, struct i_mmap_node *n)
{
	if (is_ours(t, n))
		kmem_cache_free(&t->mm->i_mmap_cache, n);
	else
		kmem_cache_free_rcu(&t->mm->i_mmap_cache, &t->mm->rcu, n, &n->rcu);
}

/* A node this change may write, instead of @n. */
static struct i_mmap_node *edit(struct vma_txn *t, struct i_mmap_node *n)
{
	struct i_mmap_node *copy;

	if (is_ours(t, n))
		return n;
	copy = kmem_cache_alloc(&t->mm->i_mmap_cache);
	*copy = *n;
	copy->txn = t->id;
	retire(t, n);
	return copy;
}

static unsigned int height(const struct i_mmap_node *n)
{
	return n ? n->height : 0;
}

static void update(struct i_mmap_node *n)
{
	n->height = 1 + max(height(n->left), height(n->right));
	n->max = last_page(n->vma);
	if (n->left)
		n->max = max(n->max, n->left->max);
	if (n->right)
		n->max = max(n->max, n->right->max);
}

/* The left child comes up. Both editable. */
static struct i_mmap_node *rotate_right(struct vma_txn *t, struct i_mmap_node *n)
{
	struct i_mmap_node *up = edit(t, n->left);

	n->left = up->right;
	up->right = n;
	update(n);
	update(up);
	return up;
}

static struct i_mmap_node *rotate_left(struct vma_txn *t, struct i_mmap_node *n)
{
	struct i_mmap_node *up = edit(t, n->right);

	n->right = up->left;
	up->left = n;
	update(n);
	update(up);
	return up;
}

/* @n is editable; one of its children has become one higher or lower. */
static struct i_mmap_node *balance(struct vma_txn *t, struct i_mmap_node *n)
{
	unsigned int left = height(n->left), right = height(n->right);

	if (left > right + 1) {
		if (height(n->left->left) < height(n->left->right))
			n->left = rotate_left(t, edit(t, n->left));
		return rotate_right(t, n);
	}
	if (right > left + 1) {
		if (height(n->right->right) < height(n->right->left))
			n->right = rotate_right(t, edit(t, n->right));
		return rotate_left(t, n);
	}
	update(n);
	return n;
}

/* --- changes ----------------------------------------------------------------------- */

static struct i_mmap_node *insert(struct vma_txn *t, struct i_mmap_node *n,
				  struct vm_area_struct *vma)
{
	if (!n) {
		n = kmem_cache_alloc(&t->mm->i_mmap_cache);
		*n = (struct i_mmap_node){ .vma = vma, .txn = t->id };
		update(n);
		return n;
	}
	n = edit(t, n);
	if (is_before(vma, n->vma))
		n->left = insert(t, n->left, vma);
	else
		n->right = insert(t, n->right, vma);
	return balance(t, n);
}

static struct i_mmap_node *remove_first(struct vma_txn *t, struct i_mmap_node *n,
					struct vm_area_struct **vma)
{
	struct i_mmap_node *right = n->right;

	if (n->left) {
		n = edit(t, n);
		n->left = remove_first(t, n->left, vma);
		return balance(t, n);
	}
	*vma = n->vma;
	retire(t, n);
	return right;
}

static struct i_mmap_node *remove_here(struct vma_txn *t, struct i_mmap_node *n)
{
	struct i_mmap_node *only = n->left ? n->left : n->right;

	if (!n->left || !n->right) {
		retire(t, n);
		return only;
	}
	n = edit(t, n);
	n->right = remove_first(t, n->right, &n->vma);
	return balance(t, n);
}

static struct i_mmap_node *erase(struct vma_txn *t, struct i_mmap_node *n,
				 const struct vm_area_struct *vma)
{
	if (!n || n->vma == vma)
		return n ? remove_here(t, n) : NULL;
	n = edit(t, n);
	if (is_before(vma, n->vma))
		n->left = erase(t, n->left, vma);
	else
		n->right = erase(t, n->right, vma);
	return balance(t, n);
}

static struct address_space *begin(struct vma_txn *t, const struct vm_area_struct *vma)
{
	struct address_space *mapping = vma->vm_file->host->mapping;

	if (!mapping->changed) {
		mapping->changed = true;
		mapping->next_changed = t->changed;
		t->changed = mapping;
	}
	return mapping;
}

void i_mmap_insert(struct vma_txn *t, struct vm_area_struct *vma)
{
	struct address_space *mapping = begin(t, vma);

	mapping->i_mmap_new = insert(t, mapping->i_mmap_new, vma);
	t->mm->nr_i_mmap++;
}

void i_mmap_remove(struct vma_txn *t, struct vm_area_struct *vma)
{
	struct address_space *mapping = begin(t, vma);

	mapping->i_mmap_new = erase(t, mapping->i_mmap_new, vma);
	t->mm->nr_i_mmap--;
}

void i_mmap_publish(struct vma_txn *t)
{
	struct address_space *mapping;

	for (; (mapping = t->changed); t->changed = mapping->next_changed) {
		rcu_assign_pointer(mapping->i_mmap, mapping->i_mmap_new);
		mapping->changed = false;
	}
}

/* --- readers ----------------------------------------------------------------------- */

struct range {
	unsigned long first, last;
	void (*fn)(const struct vm_area_struct *vma, void *arg);
	void *arg;
};

static void walk(const struct i_mmap_node *n, const struct range *r)
{
	for (; n && n->max >= r->first; n = n->right) {
		walk(n->left, r);
		if (n->vma->vm_pgoff > r->last)
			return;
		if (last_page(n->vma) >= r->first)
			r->fn(n->vma, r->arg);
	}
}

void i_mmap_for_each(struct address_space *mapping, unsigned long first,
		     unsigned long last,
		     void (*fn)(const struct vm_area_struct *vma, void *arg), void *arg)
{
	const struct range r = { first, last, fn, arg };

	walk(rcu_dereference(mapping->i_mmap), &r);
}

/* --- invariants -------------------------------------------------------------------- */

struct check {
	struct mm_struct *mm;
	const struct address_space *mapping;
	const struct vm_area_struct *prev;
	unsigned long nodes;
};

static const char *validate_here(struct check *c, const struct i_mmap_node *n)
{
	unsigned int left = height(n->left), right = height(n->right);
	struct i_mmap_node should = *n;

	update(&should);
	if (n->height != should.height || left > right + 1 || right > left + 1)
		return "i_mmap: heights";
	if (n->max != should.max)
		return "i_mmap: last page";
	if (n->txn > c->mm->txn)
		return "i_mmap: node from the future";
	if (c->prev && !is_before(c->prev, n->vma))
		return "i_mmap: out of order";
	if (tree_find(c->mm->root, n->vma->vm_start) != n->vma)
		return "i_mmap: no such area";
	if (!vma_host(n->vma) || vma_host(n->vma)->mapping != c->mapping)
		return "i_mmap: area of another mapping";
	c->prev = n->vma;
	c->nodes++;
	return NULL;
}

static const char *validate_below(struct check *c, const struct i_mmap_node *n)
{
	const char *err = NULL;

	for (; n && !err; n = n->right) {
		err = validate_below(c, n->left);
		if (!err)
			err = validate_here(c, n);
	}
	return err;
}

const char *validate_i_mmap(struct mm_struct *mm, unsigned long areas)
{
	struct check c = { .mm = mm };
	const char *err = NULL;
	struct list_head *l;

	list_for_each (l, &mm->mappings) {
		struct address_space *mapping = list_entry(l, struct address_space, list);

		c.mapping = mapping;
		c.prev = NULL;
		if (!err && (mapping->changed || mapping->i_mmap != mapping->i_mmap_new))
			err = "i_mmap: not published";
		if (!err)
			err = validate_below(&c, mapping->i_mmap);
	}
	if (!err && (c.nodes != areas || c.nodes != mm->nr_i_mmap))
		err = "i_mmap: number of areas";
	return err;
}
