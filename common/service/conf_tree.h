/*
 * The tree behind struct keel_conf. Private to the conf files.
 *
 *   conf_tree ── arena, where the text came from, one conf_schema for each table of rows
 *   keel_conf ── a section: one conf_entry for each row that was given
 *   conf_entry ─ the values of an option, or the sections of one name
 *
 * All of it lives in the tree's arena and is read-only after the load.
 */
#ifndef KEEL_SERVICE_CONF_TREE_H
#define KEEL_SERVICE_CONF_TREE_H

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/service/conf.h"

#define CONF_DEPTH_MAX 32

struct conf_entry {
    const struct keel_option *row;
    const char *name;          /* the row's, or the key in a free section */
    struct conf_entry *next;   /* free section: the next key */
    struct keel_value *values; /* options */
    unsigned count, capacity;
    unsigned overrides;             /* values from this index on came from the command line */
    struct keel_conf *first, *last; /* sections of this name */
    int line;                       /* where it was given first */
    bool overridden;                /* the command line gave it */
};

/* A table of rows, counted, with its defaults parsed once. */
struct conf_schema {
    const struct keel_option *rows;
    unsigned count;
    struct conf_entry *defaults; /* one a row; count 0: none */
    struct keel_conf **absent;   /* one a row: a section with nothing in it; NULL: no section */
    struct conf_schema *next;
};

struct keel_conf {
    struct conf_tree *tree;
    const struct conf_schema *schema; /* NULL in a free section */
    const struct keel_option *row;    /* NULL: the root */
    struct keel_conf *parent, *next;  /* next of the same name */
    const char *title;
    int line;
    unsigned depth;
    bool overridden; /* stands on the command line only */
    union {
        struct conf_entry **slots; /* one a row, NULL: not given */
        struct {
            struct conf_entry *first, *last; /* free section: the keys in their order */
        } keys;
    };
};

struct conf_tree {
    struct keel_arena arena;
    const char *file;       /* NULL: there is none */
    bool no_text;           /* all there is came from the command line */
    struct keel_str folder; /* of the file, with the slash; empty: the working directory */
    struct conf_schema *schemas;
    struct keel_table titles; /* sections by parent, row and title, while loading */
    struct keel_hash_key hash_key;
    struct keel_conf *root;
};

/* conf_tree.c. 0, KEEL_ENOMEM, or KEEL_ECONF where a row has a bad default. */
int conf_schema_of(struct conf_tree *tree, const struct keel_option *rows,
                   const struct conf_schema **out, struct keel_diag *diag);
/* These: NULL when memory is out. */
struct keel_conf *conf_section_new(struct conf_tree *tree, struct keel_conf *parent,
                                   const struct keel_option *row, const struct conf_schema *schema,
                                   struct keel_str title);
/* The entry for a row; made when there is none yet. */
struct conf_entry *conf_entry_of(struct keel_conf *conf, const struct keel_option *row,
                                 const char *name);
const struct conf_entry *conf_entry_find(const struct keel_conf *conf, const char *name);
/* Index of the row in the section's table, or -1. */
int conf_row_find(const struct conf_schema *schema, const char *name);
/* A new empty value at the end. */
struct keel_value *conf_value_add(struct conf_tree *tree, struct conf_entry *entry);

/* `file:line: section "title": name: ` into out. line 0: none; name may be NULL. */
size_t conf_where(char *out, size_t size, const struct keel_conf *conf, const char *name, int line,
                  bool overridden);

/* conf_value.c: reads value->text by the row's type into the value. 0, KEEL_ENOMEM, or KEEL_ECONF
 * with the bare sentence in diag. */
int conf_value_read(struct conf_tree *tree, const struct keel_option *row, struct keel_value *value,
                    bool overridden, struct keel_diag *diag);
/* The index of text in "a|b|c", or -1. */
int conf_choice_find(const char *choices, struct keel_str text);

/* conf_parse.c */
int conf_parse(struct conf_tree *tree, const char *text, bool overriding, struct keel_diag *diag);
/* Values of a row's default. 0, KEEL_ENOMEM, or KEEL_ECONF with the bare sentence. */
int conf_parse_default(struct conf_tree *tree, struct conf_entry *entry, struct keel_diag *diag);

/* conf_guess.c: the name in rows (or in "a|b|c") that was probably meant, or NULL. */
const char *conf_guess(const struct keel_option *rows, const char *name);

#endif
