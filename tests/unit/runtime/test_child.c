#include "common/runtime/child.h"
#include "tests/unit/runtime/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Programs are shell scripts here: that is what tests are for; the core itself never uses one. */
#define SH(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})

static struct keel_loop *loop;
static struct keel_child child;
static struct keel_diag diag;
static int exits, last_status;

static void setup(void)
{
    loop = keel_loop_new();
    ck_assert_ptr_nonnull(loop);
    memset(&child, 0, sizeof child);
    exits = 0;
}

static void teardown(void)
{
    keel_child_fini(&child);
    keel_loop_free(loop);
}

static void on_exit_of_child(struct keel_child *c, int status)
{
    ck_assert_ptr_eq(c, &child);
    ck_assert(!keel_child_running(c));
    exits++;
    last_status = status;
}

/* Turns the loop until *flag or 10 s have passed. */
static void until(const int *flag)
{
    for (int i = 0; i < 1000 && !*flag; i++)
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    ck_assert_msg(*flag, "it did not happen");
}

static void spawn(const struct keel_child_options *options)
{
    int err = keel_child_spawn(&child, loop, options, on_exit_of_child, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    ck_assert(keel_child_running(&child));
}

/* --- on the loop ----------------------------------------------------------------------------- */

START_TEST(the_status_arrives_on_the_loop)
{
    spawn(&(struct keel_child_options){.argv = SH("exit 7")});
    ck_assert_int_eq(exits, 0);
    until(&exits);
    ck_assert(WIFEXITED(last_status));
    ck_assert_int_eq(WEXITSTATUS(last_status), 7);
    spawn(&(struct keel_child_options){.argv = SH("kill -9 $$")}); /* the struct serves again */
    exits = 0;
    until(&exits);
    ck_assert(WIFSIGNALED(last_status));
    ck_assert_int_eq(WTERMSIG(last_status), SIGKILL);
}
END_TEST

START_TEST(a_failing_exec_is_told_by_spawn)
{
    static const struct {
        const char *const argv[2];
        const char *cwd;
        int err;
        const char *text;
    } cases[] = {
        {{"/no/such/program"}, NULL, KEEL_ENOENT, "cannot run \"/no/such/program\": No such file"},
        {{"keel-no-such-program"}, NULL, KEEL_ENOENT, "No such file"},
        {{"/etc/passwd"}, NULL, KEEL_EACCES, "Permission denied"},
        {{"/bin/true"}, "/no/such/folder", KEEL_ENOENT, "cannot change to the folder of"},
        {{NULL}, NULL, KEEL_EINVAL, "no program"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct keel_child_options options = {.argv = cases[i].argv, .cwd = cases[i].cwd};
        ck_assert_int_eq(keel_child_spawn(&child, loop, &options, on_exit_of_child, &diag),
                         cases[i].err);
        ck_assert_msg(strstr(diag.text, cases[i].text) != NULL, "%s", diag.text);
        ck_assert(!keel_child_running(&child));
    }
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(exits, 0);
}
END_TEST

START_TEST(a_deadline_terminates_then_kills)
{
    /* the first listens to TERM, the second does not */
    spawn(&(struct keel_child_options){.argv = SH("sleep 30"), .deadline_ns = 50 * KEEL_NS_PER_MS});
    until(&exits);
    ck_assert_int_eq(WTERMSIG(last_status), SIGTERM);
    ck_assert(child.timed_out);
    exits = 0;
    uint64_t start = keel_clock_monotonic();
    spawn(&(struct keel_child_options){.argv = SH("trap '' TERM; while :; do sleep 1; done"),
                                       .deadline_ns = 200 * KEEL_NS_PER_MS,
                                       .grace_ns = 200 * KEEL_NS_PER_MS});
    until(&exits);
    ck_assert_int_eq(WTERMSIG(last_status), SIGKILL);
    ck_assert_uint_ge(keel_clock_monotonic() - start, 390 * KEEL_NS_PER_MS);
    ck_assert(child.timed_out);
}
END_TEST

static int lives(pid_t pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%*d %*s %c", &state) != 1)
        state = 'X';
    fclose(f);
    return state != 'Z' && state != 'X';
}

static pid_t read_pid(int fd)
{
    char text[32] = "";
    for (size_t n = 0; n < sizeof text - 1 && !strchr(text, '\n'); n++)
        ck_assert_int_eq(read(fd, text + n, 1), 1);
    return (pid_t)atol(text);
}

/* A child that leaves one behind and says its number. */
static pid_t spawn_with_grandchild(bool leave_group, const char *script)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    spawn(&(struct keel_child_options){.argv = SH(script),
                                       .out = {.kind = KEEL_CHILD_FD, .fd = fds[1]},
                                       .leave_group = leave_group});
    pid_t pid = read_pid(fds[0]);
    close(fds[0]);
    close(fds[1]);
    return pid;
}

static int dies(pid_t pid)
{
    for (int i = 0; i < 200 && lives(pid); i++)
        usleep(10000);
    return !lives(pid);
}

START_TEST(the_whole_group_is_terminated)
{
    pid_t pid = spawn_with_grandchild(false, "sleep 60 & echo $!; wait");
    ck_assert(lives(pid));
    keel_child_terminate(&child);
    keel_child_terminate(&child); /* harmless */
    until(&exits);
    ck_assert(dies(pid));
    exits = 0;
    pid = spawn_with_grandchild(false, "sleep 60 & echo $!");
    until(&exits); /* what the child left behind goes with it */
    ck_assert(dies(pid));
    exits = 0;
    pid = spawn_with_grandchild(true, "sleep 60 & echo $!");
    until(&exits);
    ck_assert(lives(pid));
    kill(pid, SIGKILL);
    pid = spawn_with_grandchild(false, "sleep 60 & echo $!; wait");
    keel_child_fini(&child);
    ck_assert(dies(pid));
    ck_assert(!keel_child_running(&child));
}
END_TEST

START_TEST(a_stopped_child_is_terminated_too)
{
    pid_t pid = spawn_with_grandchild(false, "echo $$; kill -STOP $$; sleep 60");
    usleep(50000);
    ck_assert_int_eq(pid, child.pid);
    keel_child_terminate(&child);
    until(&exits);
    ck_assert_int_eq(WTERMSIG(last_status), SIGTERM);
}
END_TEST

START_TEST(it_dies_with_its_parent)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    pid_t middle = fork();
    if (middle == 0) {
        struct keel_child_options options = {.argv = SH("echo $$; sleep 60"),
                                             .out = {.kind = KEEL_CHILD_FD, .fd = fds[1]},
                                             .die_with_parent = true};
        struct keel_loop *own = keel_loop_new();
        if (keel_child_spawn(&child, own, &options, on_exit_of_child, &diag) != 0)
            _exit(1);
        pause();
    }
    pid_t pid = read_pid(fds[0]);
    ck_assert(lives(pid));
    kill(middle, SIGKILL);
    waitpid(middle, NULL, 0);
    ck_assert(dies(pid));
}
END_TEST

