#!/bin/sh
# docs/configuration.md is what the table of properties gives.
set -eu
if ! ./docs/generate-configuration | cmp - "${srcdir:-.}/docs/configuration.md"; then
	echo "docs/configuration.md is stale: run make reference" >&2
	exit 1
fi
