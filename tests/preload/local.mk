# Small programs plain and under shadowmm, one behaviour each: part of make check.
# The source of tests/preload/NAME is tests/preload/NAME.c (automake's default).
PRELOAD_LINK = tests/preload/libcommon.la -lpthread -ldl

check_LTLIBRARIES += tests/preload/libcommon.la
tests_preload_libcommon_la_SOURCES = tests/preload/common.c tests/preload/common.h \
	tests/preload/ask.c tests/preload/ask.h tests/preload/ring.c \
	tests/preload/ring.h

if HAVE_CRITERION
check_PROGRAMS += tests/preload/all_flags
tests_preload_all_flags_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/brk_heap
tests_preload_brk_heap_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/cow_data
tests_preload_cow_data_SOURCES = tests/preload/cow_data.c tests/preload/cow_wait.h
tests_preload_cow_data_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/cow_tree
tests_preload_cow_tree_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/cow_live
tests_preload_cow_live_SOURCES = tests/preload/cow_live.c tests/preload/cow_wait.h
tests_preload_cow_live_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/cow_writers
tests_preload_cow_writers_SOURCES = tests/preload/cow_writers.c tests/preload/cow_wait.h
tests_preload_cow_writers_LDADD = $(PRELOAD_LINK)
# As distributions build that want their programs unwound by frame pointers.
check_PROGRAMS += tests/preload/cow_writers_fp
tests_preload_cow_writers_fp_SOURCES = tests/preload/cow_writers.c tests/preload/cow_wait.h
tests_preload_cow_writers_fp_CFLAGS = $(AM_CFLAGS) -fno-omit-frame-pointer \
	-fno-asynchronous-unwind-tables
tests_preload_cow_writers_fp_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/credentials
tests_preload_credentials_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/daemon_like
tests_preload_daemon_like_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/dirty_pages
tests_preload_dirty_pages_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/dlopen_loop
tests_preload_dlopen_loop_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/endings
tests_preload_endings_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/engine_killed
tests_preload_engine_killed_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/errnos
tests_preload_errnos_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/exec_kinds
tests_preload_exec_kinds_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/failed_halfway
tests_preload_failed_halfway_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/fault_in_syscall
tests_preload_fault_in_syscall_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_advice
tests_preload_file_advice_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/rss_kinds
tests_preload_rss_kinds_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_back
tests_preload_file_back_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_pinned
tests_preload_file_pinned_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_fork
tests_preload_file_fork_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_read
tests_preload_file_read_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_lease
tests_preload_file_lease_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_random
tests_preload_file_random_SOURCES = tests/preload/file_random.c \
	tests/preload/file_random_files.c tests/preload/file_random_model.c \
	tests/preload/file_random_ops.c tests/preload/file_random.h
tests_preload_file_random_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_share
tests_preload_file_share_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_frozen
tests_preload_file_frozen_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/fault_storm
tests_preload_fault_storm_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/fault_turns
tests_preload_fault_turns_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/first_touch
tests_preload_first_touch_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/fork_data
tests_preload_fork_data_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/huge_pages
tests_preload_huge_pages_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/huge
TESTS += tests/preload/huge
tests_preload_huge_SOURCES = tests/preload/huge.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_huge_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_huge_LDADD = $(CRITERION_LIBS)
check_PROGRAMS += tests/preload/futex_words
tests_preload_futex_words_SOURCES = tests/preload/futex_words.c tests/preload/cow_wait.h
tests_preload_futex_words_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_fuse
tests_preload_file_fuse_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/file_limits
tests_preload_file_limits_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/guard_pages
tests_preload_guard_pages_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/hugepage
tests_preload_hugepage_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/ksm
tests_preload_ksm_SOURCES = tests/preload/ksm.c tests/preload/cow_wait.h
tests_preload_ksm_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/uring
tests_preload_uring_SOURCES = tests/preload/uring.c tests/preload/cow_wait.h
tests_preload_uring_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/limits
tests_preload_limits_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/madvise_kinds
tests_preload_madvise_kinds_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/beside
tests_preload_beside_LDADD = $(PRELOAD_LINK)

