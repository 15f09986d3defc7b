#include "httpd/conn/h2_frames.h"

#include <nghttp2/nghttp2.h>

/* Frames other than requests and their content that a client may send at once, and each second
 * then. A frame of content that it gets, or a request, allows for two. */
#define CONTROL_BURST 512
#define CONTROL_RATE 128
#define CONTROL_EARNED 2
/* Streams that are reset, by the client (CVE-2023-44487) or for its errors. */
#define RESET_BURST 256
#define RESET_RATE 32
/* Of one header block: with HEADERS more than the largest head. */
#define CONTINUATIONS_MAX 8

void http_h2_frames_init(struct http_h2_frames *frames, uint64_t now_ns)
{
    *frames = (struct http_h2_frames){.now_ns = now_ns,
                                      .since_ns = now_ns,
                                      .control = {CONTROL_BURST, now_ns},
                                      .resets = {RESET_BURST, now_ns}};
}

static void spend(struct http_h2_frames *frames, struct http_h2_budget *budget, uint32_t burst,
                  uint32_t rate)
{
    if (budget->left == 0) {
        uint64_t due = (frames->now_ns - budget->at_ns) * rate / 1000000000u;
        if (due == 0) {
            frames->cut = true;
            return;
        }
        budget->left = due < burst ? (uint32_t)due : burst;
        budget->at_ns = frames->now_ns;
    }
    budget->left--;
}

static void spend_control(struct http_h2_frames *frames)
{
    spend(frames, &frames->control, CONTROL_BURST, CONTROL_RATE);
}

void http_h2_frames_spend_reset(struct http_h2_frames *frames)
{
    spend(frames, &frames->resets, RESET_BURST, RESET_RATE);
}

void http_h2_frames_earn(struct http_h2_frames *frames)
{
    uint32_t left = frames->control.left + CONTROL_EARNED;
    frames->control.left = left < CONTROL_BURST ? left : CONTROL_BURST;
}

static uint32_t payload_size(const struct http_h2_frames *frames)
{
    const uint8_t *p = frames->head;
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* The head of a frame is complete. */
static void count(struct http_h2_frames *frames)
{
    uint8_t type = frames->head[3], flags = frames->head[4];
    switch (type) {
    case NGHTTP2_DATA:
        /* without content, or perhaps: padding is 256 bytes at most */
        if (payload_size(frames) <= (flags & NGHTTP2_FLAG_PADDED ? 256 : 0) &&
            !(flags & NGHTTP2_FLAG_END_STREAM))
            spend_control(frames);
        return;
    case NGHTTP2_RST_STREAM:
        http_h2_frames_spend_reset(frames);
        return;
    case NGHTTP2_HEADERS: /* pays for itself when it is a request that is not refused */
        frames->continuations = 0;
        break;
    case NGHTTP2_CONTINUATION:
        if (++frames->continuations > CONTINUATIONS_MAX)
            frames->cut = true;
        break;
    default:
        spend_control(frames);
        return;
    }
    frames->in_block = !(flags & NGHTTP2_FLAG_END_HEADERS);
    spend_control(frames);
}

static size_t walk_preface(struct http_h2_frames *frames, const uint8_t *bytes, size_t size,
                           struct keel_str *feed)
{
    size_t n = HTTP_H2_PREFACE_SIZE - (size_t)frames->preface;
    if (n > size)
        n = size;
    frames->preface += (uint8_t)n;
    *feed = (struct keel_str){(const char *)bytes, n};
    return n;
}

/* Adds to the head of a frame. Returns how many bytes were taken. */
static size_t walk_head(struct http_h2_frames *frames, const uint8_t *bytes, size_t size)
{
    size_t n = HTTP_H2_FRAME_HEAD - (size_t)frames->got;
    if (n > size)
        n = size;
    if (frames->got == 0 && !frames->in_block)
        frames->since_ns = frames->now_ns;
    memcpy(frames->head + frames->got, bytes, n);
    frames->got += (uint8_t)n;
    if (frames->got == HTTP_H2_FRAME_HEAD) {
        frames->left = payload_size(frames);
        count(frames);
    }
    return n;
}

size_t http_h2_frames_walk(struct http_h2_frames *frames, uint64_t now_ns, const uint8_t *bytes,
                           size_t size, struct keel_str *feed)
{
    size_t n = 0;
    /* nghttp2 gets a frame's head whole: 1.52 counts a CONTINUATION at each call that ends in it */
    bool split = frames->got > 0 && frames->got < HTTP_H2_FRAME_HEAD;
    frames->now_ns = now_ns;
    if (frames->preface < HTTP_H2_PREFACE_SIZE)
        return walk_preface(frames, bytes, size, feed);
    if (frames->got < HTTP_H2_FRAME_HEAD)
        n = walk_head(frames, bytes, size);
    if (frames->got < HTTP_H2_FRAME_HEAD || frames->cut) {
        *feed = KEEL_STR("");
        return n;
    }
    if (split) {
        *feed = (struct keel_str){(const char *)frames->head, HTTP_H2_FRAME_HEAD};
    } else {
        size_t part = size - n < frames->left ? size - n : frames->left;
        frames->left -= (uint32_t)part;
        n += part;
        *feed = (struct keel_str){(const char *)bytes, n};
    }
    if (frames->left == 0)
        frames->got = 0;
    return n;
}

bool http_h2_frames_partial(const struct http_h2_frames *frames, bool *content)
{
    *content = frames->got == HTTP_H2_FRAME_HEAD && frames->head[3] == NGHTTP2_DATA;
    return frames->in_block || frames->got > 0 || frames->preface < HTTP_H2_PREFACE_SIZE;
}
