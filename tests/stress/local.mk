# Fork storm, allocation threads and signals: make check-stress [SECONDS=600] [SEED=n]
SECONDS = 600
check_PROGRAMS += tests/stress/stress
tests_stress_stress_LDADD = tests/preload/libcommon.la -lpthread -ldl
EXTRA_DIST += tests/stress/check_stress.py

.PHONY: check-stress
check-stress: all tests/stress/stress
	$(TEST_DRIVER) $(abs_top_srcdir)/tests/stress/check_stress.py \
		--seconds $(SECONDS) --seed '$(SEED)'
