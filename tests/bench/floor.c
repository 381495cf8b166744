/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of the benchmark: a client that sends just the requests a job needs, and does nothing with the answers.
 *
 *   floor [-c CONNECTIONS] [-o] URL FILE
 *
 * Each line of FILE is OPERATION, tab, FOLLOW, tab, BODY.  FOLLOW is "-", "pages" (on with LastEvaluatedKey until
 * there is none), or "skip:ATTRIBUTE" (the same, with that key attribute, an S, raised to the largest there is: on with
 * the next partition).  Connections are kept alive and take the lines in their order, each the next one.
 * -o writes the answers to standard output.  The last line on standard error is a JSON object of what it cost.
 * Any answer but 200 ends it.  Bodies should ask for ReturnConsumedCapacity.
 */
#include <curl/curl.h>
#include "floor.h"

#define CONNECTIONS_MAX 64

struct line {
        const char *operation, *follow, *body;
        size_t n_body;
};

static struct {
        const char *url, *host;
        struct signing signing;
        bool print;
        struct line *lines;
        size_t n_lines;
        atomic_size_t next;
        pthread_mutex_t lock; /* of all below, and of standard output */
        size_t requests;
        double rcu, wcu;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static size_t received(char *p, size_t one, size_t n, void *reply) {
        add(reply, p, one * n);
        return one * n;
}

static struct curl_slist *sign(const char *operation, const struct text *body) {
        static const char signed_headers[] = "content-type;host;x-amz-date;x-amz-target";
        char date[32], target[128], payload[HEX_SIZE], canonical[1024], header[512];
        struct curl_slist *ret = NULL;

        amz_date(&all.signing, date);
        (void)snprintf(target, sizeof(target), "DynamoDB_20120810.%s", operation);
        sha256_hex(body->p, body->n, payload);
        (void)snprintf(canonical, sizeof(canonical),
                       "POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:%s\nx-amz-date:%s\nx-amz-target:%s\n"
                       "\n%s\n%s", all.host, date, target, signed_headers, payload);
        ret = curl_slist_append(ret, "Content-Type: application/x-amz-json-1.0");
        (void)snprintf(header, sizeof(header), "X-Amz-Date: %s", date);
        ret = curl_slist_append(ret, header);
        (void)snprintf(header, sizeof(header), "X-Amz-Target: %s", target);
        ret = curl_slist_append(ret, header);
        authorize(&all.signing, canonical, date, signed_headers, header, sizeof(header));
        return curl_slist_append(ret, header);
}

static void send_one(CURL *curl, const char *operation, const struct text *body, struct text *reply) {
        struct curl_slist *headers = sign(operation, body);
        long status = 0;
        CURLcode code;

        reply->n = 0;
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->p);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->n);
        code = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_slist_free_all(headers);
        if (code)
                die(operation, curl_easy_strerror(code));
        if (status != 200)
                die(operation, reply->n ? reply->p : "refused");
}

/* One table a request, so that one number says it all. */
static void account(const char *operation, const struct text *reply) {
        bool writes = strstr("BatchWriteItem DeleteItem PutItem UpdateItem", operation);
        const char *p = memmem(reply->p, reply->n, "\"ConsumedCapacity\"", 18);
        double units = 0;

        p = p ? strstr(p, "\"CapacityUnits\":") : NULL;
        if (p)
                units = strtod(p + 16, NULL);
        (void)pthread_mutex_lock(&all.lock);
        all.requests++;
        *(writes ? &all.wcu : &all.rcu) += units;
        if (all.print) {
                (void)fwrite(reply->p, 1, reply->n, stdout);
                (void)putchar('\n');
        }
        (void)pthread_mutex_unlock(&all.lock);
}

/* The value of LastEvaluatedKey, an object; keys without quotes and braces in them. */
static bool last_key(const struct text *reply, const char **ret, size_t *retn) {
        static const char name[] = "\"LastEvaluatedKey\":";
        const char *p = reply->n ? memmem(reply->p, reply->n, name, sizeof(name) - 1) : NULL;
        int depth = 0;

        if (!p)
                return false;
        *ret = p += sizeof(name) - 1;
        do {
                depth += (*p == '{') - (*p == '}');
                p++;
        } while (depth > 0 && *p);
        *retn = (size_t)(p - *ret);
        return true;
}

