#include "common/service/conf_tree.h"

#include <stdio.h>
#include <string.h>

static unsigned rows_count(const struct keel_option *rows)
{
    unsigned n = 0;
    while (rows[n].type != KEEL_OPT_END)
        n++;
    return n;
}

static int schema_fill(struct conf_tree *tree, struct conf_schema *schema, struct keel_diag *diag)
{
    for (unsigned i = 0; i < schema->count; i++) {
        const struct keel_option *row = &schema->rows[i];
        struct conf_entry *entry = &schema->defaults[i];
        entry->row = row;
        entry->name = row->name;
        if (row->type == KEEL_OPT_SECTION && !(row->flags & KEEL_OPT_MULTI)) {
            const struct conf_schema *sub;
            int err = conf_schema_of(tree, row->sub, &sub, diag);
            if (err)
                return err;
            schema->absent[i] = conf_section_new(tree, NULL, row, sub, keel_str(NULL));
            if (!schema->absent[i])
                return keel_diag_memory(diag);
        } else if (row->def && row->type != KEEL_OPT_UNSUPPORTED) {
            struct keel_diag why = {""};
            int err = conf_parse_default(tree, entry, &why);
            if (err)
                return keel_diag_set(diag, err, "default of option \"%s\": %.900s", row->name,
                                     why.text);
        }
    }
    return 0;
}

int conf_schema_of(struct conf_tree *tree, const struct keel_option *rows,
                   const struct conf_schema **out, struct keel_diag *diag)
{
    for (struct conf_schema *s = tree->schemas; s; s = s->next)
        if (s->rows == rows) {
            *out = s;
            return 0;
        }
    unsigned count = rows_count(rows);
    struct conf_schema *schema = keel_arena_calloc(&tree->arena, sizeof *schema);
    struct conf_entry *defaults =
        keel_arena_calloc(&tree->arena, (count + 1) * sizeof(struct conf_entry));
    struct keel_conf **absent =
        keel_arena_calloc(&tree->arena, (count + 1) * sizeof(struct keel_conf *));
    if (!schema || !defaults || !absent)
        return keel_diag_memory(diag);
    *schema = (struct conf_schema){.rows = rows,
                                   .count = count,
                                   .defaults = defaults,
                                   .absent = absent,
                                   .next = tree->schemas};
    tree->schemas = schema; /* before it is filled: tables may contain themselves */
    *out = schema;
    return schema_fill(tree, schema, diag);
}

struct keel_conf *conf_section_new(struct conf_tree *tree, struct keel_conf *parent,
                                   const struct keel_option *row, const struct conf_schema *schema,
                                   struct keel_str title)
{
    struct keel_conf *conf = keel_arena_calloc(&tree->arena, sizeof *conf);
    if (!conf)
        return NULL;
    conf->tree = tree;
    conf->schema = schema;
    conf->row = row;
    conf->parent = parent;
    conf->depth = parent ? parent->depth + 1 : 0;
    if (title.p) {
        conf->title = keel_arena_strndup(&tree->arena, title.p, title.n);
        if (!conf->title)
            return NULL;
    }
    if (schema) {
        conf->slots = keel_arena_calloc(&tree->arena, (schema->count + 1) * sizeof *conf->slots);
        if (!conf->slots)
            return NULL;
    }
    return conf;
}

int conf_row_find(const struct conf_schema *schema, const char *name)
{
    for (unsigned i = 0; i < schema->count; i++)
        if (strcmp(schema->rows[i].name, name) == 0)
            return (int)i;
    return -1;
}

const struct conf_entry *conf_entry_find(const struct keel_conf *conf, const char *name)
{
    if (!conf)
        return NULL;
    if (!conf->schema) {
        for (const struct conf_entry *e = conf->keys.first; e; e = e->next)
            if (strcmp(e->name, name) == 0)
                return e;
        return NULL;
    }
    int i = conf_row_find(conf->schema, name);
    KEEL_ASSERT(i >= 0, "an option is read that is not in the rows");
    return conf->slots[i] ? conf->slots[i] : &conf->schema->defaults[i];
}

struct conf_entry *conf_entry_of(struct keel_conf *conf, const struct keel_option *row,
                                 const char *name)
{
    struct keel_arena *arena = &conf->tree->arena;
    if (conf->schema) {
        struct conf_entry **slot = &conf->slots[row - conf->schema->rows];
        if (!*slot && (*slot = keel_arena_calloc(arena, sizeof **slot))) {
            (*slot)->row = row;
            (*slot)->name = row->name;
        }
        return *slot;
    }
    for (struct conf_entry *e = conf->keys.first; e; e = e->next)
        if (strcmp(e->name, name) == 0)
            return e;
    struct conf_entry *entry = keel_arena_calloc(arena, sizeof *entry);
    if (!entry || !(entry->name = keel_arena_strdup(arena, name)))
        return NULL;
    entry->row = row;
    if (conf->keys.last)
        conf->keys.last->next = entry;
    else
        conf->keys.first = entry;
    conf->keys.last = entry;
    return entry;
}

struct keel_value *conf_value_add(struct conf_tree *tree, struct conf_entry *entry)
{
    if (entry->count == entry->capacity) {
        unsigned capacity = entry->capacity ? entry->capacity * 2 : 1;
        struct keel_value *values =
            keel_arena_alloc(&tree->arena, capacity * sizeof(struct keel_value));
        if (!values)
            return NULL;
        if (entry->count)
            memcpy(values, entry->values, entry->count * sizeof *values);
        entry->values = values;
        entry->capacity = capacity;
    }
    struct keel_value *value = &entry->values[entry->count++];
    memset(value, 0, sizeof *value);
    return value;
}

/* Outermost section first; the depth is bounded by CONF_DEPTH_MAX. */
static size_t where_section(char *out, size_t size, const struct keel_conf *conf)
{
    if (!conf || !conf->row)
        return 0;
    size_t n = where_section(out, size, conf->parent);
    char title[128];
    if (conf->title)
        keel_escape(title, sizeof title, conf->title, strlen(conf->title));
    int more = conf->title ? snprintf(out + n, size - n, "%s \"%s\": ", conf->row->name, title)
                           : snprintf(out + n, size - n, "%s: ", conf->row->name);
    n += (size_t)more;
    return n < size ? n : size - 1;
}

size_t conf_where(char *out, size_t size, const struct keel_conf *conf, const char *name, int line,
                  bool overridden)
{
    const char *file = conf->tree->file ? conf->tree->file : "configuration";
    int n;
    if (overridden || (!conf->tree->file && conf->tree->no_text))
        n = snprintf(out, size, "command line: ");
    else if (line > 0)
        n = snprintf(out, size, "%s:%d: ", file, line);
    else
        n = snprintf(out, size, "%s: ", file);
    size_t used = n < (int)size ? (size_t)n : size - 1;
    used += where_section(out + used, size - used, conf);
    if (name) {
        n = snprintf(out + used, size - used, "%s: ", name);
        used = used + (size_t)n < size ? used + (size_t)n : size - 1;
    }
    return used;
}
