/*
 * The master process: its state, and what its parts offer each other. Private to service/.
 *
 *   master.c      start, signals, stop, exit status
 *   generation.c  one configuration and its workers: ready, drain, undo
 *   process.c     one worker: fork, exec, what it says
 *   supervise.c   deaths, respawns, heartbeats, who serves whose descriptors
 *   balance.c     accepting for the workers (schedule round-robin and least)
 *   upgrade.c     the new binary takes over
 *   tickets.c     the secrets of TLS session tickets
 *   renew.c       files that changed, certificates above all
 *   totals.c      counters that outlive their workers; metrics as text
 *   control.c     the control socket; control_request.c its requests, master_command.c the commands,
 *                 control_ask.c what the workers answer
 */
#ifndef KEEL_SERVICE_MASTER_H
#define KEEL_SERVICE_MASTER_H

#include "common/runtime/packet.h"
#include "common/service/channel.h"
#include "common/service/manifest.h"
#include "common/service/options.h"
#include "common/service/board.h"
#include "common/service/sockets.h"

struct keel_master;
struct keel_control;

enum keel_process_state {
    KEEL_PROCESS_EMPTY = 0, /* no process: waits for its respawn, or is done */
    KEEL_PROCESS_STARTING,  /* spawned, not READY yet */
    KEEL_PROCESS_SERVING,   /* READY */
    KEEL_PROCESS_DRAINING,  /* told to finish */
};

/* One worker of a generation. */
struct keel_process {
    struct keel_generation *generation;
    const struct keel_helper *helper; /* its role; NULL: a worker */
    unsigned index;                   /* among the workers, or among the helpers */
    enum keel_process_state state;
    pid_t pid;
    struct keel_channel channel;
    int worker_end; /* the worker's side of the channel: what a dead one left unread is here */
    unsigned slot;  /* in the segment */
    uint64_t spawned_ns, ready_ns;
    bool active; /* schedule single, and helpers: it is the one that works */
    bool hung;   /* heartbeat is late: siblings serve its descriptors */
    bool warned, aborted;
    uint64_t aborted_ns;
    uint32_t *has;   /* by (endpoint, slot) number: keel_kept.opening of what it holds; 0: no */
    uint64_t passed; /* connections that the master passed to it */
    unsigned deaths; /* in a row, for the respawn delay */
    struct keel_timer respawn;
    char sandbox[256];  /* what it said with READY */
    char failure[1024]; /* what it said with FAILED */
    int failure_status; /* and the exit status for the daemon; 0: it said nothing */
};

enum keel_generation_state {
    KEEL_GENERATION_STARTING = 1, /* its workers get ready; the one before it serves */
    KEEL_GENERATION_SERVING,
    KEEL_GENERATION_DRAINING, /* its workers finish */
};

struct keel_generation {
    struct keel_list node; /* in master->generations, oldest first */
    struct keel_master *master;
    unsigned number;
    enum keel_generation_state state;
    char *text; /* of the configuration file; NULL: none */
    struct keel_conf *conf;
    struct keel_core core;
    struct keel_endpoints endpoints;
    struct keel_access access;      /* of its workers; here for the log files, and those to watch */
    struct keel_kept **kept;        /* one for each endpoint */
    unsigned *first_slot;           /* endpoint -> number of its slot 0; [count] is the total */
    struct keel_process *processes; /* the workers, then the helpers */
    unsigned count;                 /* workers */
    unsigned total;                 /* workers and helpers */
    bool first;                     /* nothing served before it: a failure ends the daemon */
    struct keel_timer deadline;     /* to be ready, or to be gone */
    uint64_t drain_ns;              /* DRAINING: the time its processes were given */
    unsigned urgency;               /* DRAINING: 0 asked, 1 TERM sent, 2 KILL sent */
    uint64_t started_ns;
};

/* Somebody who waits for the end of a reload or an upgrade (a control client). */
struct keel_waiter {
    struct keel_list node;
    bool next; /* not for the one under way, but for the reload that follows it */
    void (*settled)(struct keel_waiter *waiter, bool ok, const char *text);
};

struct keel_master_signal {
    struct keel_signal signal;
    struct keel_master *master;
};

