/* SPDX-License-Identifier: Apache-2.0 */
/* csv: a record's cells, written again, are the same cells; records end where their cells say. */
#include "ddbfs/codec/csv.h"

#define CELLS_MAX 64

static void check(bool ok) {
        if (!ok)
                __builtin_trap();
}

static void check_record(struct str record, char separator) {
        struct arena a = ARENA_INIT(16 * MIB), b = ARENA_INIT(16 * MIB);
        struct csv_cell cells[CELLS_MAX], again[CELLS_MAX];
        struct buf text = BUF_INIT(16 * MIB);
        struct error e;
        uint32_t n, m;

        if (csv_cells(record, separator, &a, cells, CELLS_MAX, &n, &e) == 0) {
                check(n > 0);
                for (uint32_t i = 0; i < n; i++) {
                        if (i)
                                buf_putc(&text, separator);
                        csv_put_cell(&text, cells[i].text, separator, cells[i].quoted);
                }
                check(buf_status(&text) == 0);
                check(csv_cells(buf_view(&text), separator, &b, again, CELLS_MAX, &m, &e) == 0 && m == n);
                for (uint32_t i = 0; i < n; i++)
                        check(str_eq(cells[i].text, again[i].text));
                buf_putc(&text, '\n');
                check(csv_record(buf_view(&text), separator) == text.n);
        }
        buf_deinit(&text);
        arena_deinit(&a);
        arena_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct str rest;
        size_t n;
        char separator;

        if (size == 0)
                return 0;
        separator = data[0] & 1 ? '\t' : ',';
        for (rest = str_make((const char *)data + 1, size - 1); (n = csv_record(rest, separator)) > 0; rest = str_skip(rest, n)) {
                check(n <= rest.n && (rest.p[n - 1] == '\n' || rest.p[n - 1] == '\r'));
                check(rest.p[n - 1] == '\n' || (n < rest.n && rest.p[n] != '\n'));
                check_record(str_make(rest.p, n - 1), separator);
        }
        check_record(rest, separator);
        return 0;
}
