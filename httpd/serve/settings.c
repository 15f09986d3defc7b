#include "httpd/serve/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "httpd/wire/chars.h"
#include "httpd/wire/mime.h"
#include "httpd/wire/path.h"

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

/* A copy in the arena; p NULL when memory is out. */
static struct keel_str copy(struct http_settings *s, const char *text)
{
    size_t n = strlen(text);
    return (struct keel_str){keel_arena_strndup(&s->arena, text, n), n};
}

/* All values of a list of strings. 0 or KEEL_ENOMEM. */
static int copy_list(struct http_settings *s, const struct keel_conf *conf, const char *name,
                     struct keel_str **out, unsigned *count)
{
    *count = keel_conf_count(conf, name);
    *out = keel_arena_calloc(&s->arena, (*count + 1) * sizeof **out);
    if (!*out)
        return KEEL_ENOMEM;
    for (unsigned i = 0; i < *count; i++) {
        (*out)[i] = copy(s, keel_conf_at(conf, name, i)->text);
        if (!(*out)[i].p)
            return KEEL_ENOMEM;
    }
    return 0;
}

/* "301 /new/": a status and what stands for the prefix. */
static int read_redirect(struct http_settings *s, struct http_location *location,
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
    location->redirect_to = copy(s, rest.p);
    return location->redirect_to.p ? 0 : no_memory(diag);
}

