#include "httpd/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "httpd/wire/head.h"

#define SECONDS(n) ((int64_t)(n)*1000000000)
#define UNSUPPORTED(key)                                                                           \
    {                                                                                              \
        .name = key, .type = KEEL_OPT_UNSUPPORTED                                                  \
    }

/* Options of sites and locations alike. */
#define USERS_ROWS                                                                                 \
    {.name = "auth-file",                                                                          \
     .type = KEEL_OPT_PATH,                                                                        \
     .help = "The users and their passwords, as htpasswd(1) writes them; see Passwords above. It " \
             "stands beside auth."},                                                               \
        {.name = "allow-users",                                                                    \
         .type = KEEL_OPT_STRING,                                                                  \
         .flags = KEEL_OPT_LIST,                                                                   \
         .help = "Users of the file that may come in; others of it get 403. Without it all may."}, \
    {                                                                                              \
        .name = "satisfy", .type = KEEL_OPT_CHOICE, .choices = "any|all", .def = "all",            \
        .help =                                                                                    \
            "Whether a client needs an address that may ask and a password (all), or one of them " \
            "(any)."                                                                               \
    }

static const struct keel_option location_rows[] = {
    {.name = "root",
     .type = KEEL_OPT_PATH,
     .help = "Another directory than the site's, below which the whole path of a request is looked "
             "for: root \"/srv/b\" of \"/app/\" has /app/x in /srv/b/app/x. No link leads out."},
    {.name = "alias",
     .type = KEEL_OPT_PATH,
     .help = "A directory that the location's path stands for: alias \"/srv/b\" of \"/app/\" has "
             "/app/x in /srv/b/x. Names of try-files are below it, too."},
    {.name = "index", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_LIST, .help = "As the site's."},
    {.name = "charset", .type = KEEL_OPT_STRING, .help = "As the site's."},
    {.name = "autoindex",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "List directories that have no index file."},
    {.name = "redirect",
     .type = KEEL_OPT_STRING,
     .help = "\"STATUS TARGET\": redirect with status 301, 302, 307 or 308; the target stands for "
             "the location's path, and the rest of the request's path follows it."},
    {.name = "https-only",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "As the site's; false makes an exception."},
    {.name = "respond",
     .type = KEEL_OPT_STRING,
     .help = "\"STATUS TEXT\": this status and this line of text for every request: \"200 ok\" for "
             "health checks. Without the text, the status' own, or the site's page for it."},
    {.name = "status",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "Answer with the daemon's state: a page, JSON (Accept: application/json, or "
             "?format=json) or Prometheus text (?format=prometheus, or a path below that ends with "
             "/metrics). Only loopback addresses may ask, unless allow of this location says who; "
             "behind a proxy on this machine everybody seems to be one. See Figures above."},
    {.name = "rewrite",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help =
         "As the site's rewrite, for paths that come to this location: when a rule matches, the "
         "location of the new path decides."},
    {.name = "try-files",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Files that may stand for a path; the first that exists is sent, with status 200. "
             "$path at the front is the request's path: { \"$path\", \"$path.html\", "
             "\"/index.html\" } serves an application of a single page."},
    {.name = "headers",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Rules for the fields of every response, errors included: \"Name: value\" sets one, "
             "\"+Name: value\" adds another of the name, \"-Name\" removes what there is. The "
             "site's rules come first; those go whose field the location names, too."},
    {.name = "cache-control",
     .type = KEEL_OPT_STRING,
     .help = "Value of Cache-Control of responses about files: \"max-age=3600\"."},
    {.name = "cache-rules",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "\"*SUFFIX VALUE\" or \"TYPE VALUE\": another value for files whose name ends so, or "
             "whose media type begins so; the first that fits: { \"*.css max-age=86400\", "
             "\"image/ max-age=3600, public\" }."},
    {.name = "handler",
     .type = KEEL_OPT_STRING,
     .help = "Name of a module that answers, or passes requests on to the site's files."},
    {.name = "argument", .type = KEEL_OPT_STRING, .help = "What the handler makes of it."},
    {.name = "filter",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "\"NAME ARGUMENT\": the filter of the module of this name, and what it makes of the "
             "argument, if it takes one; \"MODULE:NAME\" of a module that has several. What the "
             "location's handler or its files answer passes them in this order, and is compressed "
             "behind them; see Filters above."},
    {.name = "max-body",
     .type = KEEL_OPT_SIZE,
     .min = 0,
     .max = INT64_MAX,
     .help = "As that of the site."},
    {.name = "deny",
     .type = KEEL_OPT_PREFIX,
     .flags = KEEL_OPT_LIST,
     .help = "Addresses that get 403, whatever allow says."},
    {.name = "allow",
     .type = KEEL_OPT_PREFIX,
     .flags = KEEL_OPT_LIST,
     .help = "When given, all other addresses get 403."},
    {.name = "auth",
     .type = KEEL_OPT_STRING,
     .help = "The realm: a password is asked for (RFC 7617). \"off\": not here, whatever the site "
             "says. It should only be used over TLS."},
    USERS_ROWS,
    {.name = "request-rate",
     .type = KEEL_OPT_STRING,
     .help =
         "\"NUMBER/s\" or \"NUMBER/m\": requests of one client (an IPv4 address, or the /64 of an "
         "IPv6 one) in the long run; what is more gets 429. Each worker counts by itself."},
    {.name = "request-burst",
     .type = KEEL_OPT_INT,
     .def = "20",
     .min = 0,
     .max = 100000,
     .help = "How many requests a client may be ahead of that rate."},
    UNSUPPORTED("proxy"),
    UNSUPPORTED("cgi"),
    UNSUPPORTED("fastcgi"),
    UNSUPPORTED("job"),
    {.type = KEEL_OPT_END},
};

