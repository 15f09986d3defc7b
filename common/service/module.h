/*
 * The record that a protocol (or an extension of one) is to the core, and the ABI that both sides
 * check. A daemon is such a record given to keel_main; a module exports one as `keel_module`.
 */
#ifndef KEEL_SERVICE_MODULE_H
#define KEEL_SERVICE_MODULE_H

#include "common/base/addr.h"
#include "common/base/err.h"
#include "common/runtime/dgram.h"
#include "common/runtime/stream.h"
#include "common/runtime/tls.h"
#include "common/service/channel.h"
#include "common/service/conf.h"
#include "common/service/control.h"
#include "common/service/metric.h"

/* 2: struct keel_connection and the stream in it are smaller. A record of version 1 is refused. */
#define KEEL_ABI_MAJOR 2
#define KEEL_ABI_MINOR 0

/* A descriptor that the master opens and keeps for the protocol. */
enum keel_endpoint_kind {
    KEEL_ENDPOINT_TCP = 1, /* listening; connections come to on_connect */
    KEEL_ENDPOINT_UDP,     /* bound; datagrams come to on_batch */
    KEEL_ENDPOINT_UNIX,    /* listening unix stream */
    KEEL_ENDPOINT_UNIX_DGRAM,
    /* Handed over raw in on_descriptor; not at all where they may not be opened. */
    KEEL_ENDPOINT_PACKET, /* AF_PACKET, only to send */
    KEEL_ENDPOINT_ARP,    /* AF_PACKET: answers of ARP (runtime/probe.h) */
    KEEL_ENDPOINT_ECHO,   /* ICMP: answers to echo requests (likewise) */
};
struct keel_endpoint {
    enum keel_endpoint_kind kind;
    struct keel_addr addr; /* TCP, UDP; port 0: any free one, the same for all workers */
    char interface[16];    /* UDP: SO_BINDTODEVICE; PACKET: its interface; "" none. An
                              interface that does not exist yet is waited for. */
    char path[108];        /* UNIX, UNIX_DGRAM */
    bool tls;              /* TCP: streams begin with a handshake */
    bool broadcast;        /* UDP: SO_BROADCAST */
    bool packet_info;      /* UDP: local address and interface of each datagram */
    int tag;               /* the protocol's own number for it */
};
/* What configure returns beside its settings. */
struct keel_endpoints {
    struct keel_endpoint *items; /* heap; keel_endpoints_add grows it */
    unsigned count;
    bool no_helpers; /* with this configuration they have nothing to do: none is started */
};
int keel_endpoints_add(struct keel_endpoints *list, const struct keel_endpoint *endpoint);
/* Adds a TCP (and, with udp, a UDP) endpoint for each value of a KEEL_OPT_LISTEN option; "tls"
 * behind an address makes it TLS, other words are an error with file and line. */
int keel_endpoints_add_listen(struct keel_endpoints *list, const struct keel_conf *conf,
                              const char *option, bool tcp, bool udp, struct keel_diag *diag);

struct keel_board; /* common/service/board.h */

/* One protocol at work in one process. Public fields are for the protocol to read. */
struct keel_instance {
    const struct keel_protocol *protocol;
    struct keel_loop *loop;
    void *settings;              /* what configure returned; immutable */
    void *state;                 /* what start left here */
    struct keel_metrics metrics; /* of this process, by the protocol's table */
    const char *name;            /* "dnsd" */
    const char *state_dir;       /* absolute; exists, writable after the sandbox */
    unsigned worker;             /* index 0..workers-1 */
    unsigned workers;
    const struct keel_helper *helper; /* whose role this process has; NULL: a worker */
    bool draining;                    /* finish: answer, then close (HTTP: Connection: close) */
    void *host;                       /* private to the core */
    bool replaces; /* another generation (or binary) serves as long as this one is not ready: a
                      start that fails costs nothing */
    const struct keel_board *board; /* figures of all processes, see keel_instance_sum; NULL: there
                                       are none (a test) */
    unsigned slot;                  /* private to the core */
};

/* A connection of the core's: embed it first in the protocol's own; connection_size says how big
 * that is. The core allocates (cleared), starts the stream with the record's stream ops, counts
 * it, applies limits, closes it at the end of a drain, and frees it after on_close. */
