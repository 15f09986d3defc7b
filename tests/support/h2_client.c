#include "tests/support/h2_client.h"

#include <stdlib.h>
#include <string.h>

struct upload {
    const char *bytes;
    size_t left;
};

static uint32_t add_sum(uint32_t sum, size_t at, uint8_t byte)
{
    return sum + (uint32_t)(at + 1) * (byte + 1u);
}

uint32_t h2_sum(size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = add_sum(sum, i, h2_byte(i));
    return sum;
}

static struct h2_answer *find(struct h2_client *client, int32_t id)
{
    for (unsigned i = 0; i < client->count; i++)
        if (client->answers[i].id == id)
            return &client->answers[i];
    return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *arg)
{
    struct h2_answer *answer = find(arg, frame->hd.stream_id);
    if (!answer)
        return 0;
    if (name_size == 7 && memcmp(name, ":status", 7) == 0)
        answer->status = (unsigned)atoi((const char *)value);
    size_t n = strlen(answer->head);
    if (n + name_size + value_size + 4 < sizeof answer->head) {
        memcpy(answer->head + n, name, name_size);
        memcpy(answer->head + n + name_size, ": ", 2);
        memcpy(answer->head + n + name_size + 2, value, value_size);
        strcpy(answer->head + n + name_size + 2 + value_size, "\n");
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t size, void *arg)
{
    struct h2_answer *answer = find(arg, id);
    for (size_t i = 0; answer && i < size; i++, answer->size++) {
        answer->sum = add_sum(answer->sum, answer->size, bytes[i]);
        if (answer->size < sizeof answer->text - 1)
            answer->text[answer->size] = (char)bytes[i];
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_client *client = arg;
    struct h2_answer *answer = find(client, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if (answer && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            answer->ended = true;
        break;
    case NGHTTP2_GOAWAY:
        client->goaways++;
        client->goaway_error = frame->goaway.error_code;
        client->goaway_last = frame->goaway.last_stream_id;
        break;
    case NGHTTP2_PING:
        client->pings += (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
        break;
    default:
        break;
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct h2_answer *answer = find(arg, id);
    if (answer) {
        answer->closed = true;
        answer->error = error;
    }
    free(nghttp2_session_get_stream_user_data(session, id));
    return 0;
}

void h2_client_init(struct h2_client *client, uint32_t window, bool hold)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    memset(client, 0, sizeof *client);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, hold);
    nghttp2_session_client_new2(&client->session, callbacks, client, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
                                               {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(client->session, 0, settings + (window == 0), 2u - (window == 0));
}

void h2_client_fini(struct h2_client *client)
{
    for (unsigned i = 0; i < client->count; i++)
        if (!client->answers[i].closed)
            free(nghttp2_session_get_stream_user_data(client->session, client->answers[i].id));
    nghttp2_session_del(client->session);
}

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct upload *upload = source->ptr;
    if (size > upload->left)
        size = upload->left;
    memcpy(out, upload->bytes, size);
    upload->bytes += size;
    upload->left -= size;
    if (upload->left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), 0};
}

struct h2_answer *h2_client_ask(struct h2_client *client, const char *method, const char *path,
                                const char *extra, const char *body, size_t body_size)
{
    char name[64] = "";
    nghttp2_nv fields[5] = {field(":method", method), field(":scheme", "http"),
                            field(":path", path), field(":authority", "a")};
    if (extra) {
        const char *colon = strstr(extra, ": ");
        memcpy(name, extra, (size_t)(colon - extra));
        fields[4] = field(name, colon + 2);
    }
    struct upload *upload = body ? malloc(sizeof *upload) : NULL;
    if (body)
        *upload = (struct upload){body, body_size};
    const nghttp2_data_provider provider = {.source.ptr = upload, .read_callback = read_upload};
    struct h2_answer *answer = &client->answers[client->count++];
    answer->id = nghttp2_submit_request(client->session, NULL, fields, extra ? 5 : 4,
                                        body ? &provider : NULL, upload);
    return answer;
}

size_t h2_client_output(struct h2_client *client, uint8_t *out, size_t size)
{
    size_t total = 0;
    const uint8_t *bytes;
    ssize_t n;
    /* a frame is at most 16 KiB and its head */
    while (size - total >= 16384 + 9 &&
           (n = nghttp2_session_mem_send(client->session, &bytes)) > 0) {
        memcpy(out + total, bytes, (size_t)n);
        total += (size_t)n;
    }
    return total;
}

void h2_client_input(struct h2_client *client, const uint8_t *bytes, size_t size)
{
    if (nghttp2_session_mem_recv(client->session, bytes, size) < 0)
        client->failed = true;
}
