/*
 * Sites and their locations: which rules a request falls under, by host, then by path. Compiled
 * from the configuration once; immutable.
 *
 * Ten thousand sites cost a request what ten do, and a thousand locations ten comparisons: names
 * are hashed, paths are sorted and know which shorter one they stand under.
 */
#ifndef HTTPD_REQUEST_ROUTE_H
#define HTTPD_REQUEST_ROUTE_H

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "httpd/request/access.h"
#include "httpd/request/headers.h"
#include "httpd/request/rewrite.h"
#include "httpd/wire/accept.h"
#include "httpd/wire/mime.h"

/* A file to try: the path (or not) and what follows. */
struct http_try {
    bool path;
    struct keel_str tail;
};
/* Files whose name ends with the text, or whose media type begins with it, and their line. */
struct http_cache_rule {
    bool suffix;
    struct keel_str text, line; /* "Cache-Control: max-age=60\r\n" */
};
/* What is sent with an error instead of a line of text. */
struct http_error_page {
    unsigned status;
    struct keel_str type;
    const struct keel_str *body; /* of serve/pages.h: it changes with its file; p NULL: it is out */
};

struct http_auth;
struct http_respond;
struct http_status;
struct http_step;
struct http_filter_use;
#define HTTP_NO_LOCATION UINT32_MAX
/* Rules for a path alone, or for it and the paths below it; the longest that fits decides. */
struct http_location {
    struct keel_str prefix; /* "/listing/", "/app": for "/app" and "/app/x", not for "/apple" */
    bool exact;             /* for this path alone, before any prefix */
    uint32_t parent;        /* the longest other prefix of this one, or HTTP_NO_LOCATION */
    unsigned order;         /* among those of its site, as the configuration lists them */
    int line;               /* where it stands there */
    bool autoindex;         /* list directories that have no index file */
    unsigned redirect;      /* status 301, 302, 307 or 308; 0: none */
    struct keel_str redirect_to;         /* stands for the prefix */
    struct keel_str fields;              /* lines that go into every answer about a file */
    struct http_cache_rule *cache_rules; /* the first that fits stands for what fields has more than
                                            `always` */
    unsigned cache_rule_count;
    struct keel_str always;           /* and those of them that go into every other answer too */
    struct http_header_rules headers; /* of the site and its own */
    struct keel_str lines;            /* what they set and add */
    bool edited;                      /* they are not in the two above: heads are edited */
    struct http_rewrites rewrites;    /* tried when a path came here */
    struct http_access *access;       /* NULL: everybody, as often as they like */
    struct http_respond *respond;     /* handlers/respond.h; NULL: another handler answers */
    unsigned https_port;              /* without TLS a request is redirected there; 0: it is not */
    struct http_status *status;       /* handlers/status.h; likewise */
    struct http_auth *auth;           /* handlers/auth.h; NULL: nobody is asked for a password */
    const struct http_site *files;    /* where its files are, when not where the site's are: a site
                                         like    it, with a number of its own */
    size_t strip;                     /* bytes of the path that stand for the folder of `files` */
    struct http_try *tries; /* which files may stand for a path, in order; none: its own */
    unsigned try_count;
    uint64_t max_body;                  /* of a request, for handlers that read it; 0: the site's */
    const struct http_handler *handler; /* of a module; NULL: none */
    void *handler_settings;
    const struct http_step *steps;         /* request/handler.h; NULL: only files */
    const struct http_filter_use *filters; /* likewise, of what handlers answer; NULL: none */
    bool filters_files;                    /* and of what files are: a module has brought one */
};

/* Which links are followed below a root; none leads out of it. */
enum http_symlinks {
    HTTP_SYMLINKS_INSIDE, /* all */
    HTTP_SYMLINKS_OWNER,  /* those that belong to the owner of what they lead to */
    HTTP_SYMLINKS_NO,
};

/* Who may ask for a site, as far as TLS knows its clients. */
enum http_clients {
    HTTP_CLIENTS_ANY,
    HTTP_CLIENTS_OPTIONAL, /* who shows a certificate is known */
    HTTP_CLIENTS_REQUIRED
};

/* Where requests come in: number 0 is all addresses that no site names in its option listen, each
 * of the others is one. */
#define HTTP_ENTRANCES 64
#define HTTP_EVERYWHERE UINT64_MAX

