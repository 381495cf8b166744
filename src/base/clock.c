/* SPDX-License-Identifier: Apache-2.0 */
/* Time.  Dates are computed here, in the proleptic Gregorian calendar: no locale, no time zone, no lock. */
#include "ddbfs/base/clock.h"

#include <stdatomic.h>
#include <time.h>

#define SECONDS_PER_DAY 86400
#define DAYS_PER_ERA 146097            /* 400 years */
#define DAYS_TO_EPOCH 719468           /* from 0000-03-01 to 1970-01-01 */
#define WALL_MIN INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define WALL_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

struct date {
        int64_t year;
        unsigned month, day, hour, minute, second; /* month and day from 1 */
};

static atomic_bool faked;
static _Atomic uint64_t fake_mono, fake_wall;

static uint64_t read_clock(clockid_t id) {
        struct timespec t;

        if (clock_gettime(id, &t) < 0)
                return 0;
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_now_ns(void) {
        return atomic_load_explicit(&faked, memory_order_acquire) ? atomic_load(&fake_mono)
                                                                  : read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void) {
        return atomic_load_explicit(&faked, memory_order_acquire) ? atomic_load(&fake_wall)
                                                                  : read_clock(CLOCK_REALTIME);
}

int64_t clock_wall_s(void) {
        return (int64_t)(clock_wall_ns() / NS_PER_S);
}

void clock_fake(uint64_t mono_ns, uint64_t wall_ns) {
        atomic_store(&fake_mono, mono_ns);
        atomic_store(&fake_wall, wall_ns);
        atomic_store(&faked, true);
}

void clock_real(void) {
        atomic_store(&faked, false);
}

bool clock_fake_sleep(uint64_t until_ns) {
        uint64_t now = atomic_load(&fake_mono);

        if (!atomic_load(&faked) || until_ns == UINT64_MAX)
                return false;
        while (now < until_ns)
                if (atomic_compare_exchange_weak(&fake_mono, &now, until_ns)) {
                        atomic_fetch_add(&fake_wall, until_ns - now);
                        break;
                }
        return true;
}

static bool is_leap(int64_t year) {
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since the epoch.  Years begin in March here, so that the leap day is their last. */
static int64_t days_of(int64_t year, unsigned month, unsigned day) {
        int64_t y = month <= 2 ? year - 1 : year;
        int64_t era = (y >= 0 ? y : y - 399) / 400;
        int64_t year_of_era = y - era * 400;
        int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

        return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
               DAYS_TO_EPOCH;
}

static struct date date_of(int64_t wall_s) {
        int64_t s = MIN(MAX(wall_s, WALL_MIN), WALL_MAX) - WALL_MIN; /* >= 0: no rounding towards zero to mind */
        int64_t days = s / SECONDS_PER_DAY + WALL_MIN / SECONDS_PER_DAY + DAYS_TO_EPOCH;
        int64_t era = (days >= 0 ? days : days - DAYS_PER_ERA + 1) / DAYS_PER_ERA;
        int64_t day_of_era = days - era * DAYS_PER_ERA;
        int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        unsigned march_month = (unsigned)((5 * day_of_year + 2) / 153);
        unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
        unsigned of_day = (unsigned)(s % SECONDS_PER_DAY);

        return (struct date){
                .year = era * 400 + year_of_era + (month <= 2),
                .month = month,
                .day = (unsigned)day_of_year - (153 * march_month + 2) / 5 + 1,
                .hour = of_day / 3600,
                .minute = of_day / 60 % 60,
                .second = of_day % 60,
        };
}

static char *put(char *p, unsigned value, unsigned digits, char after) {
        for (unsigned i = digits; i-- > 0; value /= 10)
                p[i] = (char)('0' + value % 10);
        p[digits] = after;
        return p + digits + 1;
}

void clock_format_amz(int64_t wall_s, char out[CLOCK_AMZ_LEN]) {
        struct date d = date_of(wall_s);

        put(out, (unsigned)d.year * 10000 + d.month * 100 + d.day, 8, 'T');
        put(out + 9, d.hour * 10000 + d.minute * 100 + d.second, 6, 'Z');
        out[CLOCK_AMZ_LEN - 1] = '\0';
}

void clock_format_iso(uint64_t wall_ns, char out[CLOCK_ISO_LEN]) {
        struct date d = date_of((int64_t)(wall_ns / NS_PER_S));
        char *p = out;

        p = put(p, (unsigned)d.year, 4, '-');
        p = put(p, d.month, 2, '-');
        p = put(p, d.day, 2, 'T');
        p = put(p, d.hour, 2, ':');
        p = put(p, d.minute, 2, ':');
        p = put(p, d.second, 2, '.');
        p = put(p, (unsigned)(wall_ns % NS_PER_S / NS_PER_MS), 3, 'Z');
        *p = '\0';
}

/* A second of 60 is a leap second: the next minute's first. */
static bool wall_of(const struct date *d, int64_t *ret_wall_s) {
        static const uint8_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

        if (d->month < 1 || d->month > 12 || d->day < 1 || d->hour > 23 || d->minute > 59 || d->second > 60)
                return false;
        if (d->day > month_days[d->month - 1] + (d->month == 2 && is_leap(d->year) ? 1U : 0U))
                return false;
        *ret_wall_s =
                days_of(d->year, d->month, d->day) * SECONDS_PER_DAY + d->hour * 3600 + d->minute * 60 + d->second;
        return true;
}

/* Exactly that many digits, cut off *s. */
static bool take_number(struct str *s, unsigned digits, unsigned *ret) {
        unsigned value = 0;

        if (s->n < digits)
                return false;
        for (unsigned i = 0; i < digits; i++) {
                if (s->p[i] < '0' || s->p[i] > '9')
                        return false;
                value = value * 10 + (unsigned)(s->p[i] - '0');
        }
        *s = str_skip(*s, digits);
        *ret = value;
        return true;
}

static bool take_char(struct str *s, const char *one_of) {
        if (s->n == 0 || *s->p == '\0' || !strchr(one_of, *s->p))
                return false;
        *s = str_skip(*s, 1);
        return true;
}

static bool take_time(struct str *s, struct date *d) {
        return take_number(s, 2, &d->hour) && take_char(s, ":") && take_number(s, 2, &d->minute) && take_char(s, ":") &&
               take_number(s, 2, &d->second);
}

/* All of s: Z, UTC, +hh, +hhmm or +hh:mm. */
static bool parse_offset(struct str s, int64_t *ret_s) {
        unsigned hours, minutes = 0;
        bool west = s.n > 0 && *s.p == '-';

        *ret_s = 0;
        if (str_eq(s, STR("Z")) || str_eq(s, STR("z")) || str_eq(s, STR("UTC")))
                return true;
        if (!take_char(&s, "+-") || !take_number(&s, 2, &hours) || hours > 23)
                return false;
        if (s.n > 0) {
                (void)take_char(&s, ":");
                if (!take_number(&s, 2, &minutes) || minutes > 59 || s.n > 0)
                        return false;
        }
        *ret_s = (west ? -60 : 60) * (int64_t)(hours * 60 + minutes);
        return true;
}

bool clock_parse_iso(struct str s, int64_t *ret_wall_s) {
        struct date d = { 0 };
        unsigned year, digit;
        int64_t wall, offset;

        if (!take_number(&s, 4, &year) || !take_char(&s, "-") || !take_number(&s, 2, &d.month) || !take_char(&s, "-") ||
            !take_number(&s, 2, &d.day) || !take_char(&s, "Tt") || !take_time(&s, &d))
                return false;
        if (take_char(&s, ".")) {
                if (!take_number(&s, 1, &digit))
                        return false;
                while (take_number(&s, 1, &digit))
                        ;
        }
        d.year = year;
        if (!parse_offset(s, &offset) || !wall_of(&d, &wall))
                return false;
        *ret_wall_s = wall - offset;
        return true;
}

/* One of the three-letter names, cut off *s. */
static bool take_name(struct str *s, const char *names, unsigned n_names, unsigned *ret) {
        for (unsigned i = 0; i < n_names && s->n >= 3; i++)
                if (memcmp(s->p, names + 3 * i, 3) == 0) {
                        *s = str_skip(*s, 3);
                        *ret = i;
                        return true;
                }
        return false;
}

bool clock_parse_http(struct str s, int64_t *ret_wall_s) {
        struct date d = { 0 };
        unsigned weekday, month, year;

        if (!take_name(&s, "SunMonTueWedThuFriSat", 7, &weekday) || !take_char(&s, ",") || !take_char(&s, " ") ||
            !take_number(&s, 2, &d.day) || !take_char(&s, " ") ||
            !take_name(&s, "JanFebMarAprMayJunJulAugSepOctNovDec", 12, &month) || !take_char(&s, " ") ||
            !take_number(&s, 4, &year) || !take_char(&s, " ") || !take_time(&s, &d) || !str_eq(s, STR(" GMT")))
                return false;
        d.month = month + 1;
        d.year = year;
        return wall_of(&d, ret_wall_s);
}
