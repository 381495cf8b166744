/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of the jobs with objects: a client that moves one object to or from S3 by the requests it takes, signed and
 * with their bodies hashed, and nothing else.
 *
 *   floor_s3 [-s] [-c CONNECTIONS] [-p PART_BYTES] put|get http://HOST:PORT BUCKET KEY FILE
 *
 * -s: one more thread takes the SHA-256 of the whole, in its order, and prints it: what a client must do that keeps, or
 * checks, a checksum of what it moves.
 * What is larger than a part (8 MiB) goes up by a multipart upload and comes down by ranges, CONNECTIONS (4) at a time.
 * The last line on standard error is a JSON object of what it cost.
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "floor.h"

#define CONNECTIONS_MAX 64
#define PARTS_MAX 10000

static struct {
        const char *url, *host, *bucket, *key;
        struct signing signing;
        bool upload, hash;
        int fd;
        size_t size, part, n_parts;
        char upload_id[512];
        char (*etags)[128];
        atomic_size_t next, requests;
        pthread_mutex_t lock;
        pthread_cond_t cond;
        bool came[PARTS_MAX]; /* lock: down, and whole */
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

struct reply {
        struct text body;
        char etag[128];
        int fd; /* -1: into body */
        off_t at;
};

static size_t received(char *p, size_t one, size_t n, void *arg) {
        struct reply *r = arg;

        if (r->fd < 0)
                add(&r->body, p, one * n);
        else if (pwrite(r->fd, p, one * n, r->at) != (ssize_t)(one * n))
                die("write", "short");
        r->at += (off_t)(one * n);
        return one * n;
}

static size_t header(char *p, size_t one, size_t n, void *arg) {
        struct reply *r = arg;

        if (one * n > 6 && strncasecmp(p, "etag: ", 6) == 0)
                (void)snprintf(r->etag, sizeof(r->etag), "%.*s", (int)strcspn(p + 6, "\r\n"), p + 6);
        return one * n;
}

static void percent(const char *p, size_t n, char *ret, size_t room) {
        size_t at = 0;

        for (size_t i = 0; i < n && at + 4 < room; i++) {
                if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~", p[i]))
                        ret[at++] = p[i];
                else
                        at += (size_t)snprintf(ret + at, 4, "%%%02X", (unsigned char)p[i]);
        }
        ret[at] = '\0';
}

/* One request; query is in the order the signature wants. */
static void ask(CURL *curl, const char *method, const char *query, const char *range, struct text *body,
                struct reply *reply) {
        char date[32], payload[HEX_SIZE], canonical[4096], authorization[1024], line[1200], url[4096];
        static const char signed_headers[] = "host;x-amz-content-sha256;x-amz-date";
        struct curl_slist *headers = NULL;
        long status = 0;
        CURLcode code;

        amz_date(&all.signing, date);
        sha256_hex(body->p ? body->p : "", body->n, payload);
        (void)snprintf(canonical, sizeof(canonical),
                       "%s\n/%s/%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s", method, all.bucket,
                       all.key, query, all.host, payload, date, signed_headers, payload);
        authorize(&all.signing, canonical, date, signed_headers, authorization, sizeof(authorization));
        headers = curl_slist_append(headers, authorization);
        (void)snprintf(line, sizeof(line), "X-Amz-Content-Sha256: %s", payload);
        headers = curl_slist_append(headers, line);
        (void)snprintf(line, sizeof(line), "X-Amz-Date: %s", date);
        headers = curl_slist_append(headers, line);
        headers = curl_slist_append(headers, "Expect:");
        if (range) {
                (void)snprintf(line, sizeof(line), "Range: %s", range);
                headers = curl_slist_append(headers, line);
        }
        (void)snprintf(url, sizeof(url), "%s/%s/%s%s%s", all.url, all.bucket, all.key, *query ? "?" : "", query);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->p ? body->p : "");
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->n);
        if (strcmp(method, "GET") == 0)
                (void)curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        else
                (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
        (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply);
        code = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_slist_free_all(headers);
        (void)atomic_fetch_add(&all.requests, 1);
        if (code)
                die(method, curl_easy_strerror(code));
        if (status != 200 && status != 206)
                die(query, reply->body.n ? reply->body.p : "refused");
}

