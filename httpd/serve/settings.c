#include "httpd/serve/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/log.h"
#include "httpd/wire/chars.h"
#include "httpd/wire/mime.h"
#include "httpd/serve/location.h"
#include "httpd/serve/settings_access.h"
#include "httpd/serve/settings_files.h"
#include "httpd/serve/settings_listen.h"
#include "httpd/serve/settings_log.h"
#include "httpd/serve/settings_tls.h"
#include "httpd/serve/settings_types.h"

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

static bool has_error_page(const struct http_site *site, unsigned status)
{
    bool found = false;
    for (unsigned i = 0; i < site->error_page_count; i++)
        found = found || site->error_pages[i].status == status;
    return found;
}

/* The page is read now: it must be there when there is nothing else left. Only a worker, which is
 * not `first`, does without: it may start when the file is gone. */
static int read_error_page(struct http_settings *s, struct http_site *site,
                           const struct keel_conf *conf, unsigned i, bool first,
                           struct keel_diag *diag)
{
    struct keel_str rest = keel_str(keel_conf_at(conf, "error-pages", i)->text), word;
    uint64_t status = 0;
    if (!keel_str_split(&rest, ' ', &word) || keel_parse_u64(word, 599, &status) != 0 ||
        status < 400 || !rest.p || (rest = keel_str_trim(rest)).n == 0)
        return keel_conf_error_at(conf, "error-pages", i, diag,
                                  "\"STATUS FILE\" expected, with a status from 400 to 599");
    if (has_error_page(site, (unsigned)status))
        return keel_conf_error_at(conf, "error-pages", i, diag, "status %u stands there twice",
                                  (unsigned)status);
    if (!site->root)
        return keel_conf_error_at(conf, "error-pages", i, diag,
                                  "the site has no root to find it in");
    const char *text = keel_arena_printf(&s->arena, "%s/%.*s", site->root, (int)rest.n, rest.p);
    const struct keel_str *body;
    struct keel_diag why = {""};
    int err = text ? http_pages_get(&s->pages, &s->arena, text, &body, &why) : KEEL_ENOMEM;
    if (err == KEEL_ENOMEM)
        return no_memory(diag);
    if (err && first)
        return keel_conf_error_at(conf, "error-pages", i, diag, "%s", why.text);
    if (err)
        keel_error("http", "an error page is missing", "reason=%s", why.text);
    site->error_pages[site->error_page_count++] =
        (struct http_error_page){.status = (unsigned)status,
                                 .type = http_types_find(site->types, keel_str(text)),
                                 .body = body};
    return 0;
}

static int read_error_pages(struct http_settings *s, struct http_site *site,
                            const struct keel_conf *conf, bool first, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "error-pages");
    int err = 0;
    site->error_pages = keel_arena_calloc(&s->arena, (count + 1) * sizeof *site->error_pages);
    if (!site->error_pages)
        return no_memory(diag);
    for (unsigned i = 0; i < count && !err; i++)
        err = read_error_page(s, site, conf, i, first, diag);
    return err;
}