static void add_raised(struct text *body, const char *key, size_t n, const char *attribute) {
        char mark[128];
        const char *at, *end;

        (void)snprintf(mark, sizeof(mark), "\"%s\":{\"S\":\"", attribute);
        at = memmem(key, n, mark, strlen(mark));
        if (!at)
                die(attribute, "not in LastEvaluatedKey");
        at += strlen(mark);
        end = strchr(at, '"');
        add(body, key, (size_t)(at - key));
        for (int i = 0; i < 256; i++)
                add(body, "\xf4\x8f\xbf\xbf", 4);
        add(body, end, (size_t)(key + n - end));
}

static void serve(CURL *curl, const struct line *l, struct text *body, struct text *reply) {
        const char *key;
        size_t n;

        body->n = 0;
        add(body, l->body, l->n_body);
        for (;;) {
                send_one(curl, l->operation, body, reply);
                account(l->operation, reply);
                if (l->follow[0] == '-' || !last_key(reply, &key, &n))
                        return;
                body->n = 0;
                add(body, l->body, l->n_body - 1);
                add(body, ",\"ExclusiveStartKey\":", 21);
                if (strncmp(l->follow, "skip:", 5) == 0)
                        add_raised(body, key, n, l->follow + 5);
                else
                        add(body, key, n);
                add(body, "}", 1);
        }
}

static void *connection(void *unused) {
        CURL *curl = curl_easy_init();
        struct text body = {}, reply = {};
        size_t i;

        if (!curl)
                die("curl", "no handle");
        (void)curl_easy_setopt(curl, CURLOPT_URL, all.url);
        (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 120L);
        (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, received);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
        while ((i = atomic_fetch_add(&all.next, 1)) < all.n_lines)
                serve(curl, &all.lines[i], &body, &reply);
        curl_easy_cleanup(curl);
        free(body.p);
        free(reply.p);
        return unused;
}

static void read_lines(const char *path, struct text *content) {
        FILE *f = fopen(path, "re");
        char chunk[65536], *save = NULL;
        size_t n, room = 0;

        if (!f)
                die(path, "cannot be read");
        while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
                add(content, chunk, n);
        (void)fclose(f);
        for (char *p = content->n ? strtok_r(content->p, "\n", &save) : NULL; p; p = strtok_r(NULL, "\n", &save)) {
                char *follow = strchr(p, '\t'), *body = follow ? strchr(follow + 1, '\t') : NULL;

                if (!body)
                        die(path, "a line without two tabs");
                *follow++ = *body++ = '\0';
                if (all.n_lines == room) {
                        room = 2 * room + 64;
                        all.lines = realloc(all.lines, room * sizeof(*all.lines));
                        if (!all.lines)
                                die("memory", "no more");
                }
                all.lines[all.n_lines++] = (struct line){ p, follow, body, strlen(body) };
        }
}

int main(int argc, char **argv) {
        const char *secret = getenv("AWS_SECRET_ACCESS_KEY"), *key_id = getenv("AWS_ACCESS_KEY_ID");
        pthread_t threads[CONNECTIONS_MAX];
        struct text content = {};
        int option, n = 1;

        while ((option = getopt(argc, argv, "c:o")) != -1) {
                if (option == 'c')
                        n = (int)strtol(optarg, NULL, 10);
                else if (option == 'o')
                        all.print = true;
        }
        if (argc - optind != 2 || n < 1 || n > CONNECTIONS_MAX || !secret || !key_id ||
            strncmp(argv[optind], "http://", 7) != 0)
                die("usage", "floor [-c CONNECTIONS] [-o] http://HOST:PORT FILE, with keys in the environment");
        all.url = argv[optind];
        all.host = all.url + 7;
        read_lines(argv[optind + 1], &content);
        prepare_signing(&all.signing, key_id, secret, getenv("AWS_REGION") ?: "us-east-1", "dynamodb");
        if (curl_global_init(CURL_GLOBAL_NOTHING))
                die("curl", "cannot be initialised");
        for (int i = 1; i < n; i++)
                if (pthread_create(&threads[i], NULL, connection, NULL))
                        die("thread", "cannot be started");
        (void)connection(NULL);
        for (int i = 1; i < n; i++)
                (void)pthread_join(threads[i], NULL);
        (void)fflush(stdout);
        (void)fprintf(stderr, "{\"requests\": %zu, \"rcu\": %.1f, \"wcu\": %.1f}\n", all.requests, all.rcu, all.wcu);
        free(all.lines);
        free(content.p);
        return 0;
}
