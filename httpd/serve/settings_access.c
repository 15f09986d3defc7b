#include "httpd/serve/settings_access.h"

#include "common/base/clock.h"
#include "httpd/handlers/auth.h"
#include "httpd/wire/chars.h"

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

/* The location's own, made when it is needed; NULL: no memory. */
static struct http_access *own_access(struct http_settings *s, struct http_location *location)
{
    if (!location->access)
        location->access = keel_arena_calloc(&s->arena, sizeof *location->access);
    return location->access;
}

/* --- addresses and rates --- */

static struct keel_prefix *read_prefixes(struct keel_arena *arena, const struct keel_conf *conf,
                                         const char *name, unsigned *count)
{
    *count = keel_conf_count(conf, name);
    struct keel_prefix *list = keel_arena_alloc(arena, (*count + 1) * sizeof *list);
    for (unsigned i = 0; i < *count && list; i++)
        list[i] = keel_conf_at(conf, name, i)->prefix;
    return list;
}

static int read_addresses(struct http_settings *s, struct http_location *location,
                          const struct http_location *base, const struct keel_conf *conf,
                          struct keel_diag *diag)
{
    bool own = keel_conf_count(conf, "allow") > 0 || keel_conf_count(conf, "deny") > 0;
    if (!own && !base->access)
        return 0;
    struct http_access *access = own_access(s, location);
    if (!access)
        return no_memory(diag);
    if (!own) {
        *access = *base->access;
        return 0;
    }
    access->allow = read_prefixes(&s->arena, conf, "allow", &access->allow_count);
    access->deny = read_prefixes(&s->arena, conf, "deny", &access->deny_count);
    return access->allow && access->deny ? 0 : no_memory(diag);
}

/* "10/s", "30/m": the time between two requests. */
int http_rate_read(struct http_settings *s, struct http_location *location,
                   const struct keel_conf *conf, struct keel_diag *diag)
{
    struct keel_str rest = keel_str(keel_conf_str(conf, "request-rate")), number;
    uint64_t n = 0;
    if (!rest.p)
        return 0;
    if (!keel_str_split(&rest, '/', &number) || keel_parse_u64(number, 1000000, &n) != 0 ||
        n == 0 || rest.n != 1 || (*rest.p != 's' && *rest.p != 'm'))
        return keel_conf_error(conf, "request-rate", diag, "\"NUMBER/s\" or \"NUMBER/m\" expected");
    struct http_access *access = own_access(s, location);
    if (!access)
        return no_memory(diag);
    access->rate.interval_ns = (*rest.p == 's' ? 1 : 60) * KEEL_NS_PER_S / n;
    access->rate.burst_ns =
        access->rate.interval_ns * (uint64_t)keel_conf_int(conf, "request-burst");
    access->rate.rule = ++s->limited;
    return 0;
}

/* --- users --- */

static int is_path(const void *value, const void *key, size_t key_size)
{
    const struct http_users_file *file = value;
    return keel_str_equal(keel_str(file->path), (struct keel_str){key, key_size});
}

static struct http_users_file *find_file(const struct http_settings *s, const char *path)
{
    size_t n = strlen(path);
    return keel_table_find(&s->users_files, keel_hash(&s->sites.key, path, n), path, n, is_path);
}

/* The content is secret: of what stands in memory nothing is left. */
static int read_file(struct http_users_file *file, const char *where, struct keel_diag *diag)
{
    char *text = NULL;
    int err = keel_conf_read_file(where, &text, diag);
    if (err)
        return err;
    err = http_users_file_take(file, keel_str(text), diag);
    explicit_bzero(text, strlen(text));
    keel_free(text);
    return err;
}

/* The file of that path: read, the first time that it is named. A worker reads what the master has
 * read. */
static int get_file(struct http_settings *s, const char *path, struct http_users_file **out,
                    struct keel_access *access, struct keel_diag *diag)
{
    size_t n = strlen(path);
    *out = find_file(s, path);
    if (*out)
        return 0;
    struct http_users_file *file = keel_arena_calloc(&s->arena, sizeof *file);
    if (!file || !(file->path = keel_arena_strndup(&s->arena, path, n)))
        return KEEL_ENOMEM;
    file->number = (unsigned)s->users_files.count;
    int err = access ? keel_access_add_live(access, path) : 0;
    if (!err)
        err = read_file(file, keel_access_where(access, path), diag);
    if (!err)
        err = keel_table_add(&s->users_files, keel_hash(&s->sites.key, path, n), file);
    if (err)
        http_users_fini(&file->users);
    else
        *out = file;
    return err;
}