struct keel_connection {
    struct keel_stream stream;
    struct keel_instance *instance;
    const struct keel_endpoint *endpoint;
    struct keel_list node; /* the core's list of all connections, oldest first */
    uint64_t opened_ns;    /* monotonic */
};
static inline struct keel_connection *keel_connection_of(struct keel_stream *s)
{
    return KEEL_CONTAINER(s, struct keel_connection, stream);
}

struct keel_access; /* below */

/* A helper: one process beside the workers with one job of its own (a writer of shared state, a
 * starter of programs), of the same binary and configuration. Workers and helpers of a generation
 * are joined by channels; the master makes them anew when either side was replaced. */
struct keel_helper {
    const char *name; /* "keeper": in logs, status, ps */
    bool allow_exec;  /* it starts programs: a wider sandbox */
    /* As those of the protocol. A start that fails with KEEL_ECONF ends a daemon that has just
     * begun with exit status 2. `activate` comes when no helper of this name of an older generation
     * or binary lives any more: what may have one owner only is opened there. May be NULL. */
    int (*start)(struct keel_instance *instance, struct keel_diag *diag);
    int (*activate)(struct keel_instance *instance, struct keel_diag *diag);
    void (*drain)(struct keel_instance *instance); /* all workers of its generation are gone */
    unsigned (*busy)(struct keel_instance *instance);
    void (*stop)(struct keel_instance *instance);
    void (*on_peer)(struct keel_instance *instance, unsigned worker, bool up);
    /* Of `fds` it takes those that it sets to -1. */
    void (*on_message)(struct keel_instance *instance, unsigned worker,
                       struct keel_message *message);

    /* A newer generation (or binary) serves now: give up what may have one owner only, and say so
     * with keel_instance_retired, from here or later; the newer helper becomes active then, while
     * this one serves its own workers to their end. NULL: the newer one waits until this process is
     * gone. */
    void (*retire)(struct keel_instance *instance);
    /* Adds the file-system rights that this helper alone keeps. May be NULL. */
    int (*access)(const void *settings, struct keel_access *access);
};

/* From a worker to helper number `peer`, or from a helper to worker `peer`. type is the protocol's.
 * Never waits: 0 (sent or queued), KEEL_EOF (it is not there), KEEL_ENOMEM. Descriptors stay the
 * caller's. At most KEEL_MESSAGE_MAX bytes and KEEL_MESSAGE_FDS descriptors. */
int keel_instance_send(struct keel_instance *instance, unsigned peer, uint32_t type, uint32_t a,
                       uint32_t b, const void *bytes, size_t size, const int *fds,
                       unsigned fd_count);
/* After `start` returned KEEL_EAGAIN: now it is ready to serve. */
void keel_instance_ready(struct keel_instance *instance);

/* After `retire` of a helper: it owns nothing any more. */
void keel_instance_retired(struct keel_instance *instance);

/* Where a worker counts series number `i`, which has this name: those from the series' max on share
 * the last one. Only when instance->board is there. Good until the instance stops. */
void keel_series_claim(const struct keel_instance *instance, unsigned i, const char *name,
                       struct keel_metrics *out);
/* What all processes of the daemon have counted together, now, from any of them: takes a look at
 * each of their cells. Only when instance->board is there. 0 or KEEL_ENOMEM; keel_sums_fini. */
int keel_instance_sum(const struct keel_instance *instance, struct keel_sums *out);
/* These sums, and what of the core's own metrics not the master alone knows, as Prometheus text. 0
 * or KEEL_ENOMEM. */
int keel_instance_print(const struct keel_instance *instance, const struct keel_sums *sums,
                        struct keel_buf *out);

/* The socket of a datagram endpoint that this process serves now, to send on outside of on_batch;
 * NULL: it serves none. Not to be kept: it goes when the endpoint does. */
struct keel_dgram *keel_instance_dgram(struct keel_instance *instance,
                                       const struct keel_endpoint *endpoint);

/* Visits the connections of this process, oldest first, until visit returns non-zero. It may close
 * the one it is given. */
void keel_instance_each_connection(struct keel_instance *instance,
                                   int (*visit)(void *arg, struct keel_connection *connection),
                                   void *arg);

/* A server's TLS context: keel_tls_context_new with tls-minimum and tls-ciphers of the
 * configuration, which go into the options; the files are watched. access may be NULL. Errors as
 * there. */
int keel_tls_configure(const struct keel_conf *conf, struct keel_tls_options *options,
                       struct keel_access *access, struct keel_tls_context **out,
                       struct keel_diag *diag);

