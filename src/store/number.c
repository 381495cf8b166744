/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal text of DynamoDB numbers.
 *
 * A number is sign, significant digits (neither end a zero) and the decimal exponent of the first of
 * them.  Everything works on the text; floating point only answers what a double would make of it.
 */
#include <stdio.h>
#include "ddbfs/store/number.h"

#define EXPONENT_MIN (-130) /* of the first significant digit */
#define EXPONENT_MAX 125
#define EXPONENT_CAP 100000 /* beyond it every number is out of range, whatever its digits */

struct decimal {
        bool negative;
        unsigned n;    /* significant digits; 0: the number is zero */
        long exponent; /* of digits[0]: 0 for units */
        char digits[NUMBER_TEXT_MAX];
};

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* Exponent of the literal from pos on ("e-5"); capped.  false: malformed. */
static bool scan_exponent(struct str in, size_t pos, long *ret) {
        bool negative = false;
        long v = 0;

        pos++;
        if (pos < in.n && (in.p[pos] == '+' || in.p[pos] == '-'))
                negative = in.p[pos++] == '-';
        if (pos >= in.n)
                return false;
        for (; pos < in.n; pos++) {
                if (!is_digit(in.p[pos]))
                        return false;
                v = MIN(v * 10 + (in.p[pos] - '0'), (long)EXPONENT_CAP);
        }
        *ret = negative ? -v : v;
        return true;
}

/* Digits, point, digits from *pos on; false: no digit at all. */
static bool scan_digits(struct str in, size_t *pos, struct decimal *d) {
        bool any = false, point = false;
        long integral = 0; /* integral digits from the first significant one on; negative: zeros behind the point */
        size_t i = *pos;

        for (; i < in.n; i++) {
                if (in.p[i] == '.' && !point) {
                        point = true;
                        continue;
                }
                if (!is_digit(in.p[i]))
                        break;
                any = true;
                if (d->n > 0 || in.p[i] != '0') {
                        d->digits[d->n++] = in.p[i];
                        integral += !point;
                } else
                        integral -= point;
        }
        d->exponent = integral - 1;
        while (d->n > 0 && d->digits[d->n - 1] == '0')
                d->n--;
        *pos = i;
        return any;
}

static bool scan(struct str in, struct decimal *d) {
        long exponent = 0;
        size_t pos = 0;

        d->negative = false;
        d->n = 0;
        d->exponent = 0;
        if (in.n == 0 || in.n > NUMBER_TEXT_MAX)
                return false;
        if (in.p[0] == '-' || in.p[0] == '+')
                d->negative = in.p[pos++] == '-';
        if (!scan_digits(in, &pos, d))
                return false;
        if (pos < in.n) {
                if ((in.p[pos] | 0x20) != 'e' || !scan_exponent(in, pos, &exponent))
                        return false;
                d->exponent += exponent;
        }
        if (d->n == 0) {
                d->negative = false;
                d->exponent = 0;
        }
        return true;
}

static int check(const struct decimal *d) {
        if (d->n > NUMBER_DIGITS_MAX)
                return NUMBER_E_DIGITS;
        if (d->exponent < EXPONENT_MIN || d->exponent > EXPONENT_MAX)
                return NUMBER_E_RANGE;
        return 0;
}

int number_canonical(struct str in, struct buf *out) {
        struct decimal d;
        size_t integral;
        int r;

        if (!scan(in, &d))
                return NUMBER_E_MALFORMED;
        r = check(&d);
        if (r)
                return r;
        if (d.n == 0) {
                buf_putc(out, '0');
                return 0;
        }
        if (d.negative)
                buf_putc(out, '-');
        if (d.exponent < 0) {
                buf_append(out, "0.", 2);
                buf_fill(out, '0', (size_t)(-d.exponent - 1));
                buf_append(out, d.digits, d.n);
                return 0;
        }
        integral = (size_t)d.exponent + 1;
        buf_append(out, d.digits, MIN(integral, (size_t)d.n));
        if (d.n <= integral)
                buf_fill(out, '0', integral - d.n);
        else {
                buf_putc(out, '.');
                buf_append(out, d.digits + integral, d.n - integral);
        }
        return 0;
}

