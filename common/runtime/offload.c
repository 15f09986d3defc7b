#include "common/runtime/offload.h"
#include "common/runtime/loop_private.h"

#include "common/base/err.h"
#include "common/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#define DEFAULT_THREADS 4
#define DEFAULT_QUEUE 256

/* Where a job is; written under the lock. */
enum {
    JOB_IDLE,    /* nobody's */
    JOB_WAITING, /* in the queue: may be cancelled */
    JOB_RUNNING, /* in a thread, or ended with on_done to come */
};

struct keel_offload {
    struct keel_loop *loop;
    struct keel_io io; /* the eventfd by which the threads call the loop */
    int event;

    pthread_mutex_t lock; /* for what follows, up to the blank line */
    pthread_cond_t work;
    struct keel_list waiting, ended;
    unsigned waiting_count, idle_threads;
    bool stopping;

    pthread_t *threads;
    unsigned thread_count, thread_max, queue_max;
    unsigned busy;           /* on_done still to come */
    bool delivering;         /* inside an on_done */
    struct keel_list cached; /* reads that ended at once; their tasks bring it */
};

/* --- the threads' side ----------------------------------------------------------------------- */

static struct keel_job *job_of(struct keel_list *node)
{
    return KEEL_CONTAINER(node, struct keel_job, node);
}

/* Under the lock. NULL: the pool ends. */
static struct keel_job *next_job(struct keel_offload *pool)
{
    while (keel_list_empty(&pool->waiting) && !pool->stopping) {
        pool->idle_threads++;
        pthread_cond_wait(&pool->work, &pool->lock);
        pool->idle_threads--;
    }
    if (pool->stopping)
        return NULL;
    struct keel_job *job = job_of(pool->waiting.next);
    keel_list_remove(&job->node);
    pool->waiting_count--;
    job->state = JOB_RUNNING;
    return job;
}