/* What a one-liner option of the command line becomes: configuration text. */
struct keel_cli_option {
    const char *name;     /* "zone": --zone ARG; NULL ends the table */
    const char *argument; /* "NAME=FILE" for --help; NULL: none is taken */
    const char *help;
    /* Appends configuration text to out. KEEL_EINVAL with diag when arg is wrong. */
    int (*apply)(const char *arg, struct keel_buf *out, struct keel_diag *diag);
};

/* A flag that does one thing and ends: no configuration, no server. */
struct keel_tool {
    const char *name;      /* "check-zone": --check-zone ...; NULL ends the table */
    const char *arguments; /* "ORIGIN FILE" for --help */
    unsigned count;        /* of them; they follow the flag, and nothing follows them */
    const char *help;
    /* Returns the exit status: 0, 1 for what it found. Writes to stdout, errors to stderr. */
    int (*run)(char **arguments);
};

/* A file that was read by configure, and that the master watches. */
struct keel_input_file {
    char *path;
    /* The core's: a descriptor with what the master found in it, which is what workers read: one
     * that is started later must not find something else. -1: none */
    int copy;
    bool live;           /* workers take up another content without being replaced */
    char where[32];      /* the copy's name in /proc; "": none */
    uint64_t seen, last; /* keel_path_signature before it was read, and at the last look */
};

/* File-system rights that a worker keeps behind Landlock; and the log files that are opened for it,
 * because it may lack the rights when they are opened again. */
struct keel_access {
    char **read, **write; /* heap lists of paths; keel_access_add fills them */
    unsigned reads, writes;
    char **logs; /* in the order of keel_access_add_log */
    unsigned log_count;
    struct keel_input_file *watched; /* in the order of keel_access_add_watch */
    unsigned watch_count;
    json_t *certificates; /* of keel_tls_configure: service/certificates.h; NULL: none */
};
int keel_access_add(struct keel_access *access, const char *path, bool write);
/* Each worker gets the file, opened to append, in on_log_file: before its first connection, and
 * anew after SIGUSR1. 0 or KEEL_ENOMEM; the file's index is access->log_count before. */
int keel_access_add_log(struct keel_access *access, const char *path);
/* configure will read the file, in the master and in each worker: when it changes on disk
 * (certificate-watch), the workers are replaced as by a reload. 0 or KEEL_ENOMEM. */
int keel_access_add_watch(struct keel_access *access, const char *path);
/* The same for a file that the workers take up: of a stapled response, or one that the protocol's
 * on_file knows. */
int keel_access_add_live(struct keel_access *access, const char *path);
/* Where to read a watched file: in a worker the copy of what the master read, by a name that is
 * good until configure returns; else path. */
const char *keel_access_where(const struct keel_access *access, const char *path);
/* The copies are of no use any more. */
void keel_access_close_copies(struct keel_access *access);
void keel_access_fini(struct keel_access *access);

enum keel_schedule { /* the order of the choices of option `schedule` */
                     KEEL_SCHEDULE_KERNEL,
                     KEEL_SCHEDULE_ROUND_ROBIN,
                     KEEL_SCHEDULE_LEAST,
                     KEEL_SCHEDULE_SINGLE
};

struct keel_protocol {
    /* The ABI: the host reads no further than `size`. */
    uint32_t size;       /* sizeof(struct keel_protocol) */
    uint16_t abi_major;  /* KEEL_ABI_MAJOR */
    uint16_t abi_minor;  /* KEEL_ABI_MINOR */
    const char *name;    /* "dnsd" */
    const char *version; /* its own */
    const char *summary; /* one line for --help and the man page */

    const struct keel_option *options;   /* beside the core's own rows */
    const struct keel_cli_option *cli;   /* may be NULL */
    const struct keel_metric *metrics;   /* may be NULL */
    const struct keel_command *commands; /* may be NULL */
    enum keel_schedule schedule;         /* default of option `schedule` */
    bool one_writer;                     /* its state has one: only schedule single will do */

    /* Checks the whole configuration and makes the settings of it (returns new). Runs in the master
     * (--check, start, reload) and again in each worker; opens files, binds nothing. endpoints and
     * access may be NULL when the caller does not want them. */
    int (*configure)(const struct keel_conf *conf, void **settings,
                     struct keel_endpoints *endpoints, struct keel_access *access,
                     struct keel_diag *diag);
    void (*free_settings)(void *settings);