/* The grammar of the canonical form: -? (0 | [1-9][0-9]*) ('.' [0-9]* [1-9])?, and no "-0". */
static bool canonical_shape(struct str in) {
        size_t pos = 0, integral, i;

        if (in.n > 0 && in.p[0] == '-')
                pos++;
        integral = pos;
        while (pos < in.n && is_digit(in.p[pos]))
                pos++;
        if (pos == integral || (in.p[integral] == '0' && pos - integral > 1))
                return false;
        if (pos == in.n)
                return !(integral == 1 && in.p[1] == '0');
        if (in.p[pos] != '.' || pos + 1 == in.n)
                return false;
        for (i = pos + 1; i < in.n; i++)
                if (!is_digit(in.p[i]))
                        return false;
        return in.p[in.n - 1] != '0';
}

bool number_is_canonical(struct str in) {
        struct decimal d;

        if (in.n > NUMBER_CANONICAL_MAX || !canonical_shape(in))
                return false;
        if (in.n <= NUMBER_DIGITS_MAX) /* too short to have too many digits or to be out of range */
                return true;
        return scan(in, &d) && check(&d) == 0;
}

unsigned number_digits(struct str in) {
        struct decimal d;

        return scan(in, &d) ? d.n : 0;
}

static size_t integral_length(struct str s) {
        const char *point = memchr(s.p, '.', s.n);

        return point ? (size_t)(point - s.p) : s.n;
}

int number_cmp(struct str a, struct str b) {
        bool negative = a.n > 0 && a.p[0] == '-';
        size_t la, lb;
        int r;

        if (negative != (b.n > 0 && b.p[0] == '-'))
                return negative ? -1 : 1;
        la = integral_length(a);
        lb = integral_length(b);
        r = la != lb ? (la > lb) - (la < lb) : str_cmp(a, b);
        return negative ? -r : r;
}

/* ---- what a double makes of it ---- */

/* The decimal digits[0] '.' digits[1] ... 'e' exponent, as the nearest double. */
static double to_double(const char *digits, unsigned n, long exponent) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%.*se%ld", (int)n, digits, exponent - (long)(n - 1));
        return strtod(text, NULL);
}

/* The n-digit decimal nearest to value. */
static void from_double(double value, unsigned n, char digits[NUMBER_DIGITS_MAX], long *ret_exponent) {
        char text[64];
        const char *p = text;
        unsigned i = 0;

        (void)snprintf(text, sizeof(text), "%.*e", (int)n - 1, value);
        for (; *p && *p != 'e'; p++)
                if (is_digit(*p) && i < n)
                        digits[i++] = *p;
        *ret_exponent = *p ? strtol(p + 1, NULL, 10) : 0;
}

/* The next larger n-digit decimal. */
static void next_decimal(char *digits, unsigned n, long *exponent) {
        while (n > 0 && digits[n - 1] == '9')
                digits[--n] = '0';
        if (n > 0)
                digits[n - 1]++;
        else {
                digits[0] = '1';
                (*exponent)++;
        }
}

/* Would one digit fewer read back as the same double?  Only the two neighbours of d can. */
static bool shorter_exists(const struct decimal *d, double value) {
        char next[NUMBER_DIGITS_MAX];
        long exponent = d->exponent;
        unsigned n = d->n - 1;

        if (to_double(d->digits, n, exponent) == value)
                return true;
        memcpy(next, d->digits, n);
        next_decimal(next, n, &exponent);
        return to_double(next, n, exponent) == value;
}

bool number_fits_double(struct str canonical) {
        char digits[NUMBER_DIGITS_MAX];
        struct decimal d;
        double value;
        long exponent;

        if (!scan(canonical, &d) || d.n > 17)
                return false;
        if (d.n <= 15) /* DBL_DIG, and the range of DynamoDB's exponents is well inside a double's */
                return true;
        value = to_double(d.digits, d.n, d.exponent);
        if (shorter_exists(&d, value))
                return false;
        /* of the decimals of this length that read back as the double, the nearest to it is the one printed; at a
         * power of two the nearest below may not read back, then it is the next one above */
        from_double(value, d.n, digits, &exponent);
        if (to_double(digits, d.n, exponent) != value)
                next_decimal(digits, d.n, &exponent);
        return exponent == d.exponent && memcmp(digits, d.digits, d.n) == 0;
}
