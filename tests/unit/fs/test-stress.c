/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight threads on few items for two seconds, a store that is slow and fails now and then, and somebody else who
 * writes too.  At the end the tables hold what the writers were told:
 *
 *      Users/own-N    written by thread N (attribute "mine") and by somebody else ("theirs"): neither is lost
 *      Users/cycle-N  made, renamed and removed by thread N: where it said
 *      Users/hot-K    everybody does everything: some text somebody wrote, or none
 */
#include <pthread.h>
#include <stdatomic.h>
#include "ddbfs/base/rng.h"
#include "fixture.h"

#define THREADS 8
#define HOT 3
#define RUN_NS (2 * NS_PER_S)

struct worker {
        struct fx *x;
        unsigned n;
        pthread_t thread;
        uint64_t until_ns;
        unsigned mine, mine_or; /* last told, and what a failed save may have left instead */
        unsigned theirs;        /* by the other one */
        unsigned saves, stale, failed;
        char cycle; /* 0: gone, 'a', 'b': under that name, '?': an operation failed, who knows */
        char wrong[200];
};

static unsigned pick(unsigned n) {
        return (unsigned)(rng_u64() % n);
}

static void complain(struct worker *w, const char *what, int r) {
        if (!w->wrong[0])
                (void)snprintf(w->wrong, sizeof(w->wrong), "thread %u: %s: %d", w->n, what, r);
}

/* Errors that may happen here. */
static bool expected(int r) {
        return r == 0 || r == -ETIMEDOUT || r == -EBUSY;
}

/* Read, change "mine", write: theirs in the text is what was read. */
static void edit_own(struct worker *w) {
        char path[32], text[FX_TEXT_MAX];
        const char *theirs;
        unsigned next = w->mine + 1000;
        int r;

        (void)snprintf(path, sizeof(path), "Users/own-%u.json", w->n);
        r = fx_cat(w->x, path, text);
        if (r) {
                if (!expected(r))
                        complain(w, "reading own", r);
                return;
        }
        theirs = strstr(text, "\"theirs\": ");
        if (!theirs) {
                complain(w, "theirs is missing", 0);
                return;
        }
        next = MAX(w->mine, w->mine_or) + 1;
        (void)snprintf(text, sizeof(text), "{\"mine\":%u,\"theirs\":%u}", next,
                       (unsigned)strtoul(theirs + 10, NULL, 10));
        r = fx_save(w->x, path, text);
        if (r == 0) {
                w->mine = w->mine_or = next;
                w->saves++;
        } else if (r == -ESTALE) {
                w->stale++; /* after a lost answer "mine" is not what was read */
        } else {
                w->mine_or = next;
                w->failed++;
                if (!expected(r))
                        complain(w, "saving own", r);
        }
}

static void cycle(struct worker *w) {
        char a[32], b[32], what[] = "cycle, from ?";
        int r;

        (void)snprintf(a, sizeof(a), "Users/cycle-%u-a.json", w->n);
        (void)snprintf(b, sizeof(b), "Users/cycle-%u-b.json", w->n);
        if (w->cycle)
                what[sizeof(what) - 2] = w->cycle;
        switch (w->cycle) {
        case 0:
                what[sizeof(what) - 2] = '0';
                r = fx_save(w->x, a, "{\"c\":1}");
                w->cycle = r ? '?' : 'a';
                break;
        case 'a':
                r = fx_mv(w->x, a, b, 0);
                w->cycle = r ? '?' : 'b';
                break;
        case 'b':
                r = fx_rm(w->x, b);
                w->cycle = r ? '?' : 0;
                break;
        default:
                r = fx_rm(w->x, a);
                if (r == 0 || r == -ENOENT)
                        r = fx_rm(w->x, b);
                if (r == 0 || r == -ENOENT)
                        w->cycle = 0;
                r = r == -ENOENT ? 0 : r;
                break;
        }
        if (!expected(r))
                complain(w, what, r);
}

static void hot(struct worker *w) {
        char path[32], other[32], text[FX_TEXT_MAX];
        struct fs_attr attr;
        struct fx_file f;

        (void)snprintf(path, sizeof(path), "Users/hot-%u.json", pick(HOT));
        (void)snprintf(other, sizeof(other), "Users/hot-%u.json", pick(HOT));
        switch (pick(8)) {
        case 0:
                (void)fx_save(w->x, path, "{\"by\":\"save\"}");
                break;
        case 1:
                (void)fx_cat(w->x, path, text);
                break;
        case 2:
                (void)fx_rm(w->x, path);
                break;
        case 3:
                (void)fx_mv(w->x, path, other, pick(3));
                break;
        case 4:
                if (fx_open(w->x, path, O_RDWR, &f) == 0) {
                        (void)fx_read(&f, text, sizeof(text));
                        (void)fx_ftruncate(&f, 0);
                        (void)fx_pwrite(&f, "{\"by\":\"edit\"}", 0);
                        (void)fx_fsync(&f);
                        (void)fx_close(&f);
                }
                break;
        case 5:
                (void)fx_touch(w->x, path);
                break;
        case 6:
                (void)fx_truncate(w->x, path, 0);
                break;
        default:
                (void)fx_stat(w->x, path, &attr);
                break;
        }
}

static void list(struct worker *w) {
        struct fx_listing l = { .names = BUF_INIT(MIB), .plus = pick(2), .budget = pick(5) };
        int r = fx_ls(w->x, pick(4) ? "Users" : "/", &l);

        if (!expected(r))
                complain(w, "ls", r);
        buf_deinit(&l.names);
}

