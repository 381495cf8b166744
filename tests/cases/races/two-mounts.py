# SPDX-License-Identifier: Apache-2.0
# SECONDS: 13
# BUILDS: plain tsan
# TIMEOUT: 90
"""Two mounts and boto3 on the same items, judged by the change stream.  tests/soak/run writers does it for longer."""

import os

from case import run, test
from chain import Writers


@test
def writers(t):
    Writers(t, float(os.environ.get("DDBFS_SECONDS", "10")), seed=int(os.environ.get("DDBFS_SEED", "1"))).run()


run()
