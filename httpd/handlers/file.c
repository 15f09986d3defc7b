#include "httpd/handlers/file.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "httpd/handlers/redirect.h"
#include "httpd/request/condition.h"
#include "httpd/wire/range.h"

/* OPTIONS is answered for any path, and for "*" (RFC 9110, 9.3.7). */
static void respond_to_method(struct http_request *request, struct http_response *response)
{
    struct keel_str allow = KEEL_STR("Allow: GET, HEAD, OPTIONS\r\n");
    switch (request->head.method) {
    case HTTP_OPTIONS:
        http_response_plain(response, request, 200, allow);
        break;
    case HTTP_METHOD_OTHER:
        http_response_plain(response, request, 501, KEEL_STR(""));
        break;
    default:
        http_response_plain(response, request, 405, allow);
    }
}

/* The same path with '/' behind it. */
static void respond_directory(struct http_request *request, struct http_response *response)
{
    size_t n = request->path.n;
    char *path = keel_arena_alloc(&request->arena, n + 1);
    if (!path) {
        http_response_plain(response, request, 503, KEEL_STR(""));
        return;
    }
    memcpy(path, request->path.p, n);
    path[n] = '/';
    http_redirect_respond(request, response, 301, KEEL_STR(""), (struct keel_str){path, n + 1});
}

/* at..at+length of the entry's body. */
static void set_body(struct http_response *response, const struct http_entry *entry, uint64_t at,
                     uint64_t length)
{
    if (entry->fd >= 0) {
        response->file = entry->fd;
        response->file_at = at;
        response->file_size = length;
    } else {
        response->body = (struct keel_str){entry->head.p + entry->head.n + 2 + at, (size_t)length};
    }
}

static void respond_part(struct http_request *request, const struct http_entry *entry, uint64_t at,
                         uint64_t length, struct http_response *response)
{
    char modified[HTTP_DATE_SIZE];
    http_date_format(modified, entry->modified);
    char *head = keel_arena_printf(
        &request->arena,
        "HTTP/1.1 206 Partial Content\r\nServer: keel\r\nDate: %.*s\r\nContent-Type: %.*s\r\n"
        "Content-Length: %llu\r\nContent-Range: bytes %llu-%llu/%llu\r\n"
        "Last-Modified: %.*s\r\nETag: %.*s\r\n%.*s\r\n",
        HTTP_DATE_SIZE, request->clock->date, (int)entry->type.n, entry->type.p,
        (unsigned long long)length, (unsigned long long)at, (unsigned long long)(at + length - 1),
        (unsigned long long)entry->size, HTTP_DATE_SIZE, modified, (int)entry->etag.n,
        entry->etag.p, (int)entry->extra.n, entry->extra.p);
    if (!head) {
        *response = (struct http_response){.close = true};
        http_response_plain(response, request, 503, KEEL_STR(""));
        return;
    }
    response->status = 206;
    response->joined = false;
    response->head = (struct keel_str){head, strlen(head) - 2};
    set_body(response, entry, at, length);
}

/* The bytes of one part; a large file's are read. False: it is shorter by now, or gone. */
static bool copy_part(char *out, const struct http_entry *entry, const struct http_range *range)
{
    if (entry->fd < 0) {
        memcpy(out, http_entry_body(entry).p + range->at, (size_t)range->length);
        return true;
    }
    return pread(entry->fd, out, (size_t)range->length, (off_t)range->at) == (ssize_t)range->length;
}

/* multipart/byteranges (RFC 9110, 14.6), built in the arena. False: they are more bytes than that
 * is for, or than the whole, or memory is out; then the whole is sent. */
static bool respond_parts(struct http_request *request, const struct http_entry *entry,
                          const struct http_range *ranges, unsigned count,
                          struct http_response *response)
{
    enum { PART_HEAD_MAX = 256 };
    uint64_t room = 64, mark = keel_rand_u64();
    for (unsigned i = 0; i < count; i++)
        room += ranges[i].length + PART_HEAD_MAX + entry->type.n;
    if (room > HTTP_BODY_IN_MEMORY || room > entry->size + HTTP_RANGES_MAX * PART_HEAD_MAX)
        return false;
    char *body = keel_arena_alloc(&request->arena, (size_t)room), *p = body;
    for (unsigned i = 0; i < count && body; i++) {
        p += snprintf(p, PART_HEAD_MAX + entry->type.n,
                      "\r\n--%016llx\r\nContent-Type: %.*s\r\nContent-Range: bytes %llu-%llu/%llu"
                      "\r\n\r\n",
                      (unsigned long long)mark, (int)entry->type.n, entry->type.p,
                      (unsigned long long)ranges[i].at,
                      (unsigned long long)(ranges[i].at + ranges[i].length - 1),
                      (unsigned long long)entry->size);
        if (!copy_part(p, entry, &ranges[i]))
            return false;
        p += ranges[i].length;
    }
    if (!body)
        return false;
    p += snprintf(p, 64, "\r\n--%016llx--\r\n", (unsigned long long)mark);
    char modified[HTTP_DATE_SIZE];
    http_date_format(modified, entry->modified);
    char *head = keel_arena_printf(
        &request->arena,
        "HTTP/1.1 206 Partial Content\r\nServer: keel\r\nDate: %.*s\r\n"
        "Content-Type: multipart/byteranges; boundary=%016llx\r\nContent-Length: %zu\r\n"
        "Last-Modified: %.*s\r\nETag: %.*s\r\n%.*s\r\n",
        HTTP_DATE_SIZE, request->clock->date, (unsigned long long)mark, (size_t)(p - body),
        HTTP_DATE_SIZE, modified, (int)entry->etag.n, entry->etag.p, (int)entry->extra.n,
        entry->extra.p);
    if (!head)
        return false;
    *response = (struct http_response){.status = 206}; /* not the entry's: it is copied */
    response->head = (struct keel_str){head, strlen(head) - 2};
    response->body = (struct keel_str){body, (size_t)(p - body)};
    return true;
}