static void *work(void *arg) {
        struct worker *w = arg;

        while (clock_now_ns() < w->until_ns) {
                switch (pick(6)) {
                case 0:
                case 1:
                        edit_own(w);
                        break;
                case 2:
                        cycle(w);
                        break;
                case 3:
                        list(w);
                        break;
                default:
                        hot(w);
                        break;
                }
        }
        return NULL;
}

/* Somebody else, straight at the service: sets "theirs" of an item. */
static void set_theirs(struct worker *w, struct table_schema *users) {
        char name[16], number[16];
        struct attribute set = { .name = STR("theirs"), .value = { .type = VALUE_N } };
        struct condition exists = { .op = COND_EXISTS, .attr = STR("Id") };
        struct write u = { .op = WRITE_UPDATE,
                           .table = users,
                           .key = { .n = 1 },
                           .set = &set,
                           .n_set = 1,
                           .conditions = &exists,
                           .n_conditions = 1 };
        struct store *s = mem_store_face(w->x->m);

        (void)snprintf(name, sizeof(name), "own-%u", w->n);
        (void)snprintf(number, sizeof(number), "%u", w->theirs + 1);
        u.key.parts[0] = (struct key_part){ .type = VALUE_S, .text = str_of(name) };
        set.value.text = str_of(number);
        if (FX_CALL(s->ops->write(s, &ctx, &u, NULL, NULL)) == 0)
                w->theirs++;
}

static void others(struct worker *workers, struct fx *x, uint64_t until) {
        struct store *s = mem_store_face(x->m);
        struct table_schema *users = NULL;

        ck_assert_ok(FX_CALL(s->ops->describe(s, &ctx, STR("Users"), &users, NULL)));
        while (clock_now_ns() < until) {
                set_theirs(&workers[pick(THREADS)], users);
                if (pick(4) == 0)
                        mem_fail(x->m, MEM_GET, 1 + pick(20), 1, ERR_BUSY, false);
                /* not lost answers of writes: somebody else's "theirs" would then be told as failed */
                if (pick(8) == 0)
                        mem_fail(x->m, MEM_TRANSACT_WRITE, 1 + pick(4), 1, ERR_TIMEOUT, pick(2));
                nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
        }
        for (unsigned op = 0; op < _MEM_OP_N; op++)
                mem_fail(x->m, (enum mem_op)op, 0, 0, ERR_NONE, false);
        table_schema_unref(users);
}

static void check(struct worker *w) {
        char name[32], want[200], alternative[200];
        const char *got;

        ck_assert_msg(!w->wrong[0], "%s", w->wrong);
        (void)snprintf(name, sizeof(name), "own-%u", w->n);
        (void)snprintf(want, sizeof(want), "{\"Id\":\"%s\",\"mine\":%u,\"theirs\":%u}", name, w->mine, w->theirs);
        (void)snprintf(alternative, sizeof(alternative), "{\"Id\":\"%s\",\"mine\":%u,\"theirs\":%u}", name, w->mine_or,
                       w->theirs);
        got = mem_text(w->x->m, "Users", name, NULL);
        ck_assert_msg(got && (strcmp(got, want) == 0 || strcmp(got, alternative) == 0), "%s, not %s",
                      got ? got : "gone", want);
        ck_assert_msg(w->saves > 0, "thread %u saved nothing: %u stale, %u failed", w->n, w->stale, w->failed);
        for (char c = 'a'; c <= 'b' && w->cycle != '?'; c++) {
                (void)snprintf(name, sizeof(name), "cycle-%u-%c", w->n, c);
                ck_assert_msg((mem_text(w->x->m, "Users", name, NULL) != NULL) == (w->cycle == c), "%s: told '%c'",
                              name, w->cycle ? w->cycle : '0');
        }
}

START_TEST(test_stress) {
        struct worker workers[THREADS];
        char path[32], text[FX_TEXT_MAX];
        uint64_t until;
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = _i ? 20 * NS_PER_MS : 0;
        fx_start(&x);
        mem_set_delay_us(x.m, 100);
        mem_set_page_size(x.m, 5);
        for (unsigned i = 0; i < THREADS; i++)
                mem_putf(x.m, "Users", "{\"Id\":\"own-%u\",\"mine\":0,\"theirs\":0}", i);
        until = clock_now_ns() + RUN_NS;
        for (unsigned i = 0; i < THREADS; i++) {
                workers[i] = (struct worker){ .x = &x, .n = i, .until_ns = until };
                ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        }
        others(workers, &x, until);
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(workers[i].thread, NULL);
        nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL); /* removals on their way */
        for (unsigned i = 0; i < THREADS; i++)
                check(&workers[i]);
        /* and the mount shows what the table holds */
        fx_clock(&x);
        fx_advance(3600 * NS_PER_S);
        for (unsigned i = 0; i < HOT; i++) {
                const char *stored;

                (void)snprintf(path, sizeof(path), "hot-%u", i);
                stored = mem_text(x.m, "Users", path, NULL);
                (void)snprintf(path, sizeof(path), "Users/hot-%u.json", i);
                ck_assert_int_eq(fx_cat(&x, path, text), stored ? 0 : -ENOENT);
                ck_assert(!stored || !strstr(stored, "save") == !strstr(text, "save"));
        }
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("stress");
        TCase *t = tcase_create("stress");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_stress, 0, 2);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