static int read_compress(struct http_settings *s, struct http_site *site,
                         const struct keel_conf *conf, struct keel_diag *diag)
{
    if (http_list_read(s, conf, "compress-types", &site->compress_types,
                       &site->compress_type_count) != 0)
        return no_memory(diag);
    site->compress_min = (uint64_t)keel_conf_int(conf, "compress-min");
    site->compress_max = (uint64_t)keel_conf_int(conf, "compress-max");
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

/* What is wrong with a name, or which site has it already. */
static void explain_name(struct keel_diag *why, const struct http_settings *s, struct keel_str name,
                         const struct http_host_name *other)
{
    bool ascii = true;
    for (size_t i = 0; i < name.n; i++)
        ascii = ascii && (uint8_t)name.p[i] < 0x80;
    if (other)
        keel_diag_set(why, KEEL_EEXIST, "site \"%s\" has this name (line %d)",
                      s->sites.items[other->site].name.p, other->line);
    else if (!ascii)
        keel_diag_set(why, KEEL_EINVAL, "a name is written in ASCII: \"xn--bcher-kva.example\"");
    else
        keel_diag_set(why, KEEL_EINVAL,
                      "a host name expected, as \"www.example.org\" or \"*.example.org\"");
}

/* The title and the other names. */
static int read_names(struct http_settings *s, struct http_site *site, const struct keel_conf *conf,
                      struct keel_diag *diag)
{
    const struct http_host_name *other = NULL;
    struct keel_diag why;
    site->name = copy(s, keel_conf_title(conf));
    if (!site->name.p)
        return no_memory(diag);
    int err = http_sites_add_name(&s->sites, &s->arena, site->name, site->id, keel_conf_line(conf),
                                  &other);
    if (err == KEEL_EINVAL || err == KEEL_EEXIST) {
        explain_name(&why, s, site->name, other);
        return keel_conf_error(conf, NULL, diag, "%s", why.text);
    }
    for (unsigned i = 0; i < keel_conf_count(conf, "names") && !err; i++) {
        const struct keel_value *value = keel_conf_at(conf, "names", i);
        err = http_sites_add_name(&s->sites, &s->arena, keel_str(value->text), site->id,
                                  value->line, &other);
        if (err == KEEL_EINVAL || err == KEEL_EEXIST) {
            explain_name(&why, s, keel_str(value->text), other);
            return keel_conf_error_at(conf, "names", i, diag, "%s", why.text);
        }
    }
    return err ? no_memory(diag) : 0;
}

static int read_site(struct http_settings *s, const struct keel_conf *conf,
                     struct keel_access *access, bool first, struct keel_diag *diag)
{
    struct http_site *site = &s->sites.items[s->sites.count];
    site->id = s->sites.count++;
    site->root_fd = -1;
    site->is_default = keel_conf_bool(conf, "default");
    int err = read_names(s, site, conf, diag);
    if (err)
        return err;
    site->hidden = keel_conf_bool(conf, "hidden");
    site->max_body = http_max_body_read(conf);
    site->symlinks = (enum http_symlinks)keel_conf_int(conf, "symlinks");
    err = http_files_read(s, site, conf, access, diag);
    if (!err)
        err = read_compress(s, site, conf, diag);
    if (!err)
        err = http_types_read(s, site, conf, diag);
    if (!err)
        err = read_error_pages(s, site, conf, first, diag);
    if (!err)
        err = http_rewrites_read(s, &site->rewrites, conf, diag);
    if (!err)
        err = http_locations_read(s, site, conf, access, diag);
    if (!err)
        err = http_modules_bind(&s->arena, &s->modules, site, conf, access, diag);
    return err;
}

static int read_sites(struct http_settings *s, const struct keel_conf *conf,
                      struct keel_access *access, bool first, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "site");
    if (count == 0)
        return keel_conf_error(conf, NULL, diag,
                               "no site: site \"example.org\" { root = \"www\" } serves a folder");
    int err = http_types_file_read(s, conf, diag);
    if (err)
        return err;
    keel_rand_bytes(&s->sites.key, sizeof s->sites.key);
    s->sites.items = keel_arena_calloc(&s->arena, count * sizeof *s->sites.items);
    if (!s->sites.items)
        return no_memory(diag);
    s->file_ids = count;
    err = http_listen_read(s, conf, diag);
    keel_conf_for (section, conf, "site") {
        if (!err)
            err = read_site(s, section, access, first, diag);
    }
    return err ? err : http_listen_finish(s, conf, diag);
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
    s->min_rate = (uint64_t)keel_conf_int(conf, "min-rate");
    s->http2 = keel_conf_bool(conf, "http2");
    s->https_port = (unsigned)keel_conf_int(conf, "https-port");
    s->max_streams = (uint32_t)keel_conf_int(conf, "max-streams");
    s->discard = (uint64_t)keel_conf_int(conf, "max-discarded-body");
    s->client_connections = (unsigned)keel_conf_int(conf, "client-connections");
    const struct keel_conf *cache = keel_conf_section_or_default(conf, "file-cache");
    s->cache.memory = (uint64_t)keel_conf_int(cache, "memory");
    s->cache.entries = (uint32_t)keel_conf_int(cache, "entries");
    s->cache.files = (uint32_t)keel_conf_int(cache, "open-files");
    s->cache.watches = (uint32_t)keel_conf_int(cache, "watches");
    s->cache.valid_ns = (uint64_t)keel_conf_int(cache, "valid");
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
    int err = http_modules_read(&s->arena, &s->modules, conf, diag);
    if (!err)
        err = read_sites(s, conf, access, endpoints != NULL, diag);
    if (!err && http_chains_build(&s->arena, &s->sites, s->modules.count, &s->handlers) != 0)
        err = no_memory(diag);
    if (!err)
        err = http_logs_read(s, conf, access, diag);
    if (!err)
        err = http_settings_read_tls(s, conf, access, endpoints != NULL, diag);
    if (!err)
        err = http_listen_check_tls(s, conf, diag);
    if (!err && endpoints)
        err = http_listen_add(s, conf, endpoints, diag);
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
    http_files_free(s);
    for (unsigned i = 0; i < HTTP_ENTRANCES; i++)
        keel_tls_context_free(s->tls[i]);
    http_sites_fini(&s->sites);
    http_users_files_free(s);
    http_pages_fini(&s->pages);
    keel_arena_fini(&s->arena);
    keel_free(s);
}
