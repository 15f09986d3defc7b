/*
 * Configuration: options are rows in a table; the file (libconfuse syntax) becomes a tree of typed,
 * checked values that know their file and line.
 *
 * One row gives the name, type, range, default and help; the parser, the checks, --print-config
 * and the man page all come from it.
 *
 * An option or a section stands once in its section of the file; `+=` adds to a list (or to its
 * default). There is no include and no expansion of variables.
 */
#ifndef KEEL_SERVICE_CONF_H
#define KEEL_SERVICE_CONF_H

#include "common/base/addr.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum keel_option_type {
    KEEL_OPT_END = 0, /* ends a table */
    KEEL_OPT_INT,
    KEEL_OPT_BOOL,
    KEEL_OPT_DURATION, /* "90s": ns */
    KEEL_OPT_SIZE,     /* "64k": bytes */
    KEEL_OPT_STRING,
    KEEL_OPT_CHOICE,      /* one of `choices` "kernel|round-robin"; read as the index */
    KEEL_OPT_ADDR,        /* "127.0.0.1:53"; the row's min is the default port, 0: required */
    KEEL_OPT_PREFIX,      /* "192.0.2.0/24" */
    KEEL_OPT_PATH,        /* relative ones become relative to the configuration file */
    KEEL_OPT_LISTEN,      /* an address with words behind it: "127.0.0.1:8443 tls"; min as ADDR */
    KEEL_OPT_SECTION,     /* `sub` rows in braces */
    KEEL_OPT_FREE,        /* a section whose keys are found by `lookup`, not listed in rows */
    KEEL_OPT_UNSUPPORTED, /* known, planned, refused: "this version does not support it" */
};
enum keel_option_flag {
    KEEL_OPT_LIST = 1,     /* { "a", "b" } */
    KEEL_OPT_TITLE = 2,    /* section with a title: zone "example.org" { } */
    KEEL_OPT_MULTI = 4,    /* section may stand more than once; titles are unique */
    KEEL_OPT_REQUIRED = 8, /* must be given */
    KEEL_OPT_SECRET = 16,  /* --print-config shows "***" */
};

struct keel_option;
struct keel_conf;
/* KEEL_OPT_FREE: the row for a key, or NULL when there is none. `root` is the tree read so far:
 * definitions that stand before in the file can be seen. */
typedef const struct keel_option *(*keel_option_lookup)(const struct keel_conf *root,
                                                        const char *name);
struct keel_option {
    const char *name;
    enum keel_option_type type;
    unsigned flags;
    const char *def;     /* default as it would be written; NULL: none */
    int64_t min, max;    /* INT, DURATION (ns), SIZE; both 0: no check */
    const char *choices; /* CHOICE */
    const struct keel_option *sub;
    keel_option_lookup lookup;
    const char *help; /* one sentence or more, for the man page */
};

/* A value: one of a list, or the only one. Borrowed from the tree. */
struct keel_value {
    const char *text;          /* as written (paths: resolved) */
    int line;                  /* in its file; 0: a default */
    int64_t number;            /* INT, BOOL, DURATION, SIZE, CHOICE */
    struct keel_addr addr;     /* ADDR, LISTEN */
    struct keel_prefix prefix; /* PREFIX */
    struct keel_str words;     /* LISTEN: what follows the address, "tls"; may be empty */
};

/* Where configuration text comes from. */
struct keel_conf_source {
    const char *file;      /* its name for messages and for relative paths; NULL: none */
    const char *text;      /* its content, NUL-terminated; NULL: none */
    const char *overrides; /* text made from the command line, parsed after it; may be NULL. Its
                              options replace those of the file, its sections continue those of
                              the same name and title; relative paths in it stay as they are */
};

/* Parses and checks all. Returns new in *out; else KEEL_ECONF with diag
 * `file:line: zone "example.org": file: what`. `rows` may name KEEL common rows too (see daemon).
 * The tree keeps pointers to rows. */
int keel_conf_load(const struct keel_option *rows, const struct keel_conf_source *source,
                   struct keel_conf **out, struct keel_diag *diag);
void keel_conf_free(struct keel_conf *conf);
/* Reads a whole file into a new NUL-terminated text. diag: `cannot open "x": No such file ...`.
 * A file with NUL bytes or of more than KEEL_CONF_FILE_MAX is refused. */
#define KEEL_CONF_FILE_MAX (64u << 20)
int keel_conf_read_file(const char *path, char **text, struct keel_diag *diag);

/* A section: borrowed, NULL when it does not stand there. */
const struct keel_conf *keel_conf_section(const struct keel_conf *conf, const char *name);
/* The same, but where it does not stand: one with nothing in it, so that its options have their
 * defaults. For sections without KEEL_OPT_MULTI whose absence means no more than that. */
const struct keel_conf *keel_conf_section_or_default(const struct keel_conf *conf,
                                                     const char *name);
/* The first or next section of this name (previous NULL: the first). */
const struct keel_conf *keel_conf_next(const struct keel_conf *conf, const char *name,
                                       const struct keel_conf *previous);
#define keel_conf_for(it, conf, name)                                                              \
    for (const struct keel_conf *it = keel_conf_next(conf, name, NULL); it;                        \
         it = keel_conf_next(conf, name, it))
const char *keel_conf_title(const struct keel_conf *conf);
/* A path that is a part of a value: as for KEEL_OPT_PATH a relative one becomes relative to the
 * configuration file. Returns new (keel_free), or NULL. */
char *keel_conf_resolve(const struct keel_conf *conf, struct keel_str path);
int keel_conf_line(const struct keel_conf *conf);

/* Values of an option: count (0: not given and no default), and the i-th (NULL behind the last); of
 * a section: how often it stands. Unknown option names are an assertion: they are not in the rows
 * (in a free section: count 0). A NULL conf has no values. */
unsigned keel_conf_count(const struct keel_conf *conf, const char *name);
const struct keel_value *keel_conf_at(const struct keel_conf *conf, const char *name, unsigned i);
/* True when the file or the command line gave it. */
bool keel_conf_given(const struct keel_conf *conf, const char *name);
/* The single value; when there is none: 0, false, NULL. */
int64_t keel_conf_int(const struct keel_conf *conf,
                      const char *name); /* INT SIZE DURATION CHOICE */
bool keel_conf_bool(const struct keel_conf *conf, const char *name);
const char *keel_conf_str(const struct keel_conf *conf, const char *name);
/* KEEL_OPT_FREE: the i-th key that stands in it, NULL behind the last. */
const char *keel_conf_key(const struct keel_conf *conf, unsigned i);

/* A semantic error at an option (name NULL: at the section): fills diag with
 * `file:line: section "title": name: text`, returns KEEL_ECONF. */
int keel_conf_error(const struct keel_conf *conf, const char *name, struct keel_diag *diag,
                    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same at value i of a list. */
int keel_conf_error_at(const struct keel_conf *conf, const char *name, unsigned i,
                       struct keel_diag *diag, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The whole configuration in effect, defaults included, as text that loads again to the same values
 * from anywhere (paths are printed absolute). Secrets are "***": those must be filled in again.
 * Sections that do not stand are not printed. 0 or KEEL_ENOMEM. */
int keel_conf_print(const struct keel_conf *conf, struct keel_buf *out);
/* The options as a mdoc/man list, from the rows. */
int keel_conf_print_man(const struct keel_option *rows, struct keel_buf *out);

#endif
