/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel headers of Debian 12 (6.1) lack, with the kernel that introduced it.
 * Each needs a probe at run time: users run older kernels than their headers.
 */
#ifndef SHADOWMM_UAPI_H
#define SHADOWMM_UAPI_H

#include <linux/types.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#ifndef USERFAULTFD_IOC_NEW /* 6.1 */
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_USER_MODE_ONLY /* 5.11 */
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_ASYNC /* 6.7 */
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/* UFFDIO_API feature bits: bit number, name, kernel */
#define SMM_UFFD_FEATURES(X)                \
	X(0, "PAGEFAULT_FLAG_WP", "5.7")    \
	X(1, "EVENT_FORK", "4.11")          \
	X(2, "EVENT_REMAP", "4.11")         \
	X(3, "EVENT_REMOVE", "4.11")        \
	X(4, "MISSING_HUGETLBFS", "4.11")   \
	X(5, "MISSING_SHMEM", "4.11")       \
	X(6, "EVENT_UNMAP", "4.11")         \
	X(7, "SIGBUS", "4.14")              \
	X(8, "THREAD_ID", "4.14")           \
	X(9, "MINOR_HUGETLBFS", "5.13")     \
	X(10, "MINOR_SHMEM", "5.14")        \
	X(11, "EXACT_ADDRESS", "5.18")      \
	X(12, "WP_HUGETLBFS_SHMEM", "5.19") \
	X(13, "WP_UNPOPULATED", "6.4")      \
	X(14, "POISON", "6.6")              \
	X(15, "WP_ASYNC", "6.7")            \
	X(16, "MOVE", "6.8")

#ifndef PR_SET_SYSCALL_USER_DISPATCH /* 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF	     0
#endif

#ifndef PR_GET_MDWE /* 6.3 */
#define PR_GET_MDWE		 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#ifndef PAGEMAP_SCAN /* 6.7, include/uapi/linux/fs.h */
struct page_region {
	__u64 start, end, categories;
};
struct pm_scan_arg {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN	_IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN (1 << 1)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)
#define PAGE_IS_HUGE	(1 << 6)
#endif

#ifndef UFFDIO_MOVE /* 6.8 */
struct uffdio_move {
	__u64 dst, src, len, mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

#ifndef PROCMAP_QUERY /* 6.11, include/uapi/linux/fs.h */
struct procmap_query {
	__u64 size, query_flags, query_addr;
	__u64 vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	__u32 dev_major, dev_minor, vma_name_size, build_id_size;
	__u64 vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)
#endif

#endif
