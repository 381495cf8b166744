# SPDX-License-Identifier: Apache-2.0
# SECONDS: 15
# TIMEOUT: 100
"""kill -9 at random moments of saves and renames.  tests/soak/run crash does more rounds."""

import os

from case import run, test
from crash import Rounds


@test
def kill(t):
    Rounds(t, int(os.environ.get("DDBFS_ROUNDS", "25")), int(os.environ.get("DDBFS_SEED", "1"))).run()


run()
