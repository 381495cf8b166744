/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers: the canonical form is a fixed point, orders as it should, and a double carries what fits one. */
#include <stdio.h>
#include <stdlib.h>
#include "ddbfs/store/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(struct str canonical) {
        struct buf again = BUF_INIT(KIB);

        if (canonical.n > NUMBER_CANONICAL_MAX || !number_is_canonical(canonical))
                __builtin_trap();
        if (number_canonical(canonical, &again) || !str_eq(canonical, buf_view(&again)) ||
            number_cmp(canonical, buf_view(&again)))
                __builtin_trap();
        if (number_fits_double(canonical)) { /* 17 digits of the double, rounded to the number's own length, are it */
                char text[64];
                double d = strtod(canonical.p, NULL);

                buf_reset(&again);
                (void)snprintf(text, sizeof(text), "%.17g", d);
                if (strtod(text, NULL) != d || number_digits(canonical) > 17)
                        __builtin_trap();
        }
        buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        size_t half = n / 2;
        struct str parts[2] = { { (const char *)data, half }, { (const char *)data + half, n - half } };
        struct buf out[2] = { BUF_INIT(KIB), BUF_INIT(KIB) }, whole = BUF_INIT(KIB);
        struct str text = str_make(data, n);

        if (number_canonical(text, &whole) == 0)
                check(buf_view(&whole));
        else if (whole.n > 0 || number_is_canonical(text))
                __builtin_trap();
        if (number_canonical(parts[0], &out[0]) == 0 && number_canonical(parts[1], &out[1]) == 0) {
                int c = number_cmp(buf_view(&out[0]), buf_view(&out[1]));

                if ((c == 0) != str_eq(buf_view(&out[0]), buf_view(&out[1])))
                        __builtin_trap();
                if ((c > 0) != (number_cmp(buf_view(&out[1]), buf_view(&out[0])) < 0))
                        __builtin_trap();
                if (c < 0 && strtod(out[0].p, NULL) > strtod(out[1].p, NULL))
                        __builtin_trap();
        }
        buf_deinit(&out[0]);
        buf_deinit(&out[1]);
        buf_deinit(&whole);
        return 0;
}
