#include "httpd/handlers/auth.h"

#include "common/base/clients.h"
#include "common/base/clock.h"
#include "common/base/rand.h"
#include "common/runtime/offload.h"
#include "common/service/log.h"
#include "common/service/module.h"
#include "httpd/request/verified.h"
#include "httpd/serve/metrics.h"

#define REMEMBERED (300 * KEEL_NS_PER_S) /* credentials that were right */
#define CLIENTS 16384                    /* whose attempts are counted */
#define THREADS 2                        /* of their own: files shall not wait for passwords */
#define CHECKS_MAX 64                    /* that wait for a thread */

/* Twenty at once, and then one a second, of one client. */
static const struct keel_rate attempts = {KEEL_NS_PER_S, 20 * KEEL_NS_PER_S, 0};

struct auth {
    struct http_host *host;
    struct keel_offload *pool;
    struct http_verified verified;
    struct keel_clients clients;
    struct keel_list checks; /* under way */
};

/* A password that is being checked, and the exchanges that wait for it. */
struct check {
    struct keel_job job;
    struct keel_list node; /* in auth->checks */
    struct auth *auth;
    struct keel_list waiters;
    uint8_t digest[HTTP_VERIFIED_SIZE];
    enum http_hash_kind kind;
    bool known; /* there is such a user */
    bool right;
    struct keel_str hash; /* the user's, or of another one */
    char hash_text[HTTP_HASH_MAX + 1];
    char password[HTTP_PASSWORD_MAX + 1];
};
struct waiter {
    struct keel_list node; /* in check->waiters */
    struct http_exchange *x;
    const struct http_auth *settings;
    struct keel_str user;
};

/* --- the file --- */

int http_users_file_take(struct http_users_file *file, struct keel_str text, struct keel_diag *diag)
{
    struct keel_hash_key key;
    struct http_users users;
    struct keel_diag why = {""};
    keel_rand_bytes(&key, sizeof key);
    int err = http_users_parse(&users, &key, text, &why);
    if (err == KEEL_ENOMEM)
        return keel_diag_memory(diag);
    if (err)
        return keel_diag_set(diag, err, "%s:%s", file->path, why.text);
    http_users_fini(&file->users);
    file->users = users;
    file->version++;
    return 0;
}

/* --- answers --- */

static void respond_challenge(struct http_exchange *x, const struct http_auth *settings,
                              struct http_response *response)
{
    http_response_plain(response, &x->request, 401, settings->challenge);
}

/* The user is who it says: may it come in here? Sets the user. */
static bool is_allowed(struct http_exchange *x, const struct http_auth *settings,
                       struct keel_str user)
{
    bool allowed = settings->allowed_count == 0;
    for (unsigned i = 0; i < settings->allowed_count && !allowed; i++)
        allowed = keel_str_equal(settings->allowed[i], user);
    x->request.user = user;
    return allowed;
}

static enum http_verdict admit(struct http_exchange *x, const struct http_auth *settings,
                               struct keel_str user, struct http_response *response)
{
    if (is_allowed(x, settings, user))
        return HTTP_NEXT;
    http_response_plain(response, &x->request, 403, KEEL_STR(""));
    return HTTP_DONE;
}

/* --- checks --- */

static void run_check(struct keel_job *job)
{
    struct check *check = KEEL_CONTAINER(job, struct check, job);
    check->right = http_password_check(check->password, check->hash, check->kind);
}

/* An exchange that waited for the check goes on. */
static void answer(struct waiter *waiter, const struct check *check, int err)
{
    struct http_exchange *x = waiter->x;
    struct http_response response = {0};
    if (!err && check->known && check->right &&
        admit(x, waiter->settings, waiter->user, &response) == HTTP_NEXT) {
        http_exchange_next(x);
        return;
    }
    if (err)
        http_response_retry(&response, &x->request, 503, KEEL_NS_PER_S);
    else if (response.status == 0)
        respond_challenge(x, waiter->settings, &response);
    http_exchange_respond(x, &response);
}

static void on_checked(struct keel_job *job, int err)
{
    struct check *check = KEEL_CONTAINER(job, struct check, job);
    struct auth *auth = check->auth;
    struct http_host *host = auth->host;
    uint64_t now_ns = keel_loop_now(host->loop);
    http_clock_set(&host->clock, keel_loop_realtime(host->loop), now_ns);
    keel_list_remove(&check->node);
    if (!err && check->known && check->right)
        http_verified_add(&auth->verified, check->digest, now_ns + REMEMBERED);
    else if (!err)
        keel_metric_add(&host->instance->metrics, HTTP_M_AUTH_FAILED, 1);
    while (!keel_list_empty(&check->waiters)) {
        struct waiter *waiter = KEEL_CONTAINER(check->waiters.next, struct waiter, node);
        keel_list_remove(&waiter->node);
        answer(waiter, check, err);
    }
    explicit_bzero(check, sizeof *check);
    keel_free(check);
}

static struct check *find_check(struct auth *auth, const uint8_t *digest)
{
    keel_list_for (it, &auth->checks) {
        struct check *check = KEEL_CONTAINER(it, struct check, node);
        if (memcmp(check->digest, digest, HTTP_VERIFIED_SIZE) == 0)
            return check;
    }
    return NULL;
}

