# SPDX-License-Identifier: Apache-2.0
"""What the cases about crashes and races share."""

import ctypes
import errno
import os
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
NOREPLACE = 1
EXCHANGE = 2


def renameat2(old, new, flags):
    if LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old)


def key(artist, song):
    return {"Artist": {"S": artist}, "SongTitle": {"S": song}}


def text_of(year):
    return '{"Year": %d}\n' % year


def together(actions):
    """Runs the actions at the same moment; None or the errno's name of each."""
    gate = threading.Barrier(len(actions))
    results = [None] * len(actions)

    def go(index, action):
        gate.wait()
        try:
            action()
        except OSError as error:
            results[index] = errno.errorcode.get(error.errno, str(error))

    threads = [threading.Thread(target=go, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
