#include "common/service/conf_scan.h"
#include "common/service/conf_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 *   body    = { option | section }
 *   option  = name ( "=" | "+=" ) ( value | "{" [ value { "," value } [ "," ] ] "}" )
 *   section = name [ title ] "{" body "}"
 *
 * No recursion: the open sections are the chain of parents.
 */
struct parser {
    struct conf_tree *tree;
    struct conf_scanner scan;
    enum conf_token token;
    struct keel_conf *at; /* the section that is open */
    bool overriding;      /* the text is the command line's */
    struct keel_diag *diag;
};

static void advance(struct parser *p)
{
    p->token = conf_scan(&p->scan);
}

static const char *token_text(const struct parser *p)
{
    return (const char *)keel_buf_bytes(&p->scan.text);
}

static int fail_at(struct parser *p, const char *name, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int fail_at(struct parser *p, const char *name, int line, const char *fmt, ...)
{
    if (!p->diag)
        return KEEL_ECONF;
    char *out = p->diag->text;
    size_t size = sizeof p->diag->text;
    char where[512];
    conf_where(where, sizeof where, p->at, name, line, p->overriding);
    int n = snprintf(out, size, "%s", where);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out + n, size - (size_t)n, fmt, ap);
    va_end(ap);
    return KEEL_ECONF;
}

static int no_memory(struct parser *p)
{
    return keel_diag_memory(p->diag);
}

/* The token is not what may stand here. */
static int unexpected(struct parser *p, const char *name, const char *wanted)
{
    char text[96];
    if (p->token == CONF_BAD && p->scan.text.failed)
        return no_memory(p);
    if (p->token == CONF_BAD)
        return fail_at(p, name, p->scan.line, "%s", p->scan.problem);
    const char *what = conf_scan_name(&p->scan, p->token);
    if (p->token != CONF_WORD && p->token != CONF_TEXT)
        return fail_at(p, name, p->scan.line, "%s expected, not %s", wanted, what);
    keel_escape(text, sizeof text, what, strlen(what));
    return fail_at(p, name, p->scan.line, "%s expected, not \"%s\"", wanted, text);
}

/* Reads the token as the next value of entry. */
static int add_value(struct parser *p, struct conf_entry *entry)
{
    struct keel_diag why = {""};
    struct keel_value *value = conf_value_add(p->tree, entry);
    if (!value)
        return no_memory(p);
    value->line = p->scan.line;
    value->text =
        keel_arena_memdup(&p->tree->arena, token_text(p), keel_buf_size(&p->scan.text) + 1);
    if (!value->text)
        return no_memory(p);
    int err = conf_value_read(p->tree, entry->row, value, p->overriding, &why);
    if (err == KEEL_ENOMEM)
        return no_memory(p);
    return err ? fail_at(p, entry->name, p->scan.line, "%s", why.text) : 0;
}

static bool is_value(enum conf_token token)
{
    return token == CONF_WORD || token == CONF_TEXT;
}

/* `value` or `{ value, value }`; the token is the first of it. */
static int parse_values(struct parser *p, struct conf_entry *entry)
{
    bool list = entry->row->flags & KEEL_OPT_LIST;
    int err;
    if (is_value(p->token)) {
        err = add_value(p, entry);
        advance(p);
        return err;
    }
    if (p->token != CONF_OPEN)
        return unexpected(p, entry->name, list ? "a value or \"{\"" : "a value");
    if (!list)
        return fail_at(p, entry->name, p->scan.line, "takes one value, not a list in braces");
    advance(p);
    while (is_value(p->token)) {
        if ((err = add_value(p, entry)) != 0)
            return err;
        advance(p);
        if (p->token != CONF_COMMA)
            break;
        advance(p);
    }
    if (p->token != CONF_CLOSE)
        return unexpected(p, entry->name, "\",\" or \"}\"");
    advance(p);
    return 0;
}

int conf_parse_default(struct conf_tree *tree, struct conf_entry *entry, struct keel_diag *diag)
{
    const char *def = entry->row->def;
    if (def[0] != '{' && def[0] != '"') { /* one bare value, whatever characters it has */
        if (def[0] == '\0' && (entry->row->flags & KEEL_OPT_LIST))
            return 0;
        struct keel_value *value = conf_value_add(tree, entry);
        if (!value)
            return KEEL_ENOMEM;
        value->text = def;
        return conf_value_read(tree, entry->row, value, false, diag);
    }
    struct keel_conf nowhere = {.tree = tree};
    struct parser p = {.tree = tree, .at = &nowhere, .diag = diag};
    conf_scan_init(&p.scan, def);
    advance(&p);
    int err = parse_values(&p, entry);
    if (!err && p.token != CONF_END)
        err = unexpected(&p, entry->name, "the end of the default");
    conf_scan_fini(&p.scan);
    for (unsigned i = 0; i < entry->count; i++)
        entry->values[i].line = 0;
    return err;
}

