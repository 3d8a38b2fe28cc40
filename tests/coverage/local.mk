# Does every address-space call of real programs come through the library?
# make check-coverage [ONLY="git redis"]
EXTRA_DIST += tests/coverage/check_coverage.py

.PHONY: check-coverage
check-coverage: all
	$(TEST_DRIVER) $(abs_top_srcdir)/tests/coverage/check_coverage.py $(ONLY)