static void *thread_main(void *arg)
{
    struct keel_offload *pool = arg;
    struct keel_job *job;
    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(pool))) {
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        bool first = keel_list_empty(&pool->ended);
        keel_list_push_back(&pool->ended, &job->node);
        uint64_t one = 1;
        if (first && write(pool->event, &one, sizeof one) < 0)
            KEEL_ASSERT(errno == EAGAIN, "an eventfd does not take a count");
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals are the loop's. */
static int add_thread(struct keel_offload *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        pool->thread_count++;
    errno = rc;
    return rc ? KEEL_ESYS : 0;
}

/* --- the loop's side ------------------------------------------------------------------------- */

static void deliver(struct keel_offload *pool, struct keel_list *jobs, int err)
{
    bool outer = pool->delivering;
    pool->delivering = true;
    while (!keel_list_empty(jobs)) {
        struct keel_job *job = job_of(jobs->next);
        keel_list_remove(&job->node);
        job->state = JOB_IDLE;
        pool->busy--;
        job->on_done(job, err);
    }
    pool->delivering = outer;
}

/* Moves all of `from` into the empty list `to`. */
static void take_all(struct keel_list *from, struct keel_list *to)
{
    keel_list_init(to);
    if (keel_list_empty(from))
        return;
    keel_list_insert_after(from, to);
    keel_list_remove(from);
}

static void on_event(struct keel_io *io, short what)
{
    struct keel_offload *pool = KEEL_CONTAINER(io, struct keel_offload, io);
    struct keel_list ended;
    uint64_t count;
    if (read(pool->event, &count, sizeof count) < 0)
        return;
    pthread_mutex_lock(&pool->lock);
    take_all(&pool->ended, &ended);
    pthread_mutex_unlock(&pool->lock);
    deliver(pool, &ended, 0);
}

struct keel_offload *keel_offload_new(struct keel_loop *loop, unsigned threads, unsigned queue)
{
    struct keel_offload *pool = keel_calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->loop = loop;
    pool->thread_max = threads ? threads : DEFAULT_THREADS;
    pool->queue_max = queue ? queue : DEFAULT_QUEUE;
    pool->threads = keel_calloc(pool->thread_max, sizeof *pool->threads);
    pool->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    keel_list_init(&pool->waiting);
    keel_list_init(&pool->ended);
    keel_list_init(&pool->cached);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    if (!pool->threads || pool->event < 0 ||
        keel_io_start(&pool->io, loop, pool->event, KEEL_READ, KEEL_PRIORITY_TRAFFIC, "offload",
                      on_event) != 0) {
        keel_offload_free(pool);
        return NULL;
    }
    return pool;
}

static void cached_done(struct keel_task *task);

void keel_offload_free(struct keel_offload *pool)
{
    if (!pool)
        return;
    KEEL_ASSERT(!pool->delivering, "a pool was freed by an on_done of its own");
    if (pool->loop->files == pool)
        pool->loop->files = NULL;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    deliver(pool, &pool->ended, 0);
    deliver(pool, &pool->waiting, KEEL_ECANCELED);
    while (!keel_list_empty(&pool->cached)) {
        struct keel_file_read *read =
            KEEL_CONTAINER(job_of(pool->cached.next), struct keel_file_read, job);
        keel_task_stop(&read->task);
        cached_done(&read->task);
    }
    keel_io_stop(&pool->io);
    if (pool->event >= 0)
        close(pool->event);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    keel_free(pool->threads);
    keel_free(pool);
}

int keel_offload_start(struct keel_offload *pool, struct keel_job *job,
                       void (*run)(struct keel_job *job),
                       void (*on_done)(struct keel_job *job, int err))
{
    int err = 0;
    job->run = run;
    job->on_done = on_done;
    pthread_mutex_lock(&pool->lock);
    if (pool->stopping)
        err = KEEL_ECANCELED;
    else if (pool->waiting_count >= pool->queue_max)
        err = KEEL_EBUSY;
    else if (pool->idle_threads <= pool->waiting_count && pool->thread_count < pool->thread_max &&
             add_thread(pool) != 0 && pool->thread_count == 0)
        err = KEEL_ESYS;
    if (!err) {
        job->state = JOB_WAITING;
        keel_list_push_back(&pool->waiting, &job->node);
        pool->waiting_count++;
        pool->busy++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return err;
}

bool keel_offload_cancel(struct keel_offload *pool, struct keel_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool waits = job->state == JOB_WAITING;
    if (waits) {
        keel_list_remove(&job->node);
        pool->waiting_count--;
        pool->busy--;
        job->state = JOB_IDLE;
    }
    pthread_mutex_unlock(&pool->lock);
    return waits;
}

unsigned keel_offload_busy(const struct keel_offload *pool)
{
    return pool->busy;
}

void keel_offload_serve_streams(struct keel_offload *pool)
{
    pool->loop->files = pool;
}

/* --- reading files --------------------------------------------------------------------------- */

static struct keel_file_read *read_of(struct keel_job *job)
{
    return KEEL_CONTAINER(job, struct keel_file_read, job);
}

/* Reads on. 0: all, or the end of the file; else errno. */
static int read_on(struct keel_file_read *read, int flags)
{
    while (read->done < read->size) {
        struct iovec iov = {(uint8_t *)read->buffer + read->done, read->size - read->done};
        ssize_t n = preadv2(read->fd, &iov, 1, read->offset + (off_t)read->done, flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return 0;
        read->done += (size_t)n;
    }
    return 0;
}

static void read_run(struct keel_job *job)
{
    struct keel_file_read *read = read_of(job);
    read->error = read_on(read, 0);
}

static void read_done(struct keel_job *job, int err)
{
    struct keel_file_read *read = read_of(job);
    if (!err && read->error) {
        errno = read->error;
        err = KEEL_ESYS;
    }
    read->on_read(read, err);
}

static void cached_done(struct keel_task *task)
{
    struct keel_file_read *read = KEEL_CONTAINER(task, struct keel_file_read, task);
    keel_list_remove(&read->job.node);
    read->pool->busy--;
    read->on_read(read, 0);
}

int keel_offload_read(struct keel_offload *pool, struct keel_file_read *read, int fd, off_t offset,
                      void *buffer, size_t size,
                      void (*on_read)(struct keel_file_read *read, int err))
{
    *read = (struct keel_file_read){.pool = pool,
                                    .fd = fd,
                                    .offset = offset,
                                    .buffer = buffer,
                                    .size = size,
                                    .on_read = on_read};
    /* Any error here (not cached, not supported by this file system) is the thread's to meet. */
    if (read_on(read, RWF_NOWAIT) != 0)
        return keel_offload_start(pool, &read->job, read_run, read_done);
    read->cached = true;
    keel_list_push_back(&pool->cached, &read->job.node);
    pool->busy++;
    keel_task_init(&read->task, cached_done);
    keel_task_start(pool->loop, &read->task);
    return 0;
}

bool keel_offload_read_cancel(struct keel_offload *pool, struct keel_file_read *read)
{
    if (!read->cached)
        return keel_offload_cancel(pool, &read->job);
    if (keel_list_empty(&read->job.node))
        return false;
    keel_task_stop(&read->task);
    keel_list_remove(&read->job.node);
    pool->busy--;
    return true;
}
