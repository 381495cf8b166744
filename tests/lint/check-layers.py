#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layers include only what lies below them; each library is used in its place; private headers stay private."""

import os
import re

import lint

# layer -> the layers it may use
LAYERS = {
    "base": set(),
    "http": {"base"},
    "aws": {"base", "http"},
    "store": {"base"},
    "codec": {"base", "store"},
    "ddb": {"base", "http", "aws", "store", "codec"},
    "s3": {"base", "http", "aws", "store"},
    "large": {"base", "store", "codec"},
    "fs": {"base", "store", "codec"},
    "fuse": {"base", "fs"},
    "app": {"base", "http", "aws", "store", "codec", "ddb", "s3", "large", "fs", "fuse"},
}

# pattern of a library's headers -> the layers that may use it
LIBRARIES = {
    r"curl/": {"http"},
    r"fuse": {"fuse"},
    r"jansson": {"base", "aws", "ddb", "app"},
    r"expat": {"aws"},
    r"openssl/": {"base", "aws"},
    r"libdeflate": {"base"},
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"\n]*)"|<([^>\n]*)>|(\S+))', re.M)


def layer_of(path):
    m = re.match(r"(?:src|include/ddbfs|tests/unit)/([^/]+)/", path)
    return m[1] if m else None


def judge_quoted(path, layer, name, files):
    m = re.match(r"ddbfs/([^/]+)/(.+)$", name)
    if m:
        if m[1] not in LAYERS:
            return f"{name}: no such layer"
        if m[2].endswith("_internal.h"):
            return f"{name}: a private header does not belong in include/"
        if not lint.is_below(path, "tests") and m[1] != layer and m[1] not in LAYERS[layer]:
            return f"{name}: {layer} may not use {m[1]}"
        return None
    if lint.is_below(path, "include"):
        return f"{name}: a public header includes only public headers, as ddbfs/<layer>/..."
    if lint.is_below(path, "src"):
        if f"{os.path.dirname(path)}/{name}" in files and ".." not in name.split("/"):
            return None
        return f"{name}: not a header of src/{layer}; other layers are reached as ddbfs/<layer>/..."
    # tests may look inside the layer they are about
    base = os.path.basename(name)
    if base.endswith("_internal.h") and f"src/{layer}/{base}" not in files and \
            f"{os.path.dirname(path)}/{name}" not in files:
        return f"{name}: not a private header of {layer}"
    return None


def judge_angled(path, layer, name):
    if name.startswith("ddbfs/"):
        return f'<{name}>: our own headers go in quotes'
    if lint.is_below(path, "tests"):
        return None
    for pattern, layers in LIBRARIES.items():
        if re.match(pattern, name) and layer not in layers:
            return f"<{name}>: only in {', '.join(sorted(layers))}"
    return None


def check(files):
    findings = []
    for path, text in files.items():
        layer = layer_of(path)
        if layer not in LAYERS:
            if lint.is_below(path, "src", "include"):
                findings.append((path, 1, "belongs to no layer"))
            continue
        text = lint.without_comments(text)
        for m in INCLUDE.finditer(text):
            if m[3]:
                text_found = f"{m[3]}: the name of an included file is written out"
            elif m[1] is not None:
                text_found = judge_quoted(path, layer, m[1], files)
            else:
                text_found = judge_angled(path, layer, m[2])
            if text_found:
                findings.append((path, lint.line_of(text, m.start()), text_found))
    return findings


def wanted(path):
    return lint.is_c(path) and lint.is_below(path, "src", "include", "tests/unit")


