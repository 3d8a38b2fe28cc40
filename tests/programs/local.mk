# Real programs plain and under shadowmm: make check-programs [ONLY="git redis"]
PROGRAMS_CASES = bash coreutils gcc git java nginx node perl postgres prefork \
	python3 python3-fork redis redis-bgsave sqlite3 \
	files-git files-linker files-lmdb files-python3 files-ripgrep files-sqlite3 \
	stress-brk stress-fork stress-mmap stress-mremap stress-vm shmem-python3 shmem-postgres tar files-shared shared-linker shared-lmdb shared-python3
EXTRA_DIST += tests/programs/check_programs.py tests/programs/harness.py \
	tests/programs/verify_now.py tests/programs/cow_now.py \
	$(PROGRAMS_CASES:%=tests/programs/cases/%.sh)

# The drivers write nothing into the source tree, which may be read only.
TEST_DRIVER = top_builddir='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	PYTHONPATH='$(abs_top_srcdir)/tests/programs' python3

# ONLY, because PROGRAMS is a variable of automake's own.
.PHONY: check-programs
check-programs: all
	$(TEST_DRIVER) $(abs_top_srcdir)/tests/programs/check_programs.py $(ONLY)
