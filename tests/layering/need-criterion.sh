#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# In TESTS only where criterion was not found: unit tests must not be skipped silently.
echo "The unit tests were not built: criterion was not found."
echo "apt-get install libcriterion-dev (or ./bootstrap --with-tests) and configure again,"
echo "or say ./configure --disable-unit-tests."
exit 1
