#include "common/service/conf.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/conf_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What may be missing everywhere else must not be missing here. The depth is bounded. */
static int check_required(const struct keel_conf *conf, struct keel_diag *diag)
{
    for (unsigned i = 0; conf->schema && i < conf->schema->count; i++) {
        const struct keel_option *row = &conf->schema->rows[i];
        const struct conf_entry *entry = conf->slots[i];
        if ((row->flags & KEEL_OPT_REQUIRED) && !entry && conf->schema->defaults[i].count == 0)
            return keel_conf_error(conf, NULL, diag, "%s \"%s\" is missing; it must be given",
                                   row->sub || row->lookup ? "section" : "option", row->name);
        for (const struct keel_conf *c = entry ? entry->first : NULL; c; c = c->next) {
            int err = check_required(c, diag);
            if (err)
                return err;
        }
    }
    return 0;
}

char *keel_conf_resolve(const struct keel_conf *conf, struct keel_str path)
{
    const struct keel_str folder = conf->tree->folder;
    if (conf->overridden || folder.n == 0 || (path.n > 0 && path.p[0] == '/'))
        return keel_strndup(path.p, path.n);
    char *full = keel_malloc(folder.n + path.n + 1);
    if (!full)
        return NULL;
    memcpy(full, folder.p, folder.n);
    memcpy(full + folder.n, path.p, path.n);
    full[folder.n + path.n] = '\0';
    return full;
}

static int load(struct conf_tree *tree, const struct keel_option *rows,
                const struct keel_conf_source *source, struct keel_diag *diag)
{
    if (source->file) {
        tree->file = keel_arena_strdup(&tree->arena, source->file);
        if (!tree->file)
            return keel_diag_memory(diag);
        const char *slash = strrchr(tree->file, '/');
        if (slash)
            tree->folder = (struct keel_str){tree->file, (size_t)(slash - tree->file) + 1};
    }
    tree->no_text = !source->text;
    const struct conf_schema *schema;
    int err = conf_schema_of(tree, rows, &schema, diag);
    if (err)
        return err;
    tree->root = conf_section_new(tree, NULL, NULL, schema, keel_str(NULL));
    if (!tree->root)
        return keel_diag_memory(diag);
    err = source->text ? conf_parse(tree, source->text, false, diag) : 0;
    if (!err && source->overrides)
        err = conf_parse(tree, source->overrides, true, diag);
    return err ? err : check_required(tree->root, diag);
}

int keel_conf_load(const struct keel_option *rows, const struct keel_conf_source *source,
                   struct keel_conf **out, struct keel_diag *diag)
{
    struct keel_arena arena;
    keel_arena_init(&arena, 16384);
    struct conf_tree *tree = keel_arena_calloc(&arena, sizeof *tree);
    if (!tree)
        return keel_diag_memory(diag);
    tree->arena = arena; /* the tree lives in the arena that it holds */
    keel_table_init(&tree->titles);
    keel_rand_bytes(&tree->hash_key, sizeof tree->hash_key);
    int err = load(tree, rows, source, diag);
    keel_table_fini(&tree->titles);
    if (err) {
        arena = tree->arena;
        keel_arena_fini(&arena);
        return err;
    }
    *out = tree->root;
    return 0;
}

void keel_conf_free(struct keel_conf *conf)
{
    if (!conf)
        return;
    struct keel_arena arena = conf->tree->arena;
    keel_arena_fini(&arena);
}