struct keel_master {
    const struct keel_protocol *protocol;
    int argc;
    char **argv;
    struct keel_option *rows; /* the core's and the protocol's; trees point into it */
    char *conf_file;          /* absolute; NULL: none */
    char *overrides;          /* NULL: none */
    int log_level;            /* from the command line; -1: none */
    struct keel_loop *loop;
    struct keel_sockets sockets;
    struct keel_board board;
    uint8_t slot_used[KEEL_SLOTS];
    struct keel_list generations;
    struct keel_generation *serving; /* NULL before the first is ready */
    unsigned next_generation;
    struct keel_list waiters; /* of the reload under way */
    struct keel_totals *totals;
    struct keel_control *control;
    struct keel_balance *balance;
    struct keel_upgrade *upgrade;
    struct keel_master_signal signals[6];
    struct keel_timer tick;     /* supervision */
    uint64_t ticked_ns;         /* the last one, monotonic */
    struct keel_timer watchdog; /* systemd's */
    struct keel_link_watch links;
    bool watching_links;
    bool stopping, reload_again, handed_over;
    int exit_status;
    uint64_t deaths_ns[2560]; /* times of the last deaths, a ring */
    unsigned deaths;
    uint64_t started_realtime_ns;
    struct keel_ticket_ring tickets;
    struct keel_timer ticket_timer, renew_timer;
    struct keel_file_watch *renew_watch;       /* NULL: the files are only looked at by time */
    struct keel_watched_files *renew_watched;  /* one for each file of the serving generation */
    uint64_t reloads, respawns, files_refused; /* of the masters before us too */
    char *binary;                              /* the path to start a new version from */
    int exe; /* our own binary: respawned workers are of the same version as the master */
};

/* --- generation.c --- */
/* Loads the configuration (text, or the file anew when text is NULL) and spawns its workers. On
 * error nothing changed; diag has file and line. */
int keel_generation_start(struct keel_master *master, char *text, struct keel_diag *diag);
/* Tells its workers to finish; it frees itself when the last is gone. Asked again with a shorter
 * deadline, it hurries. */
void keel_generation_drain(struct keel_generation *g, uint64_t deadline_ns);
/* Descriptors were added to those it uses: gives them numbers, so that they can be served.
 * KEEL_ENOMEM. */
int keel_generation_widen(struct keel_generation *g);
/* Opens the protocol's log files anew and hands them to its workers. */
void keel_generation_reopen_logs(struct keel_generation *g);
/* A process of it said READY, FAILED, or ended. */
void keel_generation_ready(struct keel_process *p);
void keel_generation_lost(struct keel_process *p, const char *why);
const char *keel_generation_state_name(enum keel_generation_state state);
/* The master accepts the connections to this endpoint, and passes them on. */
bool keel_generation_accepts(const struct keel_generation *g, unsigned endpoint);

/* --- process.c --- */
/* Starts the process of an EMPTY one, with the descriptors it owns. On error it stays EMPTY. */
int keel_process_spawn(struct keel_process *p, bool active, struct keel_diag *diag);
void keel_process_message(struct keel_channel *channel, struct keel_message *message);
const char *keel_process_state_name(enum keel_process_state state);
/* fork(2) for an exec that follows: no handler of ours runs in the child, where it would write
 * into the pipe of our own loop; what the operator sends to the whole group is ignored there. */
pid_t keel_process_fork(void);

/* --- supervise.c --- */
void keel_supervise_start(struct keel_master *master);
void keel_supervise_stop(struct keel_master *master);
/* SIGCHLD: reaps those of ours that ended. */
void keel_supervise_reap(struct keel_master *master);
/* Brings descriptors to who should serve them: owners, and deputies of the dead and the hung. */
void keel_supervise_assign(struct keel_generation *g);
/* Schedule single: sees to it that exactly one worker is active; and one helper of each kind. */
void keel_supervise_activate(struct keel_generation *g);
/* Asks the active helpers of a generation that leaves to give up what they own. */
void keel_supervise_retire(struct keel_generation *g);
/* This one has: the next one's turn. */
void keel_supervise_retired(struct keel_process *p);
/* Can take connections now. */
bool keel_process_healthy(const struct keel_process *p);

/* --- balance.c --- */
/* Makes master->balance. 0 or KEEL_ENOMEM. */
int keel_balance_init(struct keel_master *master);
/* Accepts for the serving generation if its schedule says so; called when that changes. */
void keel_balance_update(struct keel_master *master);
void keel_balance_free(struct keel_master *master);
/* Takes connections back that a dead or hung worker has not read yet, for the others. */
void keel_balance_recover(struct keel_process *p);
/* A worker is ready: passes on what waited for one. */
void keel_balance_flush(struct keel_master *master);

/* --- upgrade.c --- */
/* Starts the new binary; waiters hear how it ended. */
int keel_upgrade_start(struct keel_master *master, struct keel_diag *diag);
/* In the new master: takes what the manifest brings. */
int keel_upgrade_receive(struct keel_master *master, struct keel_manifest *manifest,
                         struct keel_diag *diag);
/* In the new master, once it serves: tells the old one to go. Nothing when there is none. */
void keel_upgrade_takeover(struct keel_master *master);
/* True while an old master has not left yet: schedule single waits for it; and so does a helper,
 * until the old one's of its name has retired. helper: NULL for the workers. */
