#include "httpd/serve/location.h"

#include "common/base/buf.h"
#include "httpd/handlers/respond.h"
#include "httpd/handlers/status.h"
#include "httpd/serve/settings_access.h"
#include "httpd/serve/settings_files.h"
#include "httpd/serve/settings_headers.h"
#include "httpd/wire/path.h"

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

/* A copy in the arena; p NULL when memory is out. */
static struct keel_str copy(struct keel_arena *arena, const char *text)
{
    size_t n = strlen(text);
    return (struct keel_str){keel_arena_strndup(arena, text, n), n};
}

/* "301 /new/": a status and what stands for the prefix. */
static int read_redirect(struct keel_arena *arena, struct http_location *location,
                         const struct keel_conf *conf, struct keel_diag *diag)
{
    const char *text = keel_conf_str(conf, "redirect");
    uint64_t status;
    if (!text)
        return 0;
    struct keel_str rest = keel_str(text), word;
    if (!keel_str_split(&rest, ' ', &word) || keel_parse_u64(word, 308, &status) != 0 ||
        (status != 301 && status != 302 && status != 307 && status != 308))
        return keel_conf_error(conf, "redirect", diag,
                               "\"STATUS TARGET\" expected, with status 301, 302, 307 or 308");
    rest = keel_str_trim(rest);
    if (rest.n == 0)
        return keel_conf_error(conf, "redirect", diag, "a target must follow the status");
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] <= ' ' || rest.p[i] >= 0x7f)
            return keel_conf_error(conf, "redirect", diag,
                                   "the target must be a URI reference: blanks, control and other "
                                   "characters are written as %%XX");
    location->redirect = (unsigned)status;
    location->redirect_to = copy(arena, rest.p);
    return location->redirect_to.p ? 0 : no_memory(diag);
}

int http_rewrites_read(struct http_settings *s, struct http_rewrites *rules,
                       const struct keel_conf *conf, struct keel_diag *diag)
{
    struct http_expressions **expressions = &s->sites.expressions;
    unsigned count = keel_conf_count(conf, "rewrite");
    struct keel_diag why = {""};
    if (count == 0)
        return 0;
    if (!*expressions)
        *expressions = http_expressions_new();
    rules->items = keel_arena_alloc(&s->arena, count * sizeof *rules->items);
    if (!rules->items || !*expressions)
        return no_memory(diag);
    for (; rules->count < count; rules->count++) {
        struct keel_str text = keel_str(keel_conf_at(conf, "rewrite", rules->count)->text);
        int err =
            http_rewrite_compile(*expressions, &s->arena, text, &rules->items[rules->count], &why);
        if (err == KEEL_ENOMEM)
            return no_memory(diag);
        if (err)
            return keel_conf_error_at(conf, "rewrite", rules->count, diag, "%s", why.text);
    }
    return 0;
}

/* "200 ok": a status, and perhaps a line of text. */
static int read_respond(struct keel_arena *arena, struct http_location *location,
                        const struct keel_conf *conf, struct keel_diag *diag)
{
    struct keel_str rest = keel_str(keel_conf_str(conf, "respond")), word;
    uint64_t status;
    if (!rest.p)
        return 0;
    if (!keel_str_split(&rest, ' ', &word) || keel_parse_u64(word, 599, &status) != 0 ||
        status < 200 || status == 204 || status == 304)
        return keel_conf_error(conf, "respond", diag,
                               "\"STATUS TEXT\" expected, with a status from 200 to 599 that has a "
                               "body");
    if (location->redirect)
        return keel_conf_error(conf, "respond", diag, "redirect stands there, too");
    struct http_respond *fixed = keel_arena_calloc(arena, sizeof *fixed);
    if (!fixed)
        return no_memory(diag);
    fixed->status = (unsigned)status;
    rest = keel_str_trim(rest);
    if (rest.n > 0) {
        char *line = keel_arena_printf(arena, "%.*s\n", (int)rest.n, rest.p);
        if (!line)
            return no_memory(diag);
        fixed->body = keel_str(line);
    }
    location->respond = fixed;
    return 0;
}

static int read_status(struct keel_arena *arena, struct http_location *location,
                       const struct keel_conf *conf, struct keel_diag *diag)
{
    if (!keel_conf_bool(conf, "status"))
        return 0;
    if (location->redirect || location->respond || keel_conf_str(conf, "handler"))
        return keel_conf_error(conf, "status", diag, "another handler stands there, too");
    location->status = keel_arena_calloc(arena, sizeof *location->status);
    if (!location->status)
        return keel_diag_memory(diag);
    location->status->local_only = keel_conf_count(conf, "allow") == 0;
    return 0;
}