int http_users_file_changed(struct http_settings *s, const char *path, struct keel_str text,
                            struct keel_diag *diag)
{
    struct http_users_file *file = find_file(s, path);
    return file ? http_users_file_take(file, text, diag) : 0;
}

void http_users_files_free(struct http_settings *s)
{
    size_t cursor = 0;
    struct http_users_file *file;
    while ((file = keel_table_next(&s->users_files, &cursor)))
        http_users_fini(&file->users);
    keel_table_fini(&s->users_files);
}

static int read_users(struct http_settings *s, struct http_auth *auth, const struct keel_conf *conf,
                      struct keel_diag *diag)
{
    auth->allowed_count = keel_conf_count(conf, "allow-users");
    auth->allowed = keel_arena_alloc(&s->arena, (auth->allowed_count + 1) * sizeof *auth->allowed);
    if (!auth->allowed)
        return no_memory(diag);
    for (unsigned i = 0; i < auth->allowed_count; i++) {
        const char *name = keel_conf_at(conf, "allow-users", i)->text;
        auth->allowed[i] = keel_str(keel_arena_strdup(&s->arena, name));
        if (!auth->allowed[i].p)
            return no_memory(diag);
    }
    return 0;
}

/* The line of the realm, a quoted string (RFC 9110, 11.5). */
static int read_realm(struct http_settings *s, struct http_auth *auth, const struct keel_conf *conf,
                      struct keel_diag *diag)
{
    const char *realm = keel_conf_str(conf, "auth");
    if (!*realm || !http_is_all(keel_str(realm), HTTP_CHAR_VALUE) || strpbrk(realm, "\"\\"))
        return keel_conf_error(conf, "auth", diag, "a name without \" and \\, or \"off\" expected");
    char *line = keel_arena_printf(
        &s->arena, "WWW-Authenticate: Basic realm=\"%s\", charset=\"UTF-8\"\r\n", realm);
    auth->challenge = keel_str(line);
    return line ? 0 : no_memory(diag);
}

/* Options that mean nothing without auth beside them. */
static int refuse_alone(const struct keel_conf *conf, struct keel_diag *diag)
{
    static const char *const names[] = {"auth-file", "allow-users"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (keel_conf_count(conf, names[i]) > 0)
            return keel_conf_error(conf, names[i], diag, "it stands beside auth, with its realm");
    return 0;
}

static int read_auth(struct http_settings *s, struct http_location *location,
                     const struct http_location *base, const struct keel_conf *conf,
                     struct keel_access *access, struct keel_diag *diag)
{
    const char *realm = keel_conf_str(conf, "auth"), *path = keel_conf_str(conf, "auth-file");
    struct keel_diag why = {""};
    location->auth = base->auth;
    if (!realm)
        return refuse_alone(conf, diag);
    location->auth = NULL;
    if (strcmp(realm, "off") == 0)
        return refuse_alone(conf, diag);
    if (!path)
        return keel_conf_error(conf, "auth", diag, "auth-file is missing, with the users");
    struct http_auth *auth = keel_arena_calloc(&s->arena, sizeof *auth);
    if (!auth)
        return no_memory(diag);
    int err = get_file(s, path, &auth->file, access, &why);
    if (err == KEEL_ENOMEM)
        return no_memory(diag);
    if (err)
        return keel_conf_error(conf, "auth-file", diag, "%s", why.text);
    location->auth = auth;
    err = read_realm(s, auth, conf, diag);
    return err ? err : read_users(s, auth, conf, diag);
}

int http_access_read(struct http_settings *s, struct http_location *location,
                     const struct http_location *base, const struct keel_conf *conf,
                     struct keel_access *access, struct keel_diag *diag)
{
    int err = read_addresses(s, location, base, conf, diag);
    if (!err)
        err = read_auth(s, location, base, conf, access, diag);
    if (err)
        return err;
    struct http_access *lists = location->access;
    bool both = location->auth && lists && (lists->allow_count > 0 || lists->deny_count > 0);
    bool given = keel_conf_given(conf, "satisfy");
    bool any = given ? keel_conf_int(conf, "satisfy") == 0 : base->access && base->access->any;
    if (given && any && !both)
        return keel_conf_error(conf, "satisfy", diag, "any needs auth, and allow or deny");
    if (lists)
        lists->any = any && both;
    return 0;
}