/* Range is for GET alone (RFC 9110, 14.2). True when it was answered. */
static bool respond_range(struct http_request *request, const struct http_entry *entry,
                          struct http_response *response)
{
    struct http_range ranges[HTTP_RANGES_MAX];
    unsigned count;
    if (request->head.method != HTTP_GET || entry->etag.n == 0 ||
        !http_condition_range(&request->head, entry->etag, entry->modified, request->clock->second))
        return false;
    switch (http_range_parse(http_head_value(&request->head, HTTP_FIELD_RANGE), entry->size, ranges,
                             &count)) {
    case HTTP_RANGE_PART:
        if (count > 1)
            return respond_parts(request, entry, ranges, count, response);
        respond_part(request, entry, ranges[0].at, ranges[0].length, response);
        return true;
    case HTTP_RANGE_UNSATISFIABLE: {
        char *field = keel_arena_printf(&request->arena, "Content-Range: bytes */%llu\r\n",
                                        (unsigned long long)entry->size);
        http_response_plain(response, request, 416, field ? keel_str(field) : KEEL_STR(""));
        return true;
    }
    default:
        return false;
    }
}

/* True when a condition of the request decided. */
static bool respond_condition(struct http_request *request, struct http_entry *entry,
                              struct http_response *response)
{
    if (!(request->head.known & HTTP_CONDITIONAL_FIELDS) || entry->etag.n == 0)
        return false;
    switch (http_condition_check(&request->head, entry->etag, entry->modified,
                                 request->clock->second)) {
    case HTTP_NOT_MODIFIED:
        response->status = 304;
        response->head = entry->head304;
        return true;
    case HTTP_FAILED:
        http_response_plain(response, request, 412, KEEL_STR(""));
        return true;
    default:
        return false;
    }
}

static void respond_entry(struct http_request *request, struct http_entry *entry,
                          struct http_response *response)
{
    http_entry_set_date(entry, request->clock);
    *response = (struct http_response){.status = 200,
                                       .joined = entry->fd < 0,
                                       .hold = http_entry_hold,
                                       .release = http_entry_release,
                                       .owner = entry};
    if (respond_condition(request, entry, response) ||
        (http_head_has(&request->head, HTTP_FIELD_RANGE) &&
         respond_range(request, entry, response)))
        return;
    response->head = entry->head;
    if (request->head.method == HTTP_GET)
        set_body(response, entry, 0, entry->size);
}

/* entry NULL: it cannot be had now. */
static void respond_found(struct http_cache *cache, struct http_request *request,
                          struct http_entry *entry, struct http_response *response)
{
    if (!entry)
        http_response_plain(response, request, 503, KEEL_STR("Retry-After: 1\r\n"));
    else if (entry->kind == HTTP_RESOURCE_DIRECTORY)
        respond_directory(request, response);
    else if (entry->status != 200)
        http_response_plain(response, request, entry->status, KEEL_STR(""));
    else
        respond_entry(request,
                      entry->negotiated ? http_cache_negotiate(cache, entry, request) : entry,
                      response);
}

bool http_file_respond(struct http_cache *cache, struct http_request *request,
                       struct http_response *response)
{
    bool blocks = false;
    if (request->head.method != HTTP_GET && request->head.method != HTTP_HEAD) {
        respond_to_method(request, response);
        return true;
    }
    struct http_entry *entry = http_cache_get(cache, request, &blocks);
    if (blocks)
        return false;
    respond_found(cache, request, entry, response);
    return true;
}

/* --- behind a thread that looks --- */

struct waiting {
    struct http_waiter waiter;
    struct http_exchange *x;
    struct http_cache *cache;
};

static void on_loaded(struct http_waiter *waiter, struct http_entry *entry)
{
    struct waiting *waiting = KEEL_CONTAINER(waiter, struct waiting, waiter);
    struct http_exchange *x = waiting->x;
    struct http_response response = {0};
    if (x->request.clock->refresh)
        x->request.clock->refresh(x->request.clock);
    respond_found(waiting->cache, &x->request, entry, &response);
    x->state = NULL;
    keel_free(waiting);
    http_exchange_respond(x, &response);
}

static void on_gone(struct http_exchange *x)
{
    struct waiting *waiting = x->state;
    if (waiting)
        http_cache_leave(&waiting->waiter);
    keel_free(waiting);
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    struct http_cache *cache = state;
    if (http_file_respond(cache, &x->request, response))
        return HTTP_DONE;
    struct waiting *waiting = keel_calloc(1, sizeof *waiting);
    if (waiting) {
        *waiting = (struct waiting){.waiter.on_loaded = on_loaded, .x = x, .cache = cache};
        if (http_cache_load(cache, &x->request, &waiting->waiter) == 0) {
            x->state = waiting;
            return HTTP_LATER;
        }
        keel_free(waiting);
    }
    respond_found(cache, &x->request, NULL, response);
    return HTTP_DONE;
}

const struct http_handler http_file_handler = {HTTP_HANDLER, .name = "file", .respond = respond,
                                               .on_gone = on_gone};
