# SPDX-License-Identifier: LGPL-2.1-or-later
# The walls between the rooms (doc/architecture.md), and the style of what is in them.
LAYERING_TESTS = tests/layering/symbols.py tests/layering/vector.py \
	tests/layering/includes.py tests/layering/locks.py tests/layering/usermem.py \
	tests/layering/style.py tests/layering/format.sh tests/layering/public-header.sh
TESTS += $(LAYERING_TESTS)
if WANT_UNIT_TESTS
if !HAVE_CRITERION
TESTS += tests/layering/need-criterion.sh
endif
endif
EXTRA_DIST += $(LAYERING_TESTS) tests/layering/rooms.py tests/layering/need-criterion.sh \
	tests/layering/cppcheck.sh tests/layering/cppcheck.cfg \
	tests/layering/cppcheck.suppressions

LAYERING_ENVIRONMENT = NM='$(NM)' OBJDUMP='$(OBJDUMP)' READELF='$(READELF)' CLANG='$(CLANG)' \
	CLANG_FORMAT='$(CLANG_FORMAT)' CPPCHECK='$(CPPCHECK)' URCU_CFLAGS='$(URCU_CFLAGS)'

.PHONY: check-layering check-format check-cppcheck format
check-layering:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(LAYERING_TESTS)'
check-format:
	@top_srcdir='$(abs_top_srcdir)' $(LAYERING_ENVIRONMENT) \
		sh $(abs_top_srcdir)/tests/layering/format.sh
check-cppcheck:
	@top_srcdir='$(abs_top_srcdir)' $(LAYERING_ENVIRONMENT) \
		sh $(abs_top_srcdir)/tests/layering/cppcheck.sh
# Changes the source tree.
format:
	@top_srcdir='$(abs_top_srcdir)' $(LAYERING_ENVIRONMENT) \
		sh $(abs_top_srcdir)/tests/layering/format.sh --fix