static CURL *new_handle(void) {
        CURL *curl = curl_easy_init();

        if (!curl)
                die("curl", "no handle");
        (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 120L);
        (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L * 1024);
        (void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, received);
        (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, header);
        return curl;
}

static void read_part(size_t i, struct text *ret) {
        size_t n = all.size - i * all.part < all.part ? all.size - i * all.part : all.part;

        reserve(ret, n);
        if (pread(all.fd, ret->p, n, (off_t)(i * all.part)) != (ssize_t)n)
                die("read", "short");
        ret->n = n;
}

static void part_came(size_t i) {
        (void)pthread_mutex_lock(&all.lock);
        all.came[i] = true;
        (void)pthread_cond_signal(&all.cond);
        (void)pthread_mutex_unlock(&all.lock);
}

static void *connection(void *unused) {
        struct text body = { 0 }, none = { 0 };
        struct reply reply = { .fd = -1 };
        CURL *curl = new_handle();
        char text[700];
        size_t i;

        while ((i = atomic_fetch_add(&all.next, 1)) < all.n_parts) {
                if (all.upload) {
                        read_part(i, &body);
                        text[0] = '\0';
                        if (all.n_parts > 1)
                                (void)snprintf(text, sizeof(text), "partNumber=%zu&uploadId=%s", i + 1, all.upload_id);
                        ask(curl, "PUT", text, NULL, &body, &reply);
                        (void)snprintf(all.etags[i], sizeof(all.etags[i]), "%s", reply.etag);
                } else {
                        reply.fd = all.fd;
                        reply.at = (off_t)(i * all.part);
                        (void)snprintf(text, sizeof(text), "bytes=%zu-%zu", i * all.part, (i + 1) * all.part - 1);
                        ask(curl, "GET", "", text, &none, &reply);
                        part_came(i);
                }
        }
        curl_easy_cleanup(curl);
        free(body.p);
        free(reply.body.p);
        return unused;
}

