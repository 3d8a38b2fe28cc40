noinst_LTLIBRARIES += lib/mm/libmm.la
MM_SOURCES = lib/mm/mm.h lib/mm/vma.h lib/mm/vma_tree.h lib/mm/vma_tree.c lib/mm/vma.c \
	lib/mm/anon_vma.c lib/mm/anon_vma.h lib/mm/page.c lib/mm/page.h \
	lib/mm/merge.c lib/mm/file.c lib/mm/policy.c lib/mm/mm.c lib/mm/mmap.c \
	lib/mm/mprotect.c lib/mm/label.c lib/mm/mremap.c lib/mm/fork.c lib/mm/fault.c lib/mm/fault_around.c lib/mm/fault_around.h lib/mm/import.c \
	lib/mm/verify.c lib/mm/validate.c lib/mm/check.h lib/mm/check_int.h \
	lib/mm/check.c lib/mm/check_mmap.c lib/mm/check_mremap.c lib/mm/check_range.c \
	lib/mm/check_madvise.c lib/mm/unmapped.c lib/mm/cow.c lib/mm/cow.h lib/mm/dirty.c \
	lib/mm/address_space.c lib/mm/address_space.h lib/mm/filemap.c lib/mm/i_mmap.c lib/mm/vm_ops.h lib/mm/evict.c lib/mm/shared_file.c
lib_mm_libmm_la_SOURCES = $(MM_SOURCES)
lib_mm_libmm_la_CPPFLAGS = $(LIB_CPPFLAGS)
lib_mm_libmm_la_CFLAGS = $(HOOK_CFLAGS)