/* --- streams --------------------------------------------------------------------------------- */

struct end {
    struct keel_stream stream;
    struct keel_buf received;
    int closed, opened;
    size_t hold; /* take no more than this until released; 0: all */
};

static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct end *end = KEEL_CONTAINER(s, struct end, stream);
    if (end->hold) {
        keel_stream_pause(s);
        return 0;
    }
    keel_buf_append(&end->received, bytes, size);
    return size;
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    KEEL_CONTAINER(s, struct end, stream)->closed++;
}

static const struct keel_stream_ops end_ops = {
    .name = "test", .on_data = on_data, .on_close = on_close};

static struct keel_child_io stream_of(struct end *end)
{
    return (struct keel_child_io){
        .kind = KEEL_CHILD_STREAM, .stream = &end->stream, .ops = &end_ops};
}

START_TEST(streams_carry_megabytes_through_a_child)
{
    enum { SIZE = 3 << 20 };
    struct end in = {.closed = 0}, out = {.closed = 0}, err = {.closed = 0};
    uint8_t *bytes = malloc(SIZE);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    spawn(&(struct keel_child_options){.argv = SH("cat; echo done >&2"),
                                       .in = stream_of(&in),
                                       .out = stream_of(&out),
                                       .err = stream_of(&err)});
    keel_stream_write_borrowed(&in.stream, bytes, SIZE, NULL, NULL);
    keel_stream_finish(&in.stream, 5 * KEEL_NS_PER_S);
    until(&exits);
    until(&in.closed);
    until(&out.closed);
    until(&err.closed);
    ck_assert_int_eq(last_status, 0);
    ck_assert_uint_eq(keel_buf_size(&out.received), SIZE);
    ck_assert_int_eq(memcmp(keel_buf_bytes(&out.received), bytes, SIZE), 0);
    ck_assert_str_eq(keel_buf_text(&err.received), "done\n");
    keel_buf_fini(&out.received);
    keel_buf_fini(&err.received);
    free(bytes);
}
END_TEST

