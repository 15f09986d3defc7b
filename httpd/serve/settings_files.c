#include "httpd/serve/settings_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "httpd/wire/chars.h"

/* A folder of a location, to be closed. */
struct http_own_root {
    struct http_own_root *next;
    int fd;
};

int http_list_read(struct http_settings *s, const struct keel_conf *conf, const char *name,
                   struct keel_str **out, unsigned *count)
{
    *count = keel_conf_count(conf, name);
    *out = keel_arena_calloc(&s->arena, (*count + 1) * sizeof **out);
    if (!*out)
        return KEEL_ENOMEM;
    for (unsigned i = 0; i < *count; i++) {
        (*out)[i] = keel_str(keel_arena_strdup(&s->arena, keel_conf_at(conf, name, i)->text));
        if (!(*out)[i].p)
            return KEEL_ENOMEM;
    }
    return 0;
}

static int read_index(struct http_settings *s, struct http_site *site, const struct keel_conf *conf,
                      struct keel_diag *diag)
{
    if (http_list_read(s, conf, "index", &site->index, &site->index_count) != 0)
        return keel_diag_memory(diag);
    for (unsigned i = 0; i < site->index_count; i++)
        if (site->index[i].n == 0 || memchr(site->index[i].p, '/', site->index[i].n))
            return keel_conf_error_at(conf, "index", i, diag, "a file name without \"/\" expected");
    return 0;
}

static int read_charset(struct http_settings *s, struct http_site *site,
                        const struct keel_conf *conf, struct keel_diag *diag)
{
    struct keel_str charset =
        keel_str(keel_arena_strdup(&s->arena, keel_conf_str(conf, "charset")));
    if (!charset.p)
        return keel_diag_memory(diag);
    if (charset.n > 40 || !http_is_all(charset, HTTP_CHAR_TOKEN))
        return keel_conf_error(conf, "charset", diag, "a name expected");
    site->charset = keel_str_equal_nocase(charset, KEEL_STR("utf-8")) ? NULL : charset.p;
    return 0;
}

/* The folder that the option names: its name, and a descriptor of it. */
static int open_folder(struct http_settings *s, struct http_site *site,
                       const struct keel_conf *conf, const char *option, struct keel_access *access,
                       struct keel_diag *diag)
{
    site->root = keel_arena_strdup(&s->arena, keel_conf_str(conf, option));
    if (!site->root)
        return keel_diag_memory(diag);
    site->root_fd = open(site->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (site->root_fd < 0)
        return keel_conf_error(conf, option, diag, "cannot open \"%s\": %s", site->root,
                               strerror(errno));
    return access ? keel_access_add(access, site->root, false) : 0;
}

int http_files_read(struct http_settings *s, struct http_site *site, const struct keel_conf *conf,
                    struct keel_access *access, struct keel_diag *diag)
{
    int err = read_index(s, site, conf, diag);
    if (!err)
        err = read_charset(s, site, conf, diag);
    if (!err && keel_conf_str(conf, "root"))
        err = open_folder(s, site, conf, "root", access, diag);
    return err;
}

/* --- locations --- */

/* The one of root and alias that is given; NULL: neither. */
static int which_folder(const struct http_location *location, const struct keel_conf *conf,
                        const char **option, struct keel_diag *diag)
{
    bool root = keel_conf_str(conf, "root"), alias = keel_conf_str(conf, "alias");
    *option = alias ? "alias" : root ? "root" : NULL;
    if (root && alias)
        return keel_conf_error(conf, "alias", diag, "root stands there, too");
    if (alias && location->exact)
        return keel_conf_error(conf, "alias", diag,
                               "a single path has no folder: root and try-files name its file");
    return 0;
}

static int open_own(struct http_settings *s, struct http_site *files, const struct keel_conf *conf,
                    const char *option, struct keel_access *access, struct keel_diag *diag)
{
    struct http_own_root *own = keel_arena_alloc(&s->arena, sizeof *own);
    if (!own)
        return keel_diag_memory(diag);
    int err = open_folder(s, files, conf, option, access, diag);
    if (files->root_fd >= 0) {
        *own = (struct http_own_root){s->own_roots, files->root_fd};
        s->own_roots = own;
    }
    return err;
}

int http_location_files_read(struct http_settings *s, const struct http_site *site,
                             struct http_location *location, const struct keel_conf *conf,
                             struct keel_access *access, struct keel_diag *diag)
{
    bool index = keel_conf_given(conf, "index"), charset = keel_conf_given(conf, "charset");
    const char *option;
    int err = which_folder(location, conf, &option, diag);
    if (err || (!option && !index && !charset))
        return err;
    if (location->redirect || location->respond || location->status)
        return keel_conf_error(conf,
                               option  ? option
                               : index ? "index"
                                       : "charset",
                               diag, "no file is served here: another handler answers");
    struct http_site *files = keel_arena_memdup(&s->arena, site, sizeof *site);
    if (!files)
        return keel_diag_memory(diag);
    files->id = s->file_ids++;
    location->files = files;
    if (option && strcmp(option, "alias") == 0)
        location->strip = location->prefix.n - (location->prefix.p[location->prefix.n - 1] == '/');
    if (option)
        err = open_own(s, files, conf, option, access, diag);
    if (!err && index)
        err = read_index(s, files, conf, diag);
    if (!err && charset)
        err = read_charset(s, files, conf, diag);
    return err;
}

void http_files_free(struct http_settings *s)
{
    for (const struct http_own_root *own = s->own_roots; own; own = own->next)
        close(own->fd);
}
