#include "httpd/handlers/parts.h"

#include <stdio.h>
#include <sys/uio.h>

#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/base/rand.h"

#define PART_HEAD_MAX 512 /* the media type has 128 bytes at most */
#define PARTS_END_MAX 32
#define SLICE 65536

/* --- the texts --- */

static size_t put_head(void *out, const struct http_entry *entry, uint64_t mark,
                       const struct http_range *range)
{
    return (size_t)snprintf(
        out, out ? PART_HEAD_MAX : 0,
        "\r\n--%016llx\r\nContent-Type: %.*s\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
        (unsigned long long)mark, (int)entry->type.n, entry->type.p, (unsigned long long)range->at,
        (unsigned long long)(range->at + range->length - 1), (unsigned long long)entry->size);
}

static size_t put_end(void *out, uint64_t mark)
{
    return (size_t)snprintf(out, out ? PARTS_END_MAX : 0, "\r\n--%016llx--\r\n",
                            (unsigned long long)mark);
}

int http_parts_head(struct http_response *response, struct http_request *request,
                    const struct http_entry *entry, struct keel_str content, uint64_t length)
{
    char modified[HTTP_DATE_SIZE];
    http_date_format(modified, entry->modified);
    char size[KEEL_DECIMAL];
    const struct keel_str pieces[] = {
        KEEL_STR("HTTP/1.1 206 Partial Content\r\nServer: keel\r\nDate: "),
        {request->clock->date, HTTP_DATE_SIZE},
        KEEL_STR("\r\nContent-Length: "),
        {size, (size_t)(keel_put_decimal(size, length) - size)},
        KEEL_STR("\r\n"),
        content,
        KEEL_STR("Last-Modified: "),
        {modified, HTTP_DATE_SIZE},
        KEEL_STR("\r\nETag: "),
        entry->etag,
        KEEL_STR("\r\n"),
        entry->extra,
        KEEL_STR("\r\n"),
    };
    struct keel_str head = http_head_join(pieces, sizeof pieces / sizeof *pieces, &request->arena);
    if (!head.p)
        return KEEL_ENOMEM;
    response->status = 206;
    response->joined = false;
    response->head = (struct keel_str){head.p, head.n - 2};
    return 0;
}

/* The head of an answer with all parts. 0 or KEEL_ENOMEM. */
static int make_head(struct http_request *request, const struct http_entry *entry, uint64_t mark,
                     uint64_t length, struct http_response *response)
{
    char type[80];
    snprintf(type, sizeof type, "Content-Type: multipart/byteranges; boundary=%016llx\r\n",
             (unsigned long long)mark);
    struct http_response own = {.status = 0}; /* not the entry's: it is copied */
    int err = http_parts_head(&own, request, entry, keel_str(type), length);
    if (!err)
        *response = own;
    return err;
}

/* --- in memory --- */

/* The bytes of one part; a large file's are read, with RWF_NOWAIT only if they are in memory.
 * False: they are not, or the file is shorter by now. */
static bool copy_part(void *out, const struct http_entry *entry, const struct http_range *range,
                      int flags)
{
    struct iovec iov = {out, (size_t)range->length};
    if (entry->fd >= 0)
        return preadv2(entry->fd, &iov, 1, (off_t)range->at, flags) == (ssize_t)range->length;
    memcpy(out, http_entry_body(entry).p + range->at, (size_t)range->length);
    return true;
}

/* The body, in the arena. NULL: no memory, or copy_part. */
static uint8_t *make_body(struct http_request *request, const struct http_entry *entry,
                          uint64_t mark, size_t length, const struct http_range *ranges,
                          unsigned count, int flags)
{
    /* what is put may have a NUL behind it, and has that much room for sure */
    uint8_t *body = keel_arena_alloc(&request->arena, length + PART_HEAD_MAX), *p = body;
    for (unsigned i = 0; i < count && body; i++) {
        p += put_head(p, entry, mark, &ranges[i]);
        if (!copy_part(p, entry, &ranges[i], flags))
            return NULL;
        p += ranges[i].length;
    }
    if (body)
        put_end(p, mark);
    return body;
}

/* --- slice by slice --- */

struct parts {
    struct http_file_state state;
    struct keel_file_read read;
    struct http_exchange *x;  /* NULL: it is over */
    struct http_entry *entry; /* held */
    struct keel_offload *pool;
    uint64_t mark;
    uint64_t at;   /* how much of the part was read */
    unsigned part; /* the one that is sent */
    unsigned count;
    bool busy; /* a read is under way, or its end is being looked at; then nobody else frees this */
    bool full; /* the client has enough for now */
    bool whole;     /* there is one part, and it is no part: without head and end */
    uint8_t *bytes; /* while busy: a part's head, a slice, the end of all parts */
    size_t head_size;
    struct http_range ranges[HTTP_RANGES_MAX];
};

static void parts_free(struct parts *p)
{
    http_entry_release(p->entry);
    keel_free(p->bytes);
    keel_free(p);
}

/* The exchange is given back: it may be freed in the call that ends it. */
static struct http_exchange *leave(struct parts *p)
{
    struct http_exchange *x = p->x;
    x->state = NULL;
    p->x = NULL;
    return x;
}