static const struct keel_option log_rows[] = {
    {.name = "file",
     .type = KEEL_OPT_PATH,
     .help = "Where the lines go; opened anew on SIGUSR1. Logs may share it."},
    {.name = "enabled",
     .type = KEEL_OPT_BOOL,
     .def = "true",
     .help = "false in a site: what is asked of it stands in no log."},
    {.name = "format",
     .type = KEEL_OPT_STRING,
     .def = "combined",
     .help = "\"combined\", \"json\", or a format of its own: text with %{NAME} for address, port, "
             "user, time, time-iso, seconds, request, method, target, path, query, protocol, host, "
             "site, status, bytes (of the body), sent (head included), duration (in seconds, from "
             "reading the request to handing over its response), scheme, client-subject (of a "
             "verified certificate), referer, user-agent and "
             "header:FIELD; %% is a %. What is not printable is escaped."},
    {.name = "buffer",
     .type = KEEL_OPT_SIZE,
     .def = "64k",
     .min = 4096,
     .max = 16 << 20,
     .help = "How much gathers in a worker before it is written; never longer than a second. When "
             "the disk is full or too slow, lines are lost and counted; nothing waits."},
    {.type = KEEL_OPT_END},
};

static const struct keel_option site_rows[] = {
    {.name = "default",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "This site answers for hosts that no site is named after, at all addresses that it "
             "is served at, or those of its listen. Without it the first one does."},
    {.name = "listen",
     .type = KEEL_OPT_LISTEN,
     .flags = KEEL_OPT_LIST,
     .help = "Those of the daemon's addresses at which the site is served, as they stand in the "
             "listen of all sites: { \"127.0.0.1:8081\" }. Without it, at all of them. Another "
             "site may have one of its names there, and goes before it."},
    {.name = "names",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Other host names of the site. \"*.example.org\" (the title may be one, too) are all "
             "names below example.org that no site has, but not example.org itself; the longest "
             "one that fits decides. Names are written in ASCII, as \"xn--bcher-kva.example\"; "
             "the port of a request does not matter."},
    {.name = "root",
     .type = KEEL_OPT_PATH,
     .help = "Directory whose files are served. Links that lead out of it are not followed. Which "
             "directory the name means is decided at start and reload."},
    {.name = "symlinks",
     .type = KEEL_OPT_CHOICE,
     .choices = "inside|owner|no",
     .def = "inside",
     .help = "Which symbolic links are followed: inside, those that stay below the root; owner, of "
             "these only those that belong to the owner of what they lead to (others are 403); no, "
             "none (403)."},
    {.name = "index",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .def = "{ \"index.html\" }",
     .help = "Files that stand for their directory; the first that exists is sent."},
    {.name = "hidden",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "Serve names that begin with a dot too. /.well-known/ is always served."},
    {.name = "certificate",
     .type = KEEL_OPT_PATH,
     .flags = KEEL_OPT_LIST,
     .help = "PEM file of the site's certificate and the chain behind it, for addresses with tls. "
             "Two, one with an RSA and one with an ECDSA key, serve together: each client gets the "
             "one that it can use."},
    {.name = "key",
     .type = KEEL_OPT_PATH,
     .flags = KEEL_OPT_LIST,
     .help = "PEM file of its private key; without it the key is looked for in the certificate's "
             "file. With several certificates: in their order."},
    {.name = "ocsp",
     .type = KEEL_OPT_PATH,
     .flags = KEEL_OPT_LIST,
     .help = "DER file of an OCSP response for the certificate, which is stapled for clients that "
             "ask for it; in the order of the certificates. The issuer's certificate must stand in "
             "the chain. A response that is not for the certificate is an error; one that is out "
             "of date or does not say \"good\" is not stapled, with a warning. A warning also "
             "comes in the last quarter of its time. Another program renews the file; see "
             "certificate-watch."},
    {.name = "client-certificates",
     .type = KEEL_OPT_PATH,
     .help = "PEM file of the certificates that sign those of clients. Clients that ask for the "
             "site in the TLS handshake are asked for a certificate. The site must have a "
             "certificate of its own."},
    {.name = "client-verify",
     .type = KEEL_OPT_CHOICE,
     .choices = "none|optional|required",
     .help = "With client-certificates: whether a client must show one; required when it is not "
             "given. One that is shown must be valid. With required, requests for the site over "
             "connections that were not verified "
             "for it, plain ones included, get 421 (Misdirected Request)."},
    {.name = "location",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = location_rows,
     .help =
         "Rules for the path that is the title, and for those below it: \"/app\" is for /app and "
         "/app/x, not for /apple; \"/app/\" is not for /app. \"= /app\" is for /app alone, and "
         "goes before all others; of those the longest one that fits decides. Paths are "
         "compared decoded, and letters as they are."},
    {.name = "max-body",
     .type = KEEL_OPT_SIZE,
     .def = "1m",
     .min = 0,
     .max = INT64_MAX,
     .help = "Longest body of a request that a handler reads, 413 else: at once when the client "
             "says how long it is. 0: no limit."},
    {.name = "rewrite",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help =
         "\"EXPRESSION TARGET\": a path that matches the expression (pcre2pattern(3)) becomes the "
         "target, a path and perhaps a query, with $1 to $9 for what groups of the expression "
         "matched; the request's query is kept. Behind the target may stand last (no rule after "
         "this one is tried) or 301, 302, 303, 307 or 308 (the client is redirected). A status, "
         "400 "
         "to 499 or 503, in the place of the target is the answer. Then may stand if and "
         "conditions on host, query, header, method, scheme and client. See Rewrites above."},
    {.name = "deny",
     .type = KEEL_OPT_PREFIX,
     .flags = KEEL_OPT_LIST,
     .help = "As in a location, for those that have neither deny nor allow."},
    {.name = "allow", .type = KEEL_OPT_PREFIX, .flags = KEEL_OPT_LIST, .help = "Likewise."},
    {.name = "auth",
     .type = KEEL_OPT_STRING,
     .help = "As in a location, for those that do not have it."},
    USERS_ROWS,
    {.name = "headers",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "As in a location, for all of them: \"Strict-Transport-Security: max-age=31536000\"."},
    {.name = "https-only",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "Redirect requests that come without TLS to the same address with https, with status "
             "301, or 308 to others than GET and HEAD."},
    {.name = "error-pages",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help =
         "\"STATUS FILE\": a file of at most 64 KiB below the root that is sent with this status, "
         "400 to 599, instead of a line of text. It is read when the configuration is, and "
         "again when it changes, if the file system tells of that; a file that is gone or too "
         "large "
         "changes nothing but the log."},
    {.name = "access-log",
     .type = KEEL_OPT_SECTION,
     .sub = log_rows,
     .help =
         "A log of the site's own, instead of the one for all. Sites that name the same file and "
         "format share one; at most 256 differ."},
    {.name = "charset",
     .type = KEEL_OPT_STRING,
     .def = "utf-8",
     .help = "Charset in the media type of text; \"\" leaves it out."},
    {.name = "types",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "\"EXTENSION TYPE\": media types of files, before those of types-file: "
             "{ \"log text/plain\", \"gltf model/gltf+json\" }."},
    {.name = "compress",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help =
         "Codings for clients that take them, the preferred one first: \"br\", \"zstd\", "
         "\"gzip\". A file NAME.br, NAME.zst or NAME.gz beside the file is sent when it is not "
         "older; files up to 64 KiB are compressed in memory, once, while the first requests "
         "get them as they are. What handlers answer is compressed on its way out, unless it has "
         "Content-Encoding or Cache-Control: no-transform."},
    {.name = "compress-types",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .def = "{ \"text/\", \"application/json\", \"application/javascript\", \"application/xml\", "
            "\"application/xhtml+xml\", \"application/rss+xml\", \"application/atom+xml\", "
            "\"application/ld+json\", \"application/manifest+json\", \"application/wasm\", "
            "\"application/yaml\", \"image/svg+xml\", \"image/bmp\", \"font/ttf\", \"font/otf\" }",
     .help = "What is compressed: beginnings of media types."},
    {.name = "compress-min",
     .type = KEEL_OPT_SIZE,
     .def = "512",
     .min = 0,
     .max = 65536,
     .help = "Smaller files and answers are not compressed."},
    {.name = "compress-max",
     .type = KEEL_OPT_SIZE,
     .def = "1m",
     .min = 0,
     .max = INT64_MAX,
     .help = "Larger files are sent as they are. Those between 64 KiB and this are compressed "
             "anew for each client that takes it, while they are sent; ranges of them come from "
             "the file as it is. A file beside it (see compress) costs nothing and has no limit."},
    {.type = KEEL_OPT_END},
};

