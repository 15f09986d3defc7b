#include "httpd/serve/settings_types.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "httpd/wire/chars.h"

#define FILE_MAX (1 << 20)

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

/* All of it, or nothing. 0, KEEL_ENOMEM, or KEEL_ESYS with errno. */
static int read_file(const char *path, struct keel_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? 1 : -1;
    while (n > 0) {
        uint8_t *p = keel_buf_reserve(out, 16384);
        n = p ? read(fd, p, 16384) : 0;
        if (n > 0)
            keel_buf_commit(out, (size_t)n);
    }
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return n < 0 ? KEEL_ESYS : out->failed;
}

int http_types_file_read(struct http_settings *s, const struct keel_conf *conf,
                         struct keel_diag *diag)
{
    const char *path = keel_conf_str(conf, "types-file");
    struct keel_buf text = {.limit = FILE_MAX};
    int err = read_file(path, &text);
    if (!err)
        err = http_types_parse(
            &s->types, &s->arena,
            (struct keel_str){(const char *)keel_buf_bytes(&text), keel_buf_size(&text)});
    keel_buf_fini(&text);
    if (err == KEEL_ENOMEM)
        return no_memory(diag);
    if (!err || !keel_conf_given(conf, "types-file"))
        return 0; /* without the system's there is ours */
    return keel_conf_error(conf, "types-file", diag, "cannot read \"%s\": %s", path,
                           err == KEEL_ESYS ? strerror(errno) : "it is larger than 1 MiB");
}

int http_types_read(struct http_settings *s, struct http_site *site, const struct keel_conf *conf,
                    struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "types");
    struct http_types *types = keel_arena_calloc(&s->arena, sizeof *types);
    site->types = types;
    if (!types)
        return no_memory(diag);
    types->base = &s->types;
    types->items = keel_arena_calloc(&s->arena, (count + 1) * sizeof *types->items);
    if (!types->items)
        return no_memory(diag);
    for (unsigned i = 0; i < count; i++) {
        struct keel_str rest = keel_str(keel_conf_at(conf, "types", i)->text), extension;
        int err = keel_str_split(&rest, ' ', &extension) && rest.p
                      ? http_type_set(&types->items[i], &s->arena, extension, keel_str_trim(rest))
                      : KEEL_EINVAL;
        if (err == KEEL_ENOMEM)
            return no_memory(diag);
        if (err)
            return keel_conf_error_at(conf, "types", i, diag,
                                      "\"EXTENSION TYPE\" expected, like \"log text/plain\"");
    }
    types->count = count;
    http_types_sort(types);
    if (types->count < count)
        return keel_conf_error(conf, "types", diag, "an extension stands there twice");
    return 0;
}

int http_cache_rules_read(struct http_settings *s, struct http_location *location,
                          const struct keel_conf *conf, struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "cache-rules");
    location->cache_rules =
        keel_arena_calloc(&s->arena, (count + 1) * sizeof *location->cache_rules);
    if (!location->cache_rules)
        return no_memory(diag);
    for (unsigned i = 0; i < count; i++) {
        struct http_cache_rule *rule = &location->cache_rules[i];
        struct keel_str rest = keel_str(keel_conf_at(conf, "cache-rules", i)->text), what;
        bool split = keel_str_split(&rest, ' ', &what) && rest.p;
        struct keel_str value = split ? keel_str_trim(rest) : KEEL_STR("");
        rule->suffix = what.n > 1 && what.p[0] == '*';
        struct keel_str text = rule->suffix ? (struct keel_str){what.p + 1, what.n - 1} : what;
        bool type = memchr(text.p, '/', text.n) != NULL;
        if (value.n == 0 || !http_is_all(value, HTTP_CHAR_VALUE) || rule->suffix == type)
            return keel_conf_error_at(conf, "cache-rules", i, diag,
                                      "\"*SUFFIX VALUE\" or \"TYPE VALUE\" expected, like "
                                      "\"*.css max-age=86400\" or \"image/ max-age=3600\"");
        const char *copy = keel_arena_strndup(&s->arena, text.p, text.n);
        const char *line =
            keel_arena_printf(&s->arena, "Cache-Control: %.*s\r\n", (int)value.n, value.p);
        if (!copy || !line)
            return no_memory(diag);
        rule->text = keel_str(copy);
        rule->line = keel_str(line);
    }
    location->cache_rule_count = count;
    return 0;
}
