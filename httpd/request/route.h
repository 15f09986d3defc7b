/*
 * Sites and their locations: which rules a request falls under, by host, then by path. Compiled
 * from the configuration once; immutable.
 */
#ifndef HTTPD_REQUEST_ROUTE_H
#define HTTPD_REQUEST_ROUTE_H

#include "httpd/request/access.h"
#include "httpd/wire/accept.h"

/* A file to try: the path (or not) and what follows. */
struct http_try {
    bool path;
    struct keel_str tail;
};
/* What is sent with an error instead of a line of text. */
struct http_error_page {
    unsigned status;
    struct keel_str type, body;
};

/* The most specific location whose prefix begins the path decides. */
struct http_location {
    struct keel_str prefix;      /* "/listing/" */
    bool autoindex;              /* list directories that have no index file */
    unsigned redirect;           /* status 301, 302, 307 or 308; 0: none */
    struct keel_str redirect_to; /* stands for the prefix */
    struct keel_str fields;      /* lines that go into every answer about a file */
    struct keel_str always;      /* and those of them that go into every other answer too */
    struct http_access *access;  /* NULL: everybody, as often as they like */
    struct http_try *tries;      /* which files may stand for a path, in order; none: its own */
    unsigned try_count;
};

struct http_site {
    struct keel_str name;     /* lower case */
    struct keel_str *aliases; /* its other names */
    unsigned alias_count;
    unsigned id;            /* 0, 1, ... */
    const char *root;       /* directory; NULL: this site has no files */
    int root_fd;            /* O_PATH, or -1 */
    struct keel_str *index; /* file names to try in a directory, in order */
    unsigned index_count;
    uint8_t codings[HTTP_CODING_COUNT]; /* enum http_coding, the preferred one first */
    unsigned coding_count;              /* 0: nothing is compressed */
    struct keel_str *compress_types;    /* "text/", "application/json": prefixes */
    unsigned compress_type_count;
    uint64_t compress_min; /* bytes; smaller files are not compressed here */
    struct http_error_page *error_pages;
    unsigned error_page_count;
    const char *charset;             /* of text; NULL: as the table of types says */
    bool hidden;                     /* serve names that begin with '.' */
    struct http_location *locations; /* longest prefix first */
    unsigned location_count;
};

struct http_sites {
    struct http_site *items;
    unsigned count;
    unsigned fallback; /* the site of hosts that have none: the one marked default, or the first */
};

/* host without port, any case; a trailing dot is looked over. Never NULL; count must not be 0. */
const struct http_site *http_route_site(const struct http_sites *sites, struct keel_str host);
/* Never NULL: a path under no location gets a plain one. */
const struct http_location *http_route_location(const struct http_site *site, struct keel_str path);
/* May files of this media type be sent compressed? */
bool http_site_compresses(const struct http_site *site, struct keel_str type);
/* NULL: none for this status. site may be NULL. */
const struct http_error_page *http_site_error_page(const struct http_site *site, unsigned status);
/* Sorts locations so that the first match is the longest. */
void http_route_sort(struct http_site *site);

#endif