struct http_site {
    struct keel_str name;   /* lower case */
    unsigned id;            /* 0, 1, ... */
    uint64_t entrances;     /* a bit for each at which it is served, or HTTP_EVERYWHERE */
    const char *root;       /* directory; NULL: this site has no files */
    int root_fd;            /* O_PATH, or -1 */
    struct keel_str *index; /* file names to try in a directory, in order */
    unsigned index_count;
    uint8_t codings[HTTP_CODING_COUNT]; /* enum http_coding, the preferred one first */
    unsigned coding_count;              /* 0: nothing is compressed */
    struct keel_str *compress_types;    /* "text/", "application/json": prefixes */
    unsigned compress_type_count;
    uint64_t compress_min, compress_max; /* bytes; other files are not compressed here */
    struct http_error_page *error_pages;
    unsigned error_page_count;
    const char *charset;            /* of text; NULL: as the table of types says */
    unsigned log;                   /* number of its access log; 0: none */
    uint64_t max_body;              /* where no location says otherwise */
    const struct http_types *types; /* NULL: ours */
    bool is_default;                /* for hosts that no site has */
    bool hidden;                    /* serve names that begin with '.' */
    enum http_symlinks symlinks;
    enum http_clients clients;
    struct http_rewrites rewrites; /* tried before a location is looked for */
    const struct http_location *base; /* its own rules, for answers before a location is known;
                                         NULL: it has none */
    struct http_location
        *locations;          /* by http_locations_compile: prefixes in the order of bytes, */
    unsigned location_count; /* the exact ones in the same order behind them */
    unsigned prefix_count;   /* those that are not exact */
};

/* A name that a site answers to. */
#define HTTP_HOST_MAX 253 /* bytes of a host name: RFC 1035, 3.1 without the final dot */
struct http_host_name {
    struct keel_str text; /* in lower case; of "*.example.org" it is "example.org" */
    unsigned site;
    int line;                    /* in the configuration */
    uint64_t entrances;          /* of the site */
    struct http_host_name *next; /* the same text, of a site that is served elsewhere */
};

struct http_sites {
    struct http_site *items;
    unsigned count;
    unsigned fallback[HTTP_ENTRANCES];    /* by entrance, the site of hosts that have none */
    struct http_expressions *expressions; /* NULL: there are no rewrites */
    struct keel_hash_key key;             /* random, set before the first name is added */
    struct keel_table names;              /* of struct http_host_name */
    struct keel_table wildcards;          /* likewise */
    unsigned short deepest, lowest;       /* most and fewest labels of a wildcard's text */
};

/* Adds a name of the site: "example.org", "*.example.org" (any name below example.org, but not
 * itself), "192.0.2.1" or "[2001:db8::1]", in any case; a final dot is looked over. A site that is
 * served everywhere may have it, and one at each entrance, which goes before there. 0; KEEL_EINVAL:
 * no host name; KEEL_EEXIST: *other has it; KEEL_ENOMEM. Borrows the arena's memory. */
int http_sites_add_name(struct http_sites *sites, struct keel_arena *arena, struct keel_str name,
                        unsigned site, int line, const struct http_host_name **other);
/* Frees the tables; the rest belongs to the arena. */
void http_sites_fini(struct http_sites *sites);
/* Puts the site's locations in order. 0, or KEEL_EEXIST: two are the same, *twice and the one
 * before it. */
int http_locations_compile(struct http_site *site, const struct http_location **twice);

/* Sets the fallback of an entrance: of the sites that are served there the one that is marked
 * default, else the first; those that name it in listen before those that are everywhere.
 * KEEL_ENOENT: no site is served there. */
int http_sites_choose_fallback(struct http_sites *sites, unsigned entrance);
/* Is it the site of this name, which may be a wildcard, at the entrance? */
bool http_sites_have_name(const struct http_sites *sites, struct keel_str name, unsigned site,
                          unsigned entrance);

static inline bool http_site_is_at(const struct http_site *site, unsigned entrance)
{
    return site->entrances >> entrance & 1;
}
/* The site of a host (without port, any case; a final dot is looked over) at the entrance: the one
 * with this name, else with the longest wildcard over it, else the fallback. Never NULL; count must
 * not be 0. */
const struct http_site *http_route_site(const struct http_sites *sites, struct keel_str host,
                                        unsigned entrance);
/* The exact location of the path, else the one of the longest prefix that ends where a segment of
 * the path does. Never NULL: a path under no location gets a plain one. */
const struct http_location *http_route_location(const struct http_site *site, struct keel_str path);
/* May files of this media type be sent compressed? */
bool http_site_compresses(const struct http_site *site, struct keel_str type);
/* NULL: none for this status. site may be NULL. */
const struct http_error_page *http_site_error_page(const struct http_site *site, unsigned status);
static inline uint64_t http_max_body(const struct http_site *site,
                                     const struct http_location *location)
{
    return location->max_body > 0 ? location->max_body : site->max_body;
}

#endif
