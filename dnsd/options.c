#include "dnsd/options.h"

#include "dnsd/serve/settings.h"
#include "dnsd/wire/tsig.h"

#define SECONDS(n) ((int64_t)(n)*1000000000)
static const struct keel_option zone_rows[] = {
    {.name = "file",
     .type = KEEL_OPT_PATH,
     .help = "The zone's file (RFC 1035, section 5), with $ORIGIN, $TTL, $INCLUDE and $GENERATE. A "
             "relative $INCLUDE is looked for beside the file that it stands in. A zone needs this "
             "or a primary."},
    {.name = "watch",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help =
         "Read the zone again by itself when its file, or one that it includes, has been "
         "written or replaced. A file that is wrong is told in the log, and "
         "the old zone is served on. A file is best replaced as a whole (written beside it, and "
         "renamed): half of one that is written slowly is not a zone."},
    {.name = "primary",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help =
         "The servers that the zone is transferred from, tried in this order (we are a "
         "secondary of it then): \"ADDRESS\" or \"ADDRESS:PORT\", and behind it any of these "
         "words. key:NAME. signs what is asked, and only signed answers are taken. tls "
         "transfers over TLS (RFC 9103), at port 853 unless another is given; it is strict, and "
         "only a server with the right certificate is used, with name:HOST (a certificate for "
         "that name, of an authority of the system, or of ca:FILE) or with pin:BASE64 (the "
         "SHA-256 of its public key), and opportunistic without them. What was transferred "
         "stands in the state directory and is served at once after a restart."},
    {.name = "allow-notify",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Who may say that there is news (NOTIFY, RFC 1996) beside the primaries (from their "
             "addresses, and signed if they have a key), as in allow-query."},
    {.name = "allow-query",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .def = "any",
     .help = "Who may ask. Each value is \"any\", a prefix (\"192.0.2.0/24\"), a key that the "
             "question must be signed with (\"key:NAME.\"), or both (\"192.0.2.0/24 key:NAME.\"); "
             "one that fits is enough. Others are REFUSED."},
    {.name = "allow-transfer",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Who may have the whole zone (AXFR, IXFR), as in allow-query. Default: nobody."},
    {.name = "notify",
     .type = KEEL_OPT_LISTEN,
     .flags = KEEL_OPT_LIST,
     .min = 53,
     .help =
         "Servers that are told when the zone has a new serial number (NOTIFY, RFC 1996): "
         "\"ADDRESS\", \"ADDRESS:PORT\", and behind it \"key:NAME.\" when what is sent is to be "
         "signed. One that does not answer is told again, less and less often, for a quarter "
         "of an hour. Who has acknowledged a serial number stands in the state directory."},
    {.name = "allow-update",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Who may change the zone (UPDATE, RFC 2136), as in allow-query. Default: nobody. What "
             "was changed is in the state directory, not in the zone's file, until zone-flush "
             "writes it there."},
    {.name = "journal-size",
     .type = KEEL_OPT_SIZE,
     .def = "64m",
     .min = 0,
     .max = INT64_MAX,
     .help = "How much of the zone's past is kept for who asks for differences (IXFR): the oldest "
             "go first, and who would need them gets the whole zone. What only the journal has, "
             "because no image of the zone was made since, stays however much it is. 0: no more "
             "than that."},
    {.type = KEEL_OPT_END},
};

static const struct keel_option key_rows[] = {
    {.name = "algorithm",
     .type = KEEL_OPT_CHOICE,
     .choices = DNS_TSIG_ALGORITHM_NAMES,
     .def = "hmac-sha256",
     .help = "The same on both sides. hmac-md5 must not be used any more (RFC 8945, section 6)."},
    {.name = "secret",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_REQUIRED | KEEL_OPT_SECRET,
     .help = "The secret in base64, as \"tsig-keygen\" or \"keymgr -t\" make one; at least as "
             "many bytes as the algorithm's digest has are recommended."},
    {.name = "mac-bits",
     .type = KEEL_OPT_INT,
     .def = "0",
     .min = 0,
     .max = 512,
     .help = "Shortest signature that is taken, and the length of those that we send first; 0: the "
             "whole digest, nothing shorter. A client whose signatures are cut gets answers cut to "
             "the same length."},
    {.type = KEEL_OPT_END},
};

static const struct keel_option rate_limit_rows[] = {
    {.name = "responses-per-second",
     .type = KEEL_OPT_INT,
     .flags = KEEL_OPT_REQUIRED,
     .min = 1,
     .max = 10000,
     .help = "Answers about one name with one code (what has no name counts by its zone) that "
             "one network gets in a second."},
    {.name = "slip",
     .type = KEEL_OPT_INT,
     .def = "2",
     .min = 0,
     .max = 100,
     .help = "Of the answers over the limit every so many-th is sent cut (TC), so that a client "
             "that is really there can ask over TCP; the others are dropped. 1: all are cut; 0: "
             "all are dropped."},
    {.name = "window",
     .type = KEEL_OPT_DURATION,
     .def = "15s",
     .min = SECONDS(1),
     .max = SECONDS(60),
     .help = "How long a flood is remembered after its end, at most."},
    {.name = "ipv4-prefix",
     .type = KEEL_OPT_INT,
     .def = "24",
     .min = 1,
     .max = 32,
     .help = "Bits of an IPv4 address that are one network."},
    {.name = "ipv6-prefix",
     .type = KEEL_OPT_INT,
     .def = "56",
     .min = 1,
     .max = 128,
     .help = "Bits of an IPv6 address that are one network."},
    {.name = "exempt",
     .type = KEEL_OPT_PREFIX,
     .flags = KEEL_OPT_LIST,
     .help = "Networks that are never limited."},
    {.type = KEEL_OPT_END},
};

const struct keel_option dns_options[] = {
    {.name = "zone",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = zone_rows,
     .help = "A zone that is served; the title is its name."},
    {.name = "udp-size",
     .type = KEEL_OPT_INT,
     .def = "1232",
     .min = 512,
     .max = 4096,
     .help = "Longest answer over UDP in bytes, and the size that EDNS announces. The default "
             "passes every path without fragments."},
    {.name = "tcp-idle-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "10s",
     .min = SECONDS(1),
     .max = SECONDS(86400),
     .help = "How long a TCP connection may take until its next query is complete, however its "
             "bytes trickle in."},
    {.name = "tcp-queries",
     .type = KEEL_OPT_INT,
     .def = "0",
     .min = 0,
     .max = 1000000000,
     .help = "Most queries of one TCP connection; it is closed after the last answer. 0 is no "
             "limit."},
    {.name = "client-connections",
     .type = KEEL_OPT_INT,
     .def = "100",
     .min = 0,
     .max = 1000000,
     .help = "Most connections of one client (an IPv4 address, or the /64 of an IPv6 one) in a "
             "worker; what is more is closed. 0 is no limit."},
    {.name = "client-queries",
     .type = KEEL_OPT_INT,
     .def = "0",
     .min = 0,
     .max = 1000000,
     .help = "Most questions a second of one client over UDP that a worker answers; what is more "
             "is dropped. Clients with a good cookie or a signature have no limit. 0 is no limit "
             "for anybody."},
    {.name = "transfers-out",
     .type = KEEL_OPT_INT,
     .def = "100",
     .min = 1,
     .max = 1000000,
     .help = "Most zone transfers that one worker sends at a time. Who asks for one more gets "
             "SERVFAIL and will ask again."},
    {.name = "transfer-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "60s",
     .min = SECONDS(1),
     .max = SECONDS(86400),
     .help = "How long a client of a zone transfer may take to read the next 100 KiB or so, and "
             "how long a primary may be silent in the middle of one; then the transfer is given "
             "up."},
    {.name = "transfers-in",
     .type = KEEL_OPT_INT,
     .def = "16",
     .min = 1,
     .max = 1000,
     .help = "Most zones that are transferred from their primaries at a time; others wait for "
             "their turn."},
    {.name = "transfer-limit",
     .type = KEEL_OPT_SIZE,
     .def = "2g",
     .min = 65536,
     .max = 4294967296,
     .help = "Largest transfer that is taken from a primary."},
    {.name = "key",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = key_rows,
     .help = "A secret that another server or client knows too (TSIG, RFC 8945); the title is its "
             "name, the same on both sides. Whatever is signed with it gets a signed answer, "
             "and access lists name it."},
    {.name = "identity",
     .type = KEEL_OPT_STRING,
     .def = "",
     .help = "A name for this server, told to who asks for NSID (RFC 5001) or for the CHAOS TXT "
             "records id.server and hostname.bind (RFC 4892); at most 255 bytes. Empty: it is not "
             "told."},
    {.name = "version",
     .type = KEEL_OPT_STRING,
     .def = "",
     .help = "What the CHAOS TXT records version.bind and version.server say; at most 255 bytes. "
             "Empty: such questions are REFUSED."},
    {.name = "cookies",
     .type = KEEL_OPT_BOOL,
     .def = "yes",
     .help = "Answer DNS cookies (RFC 7873, 9018), which tell clients that are where they say they "
             "are from forged ones."},
    {.name = "cookies-required-above",
     .type = KEEL_OPT_INT,
     .def = "0",
     .min = 0,
     .max = 100000000,
     .help =
         "Above so many questions a second over UDP a worker answers only clients that have "
         "shown with a cookie that they are where they say: others get a cookie (BADCOOKIE), or "
         "are sent to TCP when they know none. 0: never."},
    {.name = "cookie-secret",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST | KEEL_OPT_SECRET,
     .help = "One or two secrets of 32 hexadecimal digits, the same for all servers behind one "
             "address, whatever their software. The first makes cookies, both are accepted. "
             "Default: a random one, kept in the state directory."},
    {.name = "certificate",
     .type = KEEL_OPT_PATH,
     .help =
         "PEM file of the certificate and the chain behind it, for addresses with tls (DNS over "
         "TLS, RFC 7858): \"192.0.2.1:853 tls\"."},
    {.name = "key-file",
     .type = KEEL_OPT_PATH,
     .help = "PEM file of the certificate's private key. Default: it is in the file of the "
             "certificate."},
    {.name = "rate-limit",
     .type = KEEL_OPT_SECTION,
     .sub = rate_limit_rows,
     .help = "Limits how many answers of one kind a network gets over UDP, so that questions with "
             "forged addresses do not flood who is at those addresses. Clients over TCP, with a "
             "good cookie or with a signature are never limited. Each worker counts what it "
             "answers."},
    {.type = KEEL_OPT_END},
};

const struct keel_option dns_added_options[] = {
    {.name = "zone",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = zone_rows,
     .help = "A zone that was added at run time."},
    {.type = KEEL_OPT_END},
};

/* A string of the configuration file's language. */
static void put_quoted(struct keel_buf *out, const char *text, size_t n)
{
    keel_buf_append(out, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' || text[i] == '\\')
            keel_buf_append(out, "\\", 1);
        keel_buf_append(out, text + i, 1);
    }
    keel_buf_append(out, "\"", 1);
}

static int apply_zone(const char *arg, struct keel_buf *out, struct keel_diag *diag)
{
    const char *equals = strchr(arg, '=');
    if (!equals || equals == arg || equals[1] == '\0')
        return keel_diag_set(diag, KEEL_EINVAL, "NAME=FILE expected");
    keel_buf_puts(out, "zone ");
    put_quoted(out, arg, (size_t)(equals - arg));
    keel_buf_puts(out, " { file = ");
    put_quoted(out, equals + 1, strlen(equals + 1));
    keel_buf_puts(out, " }\n");
    return out->failed;
}

const struct keel_cli_option dns_cli[] = {
    {"zone", "NAME=FILE", "serve the zone NAME from FILE", apply_zone},
    {0},
};
