/*
 * A module for httpd: a filter that puts a line of text behind every HTML page.
 *
 *     cc -shared -fPIC footer_module.c -o footer_module.so $(pkg-config --cflags libkeel)
 *
 *     module "footer" { file = "footer_module.so" }
 *     site "example.org" {
 *       root = "www"
 *       location "/" { filter = "footer <p>Printed on recycled electrons.</p>" }
 *     }
 */
#include "httpd/request/handler.h"

/* Once for each location, when the configuration is read: the text behind the filter's name. */
static int configure(struct keel_arena *arena, const char *argument, void **settings,
                     struct keel_access *access, struct keel_diag *diag)
{
    if (!argument)
        return keel_diag_set(diag, KEEL_EINVAL, "a text expected: filter = \"footer TEXT\"");
    *settings = keel_arena_printf(arena, "%s\n", argument);
    return *settings ? 0 : KEEL_ENOMEM;
}

/* For each answer of the location, before its head is sent. */
static int head(struct http_exchange *x, void *settings, struct http_response *response,
                int64_t *length, void **state)
{
    struct keel_str type = http_response_value(response, KEEL_STR("Content-Type"));
    if (!type.p || !keel_str_begins(type, KEEL_STR("text/html")) ||
        http_response_value(response, KEEL_STR("Content-Encoding")).p)
        return 0; /* a picture, or compressed already: it goes as it is */
    if (*length >= 0)
        *length += (int64_t)strlen(settings);
    *state = settings;
    return 1;
}

/* For each piece of its body. */
static int body(void *state, const void *bytes, size_t n, enum http_piece piece,
                struct keel_buf *out)
{
    keel_buf_append(out, bytes, n);
    if (piece == HTTP_PIECE_END)
        keel_buf_append(out, state, strlen(state));
    return out->failed;
}

static const struct http_filter footer = {HTTP_FILTER, .name = "footer", .configure = configure,
                                          .head = head, .body = body};
static const struct http_filter *const filters[] = {&footer, NULL};

extern const struct http_handler http_module;
const struct http_handler http_module = {HTTP_HANDLER, .name = "footer", .filters = filters};
