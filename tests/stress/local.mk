# Fork storm, allocation threads and signals: make check-stress [SECONDS=600] [SEED=n]
SECONDS = 600
check_PROGRAMS += tests/stress/stress
tests_stress_stress_LDADD = tests/preload/libcommon.la -lpthread -ldl
EXTRA_DIST += tests/stress/check_stress.py

.PHONY: check-stress
check-stress: all tests/stress/stress
	$(TEST_DRIVER) $(abs_top_srcdir)/tests/stress/check_stress.py \
		--seconds $(SECONDS) --seed '$(SEED)'

# Trees of processes that check every byte they see: make check-fork [SECONDS=600] [SEED=n]
check_PROGRAMS += tests/stress/fork_torture
tests_stress_fork_torture_SOURCES = tests/stress/fork_torture.c tests/stress/fork_torture.h \
	tests/stress/fork_torture_hot.c tests/stress/fork_torture_ops.c \
	tests/stress/fork_torture_view.c
tests_stress_fork_torture_LDADD = -lpthread
dist_check_SCRIPTS += tests/stress/fork_quick.sh
TESTS += tests/stress/fork_quick.sh
EXTRA_DIST += tests/stress/check_fork.py

.PHONY: check-fork
check-fork: all tests/stress/fork_torture
	$(TEST_DRIVER) $(abs_top_srcdir)/tests/stress/check_fork.py \
		--seconds $(SECONDS) --seed '$(SEED)'

# Mapped files at random: make check-files [SEQUENCES=100000] [SEED=n]
# and with readers that are killed: make check-files-kill [KILLS=1000] [SEED=n]
SEQUENCES = 100000
KILLS = 1000
EXTRA_DIST += tests/stress/check_files.py tests/stress/lost_lease.py
CHECK_FILES = $(TEST_DRIVER) $(abs_top_srcdir)/tests/stress/check_files.py

.PHONY: check-files check-files-kill
check-files: all tests/preload/file_random
	$(CHECK_FILES) --sequences $(SEQUENCES) --seed '$(SEED)'
check-files-kill: all tests/preload/file_share tests/preload/file_frozen
	$(CHECK_FILES) --kills $(KILLS) --seed '$(SEED)'