/* Begins to check a password; NULL: not now. */
static struct check *start_check(struct auth *auth, const struct http_users *users,
                                 struct keel_str user, struct keel_str password,
                                 const uint8_t *digest)
{
    const struct http_user *known = http_users_find(users, user);
    const struct http_user *hashed = known ? known : users->last;
    struct check *check = keel_calloc(1, sizeof *check);
    if (!check)
        return NULL;
    check->auth = auth;
    check->known = known != NULL;
    check->kind = hashed->kind;
    check->hash = (struct keel_str){check->hash_text, hashed->hash.n};
    memcpy(check->hash_text, hashed->hash.p, hashed->hash.n + 1);
    memcpy(check->password, password.p, password.n + 1);
    memcpy(check->digest, digest, HTTP_VERIFIED_SIZE);
    keel_list_init(&check->waiters);
    if (keel_offload_start(auth->pool, &check->job, run_check, on_checked) == 0) {
        keel_list_push_back(&auth->checks, &check->node);
        return check;
    }
    explicit_bzero(check, sizeof *check);
    keel_free(check);
    return NULL;
}

static enum http_verdict wait_for(struct http_exchange *x, struct check *check,
                                  const struct http_auth *settings, struct keel_str user,
                                  struct http_response *response)
{
    struct waiter *waiter = keel_arena_alloc(&x->request.arena, sizeof *waiter);
    if (!waiter) {
        http_response_retry(response, &x->request, 503, KEEL_NS_PER_S);
        return HTTP_DONE;
    }
    *waiter = (struct waiter){.x = x, .settings = settings, .user = user};
    keel_list_push_back(&check->waiters, &waiter->node);
    x->state = waiter;
    return HTTP_LATER;
}

static void on_gone(struct http_exchange *x)
{
    struct waiter *waiter = x->state;
    keel_list_remove(&waiter->node);
}

/* --- the step --- */

static enum http_verdict verify(struct http_exchange *x, struct auth *auth,
                                const struct http_auth *settings, struct keel_str user,
                                struct keel_str password, struct http_response *response)
{
    struct http_users_file *file = settings->file;
    struct keel_metrics *metrics = &x->host->instance->metrics;
    uint64_t now_ns = x->host->clock.now_ns, wait_ns;
    uint8_t digest[HTTP_VERIFIED_SIZE];
    if (!file->users.last) { /* nobody may */
        respond_challenge(x, settings, response);
        return HTTP_DONE;
    }
    if (http_verified_digest(&auth->verified, file->number, file->version, user.p, password.p,
                             digest) != 0) {
        http_response_retry(response, &x->request, 503, KEEL_NS_PER_S);
        return HTTP_DONE;
    }
    if (http_verified_find(&auth->verified, digest, now_ns))
        return admit(x, settings, user, response);
    struct check *check = find_check(auth, digest);
    if (!check) {
        if (!keel_clients_take(&auth->clients, x->peer, &attempts, now_ns, &wait_ns)) {
            keel_metric_add(metrics, HTTP_M_AUTH_LIMITED, 1);
            http_response_retry(response, &x->request, 429, wait_ns);
            return HTTP_DONE;
        }
        keel_metric_add(metrics, HTTP_M_AUTH_CHECKS, 1);
        check = start_check(auth, &file->users, user, password, digest);
    }
    if (check)
        return wait_for(x, check, settings, user, response);
    http_response_retry(response, &x->request, 503, KEEL_NS_PER_S);
    return HTTP_DONE;
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    const struct http_head *head = &x->request.head;
    const struct http_access *access = x->request.location->access;
    struct keel_str user, password;
    if (access && access->any && http_access_allows(access, x->peer))
        return HTTP_NEXT;
    char *text = http_head_has(head, HTTP_FIELD_AUTHORIZATION)
                     ? keel_arena_alloc(&x->request.arena, HTTP_BASIC_SIZE)
                     : NULL;
    if (text && http_basic_parse(http_head_value(head, HTTP_FIELD_AUTHORIZATION), text, &user,
                                 &password) == 0)
        return verify(x, state, settings, user, password, response);
    respond_challenge(x, settings, response);
    return HTTP_DONE;
}

static void stop(void *state)
{
    struct auth *auth = state;
    if (!auth)
        return;
    keel_offload_free(auth->pool);
    http_verified_fini(&auth->verified);
    keel_clients_fini(&auth->clients);
    keel_free(auth);
}

static int start(struct http_host *host, void **state, struct keel_diag *diag)
{
    struct auth *auth = keel_calloc(1, sizeof *auth);
    if (auth) {
        auth->host = host;
        keel_list_init(&auth->checks);
        auth->pool = keel_offload_new(host->loop, THREADS, CHECKS_MAX);
    }
    if (auth && auth->pool && http_verified_init(&auth->verified) == 0 &&
        keel_clients_init(&auth->clients, CLIENTS) == 0) {
        *state = auth;
        return 0;
    }
    stop(auth);
    return keel_diag_memory(diag);
}

const struct http_handler http_auth_handler = {HTTP_HANDLER,       .name = "auth",
                                               .start = start,     .stop = stop,
                                               .respond = respond, .on_gone = on_gone};