START_TEST(a_reader_that_pauses_holds_the_child)
{
    struct end out = {.hold = 1};
    spawn(&(struct keel_child_options){.argv = SH("head -c 8388608 /dev/zero; echo end >&2"),
                                       .out = stream_of(&out)});
    for (int i = 0; i < 30; i++)
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    ck_assert_int_eq(exits, 0); /* it waits for room */
    ck_assert_uint_le(out.stream.input_size, 2 * KEEL_STREAM_INPUT_LIMIT);
    out.hold = 0;
    keel_stream_resume(&out.stream);
    until(&exits);
    until(&out.closed);
    ck_assert_uint_eq(keel_buf_size(&out.received), 8 << 20);
    keel_buf_fini(&out.received);
}
END_TEST

START_TEST(more_descriptors_are_where_they_should_be)
{
    struct end out = {.closed = 0}, progress = {.closed = 0};
    int pipe_fds[2];
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    const struct keel_child_io more[] = {stream_of(&progress),
                                         {.kind = KEEL_CHILD_FD, .fd = pipe_fds[1]}};
    spawn(&(struct keel_child_options){
        .argv = SH("echo percent=50 >&3; echo four >&4; ls /proc/self/fd | tr '\\n' ' '"),
        .env = (const char *const[]){"PATH=/usr/bin:/bin", NULL},
        .out = stream_of(&out),
        .more = more,
        .more_count = 2});
    close(pipe_fds[1]);
    until(&exits);
    until(&out.closed);
    until(&progress.closed);
    char four[16] = "";
    ck_assert_int_eq(read(pipe_fds[0], four, sizeof four), 5);
    ck_assert_str_eq(four, "four\n");
    ck_assert_str_eq(keel_buf_text(&progress.received), "percent=50\n");
    /* 0..4 and ls's own look at the folder */
    ck_assert_str_eq(keel_buf_text(&out.received), "0 1 2 3 4 5 ");
    keel_buf_fini(&out.received);
    keel_buf_fini(&progress.received);
    close(pipe_fds[0]);
}
END_TEST

/* --- to the end ------------------------------------------------------------------------------ */

static struct keel_buf out_buf;

/* Runs a script; its output is then in out_buf. */
static int run(struct keel_child_options options, struct keel_child_run *r)
{
    keel_buf_clear(&out_buf);
    out_buf.failed = 0;
    if (!options.deadline_ns)
        options.deadline_ns = 10 * KEEL_NS_PER_S;
    r->out = &out_buf;
    return keel_child_run(&options, r, &diag);
}