/* Forgets or keeps what stands there already, by the sign between name and value. */
static int begin_values(struct parser *p, struct conf_entry *entry, bool append, int line)
{
    bool given = entry->line > 0;
    if (append && !(entry->row->flags & KEEL_OPT_LIST))
        return fail_at(p, entry->name, line, "\"+=\" is for lists; this option takes one value");
    if (given && !append && !p->overriding)
        return fail_at(p, entry->name, line, "is given twice, first in line %d", entry->line);
    if (!append)
        entry->count = entry->overrides = 0;
    if (append && !given && p->at->schema) { /* adds to the default */
        const struct conf_entry *def = &p->at->schema->defaults[entry->row - p->at->schema->rows];
        for (unsigned i = 0; i < def->count; i++) {
            struct keel_value *value = conf_value_add(p->tree, entry);
            if (!value)
                return no_memory(p);
            *value = def->values[i];
        }
    }
    if (p->overriding && !entry->overridden)
        entry->overrides = entry->count;
    entry->overridden |= p->overriding;
    if (!given || !append)
        entry->line = line;
    return 0;
}

static bool is_section(const struct keel_option *row)
{
    return row->type == KEEL_OPT_SECTION || row->type == KEEL_OPT_FREE;
}

static int parse_option(struct parser *p, const struct keel_option *row, const char *name, int line)
{
    if (is_section(row))
        return fail_at(p, name, line, "is a section: %s%s { ... }", name,
                       row->flags & KEEL_OPT_TITLE ? " \"NAME\"" : "");
    bool append = p->token == CONF_APPEND;
    struct conf_entry *entry = conf_entry_of(p->at, row, name);
    if (!entry)
        return no_memory(p);
    int err = begin_values(p, entry, append, line);
    if (err)
        return err;
    advance(p);
    err = parse_values(p, entry);
    if (!err && !p->overriding)
        entry->overrides = entry->count;
    return err;
}

struct title_key {
    const struct keel_conf *parent;
    const struct keel_option *row;
    struct keel_str title;
};

static int title_equal(const void *value, const void *key, size_t size)
{
    const struct keel_conf *conf = value;
    const struct title_key *k = key;
    return conf->parent == k->parent && conf->row == k->row &&
           keel_str_equal(keel_str(conf->title), k->title);
}

static uint64_t title_hash(const struct conf_tree *tree, const struct title_key *k)
{
    return keel_hash(&tree->hash_key, k->title.p, k->title.n) ^ (uintptr_t)k->parent * 31 ^
           (uintptr_t)k->row;
}

/* The section that stands already and that this one continues or repeats; NULL: none. */
static struct keel_conf *find_section(struct parser *p, const struct conf_entry *entry,
                                      const struct title_key *key)
{
    if (key->title.p)
        return keel_table_find(&p->tree->titles, title_hash(p->tree, key), key, sizeof *key,
                               title_equal);
    return entry->row->flags & KEEL_OPT_MULTI ? NULL : entry->first;
}

static int add_section(struct parser *p, struct conf_entry *entry, const struct title_key *key,
                       int line, struct keel_conf **out)
{
    const struct keel_option *row = entry->row;
    const struct conf_schema *schema = NULL;
    if (p->at->depth + 1 >= CONF_DEPTH_MAX)
        return fail_at(p, row->name, line, "sections are nested too deeply");
    int err =
        row->type == KEEL_OPT_SECTION ? conf_schema_of(p->tree, row->sub, &schema, p->diag) : 0;
    if (err)
        return err;
    struct keel_conf *conf = conf_section_new(p->tree, p->at, row, schema, key->title);
    if (!conf)
        return no_memory(p);
    conf->line = line;
    conf->overridden = p->overriding;
    if (key->title.p && keel_table_add(&p->tree->titles, title_hash(p->tree, key), conf) != 0)
        return no_memory(p);
    if (entry->last)
        entry->last->next = conf;
    else
        entry->first = conf;
    entry->last = conf;
    entry->count++;
    if (entry->line == 0)
        entry->line = line;
    entry->overridden |= p->overriding;
    *out = conf;
    return 0;
}

