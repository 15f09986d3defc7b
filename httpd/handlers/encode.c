#include "httpd/handlers/encode.h"

#include "httpd/handlers/encoder.h"
#include "httpd/wire/chars.h"

/* Is the token in a list of a head's fields of this name? */
static bool says(const struct http_response *response, struct keel_str name, struct keel_str token)
{
    struct keel_str rest = response->head, value, word;
    while (http_response_field(&rest, name, &value))
        while (http_list_next(&value, &word))
            if (keel_str_equal_nocase(word, token))
                return true;
    return false;
}

/* Is the answer one of those that are sent in a coding to clients that take one, or a part of such,
 * or 304 in its place? Then caches must know (RFC 9110, 12.5.5, 15.3.7, 15.4.5). */
static bool is_negotiated(const struct http_request *request, const struct http_response *response)
{
    char type[64];
    struct keel_str value = http_response_value(response, KEEL_STR("content-type"));
    size_t n = value.n < sizeof type ? value.n : sizeof type;
    for (size_t i = 0; i < n; i++)
        type[i] = (char)keel_to_lower((unsigned char)value.p[i]);
    bool fits = n > 0 ? http_site_compresses(request->site, (struct keel_str){type, n})
                      : response->status == 304;
    return fits && response->status != 204 && response->status != 205 &&
           !http_response_value(response, KEEL_STR("content-encoding")).p &&
           !says(response, KEEL_STR("cache-control"), KEEL_STR("no-transform"));
}

/* May this one be sent in a coding? A part of it cannot. */
static bool is_compressible(const struct http_response *response)
{
    return response->status != 206 && response->status != 304 && response->file_size == 0 &&
           !http_response_value(response, KEEL_STR("content-range")).p;
}

/* The coding that the client likes best; of those that it likes as well, the site's first. */
static enum http_coding choose(const struct http_request *request)
{
    const struct http_site *site = request->site;
    struct http_accept accept;
    enum http_coding best = HTTP_IDENTITY;
    http_accept_read(&accept, &request->head);
    unsigned weight = accept.identity_named ? accept.weight[HTTP_IDENTITY] : 0;
    for (unsigned i = 0; i < site->coding_count; i++) {
        unsigned w = accept.weight[site->codings[i]];
        if (w > weight || (w == weight && w > 0 && best == HTTP_IDENTITY)) {
            best = site->codings[i];
            weight = w;
        }
    }
    return best;
}

/* A strong ETag is of these bytes alone (RFC 9110, 8.8.3): "x" becomes "x-gzip". */
static struct keel_str tag_line(struct http_request *request, const struct http_response *response,
                                enum http_coding coding)
{
    struct keel_str etag = http_response_value(response, KEEL_STR("etag"));
    if (!etag.p)
        return KEEL_STR("");
    bool strong = etag.n >= 2 && etag.p[0] == '"';
    const char *line =
        strong ? keel_arena_printf(&request->arena, "ETag: %.*s-%s\"\r\n", (int)etag.n - 1, etag.p,
                                   http_coding_name(coding))
               : keel_arena_printf(&request->arena, "ETag: %.*s\r\n", (int)etag.n, etag.p);
    return line ? keel_str(line) : (struct keel_str){NULL, 0};
}

/* Puts the lines of the coding (HTTP_IDENTITY: none) into the head. */
static int edit(struct http_request *request, struct http_response *response,
                enum http_coding coding)
{
    struct http_header_rule items[] = {
        {.op = HTTP_HEADER_REMOVE, .name = KEEL_STR("ETag")},
        {.op = HTTP_HEADER_REMOVE, .name = KEEL_STR("Accept-Ranges")},
    };
    bool coded = coding != HTTP_IDENTITY;
    const struct http_header_rules rules = {.items = items, .count = coded ? 2 : 0};
    bool varies = says(response, KEEL_STR("vary"), KEEL_STR("*")) ||
                  says(response, KEEL_STR("vary"), KEEL_STR("accept-encoding"));
    struct keel_str etag = coded ? tag_line(request, response, coding) : KEEL_STR("");
    const char *lines =
        etag.p ? keel_arena_printf(&request->arena, "%s%.*s%s%s%s",
                                   varies ? "" : "Vary: Accept-Encoding\r\n", (int)etag.n, etag.p,
                                   coded ? "Content-Encoding: " : "",
                                   coded ? http_coding_name(coding) : "", coded ? "\r\n" : "")
               : NULL;
    if (!lines)
        return KEEL_ENOMEM;
    return http_response_rules(response, request, &rules, keel_str(lines));
}

/* What a cache holds is compressed there, unless a filter before this one changes it. */
static int on_head(struct http_exchange *x, void *settings, struct http_response *response,
                   int64_t *length, void **state)
{
    struct http_request *request = &x->request;
    if ((response->hold && !x->flow) || !is_negotiated(request, response))
        return 0;
    enum http_coding coding = is_compressible(response) ? choose(request) : HTTP_IDENTITY;
    if (*length >= 0 && ((uint64_t)*length < request->site->compress_min || *length == 0))
        coding = HTTP_IDENTITY;
    if (edit(request, response, coding) != 0)
        return KEEL_ENOMEM;
    if (coding == HTTP_IDENTITY)
        return 0;
    *length = -1;
    *state = http_encoder_new(coding);
    return *state ? 1 : KEEL_ENOMEM;
}

static int on_body(void *state, const void *bytes, size_t n, enum http_piece piece,
                   struct keel_buf *out)
{
    return http_encoder_put(state, bytes, n, piece, out);
}

static void on_release(void *state)
{
    http_encoder_free(state);
}

const struct http_filter http_encode_filter = {HTTP_FILTER,           .name = "compress",
                                               .head = on_head,       .body = on_body,
                                               .release = on_release, .exact = true};