/* What goes up is read once more, what comes down as soon as it is there. */
static void *hash_whole(void *unused) {
        static char piece[256 << 10];
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        unsigned char digest[EVP_MAX_MD_SIZE];
        char text[HEX_SIZE];
        ssize_t n = 1;

        if (!context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
                die("OpenSSL", "digest");
        for (size_t i = 0; i < all.n_parts; i++) {
                size_t end = (i + 1) * all.part < all.size ? (i + 1) * all.part : all.size;

                (void)pthread_mutex_lock(&all.lock);
                while (!all.upload && !all.came[i])
                        (void)pthread_cond_wait(&all.cond, &all.lock);
                (void)pthread_mutex_unlock(&all.lock);
                for (size_t at = i * all.part; at < end; at += (size_t)n) {
                        n = pread(all.fd, piece, end - at < sizeof(piece) ? end - at : sizeof(piece), (off_t)at);
                        if (n <= 0 || !EVP_DigestUpdate(context, piece, (size_t)n))
                                die("hash", "short");
                }
        }
        if (!EVP_DigestFinal_ex(context, digest, NULL))
                die("OpenSSL", "digest");
        EVP_MD_CTX_free(context);
        hex(digest, text);
        (void)fprintf(stderr, "SHA-256 %s\n", text);
        return unused;
}

static void run(int n) {
        pthread_t threads[CONNECTIONS_MAX], hasher;

        if (all.hash && pthread_create(&hasher, NULL, hash_whole, NULL))
                die("thread", "cannot be started");
        for (int i = 1; i < n; i++)
                if (pthread_create(&threads[i], NULL, connection, NULL))
                        die("thread", "cannot be started");
        (void)connection(NULL);
        for (int i = 1; i < n; i++)
                (void)pthread_join(threads[i], NULL);
        if (all.hash)
                (void)pthread_join(hasher, NULL);
}

static void put(int n) {
        struct text body = { 0 };
        struct reply reply = { .fd = -1 };
        CURL *curl = new_handle();
        char line[700];
        const char *id, *end;

        if (all.n_parts == 1) {
                run(1);
        } else {
                ask(curl, "POST", "uploads=", NULL, &body, &reply);
                id = strstr(reply.body.p, "<UploadId>");
                end = id ? strstr(id, "</UploadId>") : NULL;
                if (!end)
                        die("uploads", "no UploadId");
                id += 10;
                percent(id, (size_t)(end - id), all.upload_id, sizeof(all.upload_id));
                run(n);
                add(&body, "<CompleteMultipartUpload>", 25);
                for (size_t i = 0; i < all.n_parts; i++) {
                        int m = snprintf(line, sizeof(line), "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>",
                                         i + 1, all.etags[i]);

                        add(&body, line, (size_t)m);
                }
                add(&body, "</CompleteMultipartUpload>", 26);
                reply.body.n = 0;
                (void)snprintf(line, sizeof(line), "uploadId=%s", all.upload_id);
                ask(curl, "POST", line, NULL, &body, &reply);
                if (strstr(reply.body.p, "<Error>"))
                        die("complete", reply.body.p);
        }
        curl_easy_cleanup(curl);
        free(body.p);
        free(reply.body.p);
}

/* The size comes with the first range. */
static void learn_size(void) {
        struct text none = { 0 };
        struct reply reply = { .fd = -1 };
        CURL *curl = new_handle();
        struct curl_header *h;

        ask(curl, "GET", "", "bytes=0-0", &none, &reply);
        if (curl_easy_header(curl, "content-range", 0, CURLH_HEADER, -1, &h) || !strchr(h->value, '/'))
                die("get", "no Content-Range");
        all.size = strtoul(strchr(h->value, '/') + 1, NULL, 10);
        curl_easy_cleanup(curl);
        free(reply.body.p);
}

int main(int argc, char **argv) {
        struct stat st;
        const char *key_id = getenv("AWS_ACCESS_KEY_ID"), *region = getenv("AWS_REGION") ?: "us-east-1";
        int option, n = 4;

        all.part = 8 << 20;
        while ((option = getopt(argc, argv, "c:p:s")) != -1) {
                all.hash = all.hash || option == 's';
                if (option == 'c')
                        n = (int)strtol(optarg, NULL, 10);
                else if (option == 'p')
                        all.part = strtoul(optarg, NULL, 10);
        }
        if (argc - optind != 5 || n < 1 || n > CONNECTIONS_MAX || all.part == 0 || !key_id ||
            !getenv("AWS_SECRET_ACCESS_KEY") || strncmp(argv[optind + 1], "http://", 7) != 0)
                die("usage",
                    "floor_s3 [-s] [-c CONNECTIONS] [-p PART] put|get http://HOST:PORT BUCKET KEY FILE, with keys in the "
                    "environment");
        all.upload = strcmp(argv[optind], "put") == 0;
        all.url = argv[optind + 1];
        all.host = all.url + 7;
        all.bucket = argv[optind + 2];
        all.key = argv[optind + 3];
        prepare_signing(&all.signing, key_id, getenv("AWS_SECRET_ACCESS_KEY"), region, "s3");
        if (curl_global_init(CURL_GLOBAL_NOTHING))
                die("curl", "cannot be initialised");
        all.fd = open(argv[optind + 4], all.upload ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                      0600);
        if (all.fd < 0 || fstat(all.fd, &st))
                die(argv[optind + 4], "cannot be opened");
        if (all.upload)
                all.size = (size_t)st.st_size;
        else
                learn_size();
        all.n_parts = all.size ? (all.size + all.part - 1) / all.part : (size_t)all.upload;
        all.etags = calloc(all.n_parts + 1, sizeof(*all.etags));
        if (!all.etags || all.n_parts > PARTS_MAX)
                die("parts", "too many");
        if (all.upload)
                put(n);
        else
                run(n);
        (void)fprintf(stderr, "{\"requests\": %zu, \"bytes\": %zu}\n", (size_t)all.requests, all.size);
        free(all.etags);
        (void)close(all.fd);
        return 0;
}
