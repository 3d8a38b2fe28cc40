EXTRA_DIST += doc/control-protocol.md
EXTRA_DIST += doc/interception.md
EXTRA_DIST += doc/fork.md doc/files.md doc/shared-files.md