/* Fields that say how a message is framed, or that are ours to set. */
static bool is_reserved(struct keel_str name)
{
    static const char *const names[] = {"connection",
                                        "content-length",
                                        "content-range",
                                        "content-type",
                                        "content-encoding",
                                        "date",
                                        "etag",
                                        "keep-alive",
                                        "last-modified",
                                        "server",
                                        "te",
                                        "trailer",
                                        "transfer-encoding",
                                        "upgrade",
                                        "accept-ranges",
                                        "location",
                                        "www-authenticate",
                                        "proxy-connection"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (keel_str_equal_nocase(name, keel_str(names[i])))
            return true;
    return false;
}

static bool is_value(struct keel_str value)
{
    const uint8_t *p = (const uint8_t *)value.p, *end = p + value.n;
    return value.n > 0 && http_skip(p, end, HTTP_CHAR_VALUE) == end;
}

static int read_headers(struct http_settings *s, struct http_location *location,
                        const struct keel_conf *conf, struct keel_diag *diag)
{
    struct keel_buf always = {0};
    const char *control = keel_conf_str(conf, "cache-control");
    int err = 0;
    for (unsigned i = 0; i < keel_conf_count(conf, "headers") && !err; i++) {
        struct keel_str value = keel_str(keel_conf_at(conf, "headers", i)->text), name;
        bool split = keel_str_split(&value, ':', &name) && value.p;
        const uint8_t *p = (const uint8_t *)name.p;
        value = split ? keel_str_trim(value) : KEEL_STR("");
        if (!split || name.n == 0 || http_skip(p, p + name.n, HTTP_CHAR_TOKEN) != p + name.n ||
            !is_value(value))
            err = keel_conf_error_at(conf, "headers", i, diag, "\"Name: value\" expected");
        else if (is_reserved(name))
            err = keel_conf_error_at(conf, "headers", i, diag, "%.*s is set by httpd", (int)name.n,
                                     name.p);
        keel_buf_printf(&always, "%.*s: %.*s\r\n", (int)name.n, name.p, (int)value.n, value.p);
    }
    if (!err && control && !is_value(keel_str(control)))
        err = keel_conf_error(conf, "cache-control", diag, "a field value expected");
    size_t n = keel_buf_size(&always);
    if (control)
        keel_buf_printf(&always, "Cache-Control: %s\r\n", control);
    const char *text = keel_buf_size(&always) ? keel_buf_text(&always) : "";
    struct keel_str all = text ? copy(s, text) : (struct keel_str){0};
    if (!err && !all.p)
        err = no_memory(diag);
    location->fields = all;
    location->always = (struct keel_str){all.p, n};
    keel_buf_fini(&always);
    return err;
}

/* "$path.html", "/index.html" */
static int read_tries(struct http_settings *s, struct http_location *location,
                      const struct keel_conf *conf, struct keel_diag *diag)
{
    static const struct keel_str mark = {"$path", 5};
    unsigned count = keel_conf_count(conf, "try-files");
    location->tries = keel_arena_calloc(&s->arena, (count + 1) * sizeof *location->tries);
    if (!location->tries)
        return no_memory(diag);
    for (unsigned i = 0; i < count; i++) {
        struct http_try *try = &location->tries[location->try_count++];
        try->tail = copy(s, keel_conf_at(conf, "try-files", i)->text);
        if (!try->tail.p)
            return no_memory(diag);
        try->path = try->tail.n >= mark.n && memcmp(try->tail.p, mark.p, mark.n) == 0;
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

/* The page is read now: it must be there when there is nothing else left. */
static int read_error_page(struct http_settings *s, struct http_site *site,
                           const struct keel_conf *conf, unsigned i, struct keel_diag *diag)
{
    struct keel_str rest = keel_str(keel_conf_at(conf, "error-pages", i)->text), word;
    uint64_t status = 0;
    if (!keel_str_split(&rest, ' ', &word) || keel_parse_u64(word, 599, &status) != 0 ||
        status < 400 || !rest.p || (rest = keel_str_trim(rest)).n == 0)
        return keel_conf_error_at(conf, "error-pages", i, diag,
                                  "\"STATUS FILE\" expected, with a status from 400 to 599");
    if (http_site_error_page(site, (unsigned)status))
        return keel_conf_error_at(conf, "error-pages", i, diag, "status %u stands there twice",
                                  (unsigned)status);
    char *text =
        keel_arena_printf(&s->arena, "%s/%.*s", site->root ? site->root : "", (int)rest.n, rest.p);
    char *body = text ? keel_arena_alloc(&s->arena, HTTP_BODY_IN_MEMORY + 1) : NULL;
    if (!body)
        return no_memory(diag);
    int fd = site->root ? open(text, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t n = fd >= 0 ? read(fd, body, HTTP_BODY_IN_MEMORY + 1) : -1;
    int error = fd < 0 && !site->root ? ENOENT : errno;
    if (fd >= 0)
        close(fd);
    if (n < 0 || n > HTTP_BODY_IN_MEMORY)
        return keel_conf_error_at(conf, "error-pages", i, diag, "cannot read \"%s\": %s", text,
                                  n < 0 ? strerror(error) : "it is larger than 64 KiB");
    site->error_pages[site->error_page_count++] =
        (struct http_error_page){.status = (unsigned)status,
                                 .type = http_mime_type(keel_str(text)),
                                 .body = {body, (size_t)n}};
    return 0;
}

static int read_error_pages(struct http_settings *s, struct http_site *site,
                            const struct keel_conf *conf, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "error-pages");
    int err = 0;
    site->error_pages = keel_arena_calloc(&s->arena, (count + 1) * sizeof *site->error_pages);
    if (!site->error_pages)
        return no_memory(diag);
    for (unsigned i = 0; i < count && !err; i++)
        err = read_error_page(s, site, conf, i, diag);
    return err;
}

static int read_charset(struct http_settings *s, struct http_site *site,
                        const struct keel_conf *conf, struct keel_diag *diag)
{
    struct keel_str charset = copy(s, keel_conf_str(conf, "charset"));
    const uint8_t *p = (const uint8_t *)charset.p;
    if (!p)
        return no_memory(diag);
    if (charset.n > 40 || http_skip(p, p + charset.n, HTTP_CHAR_TOKEN) != p + charset.n)
        return keel_conf_error(conf, "charset", diag, "a name expected");
    site->charset = keel_str_equal_nocase(charset, KEEL_STR("utf-8")) ? NULL : charset.p;
    return 0;
}

static int read_locations(struct http_settings *s, struct http_site *site,
                          const struct keel_conf *conf, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "location");
    site->locations = keel_arena_calloc(&s->arena, (count + 1) * sizeof *site->locations);
    if (!site->locations)
        return no_memory(diag);
    keel_conf_for (section, conf, "location") {
        struct http_location *location = &site->locations[site->location_count++];
        location->prefix = copy(s, keel_conf_title(section));
        if (!location->prefix.p)
            return no_memory(diag);
        if (location->prefix.p[0] != '/')
            return keel_conf_error(section, NULL, diag, "the path must begin with \"/\"");
        location->autoindex = keel_conf_bool(section, "autoindex");
        int err = read_redirect(s, location, section, diag);
        if (!err)
            err = read_headers(s, location, section, diag);
        if (!err)
            err = read_tries(s, location, section, diag);
        if (err)
            return err;
    }
    http_route_sort(site);
    return 0;
}

static int open_root(struct http_site *site, const struct keel_conf *conf,
                     struct keel_access *access, struct keel_diag *diag)
{
    if (!site->root)
        return 0;
    site->root_fd = open(site->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (site->root_fd < 0)
        return keel_conf_error(conf, "root", diag, "cannot open \"%s\": %s", site->root,
                               strerror(errno));
    return access ? keel_access_add(access, site->root, false) : 0;
}

static int read_compress(struct http_settings *s, struct http_site *site,
                         const struct keel_conf *conf, struct keel_diag *diag)
{
    if (copy_list(s, conf, "compress-types", &site->compress_types, &site->compress_type_count) !=
        0)
        return no_memory(diag);
    site->compress_min = (uint64_t)keel_conf_int(conf, "compress-min");
    for (unsigned i = 0; i < keel_conf_count(conf, "compress"); i++) {
        const char *name = keel_conf_at(conf, "compress", i)->text;
        unsigned coding = 0, known = 0;
        while (coding < HTTP_CODING_COUNT && strcmp(name, http_coding_name(coding)) != 0)
            coding++;
        if (coding == HTTP_CODING_COUNT)
            return keel_conf_error_at(conf, "compress", i, diag,
                                      "\"br\", \"zstd\" or \"gzip\" expected, not \"%s\"", name);
        while (known < site->coding_count && site->codings[known] != coding)
            known++;
        if (known < site->coding_count)
            return keel_conf_error_at(conf, "compress", i, diag, "\"%s\" stands there twice", name);
        site->codings[site->coding_count++] = (uint8_t)coding;
    }
    return 0;
}

static int read_site(struct http_settings *s, const struct keel_conf *conf,
                     struct keel_access *access, struct keel_diag *diag)
{
    struct http_site *site = &s->sites.items[s->sites.count];
    *site = (struct http_site){.id = s->sites.count, .root_fd = -1};
    s->sites.count++;
    site->name = copy(s, keel_conf_title(conf));
    site->hidden = keel_conf_bool(conf, "hidden");
    if (keel_conf_str(conf, "root"))
        site->root = keel_arena_strdup(&s->arena, keel_conf_str(conf, "root"));
    if (!site->name.p || (keel_conf_str(conf, "root") && !site->root) ||
        copy_list(s, conf, "names", &site->aliases, &site->alias_count) != 0 ||
        copy_list(s, conf, "index", &site->index, &site->index_count) != 0)
        return no_memory(diag);
    for (unsigned i = 0; i < site->index_count; i++)
        if (site->index[i].n == 0 || memchr(site->index[i].p, '/', site->index[i].n))
            return keel_conf_error_at(conf, "index", i, diag, "a file name without \"/\" expected");
    int err = read_compress(s, site, conf, diag);
    if (!err)
        err = read_charset(s, site, conf, diag);
    if (!err)
        err = read_error_pages(s, site, conf, diag);
    if (!err)
        err = read_locations(s, site, conf, diag);
    return err ? err : open_root(site, conf, access, diag);
}

static int read_sites(struct http_settings *s, const struct keel_conf *conf,
                      struct keel_access *access, struct keel_diag *diag)
{
    const struct keel_conf *first_default = NULL;
    unsigned count = keel_conf_count(conf, "site");
    if (count == 0)
        return keel_conf_error(conf, NULL, diag,
                               "no site: site \"example.org\" { root = \"www\" } serves a folder");
    s->sites.items = keel_arena_calloc(&s->arena, count * sizeof *s->sites.items);
    if (!s->sites.items)
        return no_memory(diag);
    keel_conf_for (section, conf, "site") {
        if (keel_conf_bool(section, "default")) {
            if (first_default)
                return keel_conf_error(section, "default", diag, "site \"%s\" is the default",
                                       keel_conf_title(first_default));
            first_default = section;
            s->sites.fallback = s->sites.count;
        }
        int err = read_site(s, section, access, diag);
        if (err)
            return err;
    }
    return 0;
}

/* Each site's certificate is tried alone, so that an error can name its line. */
static int check_certificate(const struct keel_tls_options *all,
                             const struct keel_tls_certificate *one, const struct keel_conf *conf,
                             struct keel_diag *diag)
{
    struct keel_tls_options options = *all;
    struct keel_tls_context *context = NULL;
    struct keel_diag why = {""};
    options.certificates = one;
    options.certificate_count = 1;
    int err = keel_tls_context_new(&options, &context, &why);
    keel_tls_context_free(context);
    return err ? keel_conf_error(conf, "certificate", diag, "%s", why.text) : 0;
}

/* One context for all TLS addresses: the names in the certificates choose, the default site's
 * certificate serves everybody else. */
static int read_tls(struct http_settings *s, const struct keel_conf *conf, struct keel_diag *diag)
{
    static const char *const alpn[] = {"h2", "http/1.1"};
    unsigned skip = !s->http2;
    unsigned count = 0;
    struct keel_tls_certificate *list = keel_arena_calloc(&s->arena, s->sites.count * sizeof *list);
    if (!list)
        return no_memory(diag);
    struct keel_tls_options options = {
        .alpn = alpn + skip, .alpn_count = 2 - skip, .minimum = KEEL_TLS_1_2};
    keel_conf_for (section, conf, "site") {
        struct keel_tls_certificate one = {keel_conf_str(section, "certificate"),
                                           keel_conf_str(section, "key")};
        if (!one.certificate) {
            if (one.key)
                return keel_conf_error(section, "key", diag, "a key without a certificate");
            continue;
        }
        int err = check_certificate(&options, &one, section, diag);
        if (err)
            return err;
        list[count++] = one;
        if (keel_conf_bool(section, "default")) { /* to the front */
            list[count - 1] = list[0];
            list[0] = one;
        }
    }
    options.certificates = list;
    options.certificate_count = count;
    return count > 0 ? keel_tls_context_new(&options, &s->tls, diag) : 0;
}

static void read_limits(struct http_settings *s, const struct keel_conf *conf)
{
    s->head.line = (uint32_t)keel_conf_int(conf, "max-header-line");
    s->head.head = (uint32_t)keel_conf_int(conf, "max-header");
    s->head.fields = (uint32_t)keel_conf_int(conf, "max-header-fields");
    s->header_timeout = (uint64_t)keel_conf_int(conf, "header-timeout");
    s->body_timeout = (uint64_t)keel_conf_int(conf, "body-timeout");
    s->keepalive_timeout = (uint64_t)keel_conf_int(conf, "keepalive-timeout");
    s->send_timeout = (uint64_t)keel_conf_int(conf, "send-timeout");
    s->http2 = keel_conf_bool(conf, "http2");
    s->max_streams = (uint32_t)keel_conf_int(conf, "max-streams");
    s->discard = (uint64_t)keel_conf_int(conf, "max-discarded-body");
    const struct keel_conf *cache = keel_conf_section_or_default(conf, "file-cache");
    s->cache.memory = (uint64_t)keel_conf_int(cache, "memory");
    s->cache.entries = (uint32_t)keel_conf_int(cache, "entries");
    s->cache.files = (uint32_t)keel_conf_int(cache, "open-files");
    s->cache.valid_ns = (uint64_t)keel_conf_int(cache, "valid");
}

static int read_log(struct http_settings *s, const struct keel_conf *conf,
                    struct keel_access *access, struct keel_diag *diag)
{
    const struct keel_conf *log = keel_conf_section(conf, "access-log");
    struct keel_diag why = {""};
    if (!log)
        return 0;
    struct keel_str text = copy(s, keel_conf_str(log, "format"));
    enum http_log_escape escape = HTTP_LOG_TEXT;
    s->log = keel_arena_alloc(&s->arena, sizeof *s->log);
    s->log_buffer = (size_t)keel_conf_int(log, "buffer");
    if (!text.p || !s->log)
        return no_memory(diag);
    if (keel_str_equal(text, KEEL_STR("combined"))) {
        text = KEEL_STR(HTTP_LOG_COMBINED);
    } else if (keel_str_equal(text, KEEL_STR("json"))) {
        text = KEEL_STR(HTTP_LOG_JSON);
        escape = HTTP_LOG_AS_JSON;
    }
    if (http_log_format_compile(s->log, text, escape, &why) != 0)
        return keel_conf_error(log, "format", diag, "%s", why.text);
    if (access && keel_access_add_log(access, keel_conf_str(log, "file")) != 0)
        return no_memory(diag);
    return 0;
}

static int check_listen(const struct http_settings *s, const struct keel_conf *conf,
                        struct keel_diag *diag)
{
    for (unsigned i = 0; i < keel_conf_count(conf, "listen"); i++) {
        const struct keel_value *value = keel_conf_at(conf, "listen", i);
        if (keel_str_equal(value->words, KEEL_STR("tls")) && !s->tls)
            return keel_conf_error_at(conf, "listen", i, diag,
                                      "tls needs a site with certificate and key");
    }
    if (keel_conf_count(conf, "listen") == 0)
        return keel_conf_error(conf, NULL, diag, "no address: listen = { \"127.0.0.1:8080\" }");
    return 0;
}

int http_settings_configure(const struct keel_conf *conf, void **settings,
                            struct keel_endpoints *endpoints, struct keel_access *access,
                            struct keel_diag *diag)
{
    struct http_settings *s = keel_calloc(1, sizeof *s);
    if (!s)
        return no_memory(diag);
    keel_arena_init(&s->arena, 0);
    read_limits(s, conf);
    int err = read_sites(s, conf, access, diag);
    if (!err)
        err = read_log(s, conf, access, diag);
    if (!err)
        err = read_tls(s, conf, diag);
    if (!err)
        err = check_listen(s, conf, diag);
    if (!err && endpoints)
        err = keel_endpoints_add_listen(endpoints, conf, "listen", true, false, diag);
    if (err) {
        http_settings_free(s);
        return err;
    }
    *settings = s;
    return 0;
}

void http_settings_free(void *settings)
{
    struct http_settings *s = settings;
    if (!s)
        return;
    for (unsigned i = 0; i < s->sites.count; i++)
        if (s->sites.items[i].root_fd >= 0)
            close(s->sites.items[i].root_fd);
    keel_tls_context_free(s->tls);
    keel_arena_fini(&s->arena);
    keel_free(s);
}

struct keel_tls_context *http_settings_tls(void *settings, const struct keel_endpoint *endpoint)
{
    return ((struct http_settings *)settings)->tls;
}