check_PROGRAMS += tests/preload/map_fixed
tests_preload_map_fixed_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/mdwe
tests_preload_mdwe_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/mincore_pages
tests_preload_mincore_pages_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/mprotect_kinds
tests_preload_mprotect_kinds_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/mremap_kinds
tests_preload_mremap_kinds_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/mremap_merged
tests_preload_mremap_merged_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/namespaces
tests_preload_namespaces_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/own_uffd
tests_preload_own_uffd_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/paged_out
tests_preload_paged_out_SOURCES = tests/preload/paged_out.c tests/preload/cow_wait.h
tests_preload_paged_out_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/populate_lock
tests_preload_populate_lock_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/seccomp
tests_preload_seccomp_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/segv
tests_preload_segv_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/shared_futex
tests_preload_shared_futex_LDADD = $(PRELOAD_LINK) -lpthread
check_PROGRAMS += tests/preload/shared_storm
tests_preload_shared_storm_LDADD = $(PRELOAD_LINK) -lpthread
check_PROGRAMS += tests/preload/shared_full
tests_preload_shared_full_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/shared_own
tests_preload_shared_own_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/shared_maps
tests_preload_shared_maps_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/shmem_own
tests_preload_shmem_own_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/signals
tests_preload_signals_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/spawn_kinds
tests_preload_spawn_kinds_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/stacks
tests_preload_stacks_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/thread_storm
tests_preload_thread_storm_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/visible_state
tests_preload_visible_state_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/wait_kinds
tests_preload_wait_kinds_LDADD = $(PRELOAD_LINK)

check_PROGRAMS += tests/preload/unseen_calls
tests_preload_unseen_calls_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/looked_at
tests_preload_looked_at_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/sharing
tests_preload_sharing_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/api_either
tests_preload_api_either_SOURCES = tests/preload/api_either.c tests/preload/api_storm.h
tests_preload_api_either_CPPFLAGS = $(AM_CPPFLAGS) -DSHADOWMM_FALLBACK
tests_preload_api_either_LDADD = libshadowmm-api.a $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/api
tests_preload_api_SOURCES = tests/preload/api.c tests/preload/api_storm.h
tests_preload_api_LDADD = $(PRELOAD_LINK)

# The same, told what must come out: fallbacks, looking inside, the public functions.
check_PROGRAMS += tests/preload/fallbacks
TESTS += tests/preload/fallbacks
tests_preload_fallbacks_SOURCES = tests/preload/fallbacks.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_fallbacks_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_fallbacks_LDADD = $(CRITERION_LIBS)
check_PROGRAMS += tests/preload/asleep
TESTS += tests/preload/asleep
tests_preload_asleep_SOURCES = tests/preload/asleep.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_asleep_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_asleep_LDADD = $(CRITERION_LIBS)
check_PROGRAMS += tests/preload/looking
TESTS += tests/preload/looking
tests_preload_looking_SOURCES = tests/preload/looking.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_looking_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_looking_LDADD = $(CRITERION_LIBS)

check_PROGRAMS += tests/preload/cow_seen
TESTS += tests/preload/cow_seen
tests_preload_cow_seen_SOURCES = tests/preload/cow_seen.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_cow_seen_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_cow_seen_LDADD = $(CRITERION_LIBS)
check_PROGRAMS += tests/preload/ksm_merged
TESTS += tests/preload/ksm_merged
tests_preload_ksm_merged_SOURCES = tests/preload/ksm_merged.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_ksm_merged_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_ksm_merged_LDADD = $(CRITERION_LIBS)

check_PROGRAMS += tests/preload/random_touch
tests_preload_random_touch_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/rmap_tree
tests_preload_rmap_tree_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/rmap_exec
tests_preload_rmap_exec_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/rmap
TESTS += tests/preload/rmap
tests_preload_rmap_SOURCES = tests/preload/rmap.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_rmap_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_rmap_LDADD = $(CRITERION_LIBS)
check_PROGRAMS += tests/preload/cache_reader
tests_preload_cache_reader_LDADD = $(PRELOAD_LINK)
check_PROGRAMS += tests/preload/cache
TESTS += tests/preload/cache
tests_preload_cache_SOURCES = tests/preload/cache.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_cache_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_cache_LDADD = $(CRITERION_LIBS)
check_PROGRAMS += tests/preload/cow_stacks
TESTS += tests/preload/cow_stacks
tests_preload_cow_stacks_SOURCES = tests/preload/cow_stacks.c tests/preload/capture.c \
	tests/preload/capture.h
tests_preload_cow_stacks_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(JANSSON_CFLAGS)
tests_preload_cow_stacks_LDADD = $(CRITERION_LIBS) $(JANSSON_LIBS)

check_PROGRAMS += tests/preload/runner
TESTS += tests/preload/runner
tests_preload_runner_SOURCES = tests/preload/runner.c
tests_preload_runner_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
tests_preload_runner_LDADD = $(CRITERION_LIBS)
endif