/* "$path.html", "/index.html" */
static int read_tries(struct keel_arena *arena, struct http_location *location,
                      const struct keel_conf *conf, struct keel_diag *diag)
{
    const struct keel_str mark = KEEL_STR("$path");
    unsigned count = keel_conf_count(conf, "try-files");
    location->tries = keel_arena_calloc(arena, (count + 1) * sizeof *location->tries);
    if (!location->tries)
        return no_memory(diag);
    for (unsigned i = 0; i < count; i++) {
        struct http_try *try = &location->tries[location->try_count++];
        try->tail = copy(arena, keel_conf_at(conf, "try-files", i)->text);
        if (!try->tail.p)
            return no_memory(diag);
        try->path = keel_str_begins(try->tail, mark);
        if (try->path) {
            try->tail.p += mark.n;
            try->tail.n -= mark.n;
        } else if (!http_path_is_normal(try->tail)) {
            return keel_conf_error_at(conf, "try-files", i, diag,
                                      "$path or a path that begins with \"/\" expected");
        }
    }
    return 0;
}

uint64_t http_max_body_read(const struct keel_conf *conf)
{
    if (keel_conf_count(conf, "max-body") == 0)
        return 0;
    int64_t size = keel_conf_int(conf, "max-body");
    return size > 0 ? (uint64_t)size : UINT64_MAX;
}

/* "/app", or "= /app" for that path alone. */
static int read_title(struct keel_arena *arena, struct http_location *location,
                      const struct keel_conf *conf, struct keel_diag *diag)
{
    struct keel_str path = copy(arena, keel_conf_title(conf));
    if (!path.p)
        return no_memory(diag);
    location->line = keel_conf_line(conf);
    location->exact = path.n > 0 && path.p[0] == '=';
    if (location->exact)
        path = keel_str_trim((struct keel_str){path.p + 1, path.n - 1});
    if (path.n == 0 || path.p[0] != '/')
        return keel_conf_error(conf, NULL, diag,
                               "the path must begin with \"/\", or with \"= /\" for it alone");
    for (size_t i = 0; i + 1 < path.n; i++)
        if (path.p[i] == '/' && path.p[i + 1] == '/')
            return keel_conf_error(conf, NULL, diag,
                                   "no path has \"//\" in it: slashes are merged");
    if (http_path_has_dots(path))
        return keel_conf_error(conf, NULL, diag, "no path has \".\" or \"..\" in it");
    location->prefix = path;
    return 0;
}

/* conf NULL: what the site says of paths that have no location. */
static int read_location(struct http_settings *s, struct http_location *location,
                         const struct http_location *base, const struct keel_conf *conf,
                         struct keel_access *access, struct keel_diag *diag)
{
    struct keel_arena *arena = &s->arena;
    unsigned port = s->https_port;
    int err = 0;
    location->prefix = KEEL_STR("/");
    if (conf)
        err = read_title(arena, location, conf, diag);
    location->autoindex = keel_conf_bool(conf, "autoindex");
    location->https_port = base->https_port;
    if (keel_conf_given(conf, "https-only"))
        location->https_port = keel_conf_bool(conf, "https-only") ? port : 0;
    location->max_body = http_max_body_read(conf);
    if (!err)
        err = http_rewrites_read(s, &location->rewrites, conf, diag);
    if (!err)
        err = read_redirect(arena, location, conf, diag);
    if (!err)
        err = read_respond(arena, location, conf, diag);
    if (!err && conf)
        err = read_status(arena, location, conf, diag);
    if (!err)
        err = http_headers_read(s, location, &base->headers,
                                keel_conf_str(conf, "handler") || keel_conf_count(conf, "filter"),
                                conf, diag);
    if (!err)
        err = read_tries(arena, location, conf, diag);
    if (!err)
        err = http_access_read(s, location, base, conf, access, diag);
    return err ? err : http_rate_read(s, location, conf, diag);
}

int http_locations_read(struct http_settings *s, struct http_site *site,
                        const struct keel_conf *conf, struct keel_access *access,
                        struct keel_diag *diag)
{
    static const struct http_location nothing;
    unsigned count = keel_conf_count(conf, "location");
    const struct http_location *twice;
    struct http_location *base = keel_arena_calloc(&s->arena, sizeof *base);
    bool has_root = false;
    site->locations = keel_arena_calloc(&s->arena, (count + 1) * sizeof *site->locations);
    if (!site->locations || !base)
        return no_memory(diag);
    site->base = base;
    base->prefix = KEEL_STR("/");
    base->https_port = keel_conf_bool(conf, "https-only") ? s->https_port : 0;
    int err = http_access_read(s, base, &nothing, conf, access, diag);
    if (!err)
        err = http_headers_read_site(s, base, conf, diag);
    keel_conf_for (section, conf, "location") {
        struct http_location *location = &site->locations[site->location_count];
        location->order = site->location_count++;
        if (!err)
            err = read_location(s, location, base, section, access, diag);
        if (!err)
            err = http_location_files_read(s, site, location, section, access, diag);
        has_root = has_root || (!location->exact && location->prefix.n == 1);
    }
    if (!err && !has_root) {
        struct http_location *root = &site->locations[site->location_count];
        root->order = site->location_count++;
        err = read_location(s, root, base, NULL, access, diag);
    }
    if (err || http_locations_compile(site, &twice) == 0)
        return err;
    unsigned order = 0;
    keel_conf_for (section, conf, "location")
        if (order++ == twice->order)
            return keel_conf_error(section, NULL, diag, "line %d has this path", twice[-1].line);
    return KEEL_ECONF;
}