/* The token is the title, or "{" where there is none. */
static int open_section(struct parser *p, const struct keel_option *row, const char *name, int line)
{
    if (!is_section(row))
        return fail_at(p, name, line, "is an option: %s = VALUE", name);
    struct title_key key = {.parent = p->at, .row = row};
    if (is_value(p->token)) {
        if (!(row->flags & KEEL_OPT_TITLE))
            return fail_at(p, name, line, "this section has no title: %s { ... }", name);
        if (keel_buf_size(&p->scan.text) == 0)
            return fail_at(p, name, line, "the title must not be empty");
        key.title.n = keel_buf_size(&p->scan.text);
        key.title.p = keel_arena_strndup(&p->tree->arena, token_text(p), key.title.n);
        if (!key.title.p)
            return no_memory(p);
        advance(p);
    } else if (row->flags & KEEL_OPT_TITLE) {
        return fail_at(p, name, line, "this section needs a title: %s \"NAME\" { ... }", name);
    }
    if (p->token != CONF_OPEN)
        return unexpected(p, name, "\"{\"");
    advance(p);
    struct conf_entry *entry = conf_entry_of(p->at, row, name);
    if (!entry)
        return no_memory(p);
    struct keel_conf *conf = find_section(p, entry, &key);
    if (conf && !p->overriding)
        return fail_at(p, NULL, line, "%s%s%s%s is given twice, first in line %d", name,
                       key.title.p ? " \"" : "", key.title.p ? key.title.p : "",
                       key.title.p ? "\"" : "", conf->line);
    if (!conf && entry->first && !(row->flags & KEEL_OPT_MULTI))
        return fail_at(p, name, line, "may stand only once, first in line %d", entry->line);
    if (!conf) {
        int err = add_section(p, entry, &key, line, &conf);
        if (err)
            return err;
    }
    p->at = conf;
    return 0;
}

/* The section below these rows that has an option of this name, or NULL: for the message. */
static const char *find_home(const struct keel_option *rows, const char *name)
{
    for (const struct keel_option *row = rows; row->type != KEEL_OPT_END; row++)
        if (row->type == KEEL_OPT_SECTION)
            for (const struct keel_option *sub = row->sub; sub->type != KEEL_OPT_END; sub++)
                if (strcmp(sub->name, name) == 0)
                    return row->name;
    return NULL;
}

static int unknown_option(struct parser *p, const char *name, int line)
{
    char text[96];
    keel_escape(text, sizeof text, name, strlen(name));
    const struct keel_option *rows = p->at->schema ? p->at->schema->rows : NULL;
    const char *guess = rows ? conf_guess(rows, name) : NULL;
    if (guess)
        return fail_at(p, NULL, line, "unknown option \"%s\"; did you mean \"%s\"?", text, guess);
    if (p->at->parent && conf_row_find(p->tree->root->schema, name) >= 0)
        return fail_at(p, NULL, line, "unknown option \"%s\"; it stands outside of all sections",
                       text);
    const char *home = rows ? find_home(rows, name) : NULL;
    if (home)
        return fail_at(p, NULL, line, "unknown option \"%s\"; it stands in section \"%s\"", text,
                       home);
    return fail_at(p, NULL, line, "unknown option \"%s\"", text);
}

static const struct keel_option *find_row(const struct parser *p, const char *name)
{
    if (!p->at->schema)
        return p->at->row->lookup ? p->at->row->lookup(p->tree->root, name) : NULL;
    int i = conf_row_find(p->at->schema, name);
    return i < 0 ? NULL : &p->at->schema->rows[i];
}

/* An option or the head of a section; the token is its name. */
static int parse_statement(struct parser *p)
{
    int line = p->scan.line;
    char name[64];
    if (p->token != CONF_WORD)
        return unexpected(p, NULL, "the name of an option");
    if (keel_buf_size(&p->scan.text) >= sizeof name)
        return unknown_option(p, token_text(p), line);
    memcpy(name, token_text(p), keel_buf_size(&p->scan.text) + 1);
    const struct keel_option *row = find_row(p, name);
    if (!row)
        return unknown_option(p, name, line);
    if (row->type == KEEL_OPT_UNSUPPORTED)
        return fail_at(p, name, line, "this version does not support it");
    advance(p);
    if (p->token == CONF_ASSIGN || p->token == CONF_APPEND)
        return parse_option(p, row, name, line);
    if (p->token == CONF_OPEN || is_value(p->token))
        return open_section(p, row, name, line);
    return unexpected(p, name, is_section(row) ? "\"{\"" : "\"=\"");
}

static int parse_body(struct parser *p)
{
    for (advance(p); p->token != CONF_END;) {
        int err;
        if (p->token == CONF_CLOSE && p->at->parent) {
            p->at = p->at->parent;
            advance(p);
        } else if (p->token == CONF_CLOSE) {
            return fail_at(p, NULL, p->scan.line, "\"}\" without its \"{\"");
        } else if ((err = parse_statement(p)) != 0) {
            return err;
        }
    }
    if (p->at->parent)
        return fail_at(p, NULL, p->at->line, "the section that begins here has no \"}\"");
    return 0;
}

int conf_parse(struct conf_tree *tree, const char *text, bool overriding, struct keel_diag *diag)
{
    struct parser p = {.tree = tree, .at = tree->root, .overriding = overriding, .diag = diag};
    conf_scan_init(&p.scan, text);
    int err = parse_body(&p);
    conf_scan_fini(&p.scan);
    return err;
}