bool keel_upgrade_waiting(const struct keel_master *master, const struct keel_helper *helper);
/* In the old master: this helper has retired or ended. Tells the new master, if there is one. */
void keel_upgrade_ownerless(struct keel_master *master, const struct keel_helper *helper);
/* True while it is open which of the two masters serves. */
bool keel_upgrade_is_pending(const struct keel_master *master);
/* In the old master, which stops: the new one is not wanted any more. */
void keel_upgrade_cancel(struct keel_master *master);
/* In the old master: its last worker is gone. */
void keel_upgrade_farewell(struct keel_master *master);
/* SIGCHLD: looks whether the new master ended. */
void keel_upgrade_reap(struct keel_master *master);
void keel_upgrade_free(struct keel_master *master);

/* --- tickets.c --- */
/* Makes the first secret, unless the manifest brought some. */
void keel_tickets_start(struct keel_master *master);
void keel_tickets_stop(struct keel_master *master);
/* A configuration serves: its times hold. */
void keel_tickets_plan(struct keel_master *master);
/* A new secret now; forget: and none of the old ones any more. KEEL_EBUSY or KEEL_ENOTSUP. */
int keel_tickets_rotate(struct keel_master *master, bool forget, struct keel_diag *diag);

/* --- renew.c --- */
void keel_renew_start(struct keel_master *master);
void keel_renew_stop(struct keel_master *master);
/* Its configuration was read: keeps copies of the watched files for its workers. */
void keel_renew_note(struct keel_generation *g);
/* A configuration serves: its files are watched. */
void keel_renew_plan(struct keel_master *master);

/* --- totals.c --- */
int keel_totals_new(struct keel_master *master);
void keel_totals_free(struct keel_master *master);
/* Adds what a dead process counted, and frees its slot. */
void keel_totals_fold(struct keel_master *master, struct keel_process *p);
/* All counters as a JSON object (returns new text for free(3)), and back: adds `text` minus
 * `minus` (may be NULL). */
char *keel_totals_save(struct keel_master *master);
void keel_totals_add(struct keel_master *master, const char *text, const char *minus);
int keel_totals_print(struct keel_master *master, bool openmetrics, struct keel_buf *out);
int keel_slot_take(struct keel_master *master, unsigned *slot);
/* The process was started: its slot counts from now on. */
void keel_totals_enter(struct keel_process *p);
/* Tells those who read the board what serves, and since when. */
void keel_totals_publish(struct keel_master *master);

/* --- control.c, control_ask.c, master_command.c --- */
/* Opens the socket; or takes the inherited one (-1: none), which is deaf until keel_control_listen:
 * as long as the old master serves, it answers. */
int keel_control_start(struct keel_master *master, int inherited_fd, struct keel_diag *diag);
void keel_control_listen(struct keel_master *master);
/* A new configuration serves: moves to its path and permissions. Where that fails, it stays. */
void keel_control_follow(struct keel_master *master, const struct keel_core *core);
/* Another master has the socket now: stop listening, leave its path, answer whom we know. */
void keel_control_leave(struct keel_master *master);
/* Closes everything and removes the path (unless left). Settle waiters before. */
void keel_control_stop(struct keel_master *master);
int keel_control_fd(const struct keel_master *master);
/* A piece of a worker's reply; NULL bytes: the worker is gone. */
void keel_control_reply(struct keel_process *p, uint32_t id, const void *bytes, size_t size,
                        bool more);

/* --- master.c --- */
/* Runs the daemon; returns the exit status. text is the configuration (takes), manifest is NULL
 * or that of an upgrade. */
int keel_master_run(struct keel_master *master, char *text, struct keel_manifest *manifest);
/* Reads the configuration again and replaces the workers. KEEL_EBUSY while one is under way. */
int keel_master_reload(struct keel_master *master, struct keel_diag *diag);
/* Replaces the workers without reading the configuration again: files that it names changed. */
int keel_master_renew(struct keel_master *master, struct keel_diag *diag);
/* The same as reload, or KEEL_EAGAIN: it follows the one that is under way. */
int keel_master_reload_next(struct keel_master *master, struct keel_diag *diag);
/* 0, or KEEL_EINVAL with diag: it came from a pipe, where a second reading would wait for ever or
 * find nothing. */
int keel_master_can_reread(const struct keel_master *master, struct keel_diag *diag);
/* The log of this configuration, for the master itself. */
void keel_master_apply_log(struct keel_master *master, const struct keel_core *core);
/* Leaves in order, or (fast) at once. */
void keel_master_stop(struct keel_master *master, bool fast, int exit_status);
/* A reload or an upgrade came to its end: tells who waits, and does what had to wait for it. */
void keel_master_settle(struct keel_master *master, bool ok, const char *text);
bool keel_master_is_starting(const struct keel_master *master);
/* The last process of a generation (or an unwanted new master) is gone: look whether we are
 * done. */
void keel_master_check_done(struct keel_master *master);
/* Tells every worker. */
void keel_master_broadcast(struct keel_master *master, uint32_t type, uint32_t a, const int *fds,
                           unsigned fd_count);

#endif
