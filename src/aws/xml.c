/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XML by expat, as events with paths.  The path and the text of each open element are kept here; nothing of the
 * document is.  A fault inside a handler is remembered and stops the parser.
 */
#include "ddbfs/aws/xml.h"

#include <errno.h>
#include <expat.h>
#include <limits.h>
#include "ddbfs/base/buf.h"

struct walk {
        XML_Parser parser;
        const struct xml_events *events;
        void *arg;
        int result;
        unsigned depth;
        char path[XML_PATH_MAX];
        size_t path_n;
        size_t text_at[XML_DEPTH_MAX]; /* where the text of each open element begins */
        struct buf text;
};

static void stop(struct walk *w, int result) {
        if (w->result == 0)
                w->result = result;
        XML_StopParser(w->parser, XML_FALSE);
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes _unused_) {
        struct walk *w = arg;
        size_t n = strlen(name), slash = w->path_n > 0;
        int r;

        if (w->depth == XML_DEPTH_MAX || w->path_n + slash + n > sizeof(w->path)) {
                stop(w, -EFBIG);
                return;
        }
        if (w->depth > 0) /* blanks between the children of a list are nobody's text */
                buf_truncate(&w->text, w->text_at[w->depth - 1]);
        if (slash)
                w->path[w->path_n++] = '/';
        memcpy(w->path + w->path_n, name, n);
        w->path_n += n;
        w->text_at[w->depth++] = w->text.n;
        r = w->events->begin ? w->events->begin(w->arg, str_make(w->path, w->path_n)) : 0;
        if (r)
                stop(w, r);
}

static void XMLCALL on_end(void *arg, const XML_Char *name) {
        struct walk *w = arg;
        size_t at, n = strlen(name);
        int r = 0;

        if (w->depth == 0 || w->result)
                return;
        at = w->text_at[--w->depth];
        if (w->events->end)
                r = w->events->end(w->arg, str_make(w->path, w->path_n), str_skip(buf_view(&w->text), at));
        buf_truncate(&w->text, at);
        w->path_n -= MIN(w->path_n, n + (w->depth > 0));
        if (r)
                stop(w, r);
}

static void XMLCALL on_text(void *arg, const XML_Char *s, int n) {
        struct walk *w = arg;

        buf_append(&w->text, s, (size_t)n);
        if (buf_status(&w->text))
                stop(w, buf_status(&w->text));
}

/* No service sends one; who does wants to blow something up. */
static void XMLCALL on_doctype(void *arg, const XML_Char *name _unused_, const XML_Char *system_id _unused_,
                               const XML_Char *public_id _unused_, int has_internal_subset _unused_) {
        stop(arg, -EINVAL);
}

static void release(void *p) {
        mem_free(p);
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int parse(struct walk *w, struct str document) {
        enum XML_Status status;

        XML_SetUserData(w->parser, w);
        XML_SetElementHandler(w->parser, on_start, on_end);
        XML_SetCharacterDataHandler(w->parser, on_text);
        XML_SetStartDoctypeDeclHandler(w->parser, on_doctype);
        status = XML_Parse(w->parser, document.p, (int)document.n, XML_TRUE);
        if (w->result)
                return w->result;
        if (status == XML_STATUS_OK)
                return 0;
        return XML_GetErrorCode(w->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EINVAL;
}

int xml_read(struct str document, const struct xml_events *events, void *arg) {
        static const XML_Memory_Handling_Suite memory = { mem_alloc, mem_realloc, release };
        struct walk w = { .events = events, .arg = arg, .text = BUF_INIT(XML_TEXT_MAX) };
        int r;

        while (document.n > 0 && is_blank(document.p[0]))
                document = str_skip(document, 1);
        if (document.n == 0 || document.n > INT_MAX)
                return document.n == 0 ? -EINVAL : -EFBIG;
        w.parser = XML_ParserCreate_MM(NULL, &memory, NULL);
        if (!w.parser)
                return -ENOMEM;
        r = parse(&w, document);
        XML_ParserFree(w.parser);
        buf_deinit(&w.text);
        return r;
}
