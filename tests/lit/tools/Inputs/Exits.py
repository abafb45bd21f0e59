# SPDX-License-Identifier: Apache-2.0
"""Exits.py CODE COMMAND...: runs the command and succeeds when it exits with that code."""

import subprocess
import sys

wanted = int(sys.argv[1])
got = subprocess.run(sys.argv[2:]).returncode
if got != wanted:
    sys.exit(f"{' '.join(sys.argv[2:])}: exit code {got} instead of {wanted}")
