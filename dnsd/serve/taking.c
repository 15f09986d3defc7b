#include "dnsd/serve/taking.h"

#include "common/base/mem.h"

/* Differences of so many records at most are laid over the zone at once, which takes milliseconds;
 * more of them become a whole new image, in a thread. */
#define EDIT_RECORDS 20000

struct making {
    struct dns_taking taking;
    struct keel_job job;
    struct dns_promise promise;
    struct dns_kept *kept; /* NULL: nobody waits for it any more */
    dns_taking_end on_end;
    void *arg;
    struct keel_hash_key key;
    struct dns_compiler *compiler; /* a whole zone */
    struct dns_edit *edit;         /* or a copy of what there is, */
    struct dns_keeper *keeper;     /* over */
    struct dns_shared *base;       /* this one, held, */
    struct dns_diff *steps;        /* and what has changed */
    unsigned step_count;
    struct dns_image *image;
    int err;
    struct keel_diag diag;
};

static void making_free(struct making *m)
{
    for (unsigned i = 0; i < m->step_count; i++)
        dns_diff_fini(&m->steps[i]);
    keel_free(m->steps);
    dns_compiler_free(m->compiler);
    dns_edit_free(m->edit);
    if (m->base)
        dns_keeper_release_base(m->keeper, m->base);
    keel_free(m->image);
    keel_free(m);
}

static void end(struct making *m, int err, const char *why)
{
    if (m->kept)
        m->on_end(m->arg, &m->taking, err, why);
    making_free(m);
}

static void fail(struct making *m, int err, const char *why)
{
    m->taking.unfit = m->taking.incremental;
    end(m, err, why);
}

static int no_memory(struct making *m)
{
    return keel_diag_memory(&m->diag);
}

/* All steps are one: they are in the zone together or not at all (RFC 1995, 4). The step of the
 * edit is open afterwards. */
static int apply_steps(struct making *m, struct dns_edit *edit)
{
    int err = 0;
    dns_edit_begin(edit);
    for (unsigned i = 0; err == 0 && i < m->step_count; i++)
        err = dns_edit_apply(edit, &m->steps[i], &m->diag);
    return err;
}

/* In a thread. */
static void compile(struct keel_job *job)
{
    struct making *m = KEEL_CONTAINER(job, struct making, job);
    if (m->compiler) {
        m->err = dns_compiler_finish(m->compiler, &m->image, &m->diag);
    } else {
        m->err = apply_steps(m, m->edit);
        if (m->err == 0)
            m->err = dns_edit_commit(m->edit, &m->diag);
        if (m->err)
            dns_edit_rollback(m->edit);
        else
            m->err = dns_edit_image(m->edit, m->key, &m->image, &m->diag);
    }
    if (m->err == KEEL_ENOMEM)
        no_memory(m);
}

/* On disk and served; or not. */
static void on_kept(struct dns_promise *promise, int err)
{
    end(KEEL_CONTAINER(promise, struct making, promise), err, keel_strerror(err));
}

static void on_compiled(struct keel_job *job, int err)
{
    struct making *m = KEEL_CONTAINER(job, struct making, job);
    struct dns_image *image = m->image;
    if (m->kept && err == 0 && m->err == 0) {
        m->image = NULL;
        m->err = dns_keeper_replace(m->kept, image, &m->promise, &m->diag);
        if (m->err == 0)
            return; /* on_kept comes */
        keel_free(image);
    }
    fail(m, err ? err : m->err, err ? keel_strerror(err) : m->diag.text);
}

struct dns_taking *dns_taking_new(struct dns_kept *kept, struct dns_fetcher *fetcher,
                                  dns_taking_end on_end, void *arg)
{
    struct dns_fetch *fetch = &fetcher->fetch;
    struct making *m = keel_calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->taking = (struct dns_taking){.soa = fetch->soa,
                                    .expire = fetch->expire_known ? fetch->expire : UINT32_MAX,
                                    .incremental = fetch->outcome == DNS_FETCH_STEPS,
                                    .began_ns = fetcher->began_ns,
                                    .bytes = fetch->bytes,
                                    .records = fetch->records};
    m->kept = kept;
    m->on_end = on_end;
    m->arg = arg;
    m->promise.on_kept = on_kept;
    keel_list_init(&m->promise.node);
    m->key = fetch->options.hash;
    if (m->taking.incremental) {
        m->steps = dns_fetch_take_steps(fetch, &m->step_count);
        m->keeper = kept->keeper;
        m->base = dns_keeper_hold_base(kept);
    } else {
        m->compiler = dns_fetch_take(fetch);
    }
    return &m->taking;
}

/* A few differences. */
static int change(struct making *m)
{
    struct dns_edit *edit = m->kept->edit;
    int err = apply_steps(m, edit);
    if (err == 0)
        return dns_keeper_commit(m->kept, &m->promise, &m->diag); /* m may be gone */
    dns_edit_rollback(edit);
    return err;
}

/* Many, or a whole zone. */
static int compile_apart(struct making *m, struct keel_offload *pool)
{
    if (m->taking.incremental) {
        m->edit = dns_edit_snapshot(m->kept->edit);
        if (!m->edit)
            return no_memory(m);
    }
    int err = keel_offload_start(pool, &m->job, compile, on_compiled);
    return err ? keel_diag_set(&m->diag, err, "%s", keel_strerror(err)) : 0;
}

void dns_taking_start(struct dns_taking *taking, struct keel_offload *pool)
{
    struct making *m = KEEL_CONTAINER(taking, struct making, taking);
    bool few = taking->incremental && taking->records <= EDIT_RECORDS;
    int err = few ? change(m) : compile_apart(m, pool);
    if (err)
        fail(m, err, m->diag.text);
}

void dns_taking_abandon(struct dns_taking *taking)
{
    if (taking)
        KEEL_CONTAINER(taking, struct making, taking)->kept = NULL;
}