SAMPLES = [
    ("downwards",
     {"src/aws/a.c": '#include "ddbfs/aws/a.h"\n#include "ddbfs/http/h.h"\n#include "ddbfs/base/b.h"\n'}, []),
    ("app may use all", {"src/app/a.c": "".join(f'#include "ddbfs/{x}/x.h"\n' for x in LAYERS)}, []),
    ("upwards", {"src/http/a.c": '#include "ddbfs/base/b.h"\n#include "ddbfs/aws/a.h"\n'}, [("src/http/a.c", 2)]),
    ("sideways", {"src/fs/a.c": '#include "ddbfs/ddb/d.h"\n'}, [("src/fs/a.c", 1)]),
    ("skipping down is not free", {"src/fuse/a.c": '#include "ddbfs/store/s.h"\n'}, [("src/fuse/a.c", 1)]),
    ("a public header upwards",
     {"include/ddbfs/base/a.h": '\n # include "ddbfs/fs/f.h"\n'}, [("include/ddbfs/base/a.h", 2)]),
    ("no such layer", {"src/app/a.c": '#include "ddbfs/nothing/a.h"\n'}, [("src/app/a.c", 1)]),
    ("a file without a layer", {"src/stray.c": "", "src/odd/a.c": "", "include/x.h": ""},
     [("src/stray.c", 1), ("src/odd/a.c", 1), ("include/x.h", 1)]),
    ("private header", {"src/fs/a.c": '#include "a_internal.h"\n', "src/fs/a_internal.h": ""}, []),
    ("private header of another layer", {"src/fs/a.c": '#include "a_internal.h"\n#include "../base/a_internal.h"\n',
                                         "src/base/a_internal.h": ""}, [("src/fs/a.c", 1), ("src/fs/a.c", 2)]),
    ("private header made public", {"src/fs/a.c": '#include "ddbfs/fs/a_internal.h"\n'}, [("src/fs/a.c", 1)]),
    ("public header using a private one",
     {"include/ddbfs/fs/a.h": '#include "a_internal.h"\n', "src/fs/a_internal.h": ""},
     [("include/ddbfs/fs/a.h", 1)]),
    ("test of the layer's inside", {"tests/unit/fs/test-a.c": '#include "../../../src/fs/a_internal.h"\n',
                                    "src/fs/a_internal.h": ""}, []),
    ("test of another layer's inside",
     {"tests/unit/fs/test-a.c": '#include "a_internal.h"\n', "src/base/a_internal.h": ""},
     [("tests/unit/fs/test-a.c", 1)]),
    ("libraries in place", {"src/http/a.c": "#include <curl/curl.h>\n", "src/fuse/a.c": "#include <fuse_lowlevel.h>\n",
                            "src/ddb/a.c": "#include <jansson.h>\n", "src/aws/a.c": "#include <expat.h>\n",
                            "src/base/a.c": "#include <openssl/evp.h>\n#include <stdio.h>\n"}, []),
    ("curl elsewhere", {"src/aws/a.c": "#include <stdio.h>\n#include <curl/curl.h>\n"}, [("src/aws/a.c", 2)]),
    ("fuse elsewhere", {"src/fs/a.c": "#include <fuse3/fuse_lowlevel.h>\n"}, [("src/fs/a.c", 1)]),
    ("jansson elsewhere", {"include/ddbfs/fs/a.h": "#include <jansson.h>\n"}, [("include/ddbfs/fs/a.h", 1)]),
    ("expat elsewhere", {"src/base/a.c": "#include <expat.h>\n"}, [("src/base/a.c", 1)]),
    ("openssl elsewhere", {"src/fs/a.c": "#include <openssl/sha.h>\n"}, [("src/fs/a.c", 1)]),
    ("own headers in angles", {"src/fs/a.c": "#include <ddbfs/base/b.h>\n"}, [("src/fs/a.c", 1)]),
    ("a macro hides the name", {"src/fs/a.c": "#include HEADER\n"}, [("src/fs/a.c", 1)]),
    ("comments do not include", {"src/base/a.c": '/*\n#include "ddbfs/fs/f.h"\n*/\n// #include <curl/curl.h>\n'}, []),
]

if __name__ == "__main__":
    lint.run(wanted, check, SAMPLES)
