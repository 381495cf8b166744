# SPDX-License-Identifier: Apache-2.0
"""The names of keys, written down a second time and from the contract alone, to check the program's."""

import base64

PIECE_MAX = 240
CHAIN_PREFIX = 238


def escape(text, view=False):
    """An S key as one name, however long, in bytes."""
    units = []
    for index, character in enumerate(text):
        data = character.encode()
        code = data[0]
        if (len(data) == 1 and (code < 0x20 or code == 0x7F or character in "/%" or (character == "." and index == 0) or
                                (view and character == ","))):
            data = b"%%%02X" % code
        units.append(data)
    return units


def pieces(units):
    """Units that must not be split, as the components of a path."""
    result = []
    while sum(map(len, units)) > PIECE_MAX:
        piece = b""
        count = 0
        while len(piece) + len(units[count]) <= CHAIN_PREFIX:
            piece += units[count]
            count += 1
        result.append(piece + b"%+")
        units = units[count:]
    return result + [b"".join(units)]


def components(value):
    """The path components, as bytes, of a key such as {"S": "a/b"}."""
    (kind, content), = value.items()
    if kind == "S":
        return pieces(escape(content))
    if kind == "N":
        return [content.encode()]
    name = base64.urlsafe_b64encode(content).rstrip(b"=")
    return pieces([name[i:i + 1] for i in range(len(name))])


def item_path(*keys):
    """Below the table: partition, and sort key where there is one, `.json` at the end."""
    parts = [part for key in keys for part in components(key)]
    return b"/".join(parts) + b".json"