static void on_read(struct keel_file_read *read, int err);

/* The next slice. */
static void read_next(struct parts *p)
{
    const struct http_range *range = &p->ranges[p->part];
    uint64_t left = range->length - p->at;
    size_t size = left < SLICE ? (size_t)left : SLICE;
    p->busy = true;
    p->bytes = keel_malloc(PART_HEAD_MAX + size + PARTS_END_MAX);
    if (p->bytes) {
        p->head_size = p->at == 0 && !p->whole ? put_head(p->bytes, p->entry, p->mark, range) : 0;
        if (keel_offload_read(p->pool, &p->read, p->entry->fd, (off_t)(range->at + p->at),
                              p->bytes + p->head_size, size, on_read) == 0)
            return;
    }
    http_exchange_abort(leave(p));
    parts_free(p);
}

static void send_slice(struct parts *p)
{
    size_t n = p->head_size + p->read.done;
    p->at += p->read.done;
    if (p->at == p->ranges[p->part].length) {
        p->part++;
        p->at = 0;
    }
    bool last = p->part == p->count;
    if (last && !p->whole)
        n += put_end(p->bytes + n, p->mark);
    p->full = true; /* on_drained may come before it returns */
    int err = http_exchange_write(p->x, p->bytes, n);
    keel_free(p->bytes);
    p->bytes = NULL;
    if (err == 0)
        p->full = false;
    if (p->x && last && (err == 0 || err == KEEL_EAGAIN))
        http_exchange_end(leave(p), KEEL_STR(""));
}

static void on_read(struct keel_file_read *read, int err)
{
    struct parts *p = KEEL_CONTAINER(read, struct parts, read);
    if (p->x && (err || read->done < read->size)) /* the file is shorter by now */
        http_exchange_abort(leave(p));
    else if (p->x)
        send_slice(p);
    p->busy = false;
    if (!p->x)
        parts_free(p);
    else if (!p->full)
        read_next(p);
}

static void on_drained(struct http_exchange *x)
{
    struct parts *p = x->state;
    p->full = false;
    if (!p->busy)
        read_next(p);
}

static void on_gone(struct http_exchange *x)
{
    struct parts *p = x->state;
    leave(p);
    if (!p->busy)
        parts_free(p);
}

/* Returns new, busy; NULL: no memory. */
static struct parts *parts_new(struct http_exchange *x, struct keel_offload *pool,
                               struct http_entry *entry, const struct http_range *ranges,
                               unsigned count)
{
    struct parts *p = keel_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    *p = (struct parts){.state = {on_drained, on_gone},
                        .x = x,
                        .entry = entry,
                        .pool = pool,
                        .count = count,
                        .busy = true};
    memcpy(p->ranges, ranges, count * sizeof *ranges);
    return p;
}

static enum http_verdict start(struct parts *p, struct http_response *response, uint64_t length)
{
    struct http_exchange *x = p->x;
    http_entry_hold(p->entry);
    x->state = p;
    int err = http_exchange_begin_response(x, response, (int64_t)length);
    if (p->x && err == 0 && p->whole && x->bare)
        http_exchange_end(leave(p), KEEL_STR(""));
    p->busy = false;
    if (!p->x)
        parts_free(p);
    else if (err == 0)
        read_next(p);
    return HTTP_LATER; /* an error: on_gone comes */
}

enum http_verdict http_parts_respond_whole(struct http_exchange *x, struct keel_offload *pool,
                                           struct http_entry *entry, struct http_response *response)
{
    const struct http_range whole = {.at = 0, .length = entry->size};
    struct http_response own = {.status = response->status, .head = response->head};
    struct parts *p = parts_new(x, pool, entry, &whole, 1);
    if (!p)
        return HTTP_NEXT;
    p->whole = true;
    return start(p, &own, entry->size);
}

enum http_verdict http_parts_respond(struct http_request *request, struct http_exchange *x,
                                     struct keel_offload *pool, struct http_entry *entry,
                                     const struct http_range *ranges, unsigned count,
                                     struct http_response *response)
{
    uint64_t mark = keel_rand_u64(), bytes = 0, length = put_end(NULL, mark);
    bool can_stream = x && pool && entry->fd >= 0;
    for (unsigned i = 0; i < count; i++) {
        bytes += ranges[i].length;
        length += put_head(NULL, entry, mark, &ranges[i]);
    }
    length += bytes;
    if (bytes > entry->size)
        return HTTP_NEXT;
    if (bytes <= HTTP_BODY_IN_MEMORY) {
        uint8_t *body = make_body(request, entry, mark, (size_t)length, ranges, count,
                                  can_stream ? RWF_NOWAIT : 0);
        if (body && make_head(request, entry, mark, length, response) == 0) {
            response->body = (struct keel_str){(char *)body, (size_t)length};
            return HTTP_DONE;
        }
    }
    struct parts *p = can_stream ? parts_new(x, pool, entry, ranges, count) : NULL;
    struct http_response own;
    if (!p || make_head(request, entry, mark, length, &own) != 0) {
        keel_free(p);
        return HTTP_NEXT;
    }
    p->mark = mark;
    return start(p, &own, length);
}