static const struct keel_option module_rows[] = {
    {.name = "file",
     .type = KEEL_OPT_PATH,
     .flags = KEEL_OPT_REQUIRED,
     .help = "The shared object. It and its directory belong to root, or to who runs httpd, and "
             "nobody else may write to them."},
    {.type = KEEL_OPT_END},
};

static const struct keel_option cache_rows[] = {
    {.name = "memory",
     .type = KEEL_OPT_SIZE,
     .def = "64m",
     .min = 0,
     .max = INT64_C(1) << 40,
     .help = "Most memory of a worker's file cache."},
    {.name = "entries",
     .type = KEEL_OPT_INT,
     .def = "16384",
     .min = 1,
     .max = 100000000,
     .help = "Most paths in it, those that do not exist included."},
    {.name = "open-files",
     .type = KEEL_OPT_INT,
     .def = "256",
     .min = 1,
     .max = 1000000,
     .help = "Most files in it that are open because they are larger than 64 KiB."},
    {.name = "watches",
     .type = KEEL_OPT_INT,
     .def = "8192",
     .min = 0,
     .max = 10000000,
     .help =
         "Most directories that a worker watches (inotify), so that a change in them is seen at "
         "once and what did not change is not looked at again; 0: none."},
    {.name = "valid",
     .type = KEEL_OPT_DURATION,
     .def = "1s",
     .min = 0,
     .max = SECONDS(86400),
     .help = "How long an entry that cannot be watched is used before the file is looked at again: "
             "on a file system that others change too (NFS, SMB, FUSE), a file with several names "
             "(hard links), and behind the limit of watches or the system's "
             "(fs.inotify.max_user_watches)."},
    {.type = KEEL_OPT_END},
};

