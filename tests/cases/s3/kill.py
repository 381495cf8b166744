# SPDX-License-Identifier: Apache-2.0
# NEEDS: s3
# TIMEOUT: 240
"""The daemon killed while it saves large attributes: old or new, and nothing left over (200 of them: tests/soak)."""

import os

from case import run, test
from large_kill import kill_rounds


@test
def kills(t):
    kill_rounds(t, int(os.environ.get("DDBFS_ROUNDS", "4")), seed=int(os.environ.get("DDBFS_SEED", "6")))


run()