START_TEST(run_gives_input_and_takes_output)
{
    struct keel_buf err_buf = {0};
    struct keel_child_run r = {.input = "hello", .input_size = 5, .err = &err_buf};
    ck_assert_int_eq(run((struct keel_child_options){.argv = SH("cat; echo no >&2; exit 3")}, &r),
                     0);
    ck_assert_int_eq(WEXITSTATUS(r.status), 3);
    ck_assert_str_eq(keel_buf_text(&out_buf), "hello");
    ck_assert_str_eq(keel_buf_text(&err_buf), "no\n");
    r = (struct keel_child_run){.err = &out_buf};
    ck_assert_int_eq(
        run((struct keel_child_options){.argv = SH("echo a; echo b >&2; echo c; cat")}, &r), 0);
    ck_assert_str_eq(keel_buf_text(&out_buf), "a\nb\nc\n");
    keel_buf_fini(&err_buf);
}
END_TEST

START_TEST(the_child_sees_what_it_was_given_and_no_more)
{
    struct keel_child_run r = {0};
    setenv("KEEL_SECRET", "1", 1);
    ck_assert_int_eq(
        run((struct keel_child_options){.argv = (const char *const[]){"env", NULL},
                                        .env = (const char *const[]){"PATH=/nowhere:/usr/bin:/bin",
                                                                     "A=b c", NULL}},
            &r),
        0);
    ck_assert_str_eq(keel_buf_text(&out_buf), "PATH=/nowhere:/usr/bin:/bin\nA=b c\n");
    ck_assert_int_eq(run((struct keel_child_options){.argv = SH("pwd"), .cwd = "/usr"}, &r), 0);
    ck_assert_str_eq(keel_buf_text(&out_buf), "/usr\n");
    const struct keel_child_limit limits[] = {{RLIMIT_NOFILE, 17}, {RLIMIT_CORE, 0}};
    ck_assert_int_eq(run((struct keel_child_options){.argv = SH("ulimit -n; ulimit -c"),
                                                     .limits = limits,
                                                     .limit_count = 2},
                         &r),
                     0);
    ck_assert_str_eq(keel_buf_text(&out_buf), "17\n0\n");
    /* a blocked or ignored signal of ours is not the child's */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(
        run((struct keel_child_options){.argv = (const char *const[]){"grep", "-E", "Sig(Blk|Ign)",
                                                                      "/proc/self/status", NULL}},
            &r),
        0);
    unsigned long long blocked = 1, ignored = 1;
    ck_assert_int_eq(
        sscanf(keel_buf_text(&out_buf), "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    /* 32 and 33 are the C library's own, and it leaves them as whoever started us had them */
    ck_assert_uint_eq(blocked, 0);
    ck_assert_uint_eq(ignored & ~0x180000000ull, 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    /* and its group is its own */
    ck_assert_int_eq(
        run((struct keel_child_options){.argv = SH(
                                            "read p c s pp group rest </proc/self/stat; "
                                            "[ $group = $$ ] && [ $group != $PPID ] && echo own")},
            &r),
        0);
    ck_assert_str_eq(keel_buf_text(&out_buf), "own\n");
}
END_TEST

START_TEST(run_is_stopped_at_its_deadline_and_its_limit)
{
    struct keel_child_run r = {0};
    uint64_t start = keel_clock_monotonic();
    ck_assert_int_eq(run((struct keel_child_options){.argv = SH("echo before; sleep 60"),
                                                     .deadline_ns = 200 * KEEL_NS_PER_MS},
                         &r),
                     KEEL_ETIMEDOUT);
    ck_assert_str_eq(keel_buf_text(&out_buf), "before\n");
    ck_assert_int_eq(run((struct keel_child_options){.argv = SH("trap '' TERM; sleep 60 & "
                                                                "while :; do sleep 1; done"),
                                                     .deadline_ns = 100 * KEEL_NS_PER_MS,
                                                     .grace_ns = 100 * KEEL_NS_PER_MS},
                         &r),
                     KEEL_ETIMEDOUT);
    out_buf.limit = 100000;
    ck_assert_int_eq(run((struct keel_child_options){.argv = SH("cat /dev/zero")}, &r),
                     KEEL_ELIMIT);
    ck_assert_ptr_nonnull(strstr(diag.text, "too much"));
    ck_assert_uint_le(keel_buf_size(&out_buf), 100000);
    ck_assert_uint_lt(keel_clock_monotonic() - start, 5 * KEEL_NS_PER_S);
    ck_assert_int_eq(run((struct keel_child_options){.argv = SH("exec /no/such")}, &r), 0);
    ck_assert_int_eq(WEXITSTATUS(r.status), 127);
}
END_TEST

START_TEST(run_does_not_wait_for_what_left_the_group)
{
    struct keel_child_run r = {0};
    uint64_t start = keel_clock_monotonic();
    ck_assert_int_eq(
        run((struct keel_child_options){.argv = SH("setsid sleep 3 & echo started")}, &r), 0);
    ck_assert_str_eq(keel_buf_text(&out_buf), "started\n");
    ck_assert_uint_lt(keel_clock_monotonic() - start, 2 * KEEL_NS_PER_S);
}
END_TEST

static unsigned count_fds(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

START_TEST(nothing_leaks)
{
    struct keel_child_run r = {0};
    unsigned before = count_fds();
    for (int i = 0; i < 20; i++) {
        struct end in = {.closed = 0}, out = {.closed = 0};
        ck_assert_int_eq(run((struct keel_child_options){.argv = SH("echo x")}, &r), 0);
        ck_assert_int_eq(
            run((struct keel_child_options){.argv = (const char *const[]){"/no/such", NULL}}, &r),
            KEEL_ENOENT);
        struct keel_child_options options = {.argv = (const char *const[]){"/no/such", NULL},
                                             .in = stream_of(&in),
                                             .out = stream_of(&out)};
        ck_assert_int_eq(keel_child_spawn(&child, loop, &options, on_exit_of_child, &diag),
                         KEEL_ENOENT);
        ck_assert_int_eq(in.closed + out.closed, 0);
        options.argv = SH("cat");
        exits = 0;
        spawn(&options);
        keel_stream_close(&in.stream);
        until(&exits);
        until(&out.closed);
    }
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(statuses_read_well)
{
    char text[64];
    keel_child_format_status(text, sizeof text, W_EXITCODE(3, 0));
    ck_assert_str_eq(text, "exit status 3");
    keel_child_format_status(text, sizeof text, W_EXITCODE(0, 9));
    ck_assert_str_eq(text, "killed by signal 9 (Killed)");
    ck_assert_uint_eq(keel_child_format_status(text, 5, W_EXITCODE(3, 0)), 4);
    ck_assert_str_eq(text, "exit");
}
END_TEST

static void teardown_run(void)
{
    keel_buf_fini(&out_buf);
    teardown();
}

Suite *child_suite(void)
{
    Suite *suite = suite_create("child");
    TCase *tc = tcase_create("loop");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_status_arrives_on_the_loop);
    tcase_add_test(tc, a_failing_exec_is_told_by_spawn);
    tcase_add_test(tc, a_deadline_terminates_then_kills);
    tcase_add_test(tc, the_whole_group_is_terminated);
    tcase_add_test(tc, a_stopped_child_is_terminated_too);
    tcase_add_test(tc, it_dies_with_its_parent);
    tcase_add_test(tc, streams_carry_megabytes_through_a_child);
    tcase_add_test(tc, a_reader_that_pauses_holds_the_child);
    tcase_add_test(tc, more_descriptors_are_where_they_should_be);
    suite_add_tcase(suite, tc);
    tc = tcase_create("run");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown_run);
    tcase_add_test(tc, run_gives_input_and_takes_output);
    tcase_add_test(tc, the_child_sees_what_it_was_given_and_no_more);
    tcase_add_test(tc, run_is_stopped_at_its_deadline_and_its_limit);
    tcase_add_test(tc, run_does_not_wait_for_what_left_the_group);
    tcase_add_test(tc, nothing_leaks);
    tcase_add_test(tc, statuses_read_well);
    suite_add_tcase(suite, tc);
    return suite;
}