const struct keel_option http_options[] = {
    {.name = "site",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = site_rows,
     .help = "What is served under a host name, the title."},
    {.name = "http2",
     .type = KEEL_OPT_BOOL,
     .def = "true",
     .help = "Speak HTTP/2 too: with TLS to clients that choose it in the handshake, without it to "
             "those that begin with it."},
    {.name = "https-port",
     .type = KEEL_OPT_INT,
     .def = "443",
     .min = 1,
     .max = 65535,
     .help = "The port that https-only redirects to."},
    {.name = "max-streams",
     .type = KEEL_OPT_INT,
     .def = "128",
     .min = 1,
     .max = 10000,
     .help = "Most requests at once on a connection of HTTP/2; more are refused."},
    {.name = "header-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "10s",
     .min = SECONDS(1),
     .max = SECONDS(86400),
     .help = "How long a request's header may take, however its bytes trickle in; also the TLS "
             "handshake and the first header together."},
    {.name = "body-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "30s",
     .min = SECONDS(1),
     .max = SECONDS(86400),
     .help = "How long the body of a request that has no use for one may take, and how long the "
             "next bytes of one that a handler reads."},
    {.name = "keepalive-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "60s",
     .min = SECONDS(1),
     .max = SECONDS(86400),
     .help = "How long a connection may wait for its next request."},
    {.name = "send-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "30s",
     .min = SECONDS(1),
     .max = SECONDS(86400),
     .help = "How long a client may take nothing of what waits for it."},
    {.name = "min-rate",
     .type = KEEL_OPT_SIZE,
     .def = "500",
     .min = 0,
     .max = INT64_C(1) << 30,
     .help = "Bytes a second that a client must send of a body that a handler reads, over each "
             "body-timeout that it is waited for, and take of what waits for it, over each "
             "send-timeout. 0: no limit."},
    {.name = "max-header-line",
     .type = KEEL_OPT_SIZE,
     .def = "8k",
     .min = 256,
     .max = HTTP_HEAD_MAX,
     .help = "Longest request line (else 414) and header field line (else 431)."},
    {.name = "max-header",
     .type = KEEL_OPT_SIZE,
     .def = "32k",
     .min = 512,
     .max = HTTP_HEAD_MAX,
     .help = "Longest request header in all (else 431)."},
    {.name = "max-header-fields",
     .type = KEEL_OPT_INT,
     .def = "100",
     .min = 1,
     .max = HTTP_FIELDS_MAX,
     .help = "Most fields in it (else 431)."},
    {.name = "max-discarded-body",
     .type = KEEL_OPT_SIZE,
     .def = "64k",
     .min = 0,
     .max = INT64_C(1) << 31,
     .help = "Most bytes of a request's body that are read only to keep the connection; behind a "
             "longer one it is closed."},
    {.name = "client-connections",
     .type = KEEL_OPT_INT,
     .def = "0",
     .min = 0,
     .max = 1000000,
     .help = "Most connections of one client (an IPv4 address, or the /64 of an IPv6 one) in a "
             "worker; what is more is closed. 0: no limit."},
    {.name = "module",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = module_rows,
     .help = "A handler or filters in C, which locations name by the title. A change of the file "
             "is taken at "
             "the next start or upgrade."},
    {.name = "types-file",
     .type = KEEL_OPT_PATH,
     .def = "/etc/mime.types",
     .help =
         "Media types by extension: a type and its extensions a line. What it does not know, and "
         "all when the default file is not there, is looked for in a table of httpd's own. Read "
         "at start and reload."},
    {.name = "file-cache",
     .type = KEEL_OPT_SECTION,
     .sub = cache_rows,
     .help = "The cache of files, one in each worker."},
    {.name = "access-log",
     .type = KEEL_OPT_SECTION,
     .sub = log_rows,
     .help = "A line for each request."},
    UNSUPPORTED("upstream"),
    UNSUPPORTED("fastcgi"),
    UNSUPPORTED("job"),
    {.type = KEEL_OPT_END},
};

/* --root DIR: a site of its own, whatever the host; directories are listed. */
static int apply_root(const char *arg, struct keel_buf *out, struct keel_diag *diag)
{
    char path[PATH_MAX];
    if (!realpath(arg, path))
        return keel_diag_set(diag, KEEL_EINVAL, "cannot open \"%s\": %s", arg, strerror(errno));
    keel_buf_puts(out, "site \"_\" {\n  default = true\n  root = \"");
    for (const char *p = path; *p; p++) {
        if (*p == '"' || *p == '\\')
            keel_buf_puts(out, "\\");
        keel_buf_append(out, p, 1);
    }
    return keel_buf_puts(out, "\"\n  location \"/\" { autoindex = true }\n}\n");
}

const struct keel_cli_option http_cli[] = {
    {"root", "DIR", "serve the files in DIR, and list its directories", apply_root},
    {0},
};