/* Grows *text until the file ends. */
static int read_all(int fd, const char *path, char **text, struct keel_diag *diag)
{
    size_t size = 0, room = 16384;
    for (;;) {
        char *grown = keel_realloc(*text, room + 1);
        if (!grown)
            return keel_diag_memory(diag);
        *text = grown;
        ssize_t n = read(fd, *text + size, room - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return keel_diag_set(diag, KEEL_ESYS, "cannot read \"%s\": %s", path, strerror(errno));
        if (n == 0)
            break;
        size += (size_t)n;
        if (size > KEEL_CONF_FILE_MAX)
            return keel_diag_set(diag, KEEL_ELIMIT, "cannot read \"%s\": it is larger than %u MiB",
                                 path, KEEL_CONF_FILE_MAX >> 20);
        if (size == room)
            room *= 2;
    }
    (*text)[size] = '\0';
    if (memchr(*text, '\0', size))
        return keel_diag_set(diag, KEEL_EINVAL,
                             "cannot read \"%s\": it has NUL bytes, so it is not a text", path);
    return 0;
}

int keel_conf_read_file(const char *path, char **text, struct keel_diag *diag)
{
    char *content = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return keel_diag_set(diag, errno == ENOENT ? KEEL_ENOENT : KEEL_ESYS,
                             "cannot open \"%s\": %s", path, strerror(errno));
    int err = read_all(fd, path, &content, diag);
    close(fd);
    if (err) {
        keel_free(content);
        return err;
    }
    *text = content;
    return 0;
}

const struct keel_conf *keel_conf_section(const struct keel_conf *conf, const char *name)
{
    const struct conf_entry *entry = conf_entry_find(conf, name);
    return entry ? entry->first : NULL;
}

const struct keel_conf *keel_conf_section_or_default(const struct keel_conf *conf, const char *name)
{
    const struct keel_conf *section = keel_conf_section(conf, name);
    if (section || !conf || !conf->schema)
        return section;
    return conf->schema->absent[conf_row_find(conf->schema, name)];
}

const struct keel_conf *keel_conf_next(const struct keel_conf *conf, const char *name,
                                       const struct keel_conf *previous)
{
    return previous ? previous->next : keel_conf_section(conf, name);
}

const char *keel_conf_title(const struct keel_conf *conf)
{
    return conf ? conf->title : NULL;
}

int keel_conf_line(const struct keel_conf *conf)
{
    return conf ? conf->line : 0;
}

unsigned keel_conf_count(const struct keel_conf *conf, const char *name)
{
    const struct conf_entry *entry = conf_entry_find(conf, name);
    return entry ? entry->count : 0;
}

const struct keel_value *keel_conf_at(const struct keel_conf *conf, const char *name, unsigned i)
{
    const struct conf_entry *entry = conf_entry_find(conf, name);
    return entry && entry->values && i < entry->count ? &entry->values[i] : NULL;
}

bool keel_conf_given(const struct keel_conf *conf, const char *name)
{
    const struct conf_entry *entry = conf_entry_find(conf, name);
    return entry && entry->line > 0;
}

int64_t keel_conf_int(const struct keel_conf *conf, const char *name)
{
    const struct keel_value *value = keel_conf_at(conf, name, 0);
    return value ? value->number : 0;
}

bool keel_conf_bool(const struct keel_conf *conf, const char *name)
{
    return keel_conf_int(conf, name) != 0;
}

const char *keel_conf_str(const struct keel_conf *conf, const char *name)
{
    const struct keel_value *value = keel_conf_at(conf, name, 0);
    return value ? value->text : NULL;
}

const char *keel_conf_key(const struct keel_conf *conf, unsigned i)
{
    if (!conf || conf->schema)
        return NULL;
    const struct conf_entry *entry = conf->keys.first;
    while (entry && i-- > 0)
        entry = entry->next;
    return entry ? entry->name : NULL;
}

static int conf_verror(const struct keel_conf *conf, const char *name, int line, bool overridden,
                       struct keel_diag *diag, const char *fmt, va_list ap)
{
    if (!diag)
        return KEEL_ECONF;
    struct keel_diag out; /* the arguments may be the diag's own text */
    size_t n = conf_where(out.text, sizeof out.text, conf, name, line, overridden);
    vsnprintf(out.text + n, sizeof out.text - n, fmt, ap);
    *diag = out;
    return KEEL_ECONF;
}

int keel_conf_error(const struct keel_conf *conf, const char *name, struct keel_diag *diag,
                    const char *fmt, ...)
{
    const struct conf_entry *entry = name ? conf_entry_find(conf, name) : NULL;
    bool given = entry && entry->line > 0;
    int line = given ? entry->line : conf->line;
    bool overridden = given ? entry->overridden && entry->overrides == 0 : conf->overridden;
    va_list ap;
    va_start(ap, fmt);
    int err = conf_verror(conf, name, line, overridden, diag, fmt, ap);
    va_end(ap);
    return err;
}

int keel_conf_error_at(const struct keel_conf *conf, const char *name, unsigned i,
                       struct keel_diag *diag, const char *fmt, ...)
{
    const struct conf_entry *entry = conf_entry_find(conf, name);
    const struct keel_value *value = keel_conf_at(conf, name, i);
    bool given = value && value->line > 0;
    int line = given ? value->line : conf->line;
    bool overridden = given ? entry->overridden && i >= entry->overrides : conf->overridden;
    va_list ap;
    va_start(ap, fmt);
    int err = conf_verror(conf, name, line, overridden, diag, fmt, ap);
    va_end(ap);
    return err;
}
