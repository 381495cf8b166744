/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over every file of its corpus folder, as TAP: the corpus is a regression test under
 * any compiler and sanitizer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay(const char *folder, const char *name, unsigned number) {
        char path[4096];
        uint8_t *data = NULL;
        size_t n = 0;
        FILE *f;

        if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
                return 1;
        f = fopen(path, "rb");
        if (!f) {
                printf("not ok %u - %s: cannot open\n", number, name);
                return 1;
        }
        data = malloc(1 << 20); /* exactly sized below, so that ASAN sees an overread */
        if (data)
                n = fread(data, 1, 1 << 20, f);
        fclose(f);
        data = realloc(data, n ? n : 1);
        LLVMFuzzerTestOneInput(data, n);
        free(data);
        printf("ok %u - %s\n", number, name);
        return 0;
}

int main(int argc, char **argv) {
        unsigned number = 0;
        struct dirent *e;
        int failed = 0;
        DIR *d = argc > 1 ? opendir(argv[1]) : NULL;

        if (!d) {
                printf("1..1\nnot ok 1 - no corpus folder\n");
                return 1;
        }
        while ((e = readdir(d)))
                if (e->d_name[0] != '.')
                        failed |= replay(argv[1], e->d_name, ++number);
        closedir(d);
        if (number == 0) {
                printf("not ok 1 - the corpus is empty\n");
                number = 1;
                failed = 1;
        }
        printf("1..%u\n", number);
        return failed;
}