    /* The TLS context for connections of a TLS endpoint; borrowed from the settings. May be NULL
     * when no endpoint has TLS. */
    struct keel_tls_context *(*tls)(void *settings, const struct keel_endpoint *endpoint);

    /* In a worker, before it says READY; KEEL_EAGAIN: keel_instance_ready will say it (it waits for
     * something from a helper, say). With schedule single, standbys have started too: what may
     * have one owner only (a store that is written) is opened in `activate`. */
    int (*start)(struct keel_instance *instance, struct keel_diag *diag);
    int (*activate)(struct keel_instance *instance, struct keel_diag *diag); /* may be NULL */
    /* Stop taking new work; the core has stopped accepting. May be NULL. */
    void (*drain)(struct keel_instance *instance);
    /* Number of things under way that a drain waits for, beside the connections. May be NULL. */
    unsigned (*busy)(struct keel_instance *instance);
    void (*stop)(struct keel_instance *instance);

    /* Connections. */
    size_t connection_size;               /* >= sizeof(struct keel_connection); 0: none are taken */
    const struct keel_stream_ops *stream; /* on_close may be NULL here */
    /* A connection was made (TLS: before its handshake; on_open tells the end of it). Set
     * deadlines here. May be NULL. */
    void (*on_connect)(struct keel_connection *connection);
    /* When connections run out: may this one be closed to make room? The oldest are asked first,
     * those younger than 250 ms never. NULL: yes when nothing waits to be sent. */
    bool (*evictable)(struct keel_connection *connection);

    /* Datagrams of UDP and UNIX_DGRAM endpoints. */
    void (*on_batch)(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                     struct keel_dgram *d, struct keel_datagram *batch, unsigned count);
    struct keel_dgram_options dgram;
    /* A raw descriptor of a PACKET, ARP or ECHO endpoint; stays the core's. May be NULL. */
    void (*on_descriptor)(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                          int fd);

    /* Helpers: a list that ends with NULL, or NULL. The callbacks are for the workers. */
    const struct keel_helper *const *helpers;
    void (*on_helper)(struct keel_instance *instance, unsigned helper, bool up); /* may be NULL */
    void (*on_helper_message)(struct keel_instance *instance, unsigned helper,
                              struct keel_message *message);

    /* Version 1.1: */
    /* In a worker: log file number `index` of configure's access, opened (takes fd). Lines go there
     * from now on. May be NULL when none was asked for. */
    void (*on_log_file)(struct keel_instance *instance, unsigned index, int fd);

    /* For --check alone, after configure: what a start would find wrong later, in a helper. An
     * error with diag. May be NULL. */
    int (*check)(void *settings, struct keel_diag *diag);
    const struct keel_tool *tools; /* may be NULL */

    const struct keel_series *series; /* may be NULL */
    /* Adds what the protocol knows of a connection to its row of `connections`. May be NULL. */
    void (*describe)(struct keel_connection *connection, json_t *row);

    /* In a worker: a file of keel_access_add_live has another content (borrowed, with a NUL behind
     * it), with which configure was happy in the master. 0, or an error with diag. */
    int (*on_file)(struct keel_instance *instance, const char *path, const char *text, size_t size,
                   struct keel_diag *diag);
};
/* True when the record is new enough to have the member. */
#define KEEL_PROTOCOL_HAS(record, member)                                                          \
    ((record)->size >= offsetof(struct keel_protocol, member) + sizeof((record)->member))

/* Protocols are declared with their ABI fields first: struct keel_protocol p = { KEEL_PROTOCOL, ...
 */
#define KEEL_PROTOCOL                                                                              \
    .size = sizeof(struct keel_protocol), .abi_major = KEEL_ABI_MAJOR, .abi_minor = KEEL_ABI_MINOR

/* Loads PATH (a .so that exports `const struct keel_protocol keel_module`) and checks its record.
 * The file and its directory must belong to root (or to who runs this) and be writable by nobody
 * else. KEEL_ENOTSUP and a diag that names the differing field when it does not fit. */
int keel_module_load(const char *path, const struct keel_protocol **out, struct keel_diag *diag);
/* The same for a record of another kind, under the name of its symbol: loads, and checks no more
 * than the file. It is never unloaded. */
int keel_module_open(const char *path, const char *symbol, const void **record,
                     struct keel_diag *diag);
/* The check alone: also for records that are linked in. */
int keel_module_check(const struct keel_protocol *record, struct keel_diag *diag);

#endif
