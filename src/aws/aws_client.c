/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two drivers of a job (aws_job.c): one call, and many at once from the calling thread.  They send,
 * sleep and stop; what an answer means is not decided here.
 */
#include "client_internal.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"

int aws_client_new(const struct aws_client_options *o, struct aws_client **ret, struct error *reterr) {
        _cleanup_(aws_client_freep) struct aws_client *c = mem_zalloc(sizeof(*c));
        int r;

        if (!c)
                return error_set_errno(reterr, -ENOMEM, "client");
        mutex_init(&c->lock);
        c->protocol = o->protocol == AWS_REST_XML ? &protocol_rest : &protocol_json;
        c->service = o->service;
        c->target_prefix = o->target_prefix;
        c->transport = o->transport;
        c->credentials = o->credentials;
        c->settings = o->settings;
        c->max_parallel = MAX(1, MIN(o->max_parallel, HTTP_BATCH_MAX));
        c->params = retry_params_for(o->settings, o->service);
        r = retry_policy_new(&c->params, &c->retry);
        if (r == 0)
                r = sigv4_key_cache_new(&c->keys);
        if (r == 0 && o->settings->retry_mode == AWS_RETRY_ADAPTIVE)
                r = rate_limit_new(clock_now_ns(), &c->rate);
        if (r)
                return error_set_errno(reterr, r, "client");
        *ret = TAKE(c);
        return 0;
}

struct aws_client *aws_client_free(struct aws_client *c) {
        if (!c)
                return NULL;
        retry_policy_free(c->retry);
        rate_limit_free(c->rate);
        sigv4_key_cache_free(c->keys);
        mutex_deinit(&c->lock);
        return mem_free(c);
}

int aws_client_call(struct aws_client *c, struct op_ctx *ctx, struct aws_call *call) {
        struct error error;
        struct job j;
        int r;

        job_init(&j, c, ctx, call);
        while (j.state == JOB_READY) {
                if (j.wake_ns) { /* 0: at once */
                        r = op_ctx_sleep_until(ctx, j.wake_ns, &error);
                        if (r) {
                                job_stop(&j, r, &error);
                                break;
                        }
                }
                if (job_prepare(&j))
                        break;
                r = http_perform(c->transport, ctx, &j.request, &call->response, &error);
                job_judge(&j, r, &error);
        }
        job_deinit(&j);
        return call->result;
}

struct run {
        struct aws_client *client;
        struct op_ctx *ctx;
        const struct aws_run_ops *ops;
        void *arg;
        struct http_batch *batch;
        struct job *jobs; /* owned; a job's index is its place in the batch */
        unsigned n, n_active;
};

static void run_deinit(struct run *run) {
        http_batch_free(run->batch); /* first: the requests it drops are in the jobs */
        for (unsigned i = 0; i < run->n && run->jobs; i++)
                if (run->jobs[i].state != JOB_FREE)
                        job_deinit(&run->jobs[i]);
        mem_free(run->jobs);
}

static void fill_places(struct run *run) {
        for (unsigned i = 0; i < run->n; i++) {
                struct aws_call *call;

                if (run->jobs[i].state != JOB_FREE)
                        continue;
                call = run->ops->next(run->arg);
                if (!call)
                        return;
                job_init(&run->jobs[i], run->client, run->ctx, call);
                run->n_active++;
        }
}

static void send_job(struct run *run, unsigned place) {
        struct job *j = &run->jobs[place];
        struct error error;
        int r;

        if (job_prepare(j))
                return;
        r = http_batch_start(run->batch, place, &j->request, &j->call->response, &error);
        if (r)
                job_judge(j, r, &error);
}

/* Send what is due.  Returns when the next one is. */
static uint64_t send_due(struct run *run) {
        uint64_t now = clock_now_ns(), next = UINT64_MAX;

        for (unsigned i = 0; i < run->n; i++) {
                struct job *j = &run->jobs[i];

                if (j->state == JOB_READY && j->wake_ns <= now)
                        send_job(run, i);
                if (j->state == JOB_READY)
                        next = MIN(next, j->wake_ns);
        }
        return next;
}

/* Tell of what is done.  *ret_any: places have become free. */
static int report_done(struct run *run, bool *ret_any, struct error *reterr) {
        *ret_any = false;
        for (unsigned i = 0; i < run->n; i++) {
                struct aws_call *call = run->jobs[i].call;
                struct error error;
                int r;

                if (run->jobs[i].state != JOB_DONE)
                        continue;
                error = call->error;
                job_deinit(&run->jobs[i]);
                run->n_active--;
                *ret_any = true;
                r = run->ops->done(run->arg, call); /* may free the call */
                if (r == 0)
                        continue;
                if (reterr && error.kind != ERR_NONE && r == -error_errno(error.kind))
                        *reterr = error;
                else
                        error_set_errno(reterr, r, run->ctx->name);
                return r;
        }
        return 0;
}

/* The whole run is over: the calls under way end with that. */
static int stop_all(struct run *run, int result, const struct error *error, struct error *reterr) {
        const struct error *first = NULL; /* names its operation */

        for (unsigned i = 0; i < run->n; i++) {
                struct job *j = &run->jobs[i];

                if (j->state != JOB_READY && j->state != JOB_FLYING)
                        continue;
                job_stop(j, result, error);
                first = first ? first : &j->call->error;
        }
        if (reterr)
                *reterr = first ? *first : *error;
        return result;
}

static int run_all(struct run *run, struct error *reterr) {
        for (;;) {
                struct error error;
                unsigned place;
                uint64_t next;
                int r, result;
                bool any;

                fill_places(run);
                if (run->n_active == 0)
                        return 0;
                next = send_due(run);
                r = report_done(run, &any, reterr);
                if (r)
                        return r;
                if (any)
                        continue;
                r = http_batch_wait(run->batch, next, &place, &result, &error);
                if (r < 0)
                        return stop_all(run, r, &error, reterr);
                if (r == 0)
                        job_judge(&run->jobs[place], result, &error);
        }
}

int aws_client_run(struct aws_client *c, struct op_ctx *ctx, const struct aws_run_ops *ops, void *arg,
                   struct error *reterr) {
        _cleanup_(
                run_deinit) struct run run = { .client = c, .ctx = ctx, .ops = ops, .arg = arg, .n = c->max_parallel };
        int r;

        run.jobs = mem_calloc(run.n, sizeof(*run.jobs)); /* zero is JOB_FREE */
        if (!run.jobs)
                return error_set_errno(reterr, -ENOMEM, "batch");
        r = http_batch_new(c->transport, ctx, run.n, &run.batch, reterr);
        if (r)
                return r;
        return run_all(&run, reterr);
}
